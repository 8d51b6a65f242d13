"""Displays draw the data they were given; what does not fit is refused."""

import builtins
import inspect
import re

import matplotlib
import matplotlib.dates
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skdae.plotting
from skdae import (
    GradualDAEClassifier,
    GradualDAEImputer,
    GradualDAEOutlierDetector,
    GradualDAERegressor,
    GradualDAETransformer,
)
from skdae._grading import VERDICTS
from skdae.datasets import make_sensor_data
from skdae.plotting import (
    AnomalyTimelineDisplay,
    CKADisplay,
    CodeMapDisplay,
    GradingDisplay,
    ImputationDisplay,
    ReconstructionDisplay,
    ReconstructionFieldDisplay,
    ResidualHeatmapDisplay,
    ScheduleComparisonDisplay,
    TrainingCurveDisplay,
    WeightDriftDisplay,
)
from skdae.plotting._timeline import Timeline, read_time
from skdae.schedules import (
    Phase,
    at_equal_updates,
    gradual,
    stacked,
    total_cost,
)
from skdae.timeseries._time import row_times

N = 300


@pytest.fixture(autouse=True)
def _no_window():
    matplotlib.use("Agg")
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def table():
    """A plant's table with dates, and gaps in one sensor."""
    frame = make_sensor_data(N, n_sensors=6, as_frame=True, random_state=1).data
    frame.index = pd.date_range("2024-03-01", periods=N, freq="10min", name="clock")
    frame.iloc[20:30, 2] = np.nan
    return frame


@pytest.fixture(scope="module")
def dae(table):
    return GradualDAETransformer(
        (12, 8, 3), schedule="hybrid", max_iter=12, early_stopping=True, random_state=0
    ).fit(table)


@pytest.fixture(scope="module")
def detector(table):
    inner = GradualDAETransformer((8, 3), max_iter=6)
    folds = KFold(5, shuffle=True, random_state=0)
    detector = GradualDAEOutlierDetector(inner, calibration=folds, random_state=0)
    return detector.fit(table)


def y_of(lines):
    """Values of lines, one after the other, without those that break a line."""
    y = np.concatenate([line.get_ydata() for line in lines])
    return y[~np.isnan(y)]


def texts(figure):
    """All that is written in a figure."""
    return [text.get_text() for text in figure.findobj(matplotlib.text.Text)]


def overlaps_its_axes(legend):
    """Whether a legend covers a part of the axes that it belongs to."""
    legend.figure.canvas.draw()
    return legend.get_window_extent().overlaps(legend.axes.get_window_extent())


# --- all of them ------------------------------------------------------------------


def drawn(name, table, dae, detector):
    """A display of each kind, by its class method."""
    scores = np.random.default_rng(0).normal(size=(5, 3))
    makers = {
        "TrainingCurveDisplay": lambda ax: TrainingCurveDisplay.from_estimator(
            dae, ax=ax
        ),
        "ReconstructionDisplay": lambda ax: ReconstructionDisplay.from_estimator(
            dae, table, max_features=2, ax=ax
        ),
        "ImputationDisplay": lambda ax: ImputationDisplay.from_estimator(
            GradualDAEImputer(n_refinements=0, n_trees=0, random_state=0).fit(table),
            table,
            table.columns[2],
            ax=ax,
        ),
        "ResidualHeatmapDisplay": lambda ax: ResidualHeatmapDisplay.from_estimator(
            dae, table, ax=ax
        ),
        "AnomalyTimelineDisplay": lambda ax: AnomalyTimelineDisplay.from_estimator(
            detector, table, np.arange(N) < 9, ax=ax
        ),
        "CodeMapDisplay": lambda ax: CodeMapDisplay.from_estimator(
            dae, table, np.arange(N) % 3, ax=ax
        ),
        "ScheduleComparisonDisplay": lambda ax: (
            ScheduleComparisonDisplay.from_predictions(scores, ["a", "b", "c"], ax=ax)
        ),
        "CKADisplay": lambda ax: CKADisplay.from_estimator(dae, table, ax=ax),
        "ReconstructionFieldDisplay": lambda ax: (
            ReconstructionFieldDisplay.from_estimator(dae, table, n_grid=4, ax=ax)
        ),
        "GradingDisplay": lambda ax: GradingDisplay.from_table(table, ax=ax),
        "WeightDriftDisplay": lambda ax: WeightDriftDisplay(
            scores, phases=[0, 0, 1, 1, 1]
        ).plot(ax),
    }
    return makers[name]


@pytest.mark.parametrize("name", skdae.plotting.__all__)
def test_plot_returns_itself_and_draws_again_in_axes_of_the_user(
    name, table, dae, detector
):
    make = drawn(name, table, dae, detector)
    display = make(None)
    first = display.figure_
    assert display.plot() is display
    assert display.figure_ is not first

    figure, axes = plt.subplots(1, 2, layout="constrained")
    display = make(axes[1])
    assert display.figure_ is figure
    assert all(each.figure is figure for each in np.ravel(display.ax_))
    figure.canvas.draw()
    # it stays in the place of the axes it was given
    others = axes[0].get_window_extent()
    for each in np.ravel(display.ax_):
        assert each.get_window_extent().x0 > others.x1


@pytest.mark.parametrize("name", skdae.plotting.__all__)
def test_constructors_store_and_do_no_more(name):
    signature = inspect.signature(getattr(skdae.plotting, name))
    marks = {parameter: object() for parameter in signature.parameters}
    display = getattr(skdae.plotting, name)(
        *list(marks.values())[: len(positional(signature))],
        **{k: v for k, v in marks.items() if k not in positional(signature)},
    )
    assert vars(display) == marks


def positional(signature):
    """Names of the parameters that may be given by position."""
    return [
        name
        for name, parameter in signature.parameters.items()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]


WITH_LEGEND = [name for name in skdae.plotting.__all__ if name != "CKADisplay"]


@pytest.mark.parametrize("name", WITH_LEGEND)
def test_legends_cover_no_data(name, table, dae, detector):
    display = drawn(name, table, dae, detector)(None)
    legends = display.figure_.findobj(matplotlib.legend.Legend)
    assert len(legends) == 1
    assert not overlaps_its_axes(legends[0])


