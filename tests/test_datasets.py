"""The simulated plant keeps its promises; the fetcher reads, checks and resumes."""

import hashlib
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skdae.datasets import (
    FaultEvent,
    _simulator,
    fetch_tennessee_eastman,
    make_sensor_data,
)
from skdae.datasets import _tennessee_eastman as tep

KINDS = ("bias", "drift", "stuck", "spike", "dropout", "missing")
LABELLED = KINDS[:-1]


def in_spreads(plant):
    """Deviation of the data from the truth in standard deviations of the sensor."""
    return (plant.data - plant.clean) / plant.clean.std(axis=0)


def standardised(X):
    return (X - X.mean(axis=0)) / X.std(axis=0)


# --- the plant


@given(
    n_samples=st.integers(2, 400),
    n_sensors=st.integers(1, 25),
    n_latent=st.integers(1, 6),
    n_regimes=st.integers(1, 4),
    autocorrelation=st.floats(0, 0.999),
    nonlinearity=st.floats(0, 1),
    noise=st.floats(0, 2),
    faults=st.lists(st.sampled_from(KINDS), unique=True),
    fault_rate=st.floats(0, 0.5),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_truth_is_consistent(seed, **params):
    """Whatever the arguments: shapes, masks, labels and events agree."""
    plant = make_sensor_data(random_state=seed, **params)
    shape = (params["n_samples"], params["n_sensors"])
    assert plant.data.shape == plant.clean.shape == plant.mask.shape == shape
    assert plant.target.shape == plant.fault_kind.shape == plant.regime.shape
    assert len(plant.feature_names) == len(set(plant.feature_names)) == shape[1]
    assert np.isfinite(plant.clean).all()
    assert_array_equal(plant.missing, np.isnan(plant.data))
    assert not (plant.missing & ~plant.mask).any()
    assert plant.regime.min() >= 0
    assert plant.regime.max() < params["n_regimes"]

    mask = np.zeros(shape, dtype=bool)
    kinds = np.full(shape[0], "normal", dtype=object)
    for event in plant.events:
        assert event.kind in params["faults"]
        assert 0 <= event.start < event.stop <= shape[0]
        rows = slice(event.start, event.stop)
        assert (kinds[rows] == "normal").all(), "events share a row"
        kinds[rows] = event.kind
        mask[rows, list(event.sensors)] = True
    assert_array_equal(plant.mask, mask)
    assert_array_equal(plant.fault_kind, kinds)
    assert_array_equal(plant.target, np.isin(kinds, LABELLED))
    starts = [event.start for event in plant.events]
    assert starts == sorted(starts)

    labelled = set(params["faults"]) & set(LABELLED)
    faulty = round(params["fault_rate"] * shape[0]) if labelled else 0
    assert plant.target.sum() == faulty


def test_healthy_cells_are_the_truth_plus_noise():
    plant = make_sensor_data(5000, noise=0.2, random_state=3)
    error = in_spreads(plant)[~plant.mask]
    assert abs(error.mean()) < 0.005
    assert error.std() == pytest.approx(0.2, rel=0.02)
    assert np.abs(error).max() < 0.2 * 6
    plant = make_sensor_data(5000, noise=0, random_state=3)
    assert_array_equal(plant.data[~plant.mask], plant.clean[~plant.mask])


@pytest.mark.parametrize("faults", [(), KINDS])
def test_no_faults_no_mask(faults):
    rate = 0.0 if faults else 0.05
    plant = make_sensor_data(faults=faults, fault_rate=rate, random_state=0)
    assert plant.events == ()
    assert not plant.mask.any()
    assert not plant.target.any()
    assert set(plant.fault_kind) == {"normal"}


def test_sensors_are_autocorrelated_as_asked():
    for asked in (0.0, 0.5, 0.9):
        plant = make_sensor_data(
            20_000,
            autocorrelation=asked,
            nonlinearity=0,
            n_regimes=1,
            random_state=1,
        )
        Z = standardised(plant.clean)
        assert_allclose((Z[1:] * Z[:-1]).mean(axis=0), asked, atol=0.05)


def test_sensors_share_states_that_no_linear_map_explains_fully():
    def explained(nonlinearity):
        plant = make_sensor_data(nonlinearity=nonlinearity, random_state=0)
        variances = np.linalg.svd(standardised(plant.clean), compute_uv=False) ** 2
        return variances[:4].sum() / variances.sum()

    assert explained(0) == pytest.approx(1)  # rank n_latent
    assert 0.6 < explained(0.5) < 0.95
    assert explained(1) < 0.75  # nothing of the straight part is left


@pytest.mark.parametrize("autocorrelation", [0.0, 0.5, 0.9])
def test_states_have_unit_variance_around_their_set_points(autocorrelation):
    set_points = np.broadcast_to([0.0, 7.0], (50_000, 2))
    generator = np.random.default_rng(0)
    states = _simulator._draw_states(set_points, autocorrelation, generator)
    assert_allclose(states.mean(axis=0), [0, 7], atol=0.1)
    assert_allclose(states.std(axis=0), 1, rtol=0.05)


def test_regimes_move_the_set_points():
    plant = make_sensor_data(
        4000, n_regimes=2, autocorrelation=0.5, nonlinearity=0, random_state=0
    )
    Z = standardised(plant.clean)
    gap = Z[plant.regime == 0].mean(axis=0) - Z[plant.regime == 1].mean(axis=0)
    assert set(plant.regime) == {0, 1}
    assert np.abs(gap).max() > 1


def test_units_differ_by_orders_of_magnitude():
    spread = make_sensor_data(random_state=0).clean.std(axis=0)
    assert spread.max() / spread.min() > 1e6


# --- the faults


def of_kind(kind, **params):
    """A noiseless plant with one kind of fault."""
    plant = make_sensor_data(
        faults=(kind,), fault_rate=0.2, noise=0, random_state=5, **params
    )
    assert plant.events
    assert {event.kind for event in plant.events} == {kind}
    return plant


def cells(event):
    return slice(event.start, event.stop), list(event.sensors)


@pytest.mark.parametrize("kind", ["bias", "drift", "spike"])
def test_shifts_have_the_size_of_the_event(kind):
    plant = of_kind(kind, fault_size=2.5)
    shift = in_spreads(plant)
    for event in plant.events:
        shape = {
            "bias": lambda n: np.ones(n),
            "drift": lambda n: np.arange(1, n + 1) / n,
            "spike": lambda n: np.ones(n),
        }[kind](event.stop - event.start)
        assert len(event.sensors) == 1
        assert_allclose(shift[cells(event)][:, 0], event.size * shape, atol=1e-8)
    sizes = np.array([event.size for event in plant.events])
    unit = 2.5 * (2 if kind == "spike" else 1)
    assert (np.abs(sizes) >= 0.75 * unit).all()
    assert (np.abs(sizes) <= 1.25 * unit).all()
    assert set(np.sign(sizes)) == {-1, 1}


def test_spikes_last_one_row():
    assert {e.stop - e.start for e in of_kind("spike").events} == {1}


def test_stuck_sensors_repeat_their_last_healthy_reading():
    plant = of_kind("stuck")
    for event in plant.events:
        held = plant.clean[max(event.start - 1, 0), list(event.sensors)]
        assert (plant.data[cells(event)] == held).all()
    assert (plant.data != plant.clean)[plant.mask].mean() > 0.9


def test_dropout_takes_a_whole_group_to_zero():
    plant = of_kind("dropout", n_sensors=12)
    assert list(plant.sensor_group) == [0] * 5 + [1] * 5 + [2] * 2
    hit = {event.sensors for event in plant.events}
    groups = {tuple(np.flatnonzero(plant.sensor_group == g)) for g in range(3)}
    assert hit == groups
    assert (plant.data[plant.mask] == 0).all()
    assert not (plant.clean[plant.mask] == 0).any()


def test_gaps_are_nan_and_no_fault():
    plant = of_kind("missing")
    assert np.isnan(plant.data[plant.mask]).all()
    assert not plant.target.any()
    assert (plant.fault_kind == "missing").mean() == pytest.approx(0.2)
    assert max(len(event.sensors) for event in plant.events) <= 5


def test_faults_share_the_rate_and_gaps_come_on_top():
    plant = make_sensor_data(10_000, fault_rate=0.1, random_state=0)
    assert plant.target.mean() == 0.1
    for kind in KINDS:
        assert (plant.fault_kind == kind).mean() == pytest.approx(0.02)


# --- randomness


def test_same_seed_same_plant():
    one, two = make_sensor_data(random_state=4), make_sensor_data(random_state=4)
    assert one.events == two.events
    for name in ("data", "clean", "mask", "target", "regime"):
        assert_array_equal(one[name], two[name])


def test_global_random_state_is_left_alone():
    before = np.random.get_state()
    make_sensor_data(100, random_state=0)
    make_sensor_data(100, random_state=np.random.RandomState(0))
    make_sensor_data(100)
    after = np.random.get_state()
    assert before[0] == after[0]
    assert before[2:] == after[2:]
    assert_array_equal(before[1], after[1])


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_a_random_state_object_gives_its_next_integer_as_the_seed(make):
    state, copy = make(0), make(0)
    integers = getattr(copy, "integers", None) or copy.randint
    for _ in range(2):
        seed = int(integers(2**32, dtype=np.uint32))
        drawn = make_sensor_data(100, random_state=state)
        assert_array_equal(drawn.data, make_sensor_data(100, random_state=seed).data)


def test_faults_and_noise_leave_the_truth_alone():
    plain = make_sensor_data(faults=(), noise=0, random_state=7)
    noisy = make_sensor_data(noise=0.5, fault_rate=0.3, random_state=7)
    louder = make_sensor_data(noise=1.0, fault_rate=0.3, random_state=7)
    assert_array_equal(plain.data, plain.clean)
    assert_array_equal(plain.clean, noisy.clean)
    assert noisy.events == louder.events


def test_recording_leaves_the_healthy_readings_alone():
    """Neighbouring events must not see each other's damage."""
    healthy = np.arange(12.0).reshape(6, 2)
    events = [
        FaultEvent("bias", 1, 3, (0,), 2.0),
        FaultEvent("stuck", 3, 5, (0,), 0.0),
    ]
    record = _simulator._record(healthy, np.ones(2), events)
    assert_array_equal(healthy, np.arange(12.0).reshape(6, 2))
    assert_array_equal(record.data[:, 0], [0, 4, 6, 4, 4, 10])


def test_clean_and_data_share_no_memory():
    plant = make_sensor_data(100, noise=0, faults=(), random_state=0)
    assert not np.shares_memory(plant.data, plant.clean)


# --- frames


def test_as_frame_shows_the_same():
    pd = pytest.importorskip("pandas")
    arrays = make_sensor_data(300, random_state=0)
    frames = make_sensor_data(300, random_state=0, as_frame=True)
    assert arrays.frame is None
    assert frames.keys() == arrays.keys()
    for name in ("data", "clean", "mask", "missing"):
        assert isinstance(frames[name], pd.DataFrame)
        assert list(frames[name].columns) == arrays.feature_names
        assert_array_equal(frames[name].to_numpy(), arrays[name])
    for name in ("target", "fault_kind", "regime"):
        assert isinstance(frames[name], pd.Series)
        assert_array_equal(frames[name].to_numpy(), arrays[name])
    assert list(frames.frame.columns) == [*arrays.feature_names, "target"]
    assert frames.events == arrays.events


def test_names_are_kind_and_number():
    names = make_sensor_data(10, n_sensors=101, random_state=0).feature_names
    assert names[0] == "temperature_001"
    assert names[1] == "pressure_002"


# --- errors


@pytest.mark.parametrize(
    ("params", "error", "text"),
    [
        (
            {"n_samples": 1},
            ValueError,
            r"n_samples=1 must be an int .*\[2, inf\); pass",
        ),
        ({"n_samples": 10.0}, TypeError, "n_samples=10.0 must be an int"),
        ({"n_sensors": 0}, ValueError, "n_sensors=0"),
        ({"n_latent": True}, TypeError, "n_latent=True"),
        ({"n_regimes": 0}, ValueError, "n_regimes=0"),
        (
            {"autocorrelation": 1.0},
            ValueError,
            r"autocorrelation=1.0 .*\[0.0, 1.0\); pass",
        ),
        ({"nonlinearity": 1.1}, ValueError, "nonlinearity=1.1"),
        ({"noise": -0.1}, ValueError, "noise=-0.1"),
        ({"noise": float("nan")}, ValueError, "noise=nan"),
        ({"noise": float("inf")}, ValueError, "noise=inf"),
        ({"fault_rate": 0.6}, ValueError, r"fault_rate=0.6 .*\[0.0, 0.5\]; pass"),
        ({"fault_size": 0}, ValueError, "fault_size=0"),
        ({"fault_size": "big"}, TypeError, "fault_size='big'"),
        ({"faults": "bias"}, TypeError, r"faults='bias' .* pass \('bias',\)"),
        ({"faults": ("bias", "rust")}, ValueError, "'rust'.*'bias', 'drift'"),
        ({"faults": ("bias", "bias")}, ValueError, "at most once"),
    ],
)
def test_bad_arguments_name_parameter_rule_value_and_remedy(params, error, text):
    with pytest.raises(error, match=text):
        make_sensor_data(**params)


def test_events_are_frozen():
    event = FaultEvent(kind="bias", start=0, stop=1, sensors=(0,), size=1.0)
    with pytest.raises(AttributeError):
        event.start = 3


def test_import_loads_no_optional_package():
    """Beyond those that scikit-learn itself loads (some releases load pandas)."""
    code = (
        "import sys, sklearn.datasets; before = set(sys.modules);"
        "import skdae.datasets; added = set(sys.modules) - before;"
        "print(added & {'torch', 'pandas', 'matplotlib', 'pooch'} or 'none')"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
    )
    assert run.stdout.strip() == "none"


# --- the Tennessee Eastman process, with made files of the published shape


def made_table(name: str) -> np.ndarray:
    """A table with a row per sample whose cells encode file, row and column."""
    train = not name.endswith("_te.dat")
    rows = 960 if not train else 500 if name == "d00.dat" else 480
    table = np.full((rows, 52), float(name[1:3]) + 100 * train)
    table[:, 0] = np.arange(rows)
    table[0, :] = np.arange(52) / 4
    return table


def write_table(path: Path) -> None:
    table = made_table(path.name)
    rows = table.T if path.name == "d00.dat" else table
    path.write_text("\n".join(" ".join(map(str, row)) for row in rows.tolist()))


@pytest.fixture(scope="session")
def published(tmp_path_factory) -> Path:
    """A folder with 44 made files."""
    folder = tmp_path_factory.mktemp("published")
    for name in tep._SHA256:
        write_table(folder / name)
    return folder


class Handler(SimpleHTTPRequestHandler):
    """Serves quietly and counts."""

    def do_GET(self):
        self.server.asked.append(self.path.lstrip("/"))
        super().do_GET()

    def log_message(self, *args):
        pass


@pytest.fixture
def server(published, monkeypatch):
    """Loop-back stand-in for the public place, with the made files' checksums."""
    http = ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Handler, directory=str(published))
    )
    http.asked = []
    threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setattr(tep, "_BASE_URL", f"http://127.0.0.1:{http.server_port}/")
    for name in tep._SHA256:
        digest = hashlib.sha256((published / name).read_bytes()).hexdigest()
        monkeypatch.setitem(tep._SHA256, name, digest)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield http
    http.shutdown()
    http.server_close()


