"""scikit-learn's callbacks: what they hear, and how they stop a fit by value."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdae import (
    GradualDAEDenoiser,
    GradualDAEImputer,
    GradualDAEOutlierDetector,
    GradualDAETransformer,
)

callback = pytest.importorskip(
    "sklearn.callback", reason="callbacks came with scikit-learn 1.9"
)

X = np.random.default_rng(0).normal(size=(80, 5))
Y = np.arange(80) % 2


def small(hidden_layer_sizes=(6, 3), *, max_iter=6, **parameters):
    return GradualDAETransformer(
        hidden_layer_sizes,
        max_iter=max_iter,
        random_state=0,
        **({"output": "code"} | parameters),
    )


def own_score(estimator, X, y):
    """The estimator's score, in the form of a scorer."""
    return estimator.score(X)


class Recorder:
    """Records its notifications, and asks to stop at given points."""

    def __init__(self, stop=lambda context: False):
        self.stop = stop
        self.events = []
        self.tables = []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None):
        self.events.append(("begin", context.task_name.split(":")[0]))
        self.tables.append((X, y))

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        name = context.task_name.split(":")[0]
        code = fitted_estimator.transform(X)
        self.events.append(("end", name, code.shape[1]))
        return self.stop(context)


def is_epoch(context, number):
    return context.task_name == "epoch" and context.task_id == number


def is_phase(context, number):
    return context.task_name.startswith("phase") and context.task_id == number


def test_phases_and_epochs_are_tasks():
    """Nested, in order, each with a model that can be used as it stands."""
    recorder = Recorder()
    small(max_iter=4).set_callbacks(recorder).fit(X, Y)
    epoch_1 = [("begin", "epoch"), ("end", "epoch", 6)]
    epoch_2 = [("begin", "epoch"), ("end", "epoch", 3)]
    assert recorder.events == [
        "setup",
        ("begin", "fit"),
        ("begin", "phase 1"),
        *epoch_1,
        *epoch_1,
        ("end", "phase 1", 6),
        ("begin", "phase 2"),
        *epoch_2,
        *epoch_2,
        ("end", "phase 2", 3),
        ("end", "fit", 3),
        "teardown",
    ]
    assert all(table is X and y is Y for table, y in recorder.tables)


def test_callbacks_change_nothing():
    """A fit that is watched gives the network of one that is not."""
    watched = small().set_callbacks(Recorder()).fit(X)
    np.testing.assert_array_equal(watched.transform(X), small().fit(X).transform(X))


def test_stopping_an_epoch_ends_its_phase():
    """By value: the next phase follows, and fit returns a usable model."""
    fitted = small().set_callbacks(Recorder(lambda c: is_epoch(c, 0))).fit(X)
    assert [phase.epochs for phase in fitted.phases_] == [1, 1]
    assert fitted.n_iter_ == len(fitted.loss_curve_) == 2
    assert fitted.transform(X).shape == (80, 3)
    # the same epochs, asked for in advance
    np.testing.assert_array_equal(
        fitted.transform(X), small(max_iter=2).fit(X).transform(X)
    )


def test_stopping_a_phase_ends_the_training():
    """The model is that of the layers trained so far, in every respect."""
    fitted = small().set_callbacks(Recorder(lambda c: is_phase(c, 0))).fit(X)
    assert len(fitted.phases_) == 1
    assert fitted.n_iter_ == 3
    assert fitted.transform(X).shape == (80, 6)
    assert len(fitted.get_feature_names_out()) == 6
    assert [len(list(stage)) for stage in fitted.staged_transform(X)] == [80]
    np.testing.assert_array_equal(
        fitted.transform(X), small((6,), max_iter=3).fit(X).transform(X)
    )


def test_one_of_several_is_enough_to_stop():
    """All are notified, and one that asks is enough."""
    deaf, eager = Recorder(), Recorder(lambda c: is_epoch(c, 1))
    fitted = small().set_callbacks(deaf, eager).fit(X)
    assert [phase.epochs for phase in fitted.phases_] == [2, 2]
    assert deaf.events == eager.events


def test_an_error_in_a_callback_is_the_users():
    """It is not swallowed, and the callback is torn down."""

    def fail(context):
        raise RuntimeError("mine")

    recorder = Recorder(fail)
    estimator = small().set_callbacks(recorder)
    with pytest.raises(RuntimeError, match="mine"):
        estimator.fit(X)
    assert recorder.events[-1] == "teardown"
    assert not hasattr(estimator, "network_")


def test_callbacks_beside_early_stopping():
    """Each of them can stop the fit."""
    recorder = Recorder()
    fitted = small(
        max_iter=40, early_stopping=True, n_iter_no_change=2, tol=1e9
    ).set_callbacks(recorder)
    fitted.fit(X)
    assert [phase.epochs for phase in fitted.phases_] == [3, 3]
    assert sum(event[:2] == ("end", "epoch") for event in recorder.events) == 6


def test_scoring_monitor_logs_every_task():
    """Its last score is that of the fitted model, where that is the network alone."""
    monitor = callback.ScoringMonitor(scoring={"score": own_score})
    # scikit-learn's monitor scores only where it is given a y
    network = small(max_iter=4, validation_fraction=None)
    fitted = network.set_callbacks(monitor).fit(X, Y)
    rows = monitor.get_logs().data
    by_task = {row["task_id_path"]: row["score"] for row in rows}
    assert sorted(by_task) == sorted(
        [(0,), (0, 0), (0, 1), (0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1)]
    )
    assert by_task[0,] == by_task[0, 1] == by_task[0, 1, 1] == fitted.score(X)
    assert by_task[0, 0, 0] != by_task[0, 0, 1]