def test_an_overlap_would_be_seen():
    """The test above can fail."""
    _, ax = plt.subplots()
    ax.plot([1, 2], label="line")
    assert overlaps_its_axes(ax.legend(loc="upper left"))


@pytest.mark.parametrize("name", skdae.plotting.__all__)
def test_without_matplotlib_the_error_names_the_extra(
    name, table, dae, detector, monkeypatch
):
    real = builtins.__import__

    def without(module, *rest, **options):
        if module.startswith("matplotlib"):
            raise ModuleNotFoundError("No module named 'matplotlib'")
        return real(module, *rest, **options)

    display = drawn(name, table, dae, detector)(None)
    monkeypatch.setattr(builtins, "__import__", without)
    message = rf"{name}.*needs matplotlib.*pip install 'skdae\[plot\]'"
    with pytest.raises(ImportError, match=message):
        display.plot()
    with pytest.raises(ImportError, match=message):
        drawn(name, table, dae, detector)(None)


def test_imputed_cells_lie_in_their_band_and_measured_ones_have_none(table):
    imputer = GradualDAEImputer(n_refinements=0, n_trees=0, random_state=0).fit(table)
    name = table.columns[2]
    display = ImputationDisplay.from_estimator(imputer, table, name, n_draws=60)
    missing = table[name].isna().to_numpy()
    measured = table[name].to_numpy()[~missing]
    np.testing.assert_array_equal(display.low_[~missing], measured)
    np.testing.assert_array_equal(display.high_[~missing], measured)
    filled = np.asarray(imputer.transform(table))[missing, 2]
    np.testing.assert_array_equal(display.imputed_marks_.get_ydata(), filled)
    width = (display.high_ - display.low_)[missing]
    assert (width > 0).all()
    assert (np.abs(display.imputed[missing] - display.low_[missing]) < width).all()
    assert imputer.n_imputations == 1  # as given


def test_imputations_that_do_not_fit_are_refused(dae, table):
    with pytest.raises(TypeError, match="must be a GradualDAEImputer"):
        ImputationDisplay.from_estimator(dae, table, 0)
    with pytest.raises(
        ValueError, match="draws has the shape .*one value for each row of"
    ):
        ImputationDisplay([1, np.nan, 2], [1, 1, 2], [[1, 2]]).plot()


def test_panels_need_as_many_axes(table, dae):
    _, axes = plt.subplots(3)
    with pytest.raises(ValueError, match="holds 3 Axes and must hold 2"):
        ReconstructionDisplay.from_estimator(dae, table, max_features=2, ax=axes)
    display = ReconstructionDisplay.from_estimator(dae, table, max_features=3, ax=axes)
    assert list(display.ax_) == list(axes)
    alone = plt.figure().add_axes((0, 0, 1, 1))
    with pytest.raises(ValueError, match="is not part of a grid"):
        ReconstructionDisplay.from_estimator(dae, table, max_features=2, ax=alone)
    with pytest.raises(TypeError, match="must be one matplotlib Axes"):
        TrainingCurveDisplay([1, 2]).plot(axes)


# --- training curve ---------------------------------------------------------------


def test_training_curve_is_that_of_the_fit(dae):
    display = TrainingCurveDisplay.from_estimator(dae)
    np.testing.assert_array_equal(y_of(display.lines_), dae.loss_curve_)
    np.testing.assert_array_equal(
        y_of(display.validation_lines_), dae.validation_loss_curve_
    )
    epochs = np.concatenate([line.get_xdata() for line in display.lines_])
    np.testing.assert_array_equal(epochs, np.arange(dae.n_iter_) + 1)
    ends = np.cumsum([phase.epochs for phase in dae.phases_])
    np.testing.assert_array_equal(display.boundaries_, ends[:-1] + 0.5)
    dotted = [line.get_linestyle() == ":" for line in display.lines_]
    assert dotted == [phase.corrupt == "code" for phase in dae.phases_]
    assert any(dotted)


def test_phases_are_named_over_their_epochs():
    plan = gradual(2, 40)
    display = TrainingCurveDisplay(np.linspace(2, 1, 40), phases=plan).plot()
    (top,) = display.ax_.child_axes
    names = [label.get_text() for label in top.get_xticklabels()]
    assert names == ["gradual\ndepth 1", "gradual\ndepth 2"]
    np.testing.assert_allclose(top.get_xticks(), [10.5, 30.5])


@pytest.mark.parametrize("n_phases", [3, 8, 30])
def test_names_of_phases_do_not_overlap(n_phases):
    plan = [Phase(1, 2, (1,), kind=f"number {k}") for k in range(n_phases)]
    display = TrainingCurveDisplay(np.ones(2 * n_phases), phases=plan).plot()
    display.figure_.canvas.draw()
    (top,) = display.ax_.child_axes
    boxes = [label.get_window_extent() for label in top.get_xticklabels()]
    assert all(a.x1 <= b.x0 for a, b in zip(boxes, boxes[1:], strict=False))


def test_epochs_after_the_phases_are_of_a_stream(table):
    dae = GradualDAETransformer((4,), max_iter=4, random_state=0).fit(table)
    for _ in range(3):
        dae.partial_fit(table)
    display = TrainingCurveDisplay.from_estimator(dae)
    assert [len(line.get_xdata()) for line in display.lines_] == [4, 3]
    assert "partial_fit" in " ".join(texts(display.figure_))


@pytest.mark.parametrize(
    ("loss", "log_scale", "expected"),
    [
        ([100, 1], "auto", "log"),
        ([2, 1], "auto", "linear"),
        ([100, 0], "auto", "linear"),
        ([100, 1], False, "linear"),
        ([2, 1], True, "log"),
    ],
)
def test_scale_of_the_loss(loss, log_scale, expected):
    display = TrainingCurveDisplay(loss).plot(log_scale=log_scale)
    assert display.ax_.get_yscale() == expected


