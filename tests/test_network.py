"""The numpy forward pass against torch, and its purity."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from skdae._core.network import (
    ACTIVATIONS,
    CHUNK_ROWS,
    Head,
    Layer,
    Network,
    chunks,
)

HEADS = {
    "numbers": Head(6),
    "logistic": Head(6, (), "cross_entropy", "logistic"),
    "mixed": Head(2, (slice(2, 4), slice(4, 6)), "cross_entropy", "logistic"),
    "categories only": Head(0, (slice(0, 1), slice(1, 6))),
}
TORCH = {
    "relu": torch.relu,
    "logistic": torch.sigmoid,
    "tanh": torch.tanh,
    "identity": lambda A: A,
}
TOLERANCE = {np.float32: 1e-5, np.float64: 1e-12}


def make_network(activation="tanh", head="mixed", *, dtype=np.float64):
    generator = np.random.default_rng(0)

    def layers(widths):
        pairs = zip(widths, widths[1:], strict=False)
        return tuple(
            Layer(
                generator.normal(size=pair).astype(dtype),
                generator.normal(size=pair[1]).astype(dtype),
            )
            for pair in pairs
        )

    return Network(layers((6, 5, 3)), layers((3, 5, 6)), activation, HEADS[head])


def make_rows(n_rows=40, dtype=np.float64):
    return np.random.default_rng(1).normal(size=(n_rows, 6)).astype(dtype)


def torch_forward(network, Z):
    """All codes and the output, by torch."""
    codes, H = [], torch.from_numpy(Z)
    for layer in network.encoder:
        H = torch.nn.functional.linear(
            H, torch.tensor(layer.weight.T), torch.tensor(layer.bias)
        )
        H = TORCH[network.activation](H)
        codes.append(H.numpy())
    for i, layer in enumerate(network.decoder, 1):
        H = torch.nn.functional.linear(
            H, torch.tensor(layer.weight.T), torch.tensor(layer.bias)
        )
        if i < len(network.decoder):
            H = TORCH[network.activation](H)
    head = network.head
    parts = [TORCH[head.activation](H[:, : head.n_numeric])]
    parts += [torch.softmax(H[:, group], dim=1) for group in head.groups]
    return codes, torch.cat(parts, dim=1).numpy()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_forward_equals_torch(activation, head, dtype):
    network, Z = make_network(activation, head, dtype=dtype), make_rows(dtype=dtype)
    codes, rebuilt = torch_forward(network, Z)
    near = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    for own, other in zip(network.codes(Z), codes, strict=True):
        np.testing.assert_allclose(own, other, **near)
    np.testing.assert_allclose(network.encode(Z), codes[-1], **near)
    np.testing.assert_allclose(network.decode(network.encode(Z)), rebuilt, **near)


@pytest.mark.parametrize("weights", [np.float32, np.float64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_of_the_rows_is_kept(dtype, weights):
    network, Z = make_network(dtype=weights), make_rows(dtype=dtype)
    codes = network.codes(Z)
    assert {H.dtype for H in codes} == {np.dtype(dtype)}
    assert network.decode(codes[-1]).dtype == dtype


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_nothing_is_written_on(activation):
    """Neither the rows, nor the codes, nor the weights, nor an earlier answer."""
    network, Z = make_network(activation), make_rows()
    Z.flags.writeable = False
    for layer in (*network.encoder, *network.decoder):
        layer.weight.flags.writeable = layer.bias.flags.writeable = False
    codes = network.codes(Z)
    copies = [H.copy() for H in codes]
    for H in codes:
        H.flags.writeable = False
    rebuilt = network.decode(codes[-1])
    kept = rebuilt.copy()
    for H, copy in zip(network.codes(Z), copies, strict=True):
        np.testing.assert_array_equal(H, copy)
    np.testing.assert_array_equal(network.decode(codes[-1]), rebuilt)
    np.testing.assert_array_equal(rebuilt, kept)


def test_codes_up_to_a_depth():
    network, Z = make_network(), make_rows()
    both = network.codes(Z)
    (first,) = network.codes(Z, 1)
    np.testing.assert_array_equal(first, both[0])
    assert [H.shape for H in both] == [(40, 5), (40, 3)]


@pytest.mark.parametrize("head", HEADS)
def test_outputs_are_what_the_head_says(head):
    Z = make_network(head=head).decode(make_rows()[:, :3])
    head = HEADS[head]
    assert Z.shape[1] == head.n_features == 6
    if head.activation == "logistic":
        assert ((Z[:, : head.n_numeric] > 0) & (Z[:, : head.n_numeric] < 1)).all()
    for group in head.groups:
        np.testing.assert_allclose(Z[:, group].sum(axis=1), 1)


@pytest.mark.parametrize("size", [1, 3, 16])
def test_a_row_gives_the_same_whatever_batch_it_is_in(size):
    network, Z = make_network(dtype=np.float32), make_rows(dtype=np.float32)
    whole = network.decode(network.encode(Z))
    parts = [
        network.decode(network.encode(Z[a : a + size])) for a in range(0, 40, size)
    ]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-5, atol=1e-6)


def test_a_row_gives_the_same_from_any_number_of_threads():
    network, Z = make_network(), make_rows(400)
    wanted = network.decode(network.encode(Z))
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda _: network.decode(network.encode(Z)), range(16))
        for answer in answers:
            np.testing.assert_array_equal(answer, wanted)


@settings(deadline=None)
@given(st.integers(0, 5 * CHUNK_ROWS))
def test_chunks_hold_each_row_once_and_in_order(n_rows):
    rows = np.arange(n_rows)
    parts = [rows[part] for part in chunks(n_rows)]
    assert all(0 < len(part) <= CHUNK_ROWS for part in parts)
    np.testing.assert_array_equal(np.concatenate([rows[:0], *parts]), rows)
