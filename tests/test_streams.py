"""Tables that are read batch by batch: sources, fit_stream and Parquet."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skdae import GradualDAETransformer
from skdae._table.encoder import TableEncoder
from skdae._table.frames import sample_rows
from skdae._table.schema import Schema
from skdae._table.sources import StreamSource, encoded_block
from skdae.datasets import ParquetBatches, make_sensor_data
from skdae.schedules import Gradual

FRAME = make_sensor_data(1200, n_sensors=8, as_frame=True, random_state=0).data


def make(**parameters):
    defaults = {"hidden_layer_sizes": (12, 4), "max_iter": 20, "random_state": 0}
    return GradualDAETransformer(**(defaults | parameters))


def batches_of(table, n_batches=5):
    return [
        table.iloc[part] for part in np.array_split(np.arange(len(table)), n_batches)
    ]


@pytest.fixture
def parquet_folder(tmp_path):
    pytest.importorskip("pyarrow")
    table = FRAME.assign(row=np.arange(len(FRAME), dtype=float))
    table[:700].to_parquet(tmp_path / "a.parquet", row_group_size=100)
    table[700:].to_parquet(tmp_path / "b.parquet", row_group_size=64)
    return tmp_path


# --- the sample ---------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(st.integers(0, 40), min_size=1, max_size=8), st.integers(1, 60))
def test_a_sample_has_so_many_different_rows(sizes, n_rows):
    starts = np.cumsum([0, *sizes])
    rows = np.arange(starts[-1], dtype=float)[:, None]
    batches = [rows[a:b] for a, b in zip(starts, starts[1:], strict=False)]
    if len(rows) == 0:
        with pytest.raises(ValueError, match="no rows"):
            sample_rows(batches, n_rows, np.random.default_rng(0))
        return
    sample, total = sample_rows(batches, n_rows, np.random.default_rng(0))
    assert total == len(rows)
    assert len(sample) == min(n_rows, len(rows))
    assert len(np.unique(sample)) == len(sample)


def test_each_row_is_as_likely_in_the_sample():
    generator = np.random.default_rng(0)
    batches = [np.arange(5.0)[:, None], np.arange(5.0, 20.0)[:, None]]
    counts = np.zeros(20)
    for _ in range(2000):
        counts[sample_rows(batches, 4, generator)[0].ravel().astype(int)] += 1
    # 2000 draws at a rate of 0.2: six standard deviations are 0.054
    assert np.abs(counts / 2000 - 0.2).max() < 0.054


# --- the source ---------------------------------------------------------------------


@pytest.mark.parametrize("size", [7, 64, 5000])
def test_an_epoch_of_a_stream_holds_each_row_once_in_whole_blocks(size):
    raw = np.arange(600.0).reshape(200, 3)
    schema = Schema(np.zeros(3, dtype=bool), None, ("a", "b", "c"))
    encoder = TableEncoder.fit(schema, raw, np.arange(200), scaling=None)
    parts = [raw[:90], raw[90:95], raw[95:]]
    source = StreamSource(lambda: iter(parts), encoder, encoded_block(encoder, raw))
    generator = np.random.default_rng(0)
    blocks = [block.values for block in source.epoch(generator, size)]
    assert {len(block) for block in blocks[:-1]} <= {size}
    assert 0 < len(blocks[-1]) <= size
    rows = np.concatenate(blocks)
    np.testing.assert_array_equal(np.sort(rows[:, 0]), raw[:, 0])
    assert not np.array_equal(rows, raw)
    again = np.concatenate([b.values for b in source.epoch(generator, size)])
    assert not np.array_equal(rows, again)


# --- fit_stream ---------------------------------------------------------------------


@pytest.mark.parametrize("schedule", ["gradual", "stacked", "joint"])
def test_a_stream_trains_as_well_as_the_table(schedule):
    streamed = make(schedule=schedule, max_iter=60)
    streamed.fit_stream(batches_of(FRAME[:1000]))
    fitted = make(schedule=schedule, max_iter=60, validation_fraction=None)
    fitted.fit(FRAME[:1000])
    assert streamed.n_iter_ == fitted.n_iter_ == 60
    updates = [record.weight_updates for record in fitted.phases_]
    assert [record.weight_updates for record in streamed.phases_] == updates
    held_out = FRAME[1000:]
    assert abs(streamed.score(held_out) - fitted.score(held_out)) < 0.1
    assert list(streamed.feature_names_in_) == list(FRAME.columns)


def test_a_stream_is_reproducible():
    one = make().fit_stream(batches_of(FRAME))
    other = make().fit_stream(batches_of(FRAME))
    assert one.loss_curve_ == other.loss_curve_
    np.testing.assert_array_equal(one.transform(FRAME), other.transform(FRAME))


def test_a_small_sample_is_enough_for_the_scaling():
    fitted = make().fit_stream(batches_of(FRAME), sample_size=300)
    whole = make().fit_stream(batches_of(FRAME))
    ratio = fitted.table_encoder_.metric.scale / whole.table_encoder_.metric.scale
    assert not np.array_equal(ratio, np.ones_like(ratio))
    np.testing.assert_allclose(ratio, 1, atol=0.3)


def test_mixed_columns_stream_too():
    kinds = np.where(np.arange(len(FRAME)) % 3, "pump", "valve")
    table = FRAME.assign(kind=kinds)
    fitted = make(categorical_features=["kind"]).fit_stream(batches_of(table))
    rebuilt = fitted.set_output(transform="pandas").reconstruct(table[:50])
    assert set(rebuilt["kind"]) <= {"pump", "valve"}


def test_a_generator_is_refused():
    batches = (batch for batch in batches_of(FRAME))
    with pytest.raises(ValueError, match="only once.*ParquetBatches"):
        make().fit_stream(batches)


def test_settings_that_need_held_out_rows_are_refused():
    with pytest.raises(ValueError, match="early_stopping=True"):
        make(early_stopping=True).fit_stream(batches_of(FRAME))
    with pytest.raises(ValueError, match="epoch_allocation='auto' needs rows"):
        make(schedule=Gradual(epoch_allocation="auto")).fit_stream(batches_of(FRAME))


def test_an_empty_stream_is_refused():
    with pytest.raises(ValueError, match="0 sample"):
        make().fit_stream([])


def test_a_batch_of_other_columns_is_refused():
    other = FRAME.rename(columns={FRAME.columns[0]: "other"})
    with pytest.raises(ValueError, match="other"):
        make().fit_stream([FRAME, other])


# --- Parquet ------------------------------------------------------------------------


def test_parquet_batches_hold_each_row_once_in_a_new_order(parquet_folder):
    batches = ParquetBatches(parquet_folder, n_mixed=3, random_state=0)
    assert batches.n_rows == len(FRAME)
    passes = [pd.concat(list(batches)) for _ in range(2)]
    for rows in passes:
        np.testing.assert_array_equal(np.sort(rows["row"]), np.arange(len(FRAME)))
        whole = rows.sort_values("row")[list(FRAME.columns)]
        np.testing.assert_array_equal(whole.to_numpy(), FRAME.to_numpy())
    assert not np.array_equal(passes[0]["row"], passes[1]["row"])
    first = next(iter(ParquetBatches(parquet_folder, n_mixed=3, random_state=0)))
    np.testing.assert_array_equal(first["row"], passes[0]["row"][: len(first)])


def test_parquet_batches_mix_row_groups(parquet_folder):
    batch = next(iter(ParquetBatches(parquet_folder, n_mixed=3, random_state=0)))
    assert 64 * 2 < len(batch) <= 300
    single = next(iter(ParquetBatches(parquet_folder, n_mixed=1, random_state=0)))
    assert len(single) <= 100


def test_parquet_files_train_like_the_table(parquet_folder):
    columns = list(FRAME.columns)
    batches = ParquetBatches(parquet_folder, columns=columns, random_state=0)
    fitted = make(max_iter=10).fit_stream(batches)
    code = fitted.set_params(output="code").transform(FRAME)
    assert code.shape == (len(FRAME), 4)
    in_memory = make(max_iter=10, validation_fraction=None).fit(FRAME)
    assert abs(fitted.score(FRAME) - in_memory.score(FRAME)) < 0.1


def test_a_pass_that_is_left_early_ends_its_reader(parquet_folder):
    import threading

    before = threading.active_count()
    for _ in ParquetBatches(parquet_folder, n_mixed=1):
        break
    assert threading.active_count() <= before


@pytest.mark.parametrize(
    ("options", "message"),
    [({"columns": ["nowhere"]}, "nowhere.*every file"), ({"n_mixed": 0}, "n_mixed=0")],
)
def test_bad_parquet_options(parquet_folder, options, message):
    with pytest.raises(ValueError, match=message):
        ParquetBatches(parquet_folder, **options)


def test_a_folder_without_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    with pytest.raises(ValueError, match="no Parquet file"):
        ParquetBatches(tmp_path)


def test_the_same_batches_train_the_same_model_again(parquet_folder):
    columns = list(FRAME.columns)
    batches = ParquetBatches(parquet_folder, columns=columns, random_state=0)
    model = make(max_iter=4)
    first = model.fit_stream(batches).transform(FRAME)
    np.testing.assert_array_equal(model.fit_stream(batches).transform(FRAME), first)


def test_rows_without_a_value_and_empty_batches_take_no_part():
    empty = pd.DataFrame(np.full((30, 8), np.nan), columns=FRAME.columns)
    plain = make(max_iter=4).fit_stream([FRAME])
    padded = make(max_iter=4, random_state=0).fit_stream([FRAME, empty, FRAME[:0]])
    assert len(plain.loss_curve_) == len(padded.loss_curve_)
    updates = [record.weight_updates for record in plain.phases_]
    assert [record.weight_updates for record in padded.phases_] == updates


@pytest.mark.parametrize(
    ("batches", "options", "message"),
    [
        ([FRAME], {"sample_size": 0}, "sample_size=0"),
        ("plant.parquet", {}, "is a path.*ParquetBatches"),
        ([(FRAME, None)], {}, "leave the targets out"),
        ([FRAME, FRAME.iloc[:, :3]], {}, "have 8 and 3"),
        ([FRAME], {"sample_size": None}, "sample_size=None"),
        (FRAME, {}, "pass it to fit"),
        (FRAME.to_numpy(), {}, "pass it to fit"),
        ([FRAME.to_numpy()[0]], {}, "rows and columns"),
    ],
)
def test_batches_that_are_none(batches, options, message):
    with pytest.raises(ValueError, match=message):
        make().fit_stream(batches, **options)


def test_files_of_other_orders_and_types_are_read_as_one(tmp_path):
    pytest.importorskip("pyarrow")
    whole = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]})
    other = pd.DataFrame({"b": [2.5, 3.5], "a": [0.25, 4.0]})
    whole.to_parquet(tmp_path / "1.parquet")
    other.to_parquet(tmp_path / "2.parquet")
    (rows,) = list(ParquetBatches(tmp_path))
    assert list(rows.columns) == ["a", "b"]
    assert sorted(rows["a"]) == [0.25, 1, 2, 4]


def test_a_file_that_is_no_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "table.csv"
    path.write_text("a;b\n1;2\n")
    with pytest.raises(ValueError, match="not a Parquet file"):
        ParquetBatches(path)
    with pytest.raises(ValueError, match="does not exist"):
        ParquetBatches(tmp_path / "nowhere.parquet")


def test_passes_over_row_groups_are_permutations_drawn_from_the_seed(tmp_path):
    pd.DataFrame({"row": np.arange(12)}).to_parquet(
        tmp_path / "rows.parquet", row_group_size=1
    )
    batches = ParquetBatches(tmp_path, n_mixed=1, random_state=3)
    for _ in range(2):
        generator = np.random.default_rng(3)
        for _ in range(3):
            rows = [batch["row"].item() for batch in batches]
            assert rows == generator.permutation(12).tolist()
        batches.rewind()


def test_batches_are_tables_of_one_kind():
    """Rows of arrays and of data frames cannot be one sample."""
    pandas = pytest.importorskip("pandas")
    rows = np.random.default_rng(0).normal(size=(60, 3))
    frame = pandas.DataFrame(rows)
    with pytest.raises(ValueError, match="one kind, and have those of numpy and pan"):
        GradualDAETransformer((4, 2), max_iter=2).fit_stream([rows, frame])
