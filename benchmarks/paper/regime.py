"""The regime map on images: what gradual training gains by rows, depth, width, noise.

Around one setting, each quantity is changed by itself. Step sizes and seeds are those
of run.py. Finished cells are kept as JSON lines in --results.
"""

from dataclasses import replace

from experiment import Setting
from run import Store, common_options, run

NAME = "mnist-regime"
METHODS = ["stacked", "gradual, copy", "joint"]
BASE = Setting("mnist", 2_000, (150, 150), 50, (15, 15), 20)
# what differs from the first setting, the most informative ones first
CHANGES: dict[str, dict[str, object]] = {
    "base": {},
    "500 rows": {"n_train": 500},
    "10,000 rows": {"n_train": 10_000},
    "three layers": {"widths": (150, 150, 150), "epochs": (15, 15, 15)},
    "noise 0.4": {"noise_rate": 0.4},
    "a third of the epochs": {"epochs": (5, 5), "tuning": 7},
    "four times the epochs": {"epochs": (60, 60), "tuning": 80},
    "50 units": {"widths": (50, 50)},
    "400 units": {"widths": (400, 400)},
    "noise 0.05": {"noise_rate": 0.05},
    "1,000 rows": {"n_train": 1_000},
    "4,000 rows": {"n_train": 4_000},
    "CIFAR-10": {"data": "cifar10"},
    "direct decoder": {"decoder": "direct"},
    "SGD with momentum": {"solver": "sgd"},
}
EXTRA_METHODS = {"base": ["gradual", "frozen, copy", "hybrid 0.25, copy"]}
SETTINGS = {name: replace(BASE, **changed) for name, changed in CHANGES.items()}


def main() -> None:
    """Run what is missing."""
    parser = common_options(__doc__, n_seeds=3)
    parser.add_argument("--settings", help="separated by ';' (default: all)")
    args = parser.parse_args()
    store = Store(args.results / f"{NAME}.jsonl")
    for name in args.settings.split(";") if args.settings else SETTINGS:
        methods = METHODS + EXTRA_METHODS.get(name, [])
        run(store, SETTINGS[name], methods, args.seeds, args.data)


if __name__ == "__main__":
    main()