def test_curves_that_do_not_fit_are_refused(dae, detector):
    with pytest.raises(ValueError, match="phases holds 4 epochs and loss_curve 3"):
        TrainingCurveDisplay([3, 2, 1], phases=gradual(2, 4)).plot()
    with pytest.raises(ValueError, match="validation_loss_curve holds 2 values"):
        TrainingCurveDisplay([3, 2, 1], validation_loss_curve=[1, 2]).plot()
    with pytest.raises(ValueError, match="log_scale=True needs values above 0"):
        TrainingCurveDisplay([3, 0]).plot(log_scale=True)
    with pytest.raises(ValueError, match="log_scale='yes' must be one of"):
        TrainingCurveDisplay([3, 1]).plot(log_scale="yes")
    with pytest.raises(NotFittedError):
        TrainingCurveDisplay.from_estimator(GradualDAETransformer())
    with pytest.raises(TypeError, match=r"has no loss_curve_; .*members_\[0\]"):
        TrainingCurveDisplay.from_estimator(detector)


# --- reconstruction ---------------------------------------------------------------


def by_network(dae, X):
    """Return what the network alone rebuilds."""
    return dae.inverse_transform(dae.transform(X))


def test_panels_show_what_was_measured_and_rebuilt(table, dae):
    display = ReconstructionDisplay.from_estimator(dae, table, max_features=6)
    rebuilt = by_network(dae, table)
    for j, (seen, line), marks in zip(
        display.features_, display.lines_, display.missing_, strict=True
    ):
        measured = table.to_numpy()[:, j]
        np.testing.assert_array_equal(seen.get_ydata(), measured)
        np.testing.assert_array_equal(line.get_ydata(), rebuilt[:, j])
        np.testing.assert_allclose(
            line.get_xdata(), matplotlib.dates.date2num(table.index)
        )
        missing = np.isnan(measured)
        if missing.any():
            np.testing.assert_array_equal(marks.get_ydata(), rebuilt[missing, j])
        else:
            assert marks is None
    assert any(marks is not None for marks in display.missing_)
    assert display.ax_[-1].get_xlabel() == "clock"


def test_the_most_deviating_sensors_come_first(table, dae):
    wrong = table.copy()
    wrong["level_04"] += 9 * table["level_04"].std()
    display = ReconstructionDisplay.from_estimator(dae, wrong, max_features=3)
    assert display.features_[0] == 3
    shown = display.deviations_[display.features_]
    assert (np.diff(shown) <= 0).all()
    assert shown[-1] >= np.sort(display.deviations_)[::-1][2]
    # in standard deviations of the training rows, missing cells left out
    residuals = (wrong - by_network(dae, wrong)) / dae.table_encoder_.metric.scale
    np.testing.assert_allclose(
        display.deviations_, np.sqrt((residuals**2).mean()), rtol=1e-6
    )


def test_reconstruction_from_predictions_is_that_of_the_estimator(table, dae):
    a = ReconstructionDisplay.from_estimator(dae, table)
    b = ReconstructionDisplay.from_predictions(
        table, by_network(dae, table), scale=dae.table_encoder_.metric.scale
    )
    assert a.features_ == b.features_
    np.testing.assert_allclose(a.deviations_, b.deviations_)
    for first, second in zip(a.lines_, b.lines_, strict=True):
        for one, other in zip(first, second, strict=True):
            np.testing.assert_array_equal(one.get_xydata(), other.get_xydata())
    assert texts(a.figure_) == texts(b.figure_)


def test_features_are_chosen_by_name_or_index(table, dae):
    display = ReconstructionDisplay.from_estimator(
        dae, table, features=["flow_03", 0], units={"flow_03": "m³/s"}
    )
    assert display.features_ == [2, 0]
    assert display.ax_[0].get_title(loc="left").startswith("flow_03 [m³/s], off by")
    one = ReconstructionDisplay.from_estimator(dae, table, features="level_04")
    assert one.features_ == [3]
    with pytest.raises(ValueError, match=r"features holds 'nothing', not among"):
        display.plot(features="nothing")
    with pytest.raises(ValueError, match="the index 6, and there are 6"):
        display.plot(features=6)
    with pytest.raises(ValueError, match="at least one column"):
        display.plot(features=[])
    with pytest.raises(ValueError, match="max_features=0 must be an int"):
        display.plot(max_features=0)


def test_categorical_columns_are_left_out():
    generator = np.random.default_rng(0)
    level = generator.normal(size=90)
    frame = pd.DataFrame(
        {
            "valve": np.where(level > 0, "open", "shut"),
            "level": level,
            "flow": 2 * level,
        }
    )
    dae = GradualDAETransformer(
        (4,), max_iter=4, categorical_features=["valve"], random_state=0
    ).fit(frame)
    display = ReconstructionDisplay.from_estimator(dae, frame)
    assert display.feature_names == ("level", "flow")
    rebuilt = pd.DataFrame(by_network(dae, frame), columns=frame.columns)
    other = ReconstructionDisplay.from_predictions(
        frame, rebuilt.infer_objects(), scale=dae.table_encoder_.metric.scale
    )
    assert other.features_ == display.features_
    np.testing.assert_allclose(other.measured, display.measured)
    np.testing.assert_allclose(other.reconstructed, display.reconstructed)


def test_tables_that_do_not_fit_are_refused(table, dae, detector):
    values = table.to_numpy()
    with pytest.raises(ValueError, match="reconstructed the shape"):
        ReconstructionDisplay.from_predictions(values, values[:, :2])
    with pytest.raises(ValueError, match="X must hold numbers only"):
        ReconstructionDisplay.from_predictions([["a"]], [[1.0]])
    with pytest.raises(ValueError, match="neither of them empty"):
        ReconstructionDisplay.from_predictions(np.zeros((0, 2)), np.zeros((0, 2)))
    with pytest.raises(ValueError, match="one standard deviation above 0"):
        ReconstructionDisplay.from_predictions(values, values, scale=[1, 2])
    with pytest.raises(ValueError, match="feature_names holds 1 names"):
        ReconstructionDisplay.from_predictions(values, values, feature_names=["a"])
    for display in (ReconstructionDisplay, ResidualHeatmapDisplay):
        with pytest.raises(TypeError, match="must be a GradualDAETransformer"):
            display.from_estimator(detector, table)
        with pytest.raises(NotFittedError):
            display.from_estimator(GradualDAETransformer(), table)


# --- residual heat map ------------------------------------------------------------


