"""The training step against torch's autograd and optimisers, in float64."""

import contextlib
import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from skdae._core import optimizers as _optimizers
from skdae._core import torch_compat
from skdae._core.acceleration import CudaStepGraph, Execution
from skdae._core.backprop import Backprop, PhaseNetwork, StepGraph
from skdae._core.network import ACTIVATIONS, ROLES, Head, LayerKey, Shape
from skdae._core.optimizers import SOLVERS
from skdae._core.parameters import Parameters
from skdae._core.settings import Settings
from skdae._core.sources import Batch
from skdae._core.step import TrainingStep
from skdae._core.threads import limited_threads
from skdae.schedules import Phase

SETTINGS = Settings(
    solver="adam",
    learning_rate_init=0.05,
    momentum=0.0,
    alpha=0.0,
    batch_size=99,
    emphasis=None,
    n_iter_no_change=1,
    tol=0.0,
    device="cpu",
    n_threads=1,
)
WIDTHS = (7, 4, 3)  # of the hidden layers
N_ROWS = 8

HEADS = {
    "numbers": Head(5),
    "numbers, cross-entropy": Head(5, (), "cross_entropy", "logistic"),
    "mixed": Head(3, (slice(3, 5), slice(5, 9))),
    "mixed, cross-entropy": Head(
        2, (slice(2, 5), slice(5, 6)), "cross_entropy", "logistic"
    ),
    "categories only": Head(0, (slice(0, 3), slice(3, 5))),
}

# decoder and whether it is tied
WIRINGS = [("mirror", False), ("mirror", True), ("direct", False)]

# depth, what is corrupted, rate of each layer
PHASES = [
    (1, "input", (1.0,)),
    (2, "input", (1.0, 1.0)),
    (3, "input", (1.0, 1.0, 1.0)),
    (2, "input", (0.0, 1.0)),
    (3, "input", (0.0, 0.0, 1.0)),
    (3, "input", (0.25, 0.5, 1.0)),
    (3, "input", (1.0, 0.0, 1.0)),
    (3, "input", (0.0, 1.0, 0.0)),
    (2, "code", (0.0, 1.0)),
    (3, "code", (0.0, 0.0, 1.0)),
]

ORACLE_ACTIVATIONS = {
    "relu": torch.relu,
    "logistic": torch.sigmoid,
    "tanh": torch.tanh,
    "identity": lambda A: A,
}


def make_shape(head, *, activation="tanh", decoder="mirror", tied=False):
    return Shape((head.n_features, *WIDTHS), decoder, tied, activation, head)


def all_keys(shape):
    """Every layer that any phase may need."""
    found = set()
    for depth, corrupt, _ in PHASES:
        found |= set(shape.phase_keys(depth, corrupt))
    return sorted(found)


def make_parameters(shape, *, dtype=torch.float64):
    """Random weights and, unlike in training, random biases."""
    parameters = Parameters(shape, all_keys(shape), dtype=dtype)
    generator = np.random.default_rng(0)
    drawn = generator.uniform(-1, 1, len(parameters.flat))
    parameters.flat.copy_(torch.from_numpy(drawn))
    return parameters


def make_step(parameters, phase, *, dtype="float32", workers=(), seed=3, **options):
    """A training step of a phase, (depth, corrupt, rates) or a `Phase`."""
    if not isinstance(phase, Phase):
        depth, corrupt, rates = phase
        phase = Phase(depth, 1, rates, corrupt)
    settings = replace(SETTINGS, **options)
    generator = np.random.default_rng(seed)
    execution = Execution("cpu", dtype, tuple(workers))
    return TrainingStep(parameters, phase, settings, generator, execution)


def phase_head(shape, phase):
    """What the phase's output means, said again in the test's own words."""
    depth, corrupt, _ = phase
    if corrupt == "input" or depth == 1:
        return shape.head
    ce = shape.activation == "logistic" and shape.head.loss == "cross_entropy"
    return Head(
        shape.widths[depth - 1],
        (),
        "cross_entropy" if ce else "squared_error",
        shape.activation,
    )


