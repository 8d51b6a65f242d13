"""Show in about a minute what skdae does, what it is good at and what it is not.

python examples/demo.py                      bundled data and a simulated plant
python examples/demo.py --data DIR           and the Tennessee Eastman process
python examples/demo.py --csv FILE           your own table instead
python examples/demo.py --csv FILE --target COLUMN
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from time import perf_counter

from _demo_csv import run_csv
from _demo_data import (
    QUICK,
    Settings,
    Source,
    find_process,
    plant_history,
    process_history,
    sources,
)
from _demo_experiments import (
    ERROR,
    LOST,
    SCHEDULE_WIDTHS,
    STACKED,
    WIDTHS,
    classify_experiment,
    denoise_once,
    detect_experiment,
    fill_once,
    grid_search,
    rebuild_experiment,
    schedule_experiment,
    updates,
)
from _demo_report import (
    Comparison,
    heading,
    print_comparison,
    print_duel,
    print_verdicts,
    say,
)
from _demo_table import TableError

from skdae import GradualDAETransformer

OUT = Path(__file__).resolve().parent.parent / "out"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", metavar="DIR", help="where tep.npz lies")
    parser.add_argument("--csv", metavar="FILE", help="run on this table instead")
    parser.add_argument("--target", metavar="COLUMN", help="column to predict")
    parser.add_argument("--out", metavar="DIR", type=Path, default=OUT)
    parser.add_argument("--quick", action="store_true", help="only see that it runs")
    options = parser.parse_args(arguments)
    if options.target is not None and options.csv is None:
        parser.error("--target names a column of your own table: give --csv FILE too")
    return options


def show_data(
    tables: Sequence[Source],
    process: dict | None,
    data: str | None,
    settings: Settings,
) -> None:
    """What is used, and where the rest would come from."""
    heading("The data")
    for source in tables:
        say(f"{source.name}: {source.about}.")
    if process is None:
        where = "in scikit-learn's data folder" if data is None else f"in {data}"
        say(
            f"The Tennessee Eastman process is left out: there is no tep.npz {where} "
            "(--data DIR, or make demo DATA=DIR, names the folder)."
        )
    say(
        "Sensors that move in fewer than 5 % of the rows are left out. Nothing below "
        f"is measured on rows that were trained on. Figures are means over "
        f"{settings.repeats} splits (faults: {settings.plants} plants). To be short, "
        f"skdae is trained for {settings.epochs} epochs; its default is "
        f"{GradualDAETransformer().max_iter}."
    )


def show_filling(tables: Sequence[Source], settings: Settings) -> Comparison:
    """Lost cells."""
    heading("1. Cells that were lost")
    say(
        f"{LOST:.0%} of all cells are lost, in the past rows as in the new ones. How "
        "far from the truth is what is filled in? 1 is about what the column's mean "
        "misses by; more than 1 says that the new rows are unlike the past."
    )
    result = rebuild_experiment(
        fill_once, "filling", "error in standard deviations", tables, settings
    )
    print_comparison(result)
    say(
        "Of PCA the best size is chosen on the test rows themselves, which flatters "
        "it. Linear regressions fit one model per column."
    )
    return result


def show_denoising(tables: Sequence[Source], settings: Settings) -> Comparison:
    """Noisy cells."""
    heading("2. Cells that are noisy")
    say(
        f"Every sensor is off by a random error of {ERROR:g} of its standard "
        "deviation, in the past rows as in the new ones: no method ever sees a clean "
        "row. How far from the truth are the rebuilt rows? skdae is trained with "
        f"noise='gaussian', noise_rate={ERROR:g}: the fault that it is to undo."
    )
    result = rebuild_experiment(
        denoise_once, "denoising", "error in standard deviations", tables, settings
    )
    print_comparison(result)
    if "Eastman process" in result.columns:
        say(
            "In normal operation most variables of the Eastman process move on their "
            "own, so there is little to rebuild them from: leave such data as measured."
        )
    return result


def show_schedules(tables: Sequence[Source], settings: Settings) -> Comparison:
    """Gradual beside the others."""
    heading("3. What is trained when")
    cost = {ending: min(found) for ending, found in updates(settings.epochs).items()}
    widths = ", ".join(map(str, SCHEDULE_WIDTHS))
    say(
        f"Three hidden layers ({widths}) under four schedules, each with the same "
        f"number of weight updates ({cost['grown']} layer-epochs, and "
        f"{cost['then tuned']} where a last phase tunes all layers together). The "
        "score says how well hidden cells of fresh rows are predicted: 1 is perfect, "
        "0 no better than the mean."
    )
    result = schedule_experiment(tables, settings)
    print_comparison(result)
    say(
        "As it is grown, a stacked network rebuilds badly: its layers have never "
        "worked together. Tuning closes most of that gap. The other rival is to train "
        "all layers from the start (joint); on small tables that is hard to beat."
    )
    return result


def show_classifier(tables: Sequence[Source], settings: Settings) -> Comparison:
    """Features for a classifier."""
    heading("4. Before a classifier")
    say(
        "Features are learned from the rows without their labels, then a logistic "
        "regression is trained on the labels; '100 labels' means that only 100 rows "
        f"have one, and in 'gaps' {LOST:.0%} of all cells are lost. skdae hands on the "
        f"codes of all its layers ({' + '.join(map(str, WIDTHS))})."
    )
    result = classify_experiment(tables, settings)
    print_comparison(result)
    return result


def show_faults(process: dict | None, settings: Settings) -> Comparison:
    """Features for an isolation forest."""
    heading("5. Before an isolation forest")
    say(
        "Which rows are faulty? The plants are simulated, their past has faults and "
        "gaps as the future has; each method scores the future rows. 1 is perfect, "
        "0.5 is a coin."
    )
    histories = [("plants", partial(plant_history, settings.plant_rows))]
    if process is not None:
        say(
            "The Eastman process is learned from normal operation; the test has 21 "
            "faults."
        )
        histories.append(("Eastman process", partial(_process, process)))
    result = detect_experiment(histories, settings)
    print_comparison(result)
    say(
        "A forest on skdae's residuals (output='error') finds more than one on raw "
        "sensors. Ask the plain distances too: they are hard to beat, and cost nothing."
    )
    return result


def _process(process: dict, seed: int):
    """The same rows for every seed; only the models differ."""
    return process_history(process)


def show_search(source: Source, settings: Settings) -> None:
    """Grid search through the pipeline."""
    heading("6. Tuned like any scikit-learn estimator")
    say(
        f"GridSearchCV over noise_rate and hidden_layer_sizes on the {source.name}, "
        "scored by the classifier behind them in 3-fold cross-validation."
    )
    search, on_test = grid_search(source, settings)
    print()
    print(f"{'hidden_layer_sizes':20s}{'noise_rate':>12s}{'right':>9s}{'spread':>9s}")
    found = search.cv_results_
    for i, parameters in enumerate(found["params"]):
        sizes = ", ".join(map(str, parameters["dae__hidden_layer_sizes"]))
        star = "*" if i == search.best_index_ else " "
        print(
            f"{sizes:20s}{parameters['dae__noise_rate']:12.2f}"
            f"{found['mean_test_score'][i]:9.3f}{star}"
            f"{found['std_test_score'][i]:8.3f}"
        )
    print(f"The best of them on the test rows: {on_test:.3f} right")


def show_verdicts(results: Sequence[Comparison]) -> None:
    """Where skdae wins and where it does not."""
    heading("Where skdae wins, and where it does not")
    say(
        "The gradual network against the best other method of each column, which is "
        "chosen afterwards; for faults, the forest on skdae's residuals. 'Level' means "
        "that the repeats do not agree on the sign."
    )
    print_verdicts(results)
    print_duel(results, STACKED)


def run_tour(data: str | None, out: Path, settings: Settings) -> Path:
    """All sections and the picture."""
    from _demo_picture import draw

    process = find_process(data)
    tables = sources(settings, process)
    show_data(tables, process, data, settings)
    lost = show_filling(tables, settings)
    noisy = show_denoising(tables, settings)
    schedules = show_schedules([tables[0], tables[2]], settings)
    classified = show_classifier(tables, settings)
    faults = show_faults(process, settings)
    show_search(tables[0], settings)
    show_verdicts([lost, noisy, schedules, classified, faults])
    path = out / "demo.png"
    draw(path, lost, noisy, schedules, settings)
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demonstration; the exit status."""
    options = parse(arguments)
    started = perf_counter()
    settings = QUICK if options.quick else Settings()
    if options.quick:
        say("Quick: this only shows that everything runs; the figures mean nothing.")
    try:
        if options.csv is not None:
            path = run_csv(Path(options.csv), options.target, options.out, settings)
        else:
            path = run_tour(options.data, options.out, settings)
    except TableError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    print(f"\nDone in {perf_counter() - started:.0f} seconds. The picture:")
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
