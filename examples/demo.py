"""A proof of concept on real data, in a minute or two: what it finds, and a page.

python examples/demo.py                      digits, which scikit-learn brings along
python examples/demo.py --data DIR           and the Tennessee Eastman process
python examples/demo.py --csv FILE           your own table instead
python examples/demo.py --csv FILE --target COLUMN
"""

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits

from skdae.cli import main as skdae
from skdae.datasets import fetch_tennessee_eastman

OUT = Path(__file__).resolve().parent.parent / "out"
MINUTES = 1.0  # for each table
BLOCK = 60  # samples of a run of the process that are held out together
EVERY = 4  # of the samples with a fault, one in four is used


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", metavar="DIR", type=Path, help="where tep.npz lies")
    parser.add_argument("--csv", metavar="FILE", help="run on this table instead")
    parser.add_argument("--target", metavar="COLUMN", help="column to predict")
    parser.add_argument("--out", metavar="DIR", type=Path, default=OUT)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="for each table")
    options = parser.parse_args(arguments)
    if options.target is not None and options.csv is None:
        parser.error("--target names a column of your own table: give --csv FILE too")
    return options


def digits() -> pd.DataFrame:
    """Handwritten digits as a panel of 64 sensors, and which digit it is."""
    X, y = load_digits(return_X_y=True)
    table = pd.DataFrame(X, columns=[f"pixel_{j:02d}" for j in range(X.shape[1])])
    return table.assign(digit=y)


def process(folder: Path | None) -> pd.DataFrame | None:
    """Normal and faulty samples of the process where its files lie, or None."""
    for home in [None] if folder is None else [folder, folder / "series"]:
        try:
            runs = fetch_tennessee_eastman(home, download_if_missing=False)
        except OSError:
            continue
        return _process_table(runs)
    return None


def _process_table(runs: dict) -> pd.DataFrame:
    start = runs["fault_start"]
    faulty = [run[start::EVERY] for run in runs["test"][1:]]
    parts = [runs["train_normal"], runs["test"][0], *faulty]
    tables = []
    for k, part in enumerate(parts):
        names = [f"x{j + 1:02d}" for j in range(part.shape[1])]
        table = pd.DataFrame(part.astype(float), columns=names)
        block = np.arange(len(part)) // BLOCK
        tables.append(table.assign(block=[f"{k}-{b}" for b in block], fault=int(k > 1)))
    return pd.concat(tables, ignore_index=True)


def run(words: list[str], minutes: float, page: Path) -> int:
    """Print the command and run it."""
    command = ["poc", *words, "--minutes", f"{minutes:g}", "--jobs", "2", "--force"]
    command += ["--output", str(page)]
    print(f"\n$ skdae {shlex.join(command)}\n", flush=True)
    return skdae(command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration; the exit status."""
    options = parse(arguments)
    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    if options.csv is not None:
        words = [options.csv]
        words += [] if options.target is None else ["--target", options.target]
        page = out / f"{Path(options.csv).name.split('.')[0]}.html"
        return run(words, options.minutes, page)
    table = process(options.data)
    if table is None:
        where = "scikit-learn's data folder" if options.data is None else options.data
        print(
            "The Tennessee Eastman process is left out: there is no tep.npz in "
            f"{where} (--data DIR, or make demo DATA=DIR, names the folder)."
        )
    else:
        path = out / "eastman.csv"
        table.to_csv(path, index=False)
        words = [
            str(path),
            "--target",
            "fault",
            "--task",
            "anomaly",
            "--group",
            "block",
        ]
        status = run(words, options.minutes, out / "eastman.html")
        if status:
            return status
    path = out / "digits.csv"
    digits().to_csv(path, index=False)
    return run([str(path), "--target", "digit"], options.minutes, out / "digits.html")


if __name__ == "__main__":
    raise SystemExit(main())