def test_heat_map_shows_the_residuals_of_the_estimator(table, dae):
    display = ResidualHeatmapDisplay.from_estimator(dae, table)
    shown = display.mesh_.get_array()
    missing = np.isnan(table.to_numpy())
    np.testing.assert_array_equal(np.ma.getmaskarray(shown).T, missing)
    dae_errors = GradualDAETransformer(output="error")
    dae_errors.__dict__.update({**dae.__dict__, "output": "error"})
    errors = dae_errors.transform(table)
    np.testing.assert_allclose(shown.filled(0).T, errors, rtol=1e-6)
    low, high = display.mesh_.get_clim()
    assert -low == high == max(2, np.quantile(np.abs(errors[~missing]), 0.995))
    assert display.colorbar_.ax.get_ylabel().startswith("residual (standard dev")
    names = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert names == list(table.columns)
    bottom, top = display.ax_.get_ylim()
    assert bottom > top  # the first sensor at the top


def test_heat_map_from_predictions_is_that_of_the_estimator(table, dae):
    a = ResidualHeatmapDisplay.from_estimator(dae, table, features=[3, 1])
    residuals = pd.DataFrame(a.residuals, columns=table.columns, index=table.index)
    b = ResidualHeatmapDisplay.from_predictions(residuals, features=[3, 1])
    np.testing.assert_array_equal(
        a.mesh_.get_array().filled(9), b.mesh_.get_array().filled(9)
    )
    np.testing.assert_array_equal(a.mesh_.get_coordinates(), b.mesh_.get_coordinates())
    assert texts(a.figure_) == texts(b.figure_)


def test_a_short_fault_is_not_lost_among_many_rows():
    residuals = np.full((5000, 2), 0.1)
    residuals[1234, 1] = -7
    residuals[1235:1300, 1] = 3
    display = ResidualHeatmapDisplay.from_predictions(residuals, max_blocks=100)
    shown = display.mesh_.get_array()
    assert shown.shape == (2, 100)
    assert shown[1, 1234 // 50] == -7
    assert shown[1, 1234 // 50 + 1] == 3
    assert "largest of 50 rows" in display.colorbar_.ax.get_ylabel()


@pytest.mark.parametrize("limit", [0, -1, "wide", np.nan, [1]])
def test_limits_that_are_none(limit):
    with pytest.raises((ValueError, TypeError), match=r"limit=.* must be a number"):
        ResidualHeatmapDisplay(np.zeros((3, 2))).plot(limit=limit)
    display = ResidualHeatmapDisplay(np.zeros((3, 2))).plot(limit=0.5)
    assert display.mesh_.get_clim() == (-0.5, 0.5)


# --- anomaly timeline -------------------------------------------------------------


def test_scores_threshold_and_alarms_are_those_of_the_detector(table, detector):
    anomalous = table.copy()
    anomalous.iloc[100:104, 1] *= 5
    y = np.zeros(N)
    y[100:104] = y[200] = 1
    display = AnomalyTimelineDisplay.from_estimator(detector, anomalous, y)
    np.testing.assert_allclose(
        display.line_.get_ydata(), -detector.score_samples(anomalous)
    )
    line = display.threshold_line_.get_ydata()
    np.testing.assert_allclose(line, -detector.offset_)
    alarms = detector.predict(anomalous) == -1
    assert 0 < alarms.sum() < N
    np.testing.assert_array_equal(display.alarms_, alarms)
    np.testing.assert_allclose(
        display.alarm_marks_.get_xdata(),
        matplotlib.dates.date2num(table.index[alarms]),
    )
    assert f"alarm ({alarms.sum()} of 300 rows)" in texts(display.figure_)
    shaded = [p for p in display.ax_[0].patches if p.get_label() == "known fault"]
    assert len(shaded) == 2

    contributions = detector.contributions(anomalous)
    top = contributions[alarms].sum(axis=0).argsort()[::-1]
    assert display.features_ == top.tolist()
    assert display.features_[0] == 1
    np.testing.assert_allclose(display.mesh_.get_array(), contributions[:, top].T)


def test_timeline_from_predictions_is_that_of_the_estimator(table, detector):
    a = AnomalyTimelineDisplay.from_estimator(detector, table, max_features=2)
    b = AnomalyTimelineDisplay.from_predictions(
        detector.score_samples(table),
        offset=detector.offset_,
        contributions=detector.contributions(table, as_frame=True),
        max_features=2,
    )
    np.testing.assert_array_equal(a.line_.get_xydata(), b.line_.get_xydata())
    np.testing.assert_array_equal(a.mesh_.get_array(), b.mesh_.get_array())
    np.testing.assert_array_equal(a.alarms_, b.alarms_)
    assert a.threshold == b.threshold
    written = [text.replace("row", "clock") for text in texts(b.figure_)]
    assert [t.replace("row", "clock") for t in texts(a.figure_)] == written


def test_other_detectors_have_a_timeline_without_sensors(table):
    X = table.fillna(0)
    forest = IsolationForest(n_estimators=5, random_state=0).fit(X)
    display = AnomalyTimelineDisplay.from_estimator(forest, X)
    assert len(display.ax_) == 1
    assert display.mesh_ is None
    np.testing.assert_array_equal(display.alarms_, forest.predict(X) == -1)


def test_timeline_without_threshold_has_no_alarms():
    scores = pd.Series([-1.0, -2.0, np.nan], index=[10, 20, 30], name="s")
    display = AnomalyTimelineDisplay.from_predictions(scores)
    assert display.threshold_line_ is None
    assert not display.alarms_.any()
    np.testing.assert_array_equal(display.line_.get_xdata(), [10, 20, 30])


def test_scores_and_contributions_may_be_missing():
    parts = [[np.nan, np.nan], [1.0, np.nan], [0.5, 3.0]]
    display = AnomalyTimelineDisplay.from_predictions(
        [np.nan, -1, -3], offset=-2, contributions=parts
    )
    assert display.alarms_.tolist() == [False, False, True]
    assert display.features_ == [1, 0]
    none = AnomalyTimelineDisplay.from_predictions([np.nan, np.nan], offset=-2)
    assert not none.alarms_.any()


def test_a_score_at_the_threshold_is_no_alarm():
    display = AnomalyTimelineDisplay.from_predictions([-1, -2, -3], offset=-2)
    assert display.alarms_.tolist() == [False, False, True]


def test_scores_that_do_not_fit_are_refused(table, dae):
    scaler = StandardScaler().fit(table)
    with pytest.raises(TypeError, match="has no score_samples"):
        AnomalyTimelineDisplay.from_estimator(scaler, table)
    with pytest.raises(TypeError, match="has no offset_, .* from_predictions"):
        AnomalyTimelineDisplay.from_estimator(dae, table)
    with pytest.raises(NotFittedError):
        AnomalyTimelineDisplay.from_estimator(GradualDAEOutlierDetector(), table)
    with pytest.raises(ValueError, match="contributions has 2 rows and must have 3"):
        AnomalyTimelineDisplay.from_predictions([1, 2, 3], contributions=[[1], [2]])
    with pytest.raises(ValueError, match="y holds 2 values and must hold one for each"):
        AnomalyTimelineDisplay.from_predictions([1, 2, 3], [0, 1])
    with pytest.raises(ValueError, match="score_samples has the shape"):
        AnomalyTimelineDisplay.from_predictions([[1, 2, 3]])


# --- code map ---------------------------------------------------------------------


def test_wide_codes_are_projected_on_their_components(table, dae):
    display = CodeMapDisplay.from_estimator(dae, table)
    *_, codes = dae.staged_transform(table)
    points = np.asarray(display.collections_[0].get_offsets())
    centred = codes - codes.mean(axis=0)
    variance = np.linalg.svd(centred, compute_uv=False) ** 2
    np.testing.assert_allclose((points**2).sum(axis=0), variance[:2], rtol=1e-4)
    share = variance[0] / variance.sum()
    assert (
        display.ax_.get_xlabel() == f"component 1 of the code ({share:.0%} of its "
        "variance)"
    )


def test_the_code_is_drawn_whatever_the_output(table, dae):
    other = GradualDAETransformer()
    other.__dict__.update({**dae.__dict__, "output": "reconstruction"})
    a, b = (CodeMapDisplay.from_estimator(each, table) for each in (dae, other))
    np.testing.assert_array_equal(a.points, b.points)
    *_, codes = dae.staged_transform(table)
    c = CodeMapDisplay.from_predictions(codes)
    np.testing.assert_allclose(a.points, c.points)
    pipeline = make_pipeline(dae, PCA(2).fit(dae.transform(table)))
    d = CodeMapDisplay.from_estimator(pipeline, table)
    np.testing.assert_allclose(d.points, pipeline.transform(table))


@pytest.mark.parametrize("width", [1, 2])
def test_narrow_codes_are_drawn_as_they_are(width):
    codes = np.random.default_rng(0).normal(size=(20, width))
    points = CodeMapDisplay.from_predictions(codes).points
    np.testing.assert_array_equal(points[:, -width:], codes)


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (np.arange(60) % 3, [0, 1, 2]),
        (np.array(["b", "a"] * 30), ["a", "b"]),
        (np.arange(60) % 2 == 0, [False, True]),
        (pd.Series(["b", None, "a"] * 20, name="unit"), ["a", "b"]),
        (pd.Categorical(["b", "a"] * 30), ["a", "b"]),
        (np.arange(60) * 0.5, None),
        (np.arange(60), None),
    ],
)
def test_colours_of_classes_and_of_numbers(y, expected):
    codes = np.random.default_rng(0).normal(size=(60, 2))
    display = CodeMapDisplay.from_predictions(codes, y)
    if expected is None:
        assert display.colorbar_ is not None
        (found,) = display.collections_
        np.testing.assert_allclose(found.get_array(), y)
        return
    assert display.classes_.tolist() == expected
    missing = np.asarray(pd.isna(y))
    found = display.collections_[int(missing.any()) :]
    for name, points in zip(expected, found, strict=True):
        np.testing.assert_array_equal(
            points.get_offsets(), codes[np.asarray(y) == name]
        )
    if missing.any():
        unknown = display.collections_[0].get_offsets()
        np.testing.assert_array_equal(unknown, codes[missing])
    title = display.ax_.get_legend().get_title().get_text()
    assert title == getattr(y, "name", "y")


