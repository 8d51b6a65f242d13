"""How often the proof of concept says 'worth it' where nothing is to be gained.

Each replication simulates the result table of a run in which our methods and the best
baseline are equally good: errors vary with the training rows that splits share, and
from split to split and test row to test row as the statistics assume, or with heavier
tails. The statistics and the verdict are those of a run. ``--runs`` adds real runs on
small tables whose labels are independent of the columns, and whose columns are
independent of each other.

python benchmarks/null_verdicts.py                 200 replications, a minute
python benchmarks/null_verdicts.py --runs 20       and 20 real runs
"""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

from skdae import GradualDAETransformer, poc
from skdae.poc._denoising import ERROR, FAULTS, GAPS, IMPUTER, RESTORERS
from skdae.poc._downstream import ALL, CODES, PREDICTORS, UNTRAINED
from skdae.poc._report import views
from skdae.poc._results import DENOISING, DOWNSTREAM, N_REPLICATES, Record
from skdae.poc._verdict import decide

SHARE = 0.25  # of test rows to training rows, as in 5-fold cross-validation
N_SPLITS = 10
MEASURE = "share_wrong"
SPREAD = 0.05  # of the logarithm of an error, from split to split
ROW_SPREAD = 0.03  # of it, from the test rows

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
#: Distributions of errors; all have a variance of 1.
NULLS: dict[str, Draw] = {
    "normal": lambda draw, size: draw.normal(size=size),
    "heavy tails": lambda draw, size: draw.standard_t(4, size=size) / np.sqrt(2),
    "skewed": lambda draw, size: draw.exponential(size=size) - 1,
}


def records(draw: np.random.Generator, null: Draw) -> list[Record]:
    """Return the result table of a run in which the best methods are equal."""
    found = []
    jobs = [(DENOISING, name, ERROR, tuple(RESTORERS)) for name in FAULTS]
    jobs.append((DOWNSTREAM, ALL, MEASURE, tuple(PREDICTORS)))
    for experiment, condition, measure, baselines in jobs:
        ours = ["gradual"]
        ours += [IMPUTER] if condition in GAPS else []
        ours += [UNTRAINED, CODES] if experiment == DOWNSTREAM else []
        for method in (*ours, *baselines):
            # one baseline is as good as ours, the others are worse
            mean = 0.2 if method in (*ours, baselines[-1]) else 0.25
            found += _of_method(
                draw, null, (experiment, method, condition), measure, mean
            )
    return found


def _of_method(
    draw: np.random.Generator,
    null: Draw,
    where: tuple[str, str, str],
    measure: str,
    mean: float,
) -> list[Record]:
    # splits share training rows: their errors are correlated by SHARE / (1 + SHARE)
    shared = np.sqrt(SHARE / (1 + SHARE)) * draw.normal()
    own = np.sqrt(1 / (1 + SHARE)) * null(draw, (N_SPLITS,))
    values = mean * np.exp(SPREAD * (shared + own))
    moved = (
        ROW_SPREAD / np.sqrt(N_REPLICATES - 1) * null(draw, (N_SPLITS, N_REPLICATES))
    )
    return [
        Record(*where, k, measure, float(v), tuple((v * np.exp(moved[k])).tolist()))
        for k, v in enumerate(values)
    ]


def simulated(draw: np.random.Generator, null: Draw) -> str:
    """Return the short answer of a replication."""
    content: dict[str, Any] = {
        "schedules": ["gradual"],
        "data": {"columns": [], "in_order": False},
        "task": {"kind": "classification", "measures": [MEASURE], "labels": [ALL]},
    }
    content |= views(records(draw, null), content, SHARE)
    return decide(content)[0]["answer"]


def run(seed: int) -> str:
    """Return the short answer of a real run on noise."""
    draw = np.random.default_rng(seed)
    X, y = draw.normal(size=(120, 4)), draw.integers(0, 2, 120)
    report = poc.run(
        X,
        y,
        schedules=["gradual"],
        transformer=GradualDAETransformer((8, 4), max_iter=20),
        minutes=None,
        n_splits=5,
        memory=False,
        random_state=seed,
    )
    return report.verdict[0]["answer"]


def main() -> None:
    """Print how often each answer is given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replications", type=int, default=200)
    parser.add_argument("--runs", type=int, default=0, help="real runs on noise")
    args = parser.parse_args()
    print("| nothing to gain | replications | worth | unsure | not worth |")
    print("|---|---:|---:|---:|---:|")
    for name, null in NULLS.items():
        draw = np.random.default_rng(0)
        show(name, [simulated(draw, null) for _ in range(args.replications)])
    if args.runs:
        show("real runs on noise", [run(seed) for seed in range(args.runs)])


def show(name: str, answers: list[str]) -> None:
    """Print a row of the table."""
    shares = [
        answers.count(code) / len(answers) for code in ("worth", "unsure", "not_worth")
    ]
    cells = " | ".join(f"{share:.1%}" for share in shares)
    print(f"| {name} | {len(answers)} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