def make_batch(head, kind, n_rows):
    """Rows in, rows to rebuild, and the weight of each cell in the loss."""
    generator = np.random.default_rng(1)
    T = generator.uniform(0, 1, (n_rows, head.n_features))
    columns = [slice(j, j + 1) for j in range(head.n_numeric)] + list(head.groups)
    for group in head.groups:
        width = group.stop - group.start
        T[:, group] = np.eye(width)[generator.integers(width, size=n_rows)]
    corrupted = np.zeros(T.shape, dtype=bool)
    missing = np.zeros(T.shape, dtype=bool)
    for column in columns:  # a categorical cell is corrupted or missing as a whole
        corrupted[:, column] = generator.random((n_rows, 1)) < 0.4
        missing[:, column] = generator.random((n_rows, 1)) < 0.3
    weight = None
    if kind == "missing":
        weight = (~missing).astype(float)
    if kind == "emphasis":
        weight = np.where(corrupted, 1.0, 0.3)
    if kind == "emphasis and missing":
        weight = np.where(corrupted | missing, 1.0, 0.3) * ~missing
    if kind.endswith("missing"):
        T[missing] = 0
    X = np.where(corrupted, 0, T) + generator.normal(0, 0.1, T.shape) * ~missing
    to_tensor = torch.from_numpy
    offset = generator.normal(size=T.shape) if kind == "offset" else None
    parts = (X, T, weight, offset)
    return Batch(*(None if part is None else to_tensor(part) for part in parts))


WEIGHTS = ["none", "missing", "emphasis", "emphasis and missing", "offset"]


def oracle_loss(parameters, flat, phase, X, T, weight, offset=None):
    """The summed loss as a function of the flat vector, for autograd."""
    shape = parameters.shape
    depth, corrupt, _ = phase
    head = phase_head(shape, phase)
    keys = shape.phase_keys(depth, corrupt)
    H = X
    for i, key in enumerate(keys):
        W, b = (
            flat.as_strided(view.size(), view.stride(), view.storage_offset())
            for view in (parameters.layers[key].weight, parameters.layers[key].bias)
        )
        H = H @ W + b
        if i < len(keys) - 1:
            H = ORACLE_ACTIVATIONS[shape.activation](H)
    H = H if offset is None else H + offset
    weight = torch.ones_like(T) if weight is None else weight
    n = head.n_numeric
    if head.loss == "cross_entropy":
        p = torch.sigmoid(H[:, :n])
        losses = -(T[:, :n] * p.log() + (1 - T[:, :n]) * (1 - p).log())
    else:
        out = ORACLE_ACTIVATIONS[head.activation](H[:, :n])
        losses = (out - T[:, :n]) ** 2 / 2
    loss = (weight[:, :n] * losses).sum()
    for group in head.groups:
        log_p = F.log_softmax(H[:, group], dim=1)
        loss = loss - (weight[:, group] * T[:, group] * log_p).sum()
    return loss


def oracle_gradient(parameters, phase, alpha, X, T, weight, offset=None):
    """Loss, and gradient of mean loss plus penalty at the layers that learn."""
    depth, corrupt, rates = phase
    shape = parameters.shape
    flat = parameters.flat.clone().requires_grad_()
    loss = oracle_loss(parameters, flat, phase, X, T, weight, offset)
    penalty = torch.zeros((), dtype=flat.dtype)
    learns = torch.zeros(len(flat), dtype=torch.bool)
    for key in shape.phase_keys(depth, corrupt):
        if rates[key[1] - 1] == 0:
            continue
        views = parameters.layers[key]
        learns[views.span] = True
        if not (shape.tied and key[0] == "decoder"):  # a tied weight counts once
            view = views.weight
            W = flat.as_strided(view.size(), view.stride(), view.storage_offset())
            penalty = penalty + alpha / 2 * W.square().sum()
    (loss / len(X) + penalty).backward()
    return loss.detach(), torch.where(learns, flat.grad, 0), learns


def relative_error(values, wanted):
    values = torch.as_tensor(values, dtype=wanted.dtype)
    return float((values - wanted).abs().max() / wanted.abs().max())


