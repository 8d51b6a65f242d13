"""What runs on a Ray cluster equals what runs without one."""

import os
import signal
import sys
from functools import partial

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skdae import (
    GradualDAEClassifier,
    GradualDAEOutlierDetector,
    GradualDAERegressor,
    GradualDAETransformer,
)
from skdae.distributed import fit, fit_groups, predict, score_samples, transform
from skdae.distributed._apply import BATCH_ROWS
from skdae.model_selection import GradualDAESearchCV
from skdae.timeseries import EWMA

COLUMNS = list("abcdef")


@pytest.fixture(scope="module")
def table():
    generator = np.random.default_rng(0)
    X = generator.standard_normal((1_500, 3)) @ generator.standard_normal((3, 6))
    X += 0.1 * generator.standard_normal(X.shape)
    X[generator.random(X.shape) < 0.02] = np.nan
    frame = pd.DataFrame(X, columns=COLUMNS)
    return frame.assign(machine=np.arange(1_500) % 3, row=np.arange(1_500))


def small(**parameters):
    return GradualDAETransformer((4, 2), max_iter=3, random_state=0, **parameters)


@pytest.mark.parametrize("call", [transform, score_samples, predict])
def test_without_ray_an_error_names_the_extra(monkeypatch, call):
    monkeypatch.setitem(sys.modules, "ray", None)
    dae = small().fit(np.eye(4))
    with pytest.raises(ImportError, match=r"skdae\[ray\]"):
        call(dae, None)
    for fitting in (fit, partial(fit_groups, by="machine")):
        with pytest.raises(ImportError, match=r"skdae\[ray\]"):
            fitting(small(), None)


@pytest.fixture(scope="module")
def cluster():
    """A cluster of two workers, which is stopped in the end."""
    ray = pytest.importorskip("ray", reason="needs the extra ray")
    # Ray starts workers at niceness 15: where anything else runs, an import of torch
    # in one of them then takes a minute.
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=200_000_000,
        _system_config={"worker_niceness": 0},
    )
    yield ray
    ray.shutdown()


@pytest.fixture
def dataset(cluster, table):
    import ray.data

    ray.data.DataContext.get_current().enable_progress_bars = False
    return ray.data.from_pandas([table[:110], table[110:1_300], table[1_300:]])