def test_each_class_looks_different():
    y = [f"unit {k}" for k in range(40)]
    display = CodeMapDisplay.from_predictions(np.eye(40)[:, :2], y)
    looks = {
        (tuple(found.get_facecolor()[0]), found.get_paths()[0].vertices.tobytes())
        for found in display.collections_
    }
    assert len(looks) == 40


def test_codes_that_cannot_be_drawn_are_refused(table):
    codes = np.zeros((45, 2))
    with pytest.raises(ValueError, match="45 classes, more than the 40"):
        CodeMapDisplay.from_predictions(codes, [str(k) for k in range(45)])
    with pytest.raises(ValueError, match="missing or infinite"):
        CodeMapDisplay.from_predictions([[np.nan, 1.0]])
    with pytest.raises(ValueError, match="too few to find the principal"):
        CodeMapDisplay.from_predictions([[1.0, 2.0, 3.0]])
    with pytest.raises(ValueError, match="y has the shape"):
        CodeMapDisplay.from_predictions(codes, [1, 2])
    with pytest.raises(ValueError, match="y_kind='class' must be one of"):
        CodeMapDisplay.from_predictions(codes, np.zeros(45), y_kind="class")
    with pytest.raises(ValueError, match="y must hold numbers"):
        CodeMapDisplay.from_predictions(codes, ["a"] * 45, y_kind="continuous")
    with pytest.raises(ValueError, match="points has 3 columns"):
        CodeMapDisplay(np.zeros((4, 3))).plot()
    forest = IsolationForest(n_estimators=2).fit(table.fillna(0))
    with pytest.raises(TypeError, match="has no transform"):
        CodeMapDisplay.from_estimator(forest, table)


# --- schedule comparison ----------------------------------------------------------

SCORES = np.random.default_rng(1).normal(size=(6, 3)) + np.arange(6)[:, None]
NAMES = ["gradual", "stacked", "joint"]