# --- the gradient -------------------------------------------------------------------


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradient_equals_autograd(activation, head):
    cases = itertools.product(WIRINGS, PHASES, WEIGHTS)
    for i, ((decoder, tied), phase, kind) in enumerate(cases):
        alpha, n_rows = (0.0, 0.1)[i % 2], (N_ROWS, 5, 1)[i % 3]
        shape = make_shape(
            HEADS[head], activation=activation, decoder=decoder, tied=tied
        )
        parameters = make_parameters(shape)
        batch = make_batch(phase_head(shape, phase), kind, n_rows)
        loss, gradient, learns = oracle_gradient(parameters, phase, alpha, *batch)
        step = make_step(parameters, phase, alpha=alpha)
        found = step(batch)
        case = f"{decoder=} {tied=} {phase=} {kind=} {alpha=} {n_rows=}"
        assert relative_error(found, loss) <= 1e-12, case
        scale = max(float(gradient.abs().max()), 1e-3)  # relu may be dead
        error = float((parameters.grad - gradient).abs().max()) / scale
        assert error <= 1e-12, case
        assert not parameters.grad[~learns].any(), case


def test_the_gradients_compared_are_not_zero():
    """The test above would pass on nothing if the oracle's gradients vanished."""
    for activation, phase in itertools.product(ACTIVATIONS, PHASES):
        shape = make_shape(HEADS["mixed"], activation=activation)
        parameters = make_parameters(shape)
        batch = make_batch(phase_head(shape, phase), "none", N_ROWS)
        _, gradient, learns = oracle_gradient(parameters, phase, 0.0, *batch)
        assert gradient.abs().max() > 1e-3
        assert learns.any()


@pytest.mark.parametrize("kind", WEIGHTS)
def test_loss_alone_is_the_loss_of_the_step(kind):
    shape = make_shape(HEADS["mixed"])
    parameters = make_parameters(shape)
    batch = make_batch(shape.head, kind, 6)
    step = make_step(parameters, PHASES[2])
    before = parameters.flat.clone()
    loss = step.backprop.loss(batch)
    assert torch.equal(parameters.flat, before)
    assert not parameters.grad.any()
    assert loss == step(batch)


def test_float32_is_close_to_float64():
    shape = make_shape(HEADS["mixed"], activation="logistic")
    batch = make_batch(shape.head, "emphasis", 6)
    exact = make_parameters(shape)
    single = make_parameters(shape, dtype=torch.float32)
    make_step(exact, PHASES[2])(batch)
    make_step(single, PHASES[2])(Batch(*(part.float() for part in batch[:3])))
    assert single.grad.dtype == torch.float32
    assert relative_error(single.grad.double(), exact.grad) < 1e-5


def test_batches_are_left_as_they_are():
    """Corrupted rows, clean rows and weights may be used again."""
    shape = make_shape(HEADS["mixed"], activation="identity")
    parameters = make_parameters(shape)
    batch = make_batch(shape.head, "missing", 6)
    copies = [part.clone() for part in batch[:3]]
    make_step(parameters, PHASES[2])(batch)
    assert all(map(torch.equal, batch[:3], copies))


def test_bfloat16_is_close_to_float32():
    """And weights and moments stay in full precision."""
    shape = make_shape(HEADS["mixed"], activation="logistic", tied=True)
    rows = make_batch(shape.head, "emphasis", 6)[:3]
    batch = Batch(*(part.float() for part in rows))
    single = make_parameters(shape, dtype=torch.float32)
    half = make_parameters(shape, dtype=torch.float32)
    loss = make_step(single, PHASES[2])(batch)
    step = make_step(half, PHASES[2], dtype="bfloat16")
    assert float(step(batch)) == pytest.approx(float(loss), rel=0.02)
    assert half.flat.dtype == half.grad.dtype == torch.float32
    assert relative_error(half.grad, single.grad) < 0.03
    assert relative_error(half.flat, single.flat) < 0.01
    # and products see every update: of the weights as they are now
    fresh = make_step(half, PHASES[2], dtype="bfloat16")
    now = fresh.backprop.loss(batch)
    assert step(batch) == now != loss
    assert step.backprop.loss(batch) < now


def test_what_a_longer_batch_left_in_the_buffers_does_not_matter():
    shape = make_shape(HEADS["mixed"])
    long = make_batch(shape.head, "emphasis", N_ROWS)
    short = long.part(slice(3))
    used, fresh = make_parameters(shape), make_parameters(shape)
    step = make_step(used, PHASES[2])
    step.backprop.gradient(long)
    loss = step.backprop.gradient(short)
    wanted = make_step(fresh, PHASES[2]).backprop.gradient(short)
    assert loss == wanted
    assert torch.equal(used.grad, fresh.grad)