def check_made(process) -> None:
    assert_array_equal(process.train_normal, made_table("d00.dat"))
    for k in range(22):
        assert_array_equal(process.test[k], made_table(f"d{k:02d}_te.dat"))
        if k:
            made = made_table(f"d{k:02d}.dat")
            assert_array_equal(process.train_fault[k - 1], made)
    for name in ("train_normal", "train_fault", "test"):
        assert process[name].dtype == np.float32
        assert process[name].flags.c_contiguous


def test_raw_files_in_data_home_need_no_network(server, published, tmp_path):
    check_made(fetch_tennessee_eastman(published, download_if_missing=False))
    assert server.asked == []
    assert not (published / "tennessee_eastman").exists()


def test_download_checks_keeps_and_resumes(server, published, tmp_path):
    pytest.importorskip("pooch")
    there = tmp_path / "tennessee_eastman"
    there.mkdir()
    (there / "d03.dat").write_bytes((published / "d03.dat").read_bytes())
    (tmp_path / "d04.dat").write_bytes((published / "d04.dat").read_bytes())
    check_made(fetch_tennessee_eastman(tmp_path))
    assert sorted(server.asked) == sorted(set(tep._SHA256) - {"d03.dat", "d04.dat"})

    server.asked.clear()
    check_made(fetch_tennessee_eastman(tmp_path, download_if_missing=False))
    (there / "d07_te.dat").unlink()
    check_made(fetch_tennessee_eastman(tmp_path))
    assert server.asked == ["d07_te.dat"]