@pytest.mark.parametrize("reference", [None, "stacked"])
def test_points_means_and_intervals(reference):
    display = ScheduleComparisonDisplay.from_predictions(
        SCORES, NAMES, reference=reference, confidence=0.9
    )
    expected = SCORES if reference is None else SCORES - SCORES[:, [1]]
    for k, points in enumerate(display.points_):
        np.testing.assert_allclose(points.get_xdata(), expected[:, k])
    np.testing.assert_allclose(display.means_, expected.mean(axis=0))
    student = 2.015048  # 95 % quantile with 5 degrees of freedom
    widths = student * expected.std(axis=0, ddof=1) / np.sqrt(6)
    np.testing.assert_allclose(display.half_widths_, widths, rtol=1e-6)
    for line, row in zip(display.split_lines_, expected, strict=True):
        np.testing.assert_allclose(line.get_xdata(), row)
    for bar, mean, width in zip(
        display.bars_, display.means_, display.half_widths_, strict=True
    ):
        ends = bar.lines[2][0].get_segments()[0][:, 0]
        np.testing.assert_allclose(ends, [mean - width, mean + width])
    frame = pd.DataFrame(SCORES, columns=NAMES)
    other = ScheduleComparisonDisplay.from_predictions(frame, reference=reference)
    np.testing.assert_allclose(other.means_, display.means_)
    names = [label.get_text() for label in other.ax_.get_yticklabels()]
    assert names == NAMES


def test_intervals_of_overlapping_splits_are_wider():
    plain, corrected = (
        ScheduleComparisonDisplay.from_predictions(SCORES, NAMES, test_ratio=ratio)
        for ratio in (0.0, 0.25)
    )
    np.testing.assert_array_equal(corrected.means_, plain.means_)
    np.testing.assert_allclose(
        corrected.half_widths_ / plain.half_widths_, np.sqrt((1 / 6 + 0.25) / (1 / 6))
    )


def test_one_split_has_no_interval():
    display = ScheduleComparisonDisplay.from_predictions([[1.0, 2.0]], ["a", "b"])
    assert np.isnan(display.half_widths_).all()
    assert "interval" not in " ".join(texts(display.figure_))


def test_schedules_are_trained_with_one_budget_and_seed(table, monkeypatch):
    trained = []
    fit = GradualDAETransformer.fit

    def spy(self, X, *rest):
        trained.append((self.schedule, self.random_state, X))
        return fit(self, X, *rest)

    monkeypatch.setattr(GradualDAETransformer, "fit", spy)
    X, X_test = table[:200], table[200:]
    dae = GradualDAETransformer((6, 4), max_iter=8)

    def compare():
        return ScheduleComparisonDisplay.from_estimator(
            dae, X, X_test, schedules=["stacked", "joint"], n_repeats=2, random_state=3
        )

    display = compare()
    assert all(rows is X for *_, rows in trained)
    own = gradual(2, 8)
    plans = [at_equal_updates(name, own) for name in ("stacked", "joint")]
    assert [plan for plan, *_ in trained] == plans * 2
    assert [total_cost(plan) for plan in plans] == [total_cost(own)] * 2
    seeds = [seed for _, seed, _ in trained]
    assert seeds == [seeds[0], seeds[0], seeds[2], seeds[2]]
    assert len(set(seeds)) == 2
    plan, seed, _ = trained[3]
    again = GradualDAETransformer((6, 4), schedule=plan, random_state=seed).fit(X)
    assert display.scores[1, 1] == again.score(X_test)
    np.testing.assert_array_equal(compare().scores, display.scores)


def test_results_that_do_not_fit_are_refused(table):
    compare = ScheduleComparisonDisplay.from_predictions
    with pytest.raises(ValueError, match="schedules=None needs scores in a DataFrame"):
        compare(SCORES)
    with pytest.raises(ValueError, match="2 names and scores 3 columns"):
        compare(SCORES, ["a", "b"])
    with pytest.raises(ValueError, match="no name twice"):
        compare(SCORES, ["a", "a", "b"])
    with pytest.raises(ValueError, match="reference='c' must be one of"):
        compare(SCORES, NAMES, reference="c")
    with pytest.raises(ValueError, match="missing or infinite"):
        compare(np.full((2, 3), np.nan), NAMES)
    with pytest.raises(ValueError, match="confidence=95 must lie between 0 and 1"):
        compare(SCORES, NAMES, confidence=95)
    with pytest.raises(ValueError, match="test_ratio=-1 must be at least 0"):
        compare(SCORES, NAMES, test_ratio=-1)
    train = ScheduleComparisonDisplay.from_estimator
    with pytest.raises(ValueError, match=r"holds \['best'\] and must hold names of"):
        train(GradualDAETransformer(), table, table, schedules=["best"])
    with pytest.raises(TypeError, match="must be a GradualDAETransformer"):
        train(IsolationForest(), table, table)
    with pytest.raises(ValueError, match="n_repeats=0 must be an int of at least 1"):
        train(GradualDAETransformer(), table, table, n_repeats=0)


# --- time -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("time", "index", "label", "kind"),
    [
        (None, None, "row", "i"),
        (None, pd.RangeIndex(4), "row", "i"),
        (None, pd.Index([1.0, 2, 4, 8], name="hours"), "hours", "f"),
        (None, pd.Index(list("abcd")), "row", "i"),
        (None, pd.MultiIndex.from_product([[1, 2], [3, 4]]), "row", "i"),
        (None, pd.date_range("2024", periods=4), "time", "M"),
        (
            None,
            pd.date_range("2024", periods=4, tz="Asia/Tokyo"),
            "time (Asia/Tok",
            "M",
        ),
        ([1, 2, 3, 3], None, "row", "i"),
        (["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"], None, "", ""),
        (pd.Series(pd.date_range("2024", periods=4), name="t"), None, "t", "M"),
        (np.arange(4).astype("datetime64[D]"), pd.RangeIndex(4), "time", "M"),
    ],
)
def test_where_the_time_comes_from(time, index, label, kind):
    X = np.zeros((4, 1)) if index is None else pd.DataFrame(np.zeros((4, 1)), index)
    if not label:  # text is no time
        with pytest.raises(ValueError, match=r"numbers or dates; .*to_datetime"):
            read_time(time, X, 4)
        return
    times, found = read_time(time, X, 4)
    assert found.startswith(label)
    assert times.stamps.dtype.kind == kind