def test_cells_of_no_weight_have_no_influence():
    """What stands in a missing cell's target is of no consequence."""
    shape = make_shape(HEADS["mixed, cross-entropy"], activation="logistic")
    X, T, weight, _ = make_batch(shape.head, "missing", N_ROWS)
    assert (weight == 0).any()
    other = torch.where(weight == 0, 1 - T, T)
    grads = []
    for target in (T, other):
        parameters = make_parameters(shape)
        make_step(parameters, PHASES[2])(Batch(X, target, weight))
        grads.append(parameters.grad)
    assert torch.equal(*grads)


def test_extreme_outputs_stay_finite():
    """Cross-entropies do not overflow far from 0."""
    head = HEADS["mixed, cross-entropy"]
    shape = make_shape(head, activation="identity")
    parameters = make_parameters(shape, dtype=torch.float32)
    parameters.flat.mul_(100)
    batch = make_batch(head, "none", 6)
    X, T = (part.float() for part in batch[:2])
    loss = make_step(parameters, PHASES[2])(Batch(X, T))
    assert np.isfinite(float(loss))
    assert torch.isfinite(parameters.grad).all()


def make_pair():
    """Plain backpropagation, and that of CUDA graphs, from the same weights."""
    shape = make_shape(HEADS["mixed"])
    network = PhaseNetwork.of(shape, Phase(3, 1, (1.0, 1.0, 1.0)))
    pair = []
    for graph_class in (StepGraph, CudaStepGraph):
        parameters = make_parameters(shape)
        layers = [parameters.layers[key] for key in network.keys]
        options = {"exact": torch.float64, "graph_class": graph_class}
        pair.append((Backprop(layers, network, **options), parameters))
    return pair


def test_a_step_that_cannot_be_captured_runs_its_calls_and_warns_once():
    """As on a device whose CUDA graphs fail; here there is no such device at all."""
    if torch.cuda.is_available():
        pytest.skip("CUDA graphs work here")
    (plain, ours), (captured, theirs) = make_pair()
    batch = make_batch(HEADS["mixed"], "none", 6)
    wanted = plain.gradient(batch)
    assert captured.gradient(batch) == wanted
    with pytest.warns(UserWarning, match="captured as a CUDA graph"):
        assert captured.gradient(batch) == wanted
    assert captured.gradient(batch) == wanted  # warnings are errors: none here
    assert torch.equal(ours.grad, theirs.grad)


def test_a_captured_step_is_replayed_with_the_loss_of_each_batch(monkeypatch):
    """With a stand-in for CUDA: a replay makes the calls and writes on one loss."""
    n_replays = 0

    class Graph:
        def replay(self):
            nonlocal n_replays
            n_replays += 1
            (graph,) = captured._graphs.values()
            graph._loss.copy_(StepGraph.run(graph))

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph", contextlib.nullcontext)
    (plain, ours), (captured, theirs) = make_pair()
    rows = make_batch(HEADS["mixed"], "emphasis", N_ROWS)
    batches = [rows.part(slice(a, a + 2)) for a in range(0, N_ROWS, 2)]
    losses = []
    for batch in batches:
        losses.append(captured.gradient(batch))
        captured.loss(rows.part(slice(5, 7)))  # which leaves no trace
        plain.gradient(batch)
        assert torch.equal(ours.grad, theirs.grad)
    assert n_replays == len(batches) - 1
    assert losses == [plain.loss(batch) for batch in batches]
    assert len(set(map(float, losses))) == len(batches)


