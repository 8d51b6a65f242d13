"""Which share of the epochs should the first layer have? On validation rows.

Each estimator has the defaults, on few rows of each set, and differs in the split of
its epochs alone. Rows to test on are neither trained nor validated on; of simulated
kinds of tables all rows are fresh. Epochs are equal, so that a smaller share for the
first layer makes more updates and takes longer; *at equal updates* has fewer epochs.
See README.md for the rule.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from _anomaly_sets import labelled_sets
from _labelled import labelled_tables
from _processes import autoregressive
from _runner import Benchmark, Values, measure, parse, protocol, publish, timed
from _tables import RATIO, Results, comparison_row, error_table, markdown
from sklearn.datasets import load_digits
from start import ANOMALIES, CONDITIONS, N_LABELS, N_TEST, N_TRAIN, TABLES, Problem

from skdae import GradualDAETransformer
from skdae._transformer._defaults import default_transformer
from skdae.schedules import Gradual

EQUAL = "1:1"
N_SIMULATED = 12  # columns
SIMULATED_NOISE = 0.2


class Split(NamedTuple):
    """Shares of the epochs by layer, and what else differs from the defaults."""

    shares: str | tuple[float, float]
    epochs: float = 1.0  # over those of the defaults
    early_stopping: bool = False


METHODS = {
    EQUAL: Split("equal"),
    "1:4": Split((1, 4)),
    "1:19": Split((1, 19)),
    # with 1:1 an epoch makes 1.5 updates of a layer on average, with 1:4 1.8
    "1:4 at equal updates": Split((1, 4), 1.5 / 1.8),
    "1:1, early stopping": Split("equal", early_stopping=True),
    "auto, early stopping": Split("auto", early_stopping=True),
    "auto": Split("auto"),
}

# --- simulated kinds of tables -------------------------------------------------------

N_FACTORS = 4


def _linear(plant: np.random.Generator, F: np.ndarray) -> np.ndarray:
    return F @ plant.normal(size=(F.shape[1], N_SIMULATED)) / 2


def _curved(plant: np.random.Generator, F: np.ndarray) -> np.ndarray:
    hidden = np.tanh(F @ plant.normal(size=(F.shape[1], 16)))
    return hidden @ plant.normal(size=(16, N_SIMULATED)) / 4


def _clustered(plant: np.random.Generator, F: np.ndarray) -> np.ndarray:
    centres = 2 * plant.normal(size=(6, N_SIMULATED))
    which = np.abs(F[:, 0] * 1e3).astype(int) % 6  # by digits that mean nothing
    return centres[which] + _linear(plant, F) / 2


def _heavy_tailed(plant: np.random.Generator, F: np.ndarray) -> np.ndarray:
    return np.sinh(1.5 * _curved(plant, F))


class Kind(NamedTuple):
    """A kind of simulated tables."""

    signal: Callable[[np.random.Generator, np.ndarray], np.ndarray]
    n_train: int = N_TRAIN
    phi: float = 0.0  # of the factors, in time


KINDS = {
    "linear factors": Kind(_linear),
    "nonlinear": Kind(_curved),
    "clustered": Kind(_clustered),
    "heavy tails": Kind(_heavy_tailed),
    "few rows": Kind(_curved, n_train=80),
    "time order": Kind(_curved, phi=0.95),
}


def simulated(kind: Kind, seed: int) -> Problem:
    """Rows to learn from, and fresh ones of the same plant."""
    draw = np.random.default_rng([seed, 1])
    parts = []
    for n_rows in (kind.n_train, N_TEST):
        factors = autoregressive(draw, n_rows, N_FACTORS, kind.phi)
        signal = kind.signal(np.random.default_rng([seed, 2]), factors)
        parts.append(signal + SIMULATED_NOISE * draw.normal(size=signal.shape))
    train, test = parts
    labels = [np.zeros(len(part)) for part in parts]
    return Problem(train, test, *labels, "rows", seed)


def digits(seed: int) -> Problem:
    """Small images."""
    X = np.random.default_rng(seed).permutation(load_digits().data)
    labels = np.zeros(N_TRAIN), np.zeros(len(X) - N_TRAIN)
    return Problem(X[:N_TRAIN], X[N_TRAIN:], *labels, "rows", seed)


# --- validation rows of sets ---------------------------------------------------------


def prepare(name: str, seed: int, *, args: argparse.Namespace) -> Problem:
    """At most `N_TRAIN` rows, and others that are no test rows."""
    if name in KINDS:
        return simulated(KINDS[name], seed)
    if name == "digits":
        return digits(seed)
    generator = np.random.default_rng([seed, 7])
    if name in ANOMALIES:  # half of the rows, of both classes
        found = labelled_sets(args.data)[name]()
        train, test = found.one_class(seed, N_TRAIN)
        validation = generator.permutation(test)[: len(test) // 2][:N_TEST]
        y, X = found.y, found.X
        return Problem(
            X[train], X[validation], y[train], y[validation], "anomalies", seed
        )
    labelled = labelled_tables(args.data)[name]()
    rows, _ = labelled.split(seed)
    rows, validation = labelled.table.hold_out(rows, 0.25, seed + 1000)
    own = labelled.labelled(rows, N_LABELS, seed)
    rest = generator.permutation(np.setdiff1d(rows, own))
    train, validation = np.r_[own, rest][:N_TRAIN], generator.permutation(validation)
    validation = validation[:N_TEST]
    X, y = labelled.table.X.astype(float), labelled.y
    return Problem(
        X[train], X[validation], y[train], y[validation], labelled.task, seed
    )


def applies(problem: Problem, condition: str, method: str) -> bool:
    """Anomalies for the detector, labels where there are some.

    A network alone has no rows that are held out.
    """
    split = METHODS[method]
    holds_out = split.early_stopping or split.shares == "auto"
    if condition == "its network alone" and holds_out:
        return False
    is_labels = condition.startswith("labels")
    if problem.task == "rows":
        return not CONDITIONS[condition].is_detector and not is_labels
    return CONDITIONS[condition].is_detector == (problem.task == "anomalies")


def evaluate(problem: Problem, condition: str, method: str, *, quick: bool) -> Values:
    """Error on the validation rows, and seconds."""
    user, error, _ = CONDITIONS[condition]
    network = GradualDAETransformer()
    if user is not None:
        network = default_transformer(user, len(problem.train))
    split = METHODS[method]
    epochs = 10 if quick else network.max_iter
    network.set_params(
        schedule=Gradual(epoch_allocation=split.shares),
        max_iter=round(split.epochs * epochs),
        early_stopping=split.early_stopping,
        random_state=problem.seed,
    )
    value, seconds = timed(partial(error, problem, network))
    return {"error": value, "seconds": seconds, "test_ratio": 0.0}


def report(cells: list) -> list[str]:
    """The ratio of the errors of each estimator over its sets, and all errors."""
    rows = []
    for name in dict.fromkeys(cell.condition for cell in cells):
        results = Results([cell for cell in cells if cell.condition == name])
        for method in results.methods:
            if method == EQUAL:
                continue
            row = comparison_row(results, method, EQUAL, "error", RATIO, [])
            if row:
                seconds = results.means("seconds").sum(axis=0)
                time = seconds[results.methods.index(method)] / seconds[0]
                rows.append([f"{name}, {method}", *row[1:5], f"{time:.2f}"])
    header = [f"over {EQUAL}", "errors", "won", "95 % interval", "Wilcoxon, p", "time"]
    return [
        "## Errors on validation rows",
        markdown(header, rows),
        "## By set",
        error_table(Results(cells), "error"),
    ]


def main() -> None:
    """Run and print."""
    extra = {"--conditions": {"help": "names, separated by ';' (default: all)"}}
    args = parse(__doc__, seeds=2, needs_data=True, extra=extra)
    benchmark = Benchmark(
        protocol("allocation", "errors", args),
        partial(prepare, args=args),
        partial(evaluate, quick=args.quick),
        applies,
    )
    conditions = args.conditions.split(";") if args.conditions else list(CONDITIONS)
    sets = [*TABLES, *ANOMALIES, *KINDS, "digits"]
    cells = measure(
        benchmark, args, sets=sets, methods=list(METHODS), conditions=conditions
    )
    publish(report(cells), args)


if __name__ == "__main__":
    main()