def test_displays_of_ones_own_take_label_and_dates_from_the_time():
    dates = pd.date_range("2024-03-01", periods=4, name="clock")
    display = ResidualHeatmapDisplay(np.zeros((4, 2)), time=dates).plot()
    assert display.ax_.get_xlabel() == "clock"
    named = ResidualHeatmapDisplay(np.zeros((4, 2)), time_label="batch").plot()
    assert named.ax_.get_xlabel() == "batch"


def test_times_that_are_none_are_refused():
    X = np.zeros((3, 1))
    with pytest.raises(ValueError, match="must not decrease, and does after row 1"):
        read_time([1, 5, 2], X, 3)
    with pytest.raises(ValueError, match=r"missing in 1 rows \(first in row 1\)"):
        read_time(pd.to_datetime(["2024", None, "2025"]), X, 3)
    with pytest.raises(ValueError, match="one value for each of the 3 rows"):
        read_time([1, 2], X, 3)
    shuffled = pd.DataFrame(X, index=[2, 0, 1])
    with pytest.raises(ValueError, match=r"sort_index\(\).*range\(len\(X\)\)"):
        ResidualHeatmapDisplay.from_predictions(shuffled)


def test_dates_with_a_time_zone_are_shown_in_it(table, dae):
    local = table.tz_localize("Asia/Tokyo")
    display = ResidualHeatmapDisplay.from_estimator(dae, local[:36])
    assert display.ax_.get_xlabel() == "clock (Asia/Tokyo)"
    display.figure_.canvas.draw()
    # 36 steps of ten minutes from midnight in Tokyo
    ticks = [label.get_text() for label in display.ax_.get_xticklabels()]
    assert "01:00" in ticks
    assert "16:00" not in ticks


def test_lines_are_broken_where_time_jumps():
    time = np.concatenate([np.arange(7), np.arange(500, 505)])
    timeline = Timeline.of(row_times(time, len(time)))
    assert len(timeline.edges) == len(timeline.x) + 1
    assert (np.diff(timeline.edges) > 0).all()
    np.testing.assert_array_equal(timeline.x[timeline.is_row], time)
    np.testing.assert_allclose(timeline.edges[[7, 8]], [6.5, 499.5])
    values = np.arange(12.0)
    cells = timeline.spread(values)
    assert np.isnan(cells).sum() == 1
    assert np.isnan(cells[7])
    # a run of marked rows ends at the gap
    assert len(timeline.spans(np.ones(12, dtype=bool))) == 2
    # and so do blocks: none joins rows across it, and it is empty itself
    edges, blocks, n_joined = timeline.blocks(values[:, None], 4)
    assert n_joined == 3
    assert blocks[:, 0].tolist()[:3] == [2, 5, 6]
    assert np.isnan(blocks[3, 0])
    assert blocks[4:, 0].tolist() == [9, 11]
    assert {6.5, 499.5} <= set(edges)


def test_steady_time_has_no_gaps():
    for time in (np.arange(50), np.arange(50.0) ** 2, np.zeros(3), np.array([4])):
        timeline = Timeline.of(row_times(time, len(time)))
        assert timeline.is_row.all()
        assert len(timeline.edges) == len(time) + 1
        assert (timeline.edges[:-1] <= time).all()
        assert (time <= timeline.edges[1:]).all()


def test_polars_frames_are_read(dae, table):
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame({name: table[name].to_numpy() for name in table})
    a = ReconstructionDisplay.from_estimator(dae, frame)
    b = ReconstructionDisplay.from_predictions(
        frame.with_columns(polars.lit("a").alias("text")),
        by_network(dae, table),
        scale=dae.table_encoder_.metric.scale,
    )
    assert a.features_ == b.features_
    assert a.feature_names == b.feature_names == tuple(table.columns)


# --- HTML of the estimators -------------------------------------------------------


def cells_of(html):
    """Tables of phases as lists of lines of cells."""
    return [
        [
            [
                re.sub("<.*?>", "", cell)
                for cell in re.findall(r"<t[hd].*?</t[hd]>", row)
            ]
            for row in re.findall(r"<tr>.*?</tr>", found)
        ]
        for found in re.findall(r"<table><caption>.*?</table>", html)
    ]


def test_the_plan_is_shown_before_fit_and_what_became_of_it_after(table, dae):
    planned = GradualDAETransformer((6, 4), schedule="stacked", max_iter=8)
    ((heads, *rows),) = cells_of(planned._repr_html_())
    assert heads[4:] == ["layer 1", "layer 2", "noise on"]
    assert rows == [
        ["1", "stacked", "1", "4", "0.001", "&ndash;", "input"],
        ["2", "stacked", "2", "4", "frozen", "0.001", "code"],
    ]
    ((heads, *rows),) = cells_of(dae._repr_html_())
    assert heads[-3:] == ["loss", "held-out loss", "seconds"]
    assert len(rows) == len(dae.phases_)
    losses = [row[heads.index("loss")] for row in rows]
    assert losses == [f"{phase.loss:.4g}" for phase in dae.phases_]
    epochs = [int(row[heads.index("epochs")]) for row in rows]
    assert sum(epochs) == dae.n_iter_


def test_both_protocols_of_notebooks_show_the_phases(dae):
    bundle = dae._repr_mimebundle_()
    for html in (bundle["text/html"], dae._repr_html_()):
        assert len(cells_of(html)) == 1
        assert html.count("<body>") == html.count("</body>") <= 1
        assert html.index("sk-top-container") < html.index("skdae-phases")
    assert bundle["text/plain"] == repr(dae)


def test_display_as_text_shows_no_html(dae):
    import sklearn

    with sklearn.config_context(display="text"):
        assert not hasattr(dae, "_repr_html_")
        assert list(dae._repr_mimebundle_()) == ["text/plain"]


