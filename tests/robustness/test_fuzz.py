"""Tables and files of any content: a clear error, or finite results."""

import warnings

import numpy as np
import pandas as pd
import pytest
from _estimators import KINDS, count
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.base import clone

from skdae._files import TableError, read_table

N_TABLES, N_FILES = count("TABLES", 15), count("FILES", 150)
few = settings(
    max_examples=N_TABLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
numbers = st.one_of(
    st.floats(width=32, allow_infinity=False),
    st.sampled_from([0.0, -0.0, np.nan, 1e30, -1e30, 1e-30, 7.0]),
)
tables = st.tuples(st.integers(2, 40), st.integers(1, 5)).flatmap(
    lambda shape: hnp.arrays(np.float64, shape, elements=numbers, fill=st.just(1.0))
)


def finite(values):
    """Whether all numbers among results are finite, or missing where none is known."""
    values = np.asarray(values)
    return values.dtype.kind not in "fc" or not np.isinf(values).any()


@pytest.mark.parametrize("kind", ["transformer", "imputer", "detector", "classifier"])
def test_any_table_is_learned_or_refused(kind):
    outcomes = []

    @few
    @given(tables, tables)
    def check(rows, others):
        estimator = clone(KINDS[kind])
        y = np.arange(len(rows)) % 2
        others = np.resize(others, (max(1, len(others)), rows.shape[1]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            try:
                estimator.fit(rows, y)
            except ValueError as error:
                assert len(str(error)) > 20  # noqa: PT017
                outcomes.append("refused")
                return
            for name in ("transform", "score_samples", "predict", "predict_proba"):
                if hasattr(estimator, name):
                    assert finite(getattr(estimator, name)(others))
        outcomes.append("learned")

    check()
    n_learned = outcomes.count("learned")
    print(f"{kind}: {len(outcomes)} tables, {n_learned} learned, the others refused")
    assert n_learned > 0


cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
files = st.one_of(
    st.binary(max_size=300),
    st.lists(st.lists(cells, min_size=1, max_size=4), max_size=8).map(
        lambda rows: "\n".join(",".join(row) for row in rows).encode()
    ),
    st.lists(
        st.sampled_from(['"', ",", ";", "\n", "\r\n", "a", "1,5", "\t", "-3e9"])
    ).map(lambda parts: "".join(parts).encode()),
)


def test_any_file_is_a_table_or_refused(tmp_path):
    path, outcomes = tmp_path / "t.csv", []

    @settings(few, max_examples=N_FILES)
    @given(files)
    def check(content):
        path.write_bytes(content)
        try:
            found = read_table(path)
        except TableError as error:
            assert str(path) in str(error)  # noqa: PT017
            outcomes.append("refused")
        else:
            assert isinstance(found, pd.DataFrame)
            outcomes.append("read")

    check()
    print(f"{len(outcomes)} files, {outcomes.count('read')} read, the others refused")
    assert {"read", "refused"} <= set(outcomes)