def test_scoring_monitor_inside_a_search_in_processes():
    """One log per fit, from two workers."""
    monitor = callback.ScoringMonitor(scoring={"score": own_score})
    search = GridSearchCV(
        small(max_iter=4).set_callbacks(monitor),
        {"noise_rate": [0.1, 0.3]},
        cv=2,
        n_jobs=2,
        refit=False,
    ).fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    logged = [row for log in monitor.get_logs(select="all") for row in log.data]
    epochs = [row for row in logged if row["task_name"] == "epoch"]
    assert len(epochs) == 2 * 2 * 4
    assert all(np.isfinite(row["score"]) for row in epochs)


def test_progress_bar_shows_phases(capsys):
    """Bars of the fit and of each phase, ended."""
    pytest.importorskip("rich")
    small().set_callbacks(callback.ProgressBar()).fit(X)
    shown = capsys.readouterr().out
    assert "phase 1" in shown
    assert "phase 2" in shown
    assert "100%" in shown


def test_bars_nest_under_a_search(capsys):
    """The search's own bar propagates to the fits of its candidates."""
    pytest.importorskip("rich")
    bar = callback.ProgressBar()
    search = GridSearchCV(small(max_iter=2), {"noise_rate": [0.1, 0.3]}, cv=2)
    search.set_callbacks(bar).fit(X)
    shown = capsys.readouterr().out
    assert "GridSearchCV" in shown
    assert "GradualDAE" in shown
    assert shown.count("phase 1") >= 2 * 2 + 1  # each candidate and split, and refit


def test_in_a_pipeline(capsys):
    """A bar set on the pipeline reaches the transformer."""
    pytest.importorskip("rich")
    pipeline = make_pipeline(StandardScaler(), small(max_iter=2))
    pipeline.set_callbacks(callback.ProgressBar()).fit(X)
    assert "phase 2" in capsys.readouterr().out


def test_partial_fit_does_not_need_callbacks():
    """A stream has no tasks: callbacks that are set are left alone."""
    recorder = Recorder()
    stream = small().set_callbacks(recorder).partial_fit(X)
    assert stream.transform(X).shape == (80, 6)
    assert recorder.events == []


ABOVE_A_TRANSFORMER = {
    "detector": (GradualDAEOutlierDetector, {"n_splits": 2, "contamination": 0.1}, 2),
    "imputer": (GradualDAEImputer, {"n_refinements": 2, "n_trees": 0}, 2),
    "denoiser": (GradualDAEDenoiser, {}, 1),
}


class Reader(Recorder):
    """Records whether a fitted estimator was given."""

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        self.events.append(("end", context.task_name, fitted_estimator))
        return self.stop(context)


@pytest.mark.parametrize("name", ABOVE_A_TRANSFORMER)
def test_networks_are_tasks(name):
    """Each network that is trained is a task above its phases, with its own number."""
    make, parameters, n_networks = ABOVE_A_TRANSFORMER[name]
    noise = {"noise": "random_masking"}
    watched = make(small(max_iter=4, **noise), random_state=0, **parameters)
    recorder = Reader()
    watched.set_callbacks(recorder).fit(X)
    begun = [event[1] for event in recorder.events if event[0] == "begin"]
    assert begun[0] == "fit"
    numbered = [task for task in begun if task.startswith("network")]
    assert numbered == [f"network {k + 1}" for k in range(n_networks)]
    assert begun.count("phase 1") == begun.count("phase 2") == n_networks
    assert begun.count("epoch") == 4 * n_networks
    ended = dict(event[1:] for event in recorder.events if event[0] == "end")
    assert ended["network 1"] is None  # not fitted yet
    plain = make(small(max_iter=4, **noise), random_state=0, **parameters).fit(X)
    holed = np.where(np.arange(X.size).reshape(X.shape) % 7, X, np.nan)
    method = "score_samples" if name == "detector" else "transform"
    for fitted in (watched, ended["fit"]):
        np.testing.assert_array_equal(
            getattr(fitted, method)(holed), getattr(plain, method)(holed)
        )


def test_a_callback_stops_each_network():
    """A network ends early, and the next one is trained all the same."""
    detector = GradualDAEOutlierDetector(small(), n_splits=2, contamination=0.1)
    stopped = detector.set_callbacks(Reader(lambda c: is_epoch(c, 0))).fit(X)
    epochs = [[p.epochs for p in member.phases] for member in stopped.members_]
    assert epochs == [[1, 1], [1, 1]]


@pytest.mark.parametrize("name", ABOVE_A_TRANSFORMER)
@pytest.mark.parametrize("owner", ["estimator", "transformer"])
def test_networks_are_printed_by_number(name, owner, capsys):
    """Once, whoever has verbose."""
    make, parameters, n_networks = ABOVE_A_TRANSFORMER[name]
    network = small(max_iter=2, noise="random_masking", verbose=owner == "transformer")
    make(network, verbose=owner == "estimator", **parameters).fit(X)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        f"network {k + 1}" for k in range(n_networks) for _ in range(2)
    ]


def test_the_callbacks_of_a_search_reach_the_networks(capsys):
    """The bar of a pipeline's search names the networks of its detector."""
    pytest.importorskip("rich")
    pipeline = make_pipeline(
        StandardScaler(),
        GradualDAEOutlierDetector(small(max_iter=2), n_splits=2, contamination=0.1),
    )
    pipeline.set_callbacks(callback.ProgressBar(max_propagation_depth=None)).fit(X)
    assert "network 2" in capsys.readouterr().out