# --- dropout ------------------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    "phase", [phase for phase in PHASES if phase[1] == "input"], ids=str
)
def test_gradient_with_dropout_equals_autograd(activation, phase, solver):
    """Of the units kept, each multiplied by the inverse of the share that is kept."""
    shape = make_shape(HEADS["mixed"], activation=activation, decoder="direct")
    parameters = make_parameters(shape)
    X, T, weight, _ = make_batch(shape.head, "missing", 6)
    kept = make_step(parameters, phase, dropout=0.4)._draw_kept(len(X))
    assert all((~mask).any() and mask.any() for mask in kept)
    step = make_step(parameters, phase, dropout=0.4, solver=solver)
    flat = parameters.flat.clone().requires_grad_()
    keys = shape.phase_keys(*phase[:2])
    learns = torch.zeros(len(flat), dtype=torch.bool)
    H = X
    for i, key in enumerate(keys):
        views = parameters.layers[key]
        learns[views.span] = phase[2][key[1] - 1] > 0
        W, b = (
            flat.as_strided(view.size(), view.stride(), view.storage_offset())
            for view in (views.weight, views.bias)
        )
        H = H @ W + b
        if i < len(keys) - 1:
            H = ORACLE_ACTIVATIONS[activation](H) * torch.from_numpy(kept[i]) / 0.6
    n = shape.head.n_numeric
    loss = (weight[:, :n] * (H[:, :n] - T[:, :n]) ** 2 / 2).sum()
    for group in shape.head.groups:
        log_p = F.log_softmax(H[:, group], dim=1)
        loss = loss - (weight[:, group] * T[:, group] * log_p).sum()
    (loss / len(X)).backward()
    start = parameters.flat.clone()
    found = step(Batch(X, T, weight))
    assert relative_error(found, loss.detach()) <= 1e-12
    gradient = torch.where(learns, flat.grad, 0)
    assert relative_error(parameters.grad, gradient) <= 1e-12
    if solver == "sgd":  # plain descent, at each layer's own rate
        rates = torch.zeros_like(start)
        for key in keys:
            rates[parameters.layers[key].span] = 0.05 * phase[2][key.depth - 1]
        torch.testing.assert_close(
            parameters.flat, start - rates * gradient, rtol=1e-12, atol=1e-14
        )


def test_an_output_layer_may_learn_at_a_rate_of_its_own():
    """And alone: what lies below stays as it is."""
    for rates, learners in (((0.0, 0.0, 0.0), 1), ((0.0, 0.0, 0.1), 2)):
        shape = make_shape(HEADS["mixed"], decoder="direct")
        parameters = make_parameters(shape)
        before = parameters.flat.clone()
        phase = Phase(3, 1, rates, output_rate=1.0)
        step = make_step(parameters, phase, solver="sgd")
        step(make_batch(shape.head, "none", 6))
        moved = {
            key
            for key, views in parameters.layers.items()
            if not torch.equal(before[views.span], parameters.flat[views.span])
        }
        assert moved == {("output", 3), ("encoder", 3)} - (
            {("encoder", 3)} if learners == 1 else set()
        )
        assert phase.n_updated == learners


# --- private names of torch -----------------------------------------------------------