def test_missing_files_without_download_are_named(tmp_path):
    with pytest.raises(OSError, match=r"lacks 44 of the 44 .*d00\.dat") as caught:
        fetch_tennessee_eastman(tmp_path, download_if_missing=False)
    assert str(tmp_path) in str(caught.value)
    assert "download_if_missing=True" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_data_home_defaults_to_that_of_scikit_learn(tmp_path, monkeypatch):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    with pytest.raises(OSError, match="lacks 44") as caught:
        fetch_tennessee_eastman(download_if_missing=False)
    assert str(tmp_path) in str(caught.value)


def test_offline_says_what_to_do_and_keeps_what_arrived(
    server, published, tmp_path, monkeypatch
):
    pooch = pytest.importorskip("pooch")
    retrieve, calls = pooch.retrieve, []

    def breaks_off(url, **kwargs):
        calls.append(url)
        if len(calls) > 2:
            raise ConnectionError("no route")
        return retrieve(url, **kwargs)

    monkeypatch.setattr(pooch, "retrieve", breaks_off)
    with pytest.raises(OSError, match=r"lacks 42 of the 44 .*no route.*tep\.npz"):
        fetch_tennessee_eastman(tmp_path)
    kept = {path.name for path in (tmp_path / "tennessee_eastman").iterdir()}
    assert kept == set(list(tep._SHA256)[:2])