@pytest.mark.slow
@pytest.mark.xdist_group("ray")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Ray
class TestOnACluster:
    @pytest.mark.parametrize(
        "make",
        [
            GradualDAESearchCV,
            GridSearchCV,
        ],
    )
    def test_searches_have_equal_results(self, cluster, table, make):
        from ray.util.joblib import register_ray

        register_ray()
        grid = {"hidden_layer_sizes": [(4,), (4, 2)], "noise_rate": [0.1, 0.3]}
        X = table[COLUMNS]
        expected = make(small(), grid, cv=2).fit(X).cv_results_
        with joblib.parallel_config(backend="ray", n_jobs=2):
            found = make(small(), grid, cv=2, n_jobs=2).fit(X).cv_results_
        for name in ("split0_test_score", "split1_test_score", "rank_test_score"):
            np.testing.assert_array_equal(found[name], expected[name])

    def test_models_of_groups_are_those_of_their_rows(self, dataset, table):
        shuffled = dataset.randomize_block_order(seed=0)
        models = fit_groups(small(), shuffled, by="machine", order_by="row")
        assert list(models) == [0, 1, 2]
        for machine, model in models.items():
            X = table.loc[table["machine"] == machine, COLUMNS]
            expected = small().fit(X)
            np.testing.assert_array_equal(model.transform(X), expected.transform(X))

    @pytest.mark.parametrize(
        ("columns", "options", "why"),
        [
            (
                {"machine": lambda r: np.where(r["row"] == 7, 9, 0)},
                {},
                "a minimum of 2",
            ),
            (
                {"machine": lambda r: np.where(r["row"] < 9, np.nan, 0)},
                {},
                "'machine' names none",
            ),
            (
                {"time": lambda r: np.where(r["machine"] == 1, np.nan, r["row"])},
                {"order_by": "time"},
                "order_by='time' has .* missing values",
            ),
        ],
    )
    def test_a_group_that_cannot_be_fitted_is_named_and_others_have_models(
        self, dataset, columns, options, why
    ):
        changed = dataset.map_batches(
            lambda rows: rows.assign(**columns), batch_format="pandas"
        )
        with pytest.warns(FitFailedWarning, match=f"1 of . groups.*{why}"):
            models = fit_groups(small(), changed, by="machine", **options)
        assert list(models) == ([0] if "machine" in columns else [0, 2])
        assert all(hasattr(model, "network_") for model in models.values())

    def test_an_error_is_raised_where_no_group_can_be_fitted(self, dataset):
        with pytest.raises(ValueError, match=r"3 of 3 groups.*\[0, 1, 2\].*max_iter=1"):
            fit_groups(small().set_params(max_iter=1), dataset, by="machine")

    def test_rows_are_scored_as_without_ray(self, cluster, table):
        import ray.data

        X = pd.concat([table] * 15, ignore_index=True)  # a batch, and a shorter one
        assert BATCH_ROWS < len(X) < 2 * BATCH_ROWS
        X["row"] = np.arange(len(X))
        dataset = ray.data.from_pandas([X[:1_110], X[1_110:19_000], X[19_000:]])
        dae = small().fit(X[COLUMNS][:1_000])
        codes = transform(dae, dataset).to_pandas()
        expected = dae.transform(X[COLUMNS])
        np.testing.assert_array_equal(codes[["machine", "row"]], X[["machine", "row"]])
        np.testing.assert_array_equal(codes[dae.get_feature_names_out()], expected)
        scores = score_samples(dae, dataset, keep=[]).to_pandas()
        assert list(scores) == ["score"]
        np.testing.assert_array_equal(scores["score"], dae.score_samples(X[COLUMNS]))

    @pytest.mark.parametrize(
        ("make", "method"),
        [
            (lambda: GradualDAERegressor(small(), max_iter=2, random_state=0), predict),
            (
                lambda: GradualDAEClassifier(small(), max_iter=2, random_state=0),
                predict,
            ),
            (lambda: make_pipeline(small(), LogisticRegression()), predict),
            (
                lambda: GradualDAEOutlierDetector(
                    small(), n_splits=2, lags=0, random_state=0
                ),
                score_samples,
            ),
        ],
    )
    def test_estimators_return_what_they_do_without_ray(
        self, dataset, table, make, method
    ):
        estimator = make().fit(table[COLUMNS], table["machine"])
        found = method(estimator, dataset, keep=[]).to_pandas().to_numpy().ravel()
        expected = getattr(estimator, method.__name__)(table[COLUMNS])
        np.testing.assert_array_equal(found, expected)

    def test_errors_name_the_remedy(self, dataset, table):
        dae = small().fit(table[COLUMNS])
        with pytest.raises(ValueError, match="call the estimator on the table"):
            transform(dae, table)
        with pytest.raises(ValueError, match="by names columns"):
            fit_groups(small(), dataset, by="plant")
        with pytest.raises(ValueError, match="keep names columns"):
            transform(dae, dataset, keep=["number"])
        with pytest.raises(ValueError, match=r"pass \['row'\]"):
            transform(dae, dataset, keep="row")
        with pytest.raises(ValueError, match="must have the method predict"):
            predict(dae, dataset)
        with pytest.raises(ValueError, match="must have the method transform"):
            transform(LogisticRegression().fit([[0], [1]], [0, 1]), dataset)
        with pytest.raises(ValueError, match="dataset has no rows"):
            fit(small(), dataset.limit(0))
        with pytest.raises(ValueError, match="fit it on a DataFrame"):
            transform(small().fit(table[COLUMNS].to_numpy()), dataset)
        with pytest.raises(ValueError, match="the estimator names columns"):
            transform(dae, dataset.drop_columns(["a"]))
        named = dataset.rename_columns({"row": "score"})
        with pytest.raises(ValueError, match="names of outputs"):
            score_samples(dae, named)

    @pytest.mark.parametrize("reading", [{"lags": 2}, {"smoothing": EWMA()}])
    def test_estimators_of_rows_in_order_are_refused(self, dataset, table, reading):
        detector = GradualDAEOutlierDetector(
            small(),
            scores="weighted_distance",
            n_splits=2,
            random_state=0,
            **{"lags": 0, **reading},
        )
        detector.fit(table[COLUMNS])
        with pytest.raises(ValueError, match="reads the rows around"):
            score_samples(detector, dataset)

    def test_the_code_blocks_of_the_page_run(self, cluster):
        from test_readme import DOCS, rst_blocks, run

        page = (DOCS / "more_than_one_machine.rst").read_text(encoding="utf-8")
        names = run(rst_blocks(page))
        assert sorted(names["models"]) == ["pump 0", "pump 1", "pump 2"]
        assert [phase.epochs for phase in names["network"].phases_] == [5, 5]

    def test_a_network_of_two_workers_is_that_of_one_process(self, dataset, table):
        whole = {"batch_size": 2_000, "noise_rate": 0.0}  # nothing depends on order
        dae = small(**whole)
        X = table[COLUMNS]
        found = fit(dae, dataset.drop_columns(["machine", "row"]))
        expected = small(**whole).fit_stream([X])
        assert not hasattr(dae, "network_")
        np.testing.assert_allclose(found.transform(X), expected.transform(X), atol=1e-6)
        np.testing.assert_allclose(found.loss_curve_, expected.loss_curve_, rtol=1e-5)
        updates = [
            [phase.weight_updates for phase in each.phases_]
            for each in (found, expected)
        ]
        assert updates[0] == updates[1]

    def test_rows_are_there_before_workers_take_the_processors(
        self, cluster, dataset, monkeypatch
    ):
        """Tasks that make them would wait for workers, which would wait for them."""
        from skdae.distributed import _fit

        found = []

        def train(job, shards, max_failures):
            refs = [ref for shard in shards for ref in shard]
            ready, _ = cluster.wait(refs, num_returns=len(refs), timeout=0)
            found.append((len(ready), len(refs)))
            raise InterruptedError

        monkeypatch.setattr(_fit, "_train", train)
        monkeypatch.setattr(_fit, "BLOCK_CELLS", 60)
        with pytest.raises(InterruptedError):
            fit(small(), dataset.drop_columns(["machine", "row"]))
        assert found == [(150, 150)]

    def test_a_fit_that_loses_a_worker_ends_like_one_that_does_not(
        self, dataset, table, monkeypatch
    ):
        from skdae.distributed import _fit

        class Killed(_fit._Worker):
            """The second worker ends in the second epoch of the second phase."""

            def train(self, job, rank, address, blocks, checkpoint):
                given = (job, rank, address, blocks, checkpoint)
                for number, found in enumerate(super().train(*given), 1):
                    yield found
                    if checkpoint is None and rank == 1 and number == 4:
                        os.kill(os.getpid(), signal.SIGKILL)

        rows = dataset.drop_columns(["machine", "row"])
        dae = small(batch_size=100).set_params(max_iter=6)
        expected = fit(dae, rows, checkpoint_minutes=0)
        monkeypatch.setattr(_fit, "_Worker", Killed)
        found = fit(dae, rows, checkpoint_minutes=0)
        np.testing.assert_array_equal(
            found.transform(table[COLUMNS]), expected.transform(table[COLUMNS])
        )
        assert found.loss_curve_ == expected.loss_curve_
        assert [p.epochs for p in found.phases_] == [3, 3]
        with pytest.raises(RuntimeError, match="more than max_failures=0"):
            fit(dae, rows, checkpoint_minutes=0, max_failures=0)

    @pytest.mark.parametrize(
        ("make", "options", "message"),
        [
            (
                lambda: GradualDAEOutlierDetector(),
                {},
                "must be a GradualDAETransformer",
            ),
            (small, {"num_workers": 0}, "num_workers=0 must be"),
            (small, {"num_workers": 9}, "has 2; take fewer workers"),
            (small, {"max_failures": -1}, "max_failures=-1 must be"),
            (lambda: small(batch_size=1), {}, "batch_size=1 must be at least"),
            (lambda: small(early_stopping=True), {}, "early_stopping=True needs"),
            (lambda: small(device="cuda"), {}, "the cluster has 0; take fewer"),
        ],
    )
    def test_fits_that_cannot_be_name_the_remedy(self, dataset, make, options, message):
        with pytest.raises(ValueError, match=message):
            fit(make(), dataset, **options)

    def test_the_error_of_the_worker_that_failed_is_raised(self, dataset, monkeypatch):
        """Not that of the first one, which has lost the other."""
        from skdae.distributed import _fit

        class Failing(_fit._Worker):
            """The second worker fails after the first phase."""

            def train(self, job, rank, address, blocks, checkpoint):
                for found in super().train(job, rank, address, blocks, checkpoint):
                    yield found
                    if rank == 1:
                        raise MemoryError("of the second worker")

        monkeypatch.setattr(_fit, "_Worker", Failing)
        with pytest.raises(MemoryError, match="of the second worker"):
            fit(small(), dataset.drop_columns(["machine", "row"]))

    def test_an_error_of_a_worker_is_that_of_a_fit(self, dataset):
        dae = small(solver="sgd", learning_rate_init=1e30, device="auto")
        with pytest.raises(ValueError, match="Training diverged"):
            fit(dae, dataset)