@pytest.mark.parametrize(
    "estimator",
    [
        GradualDAEClassifier,
        GradualDAEImputer,
        GradualDAEOutlierDetector,
        GradualDAERegressor,
    ],
)
@pytest.mark.parametrize(
    "transformer",
    [
        "gradual",
        (8, 4),
        np.eye(2),
        GradualDAETransformer,
        PCA(),
        GradualDAETransformer("wide"),
        GradualDAETransformer(schedule=3),
        GradualDAETransformer(learning_rate_init="fast"),
    ],
    ids=lambda value: re.sub(r"\W+", "_", repr(value))[:40],
)
def test_a_transformer_that_is_not_valid_has_a_picture_and_no_phases(
    estimator, transformer
):
    model = estimator(transformer)
    for around in (model, make_pipeline(StandardScaler(), model)):
        for html in (around._repr_html_(), around._repr_mimebundle_()["text/html"]):
            assert estimator.__name__ in html
            assert cells_of(html) == []


def test_labels_of_users_are_escaped():
    plan = (Phase(1, 2, (1,), kind="<script>alert(1)</script>"),)
    html = GradualDAETransformer(4, schedule=plan)._repr_html_()
    table = html[html.index("skdae-phases") :]
    assert "<script>alert" not in table
    assert "&lt;script&gt;alert(1)" in table


def test_estimators_that_hold_networks_show_them(table, detector):
    ((heads, *rows),) = cells_of(detector._repr_html_())
    assert heads[-2:] == ["loss", "seconds"]  # nothing was held out
    assert len(rows) == 2
    assert f"the first of {len(detector.members_)} networks" in detector._repr_html_()
    X, y = table.to_numpy(), np.arange(N) % 2
    inner = GradualDAETransformer((4, 3), max_iter=4, random_state=0)
    classifier = GradualDAEClassifier(inner, max_iter=6)
    assert len(cells_of(classifier._repr_html_())) == 1
    pretraining, tuning = cells_of(classifier.fit(X, y)._repr_html_())
    assert pretraining[1][1] == "gradual"
    assert tuning[1][1] == "fine-tuning"
    imputer = GradualDAEImputer(inner, n_refinements=2, random_state=0).fit(X)
    assert len(cells_of(imputer._repr_html_())) == 2


@pytest.mark.parametrize(
    "estimator",
    [
        GradualDAETransformer(max_iter=1),
        GradualDAETransformer(learning_rate_init="fast"),
        GradualDAETransformer("wide"),
        GradualDAEOutlierDetector(),
    ],
)
def test_what_cannot_be_planned_is_shown_without_phases(estimator):
    assert cells_of(estimator._repr_html_()) == []


def test_a_schedule_of_the_users_own_is_shown_as_it_is():
    dae = GradualDAETransformer((6, 4), schedule=stacked(2, 7, tuning_fraction=0.3))
    ((_, *rows),) = cells_of(dae._repr_html_())
    assert [row[1] for row in rows] == ["stacked", "stacked", "tuning"]


# --- layers -----------------------------------------------------------------------


def test_similarities_are_written_in_their_cells(dae, table):
    from skdae.inspection import layer_cka

    display = CKADisplay.from_estimator(dae, table)
    found = layer_cka(dae, table)
    np.testing.assert_array_equal(display.image_.get_array(), found)
    assert {f"{value:.2f}" for value in found.ravel()} <= set(texts(display.figure_))


def test_drift_has_a_line_per_layer_and_bounds_of_phases():
    drift = np.arange(10.0).reshape(5, 2)
    display = WeightDriftDisplay(drift, phases=[0, 0, 1, 1, 2]).plot()
    np.testing.assert_array_equal([y.get_ydata() for y in display.lines_], drift.T)
    assert display.boundaries_.tolist() == [2.5, 4.5]
    with pytest.raises(ValueError, match="phases holds 1 values and must hold one"):
        WeightDriftDisplay(drift, phases=[0]).plot()


def test_drift_is_drawn_from_a_callback_that_has_observed(table):
    from skdae.inspection import WeightDrift

    with pytest.raises(ValueError, match="has no drift_; pass a WeightDrift that"):
        WeightDriftDisplay.from_callback(WeightDrift())
    observed = WeightDrift()
    observed.drift_, observed.phases_ = np.ones((3, 2)), np.array([0, 1, 1])
    display = WeightDriftDisplay.from_callback(observed)
    assert display.boundaries_.tolist() == [1.5]


def test_arrows_have_their_direction_and_at_most_a_step_of_the_grid():
    points = [[0, 0], [2, 0], [0, 1], [2, 1]]
    vectors = np.array([[0.2, 0.1], [-40, 10], [0, 0], [0, -3]])
    display = ReconstructionFieldDisplay(points, vectors).plot()
    found = np.column_stack([display.arrows_.U, display.arrows_.V])
    np.testing.assert_array_equal(found[[0, 2]], vectors[[0, 2]])
    np.testing.assert_allclose(np.hypot(*(found / [2, 1]).T)[[1, 3]], 1)
    np.testing.assert_allclose(found[1] / found[1, 1], vectors[1] / vectors[1, 1])


def test_a_field_has_the_rows_and_names_of_its_columns(dae, table):
    display = ReconstructionFieldDisplay.from_estimator(
        dae, table, columns=(2, 0), n_grid=3
    )
    assert display.ax_.get_xlabel() == table.columns[2]
    assert display.ax_.get_ylabel() == table.columns[0]
    np.testing.assert_allclose(display.rows[:, 1], table[table.columns[0]])


# --- grading -------------------------------------------------------------------------


def test_the_defects_of_a_grading_are_drawn_by_verdict(table):
    broken = table.assign(flat=1.0, twin=table.iloc[:, 0])
    display = GradingDisplay.from_table(broken)
    values = np.asarray(display.image_.get_array())
    names = [label.get_text() for label in display.ax_.get_xticklabels()]
    sensors = [label.get_text() for label in display.ax_.get_yticklabels()]
    for sensor, row in zip(sensors, values, strict=True):
        graded = display.grading.sensors.loc[sensor]
        found = {name for name, value in zip(names, row, strict=True) if value}
        assert found == set(graded["defects"])
        assert set(row) <= {0, 1 + VERDICTS.index(graded["verdict"])}
    assert values[sensors.index("flat"), names.index("constant")] == 3
    assert values[sensors.index("twin"), names.index("duplicate")] == 3