def test_server_gone_is_an_oserror(server, tmp_path):
    pytest.importorskip("pooch")
    server.shutdown()
    server.server_close()
    with pytest.raises(OSError, match=r"lacks 44 .*check the connection"):
        fetch_tennessee_eastman(tmp_path)


def test_wrong_download_is_refused_and_not_kept(server, tmp_path, monkeypatch):
    pytest.importorskip("pooch")
    monkeypatch.setitem(tep._SHA256, "d00.dat", "0" * 64)
    with pytest.raises(OSError, match=r"downloading .*d00\.dat into .*0000"):
        fetch_tennessee_eastman(tmp_path)
    assert list((tmp_path / "tennessee_eastman").iterdir()) == []


def test_wrong_local_file_is_refused_and_left_alone(server, published, tmp_path):
    damaged = tmp_path / "d02.dat"
    damaged.write_bytes((published / "d02.dat").read_bytes()[:-1])
    before = damaged.read_bytes()
    with pytest.raises(OSError, match=r"d02\.dat' must have .*delete it"):
        fetch_tennessee_eastman(tmp_path)
    assert damaged.read_bytes() == before
    assert server.asked == []


def test_without_pooch_the_error_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r"pip install 'skdae\[data\]'"):
        fetch_tennessee_eastman(tmp_path)