BACKWARDS = {
    "threshold_backward": (torch.relu, (0.0,)),
    "sigmoid_backward": (torch.sigmoid, ()),
    "tanh_backward": (torch.tanh, ()),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", BACKWARDS)
def test_fallbacks_for_private_names_agree_with_autograd(name, dtype):
    """As does the private function itself; both write in the place of the output."""
    activation, options = BACKWARDS[name]
    generator = torch.Generator().manual_seed(0)
    A = torch.randn(40, 6, generator=generator, dtype=dtype).requires_grad_()
    gradient = torch.randn(40, 6, generator=generator, dtype=dtype)
    activation(A).backward(gradient)
    tolerance = 1e-6 if dtype == torch.float32 else 1e-14
    fallback = getattr(torch_compat, f"plain_{name}")
    for function in (getattr(torch_compat, name), fallback):
        H = activation(A.detach())
        function(gradient, H, *options, grad_input=H)
        torch.testing.assert_close(H, A.grad, rtol=tolerance, atol=tolerance)


def test_a_name_that_torch_lacks_is_replaced():
    fallback = torch_compat.plain_adam
    assert torch_compat.find("ops.aten.no_such_op.grad_input", fallback) is fallback
    assert torch_compat.find("_no_such_name_", fallback) is fallback
    assert torch_compat.find("nn.Linear", fallback) is torch.nn.Linear


# --- optimisers ---------------------------------------------------------------------

TORCH_SOLVERS = {
    "adam": lambda groups, momentum: torch.optim.Adam(groups),
    "sgd": lambda groups, momentum: torch.optim.SGD(groups, lr=0.05, momentum=momentum),
}


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("solver", SOLVERS)
def test_solver_equals_torch(solver, fused, monkeypatch):
    """Also where torch has no fused Adam."""
    if not fused:
        monkeypatch.setattr(_optimizers, "fused_adam", torch_compat.plain_adam)
    generator = np.random.default_rng(2)
    gradients = torch.from_numpy(generator.normal(0, 1, (30, 11)))
    mine = torch.from_numpy(generator.normal(0, 1, 11))
    theirs = mine.clone().requires_grad_()
    start = mine.clone()
    optimiser = TORCH_SOLVERS[solver]([{"params": [theirs], "lr": 0.05}], 0.7)
    grad = torch.zeros_like(mine)
    own = SOLVERS[solver](mine, grad, 0.05)
    for gradient in gradients:
        # as backpropagation fills it: SGD's buffer is the velocity
        grad.mul_(0.7 if solver == "sgd" else 0).add_(gradient)
        own.step()
        theirs.grad = gradient.clone()
        optimiser.step()
        assert relative_error(mine, theirs.detach()) <= 1e-12
    assert (mine - start).abs().max() > 0.01


@pytest.mark.parametrize(
    ("solver", "momentum"), [("adam", 0.0), ("sgd", 0.7), ("sgd", 0.0)]
)
@pytest.mark.parametrize(("decoder", "tied"), WIRINGS)
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("n_workers", [0, 1, 2])
def test_training_equals_torch(phase, decoder, tied, solver, momentum, n_workers):
    """Steps of a phase, with a rate per layer, and frozen layers bit for bit.

    Whatever the parts that a batch is cut into, some of them empty.
    """
    shape = make_shape(HEADS["mixed"], decoder=decoder, tied=tied)
    depth, corrupt, rates = phase
    parameters = make_parameters(shape)
    start = parameters.flat.clone()
    batch = make_batch(phase_head(shape, phase), "emphasis", N_ROWS)

    theirs = parameters.flat.clone()
    moving, groups = [], []
    for key in shape.phase_keys(depth, corrupt):
        rate = rates[key[1] - 1]
        if rate:
            span = parameters.layers[key].span
            part = theirs[span].clone().requires_grad_()
            moving.append((span, part))
            groups.append({"params": [part], "lr": rate * 0.05})
    optimiser = TORCH_SOLVERS[solver](groups, momentum)

    workers = [ThreadPoolExecutor(1) for _ in range(n_workers)]
    step = make_step(
        parameters,
        phase,
        solver=solver,
        momentum=momentum,
        alpha=0.01,
        workers=workers,
    )
    for n_rows in (N_ROWS, N_ROWS, 3, N_ROWS, 1):
        rows = batch.part(slice(n_rows))
        step(rows)
        mirror = Parameters(shape, parameters.keys, dtype=torch.float64)
        mirror.flat.copy_(theirs)
        _, gradient, learns = oracle_gradient(mirror, phase, 0.01, *rows)
        for span, part in moving:
            part.grad = gradient[span].clone()
        optimiser.step()
        for span, part in moving:
            theirs[span] = part.detach()
    assert relative_error(parameters.flat, theirs) <= 1e-10
    assert torch.equal(parameters.flat[~learns], start[~learns])
    for span, _ in moving:
        assert not torch.equal(parameters.flat[span], start[span])
    for worker in workers:
        worker.shutdown()


@pytest.mark.parametrize("solver", SOLVERS)
def test_restored_state_goes_on_as_if_nothing_had_happened(solver):
    shape = make_shape(HEADS["mixed"])
    phase = (3, "input", (0.25, 0.5, 1.0))
    batch = make_batch(shape.head, "none", N_ROWS)
    whole, halved = make_parameters(shape), make_parameters(shape)
    step = make_step(whole, phase, solver=solver, momentum=0.9)
    for _ in range(6):
        step(batch)
    first = make_step(halved, phase, solver=solver, momentum=0.9)
    for _ in range(3):
        first(batch)
    saved, halfway = first.state(), halved.flat.clone()
    first(batch)  # what happens later does not reach into a saved state
    halved.flat.copy_(halfway)
    second = make_step(halved, phase, solver=solver, momentum=0.9)
    second.restore(saved)
    for _ in range(3):
        second(batch)
    assert torch.equal(halved.flat, whole.flat)


# --- weights ------------------------------------------------------------------------


@pytest.mark.parametrize(("decoder", "tied"), WIRINGS)
def test_layers_tile_the_flat_vector(decoder, tied):
    """Each number belongs to exactly one layer; a tied weight to its encoder."""
    shape = make_shape(HEADS["mixed"], decoder=decoder, tied=tied)
    parameters = Parameters(shape, all_keys(shape), dtype=torch.float64)
    for views in parameters.layers.values():
        if not views.is_tied:
            views.weight.add_(1)
            views.weight_grad.add_(1)
        views.bias.add_(1)
        views.bias_grad.add_(1)
    assert (parameters.flat == 1).all()
    assert (parameters.grad == 1).all()
    for (role, depth), views in parameters.layers.items():
        assert tuple(views.weight.shape) == shape.size((role, depth))
        if views.is_tied:
            encoder = parameters.layers["encoder", depth]
            assert torch.equal(views.weight, encoder.weight.t())


def test_spans_of_neighbours_are_merged():
    shape = make_shape(HEADS["numbers"])
    parameters = Parameters(shape, all_keys(shape))
    everything = parameters.spans(parameters.keys)
    assert everything == [slice(0, len(parameters.flat))]
    ends = parameters.spans([LayerKey("encoder", 1), LayerKey("decoder", 3)])
    assert len(ends) == 2


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_initial_weights(activation):
    """Glorot-uniform as in scikit-learn's MLP, within bounds and filling them."""
    shape = Shape((60, 50), "mirror", False, activation, Head(60))
    parameters = Parameters(shape, shape.phase_keys(1, "input"))
    generators = {
        key: np.random.default_rng([3, ROLES.index(key[0])]) for key in parameters.keys
    }
    parameters.initialise(generators)
    bound = ((2 if activation == "logistic" else 6) / (60 + 50)) ** 0.5
    for views in parameters.layers.values():
        assert not views.bias.any()
        largest = float(views.weight.abs().max())
        assert 0.98 * bound < largest <= bound * (1 + 1e-6)


def test_a_layer_starts_the_same_whatever_other_layers_there_are():
    def draw(widths):
        shape = Shape(widths, "mirror", False, "relu", Head(6))
        keys = shape.phase_keys(len(widths) - 1, "input")
        parameters = Parameters(shape, keys)
        parameters.initialise(
            {(r, k): np.random.default_rng([5, ROLES.index(r), k]) for r, k in keys}
        )
        return parameters.layers["encoder", 1].weight

    assert torch.equal(draw((6, 4)), draw((6, 4, 3, 2)))


@pytest.mark.parametrize(("decoder", "tied"), WIRINGS)
def test_a_network_can_be_loaded_again(decoder, tied):
    shape = make_shape(HEADS["mixed"], decoder=decoder, tied=tied)
    parameters = make_parameters(shape, dtype=torch.float32)
    network = parameters.network(3)
    other = Parameters(shape, parameters.keys)
    other.load(network)
    loaded = other.network(3)
    for a, b in zip(
        (*network.encoder, *network.decoder),
        (*loaded.encoder, *loaded.decoder),
        strict=True,
    ):
        np.testing.assert_array_equal(a.weight, b.weight)
        np.testing.assert_array_equal(a.bias, b.bias)


def test_a_network_is_a_copy():
    """Training that goes on does not reach into a network handed out."""
    shape = make_shape(HEADS["numbers"])
    parameters = make_parameters(shape)
    network = parameters.network(3)
    before = [layer.weight.copy() for layer in (*network.encoder, *network.decoder)]
    parameters.flat.zero_()
    for layer, weight in zip((*network.encoder, *network.decoder), before, strict=True):
        np.testing.assert_array_equal(layer.weight, weight)


def test_no_network_without_a_decoder():
    """A direct decoder that no phase trains does not exist."""
    shape = make_shape(HEADS["numbers"], decoder="direct")
    parameters = Parameters(shape, shape.encoder_keys(2) + shape.decoder_keys(2))
    assert parameters.network(1) is None
    assert parameters.network(2) is not None


@pytest.mark.parametrize("fails", [False, True])
def test_torch_threads_are_restored(fails):
    before = torch.get_num_threads()
    inside = before + 1
    try:
        with limited_threads(inside):
            assert torch.get_num_threads() == inside
            if fails:
                raise KeyError
    except KeyError:
        pass
    assert torch.get_num_threads() == before
