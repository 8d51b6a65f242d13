"""Do ONNX models give what their estimators give, on all sets and in both dtypes?

Small estimators are fitted on a part of each set and exported; both get other rows,
with the missing cells of the set and some more. The figure is the largest difference in
a cell, over the largest value of its column in the results. Labels that differ are
counted. Rows that occur in fit are left out: a detector scores them by some of its
networks, and its model by all of them.
"""

import argparse
import os
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from _anomaly_sets import labelled_sets
from _data import available
from _tables import markdown

import skdae
from skdae import (
    GradualDAEClassifier,
    GradualDAEImputer,
    GradualDAEOutlierDetector,
    GradualDAERegressor,
    GradualDAETransformer,
)

LIMIT = 1e-5  # of the largest value of a column
FIT_ROWS, NEW_ROWS = 400, 200
HIDDEN = 0.03  # share of the cells of new rows that are hidden
MAX_COLUMNS = 60  # of a table: further ones are left out, for the time of the run
SMALL = GradualDAETransformer((12, 6), max_iter=5, random_state=0)
DTYPES = ("float32", "float64")


def transformer(output: str) -> Callable[[tuple[int, ...]], Any]:
    """A transformer with one of its outputs."""
    return lambda categorical: GradualDAETransformer(
        (12, 6),
        max_iter=5,
        random_state=0,
        output=output,
        categorical_features=list(categorical),
    )


ESTIMATORS: dict[str, Callable[[tuple[int, ...]], Any]] = {
    "code": transformer("code"),
    "error": transformer("error"),
    "reconstruction": transformer("reconstruction"),
    "detector": lambda categorical: GradualDAEOutlierDetector(
        SMALL,
        n_splits=2,
        false_alarm_rate=0.1,
        random_state=0,
        categorical_features=list(categorical),
    ),
    "imputer": lambda categorical: GradualDAEImputer(
        SMALL,
        n_trees=3,
        order=None,
        random_state=0,
        categorical_features=list(categorical),
    ),
    "classifier": lambda categorical: GradualDAEClassifier(
        SMALL.set_params(categorical_features=None), max_iter=5, random_state=0
    ),
    "regressor": lambda categorical: GradualDAERegressor(
        SMALL.set_params(categorical_features=None), max_iter=5, random_state=0
    ),
}
# name of an output: what the estimator calls it
METHODS = {
    "transformed": "transform",
    "imputed": "transform",
    "score_samples": "score_samples",
    "contributions": "contributions",
    "label": "predict",
    "probabilities": "predict_proba",
    "prediction": "predict",
}


def rows_of(X: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to fit and other rows, in their order, these with more missing cells."""
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(X))[: FIT_ROWS + NEW_ROWS]
    n_fit = len(chosen) * FIT_ROWS // (FIT_ROWS + NEW_ROWS)
    train, new = X[np.sort(chosen[:n_fit])], X[np.sort(chosen[n_fit:])].copy()
    known = {row.tobytes() for row in as_single(train)}
    is_new = [row.tobytes() not in known for row in as_single(new)]
    new = new[is_new]
    new[rng.random(new.shape) < HIDDEN] = np.nan
    return train, new[~np.isnan(new).all(axis=1)]


def as_single(rows: np.ndarray) -> np.ndarray:
    """Rows in the precision in which a detector recognises them."""
    return np.nan_to_num(rows.astype(np.float32))


def difference(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference over the largest value of a column; a count for labels."""
    expected = np.asarray(expected).reshape(found.shape)
    if expected.dtype.kind not in ("f", "O"):
        return float((found != expected).sum())
    expected = expected.astype(float)
    size = np.nanmax(np.abs(expected), axis=0)
    apart = np.abs(found - expected) / np.where(size > 0, size, 1)
    apart[np.isnan(found) & np.isnan(expected)] = 0
    return float(apart.max())


def fitted(name: str, train: np.ndarray, categorical: tuple[int, ...]) -> Any:
    """An estimator fitted on a table; its target is made of the first column."""
    estimator = ESTIMATORS[name](categorical)
    target = np.nan_to_num(train[:, 0], nan=float(np.nanmedian(train[:, 0])))
    if name == "classifier":
        middle = np.median(target)
        target = np.where(target > middle, "high", "low")
        target[:2] = ["high", "low"]
    return estimator.fit(train, target)


def compare(
    name: str, X: np.ndarray, categorical: tuple[int, ...]
) -> dict[str, tuple[float, float]]:
    """The largest differences in float32 and float64, by output."""
    train, new = rows_of(X, seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator = fitted(name, train, categorical)
        by_dtype = [outputs(estimator, new.astype(dtype), dtype) for dtype in DTYPES]
    return {key: tuple(each[key] for each in by_dtype) for key in by_dtype[0]}


def outputs(estimator: Any, new: np.ndarray, dtype: str) -> dict[str, float]:
    """The largest difference of each output."""
    model = skdae.to_onnx(estimator, dtype=dtype).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs() if each.name in METHODS]
    values = session.run(names, {"X": new})
    return {
        key: difference(value, getattr(estimator, METHODS[key])(new))
        for key, value in zip(names, values, strict=True)
    }


def tables(folder: Path | None) -> dict[str, Callable[[], tuple[np.ndarray, tuple]]]:
    """Loaders of tables and their categorical columns, of all collections."""
    found: dict[str, Callable[[], tuple[np.ndarray, tuple]]] = {}
    for name, load in available(folder).items():
        found[name] = partial(_table, load)
    for name, load_set in labelled_sets(folder).items():
        found[f"anomaly/{name}"] = partial(_anomalies, load_set)
    return found


def _table(load: Callable[[], Any]) -> tuple[np.ndarray, tuple[int, ...]]:
    table = load()
    kept = [j for j in table.categorical if j < MAX_COLUMNS]
    return table.X[:, :MAX_COLUMNS], tuple(kept)


def _anomalies(load: Callable[[], Any]) -> tuple[np.ndarray, tuple[int, ...]]:
    return load().X[:, :MAX_COLUMNS], ()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    data = os.environ.get("SKDAE_DATA")
    parser.add_argument("--data", type=Path, default=data and Path(data))
    parser.add_argument("--sets", help="some of the sets, separated by commas")
    parser.add_argument("--output", type=Path, help="also write the table there")
    args = parser.parse_args()
    found, chosen = tables(args.data), args.sets and args.sets.split(",")
    lines, n_wrong = [], 0
    for name, load in found.items():
        if chosen and name not in chosen:
            continue
        X, categorical = load()
        for method in ESTIMATORS:
            is_target = method in ("classifier", "regressor")
            if is_target and categorical:
                continue
            for output, pair in compare(method, X, categorical).items():
                is_wrong = max(pair) > (0 if output == "label" else LIMIT)
                n_wrong += is_wrong
                figures = [f"{value:.1e}" if value else "0" for value in pair]
                lines.append([name, method, output, *figures])
                if is_wrong:
                    print("not within the limit:", *lines[-1], file=sys.stderr)
    text = markdown(["set", "estimator", "output", *DTYPES], lines)
    summary = (
        f"{len(lines)} comparisons on {len({line[0] for line in lines})} sets, "
        f"{n_wrong} above {LIMIT:g}."
    )
    print(f"{text}\n\n{summary}")
    if args.output:
        args.output.write_text(f"# Agreement of ONNX models\n\n{summary}\n\n{text}\n")
    sys.exit(n_wrong > 0)


if __name__ == "__main__":
    main()