def made_archive(path: Path, **changes) -> None:
    arrays = {
        "train_normal": np.zeros((500, 52), np.float32),
        "train_fault": np.ones((21, 480, 52), np.float32),
        "test": np.full((22, 960, 52), 2.0, np.float32),
    }
    np.savez(path, **(arrays | changes))


@pytest.mark.parametrize("folder", ["", "tennessee_eastman"])
def test_archive_is_used_where_it_lies(tmp_path, folder):
    (tmp_path / folder).mkdir(exist_ok=True)
    made_archive(tmp_path / folder / "tep.npz")
    process = fetch_tennessee_eastman(tmp_path, download_if_missing=False)
    assert (process.train_fault == 1).all()
    assert (process.test == 2).all()


def test_wrong_archive_is_refused(tmp_path):
    made_archive(tmp_path / "tep.npz", test=np.zeros((2, 960, 52), np.float32))
    with pytest.raises(OSError, match=r"tep\.npz' must hold .* but holds"):
        fetch_tennessee_eastman(tmp_path)
    (tmp_path / "tep.npz").write_bytes(b"no archive")
    with pytest.raises(OSError, match=r"tep\.npz' must be an archive"):
        fetch_tennessee_eastman(tmp_path)


def test_process_is_described(tmp_path):
    made_archive(tmp_path / "tep.npz")
    process = fetch_tennessee_eastman(tmp_path)
    names = process.feature_names
    assert (names[0], names[40], names[41], names[51]) == (
        "XMEAS(1)",
        "XMEAS(41)",
        "XMV(1)",
        "XMV(11)",
    )
    assert len(names) == len(set(names)) == len(process.feature_descriptions) == 52
    assert len(set(process.feature_descriptions)) == 52
    assert process.feature_descriptions[22].startswith("component A, reactor feed")
    assert process.feature_descriptions[40].startswith("component H, product")
    assert len(process.fault_names) == 22
    assert process.fault_start == 160
    for word in ("Downs", "Russell", "Chiang", "Braatz", "Licence"):
        assert word in process.DESCR


def test_the_registry_has_the_44_published_files():
    stems = [f"d{k:02d}" for k in range(22)]
    names = [stem + end for stem in stems for end in (".dat", "_te.dat")]
    assert sorted(tep._SHA256) == sorted(names)
    assert len(set(tep._SHA256.values())) == 44
    assert all(len(digest) == 64 for digest in tep._SHA256.values())


def test_the_real_process_sets_off_after_the_fault_starts(data_dir):
    folder = data_dir / "series"
    if not (folder / "tep.npz").is_file():
        pytest.skip(f"no tep.npz in {folder}")
    process = fetch_tennessee_eastman(folder, download_if_missing=False)
    assert process.train_normal.shape == (500, 52)
    assert process.train_fault.shape == (21, 480, 52)
    assert process.test.shape == (22, 960, 52)
    mean, spread = process.train_normal.mean(axis=0), process.train_normal.std(axis=0)
    a_feed_lost = np.abs((process.test[6] - mean) / spread)[:, 0]  # fault 6
    assert a_feed_lost[: process.fault_start].max() < 6
    assert a_feed_lost[process.fault_start + 5 :].min() > 6


def test_the_checksums_are_those_of_the_data_notes(data_dir):
    listing = data_dir / "series" / "tep_raw.sha256"
    if not listing.is_file():
        pytest.skip(f"no {listing}")
    lines = (line.split() for line in listing.read_text().splitlines() if line)
    assert {name: digest for digest, name in lines} == tep._SHA256
