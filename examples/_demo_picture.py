"""The one picture of the demonstration."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _demo_baselines import PCARebuilder
from _demo_data import Settings
from _demo_experiments import (
    BEST_PCA,
    CODE,
    OURS,
    SCHEDULE_NAMES,
    STACKED,
    dae,
    lose,
)
from _demo_report import Comparison
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skdae.datasets import make_sensor_data

BLUE, ORANGE, GREY, DARK, LIGHT = "#1f5fbf", "#d9822b", "#8a8f98", "#30343b", "#dfe3e8"
STYLES = {
    OURS: ("o", BLUE, True),
    STACKED: ("s", ORANGE, True),
    BEST_PCA: ("D", GREY, False),
    "5 nearest rows": ("^", GREY, False),
    "linear regressions": ("v", GREY, False),
    "column mean": ("|", DARK, True),
    "as measured": ("|", DARK, True),
}
STYLE = {
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": DARK,
    "xtick.color": DARK,
    "ytick.color": DARK,
    "legend.frameon": False,
}
N_DIGITS = 8
WINDOW = 60  # rows shown before and after a gap


def draw_digits(axes: Sequence[Any], settings: Settings) -> None:
    """Digits with lost pixels, and what PCA and skdae make of them."""
    data, target = load_digits(return_X_y=True)
    train, test = train_test_split(data, test_size=0.3, stratify=target, random_state=0)
    generator = np.random.default_rng(0)
    past, seen = lose(train, generator), lose(test[:N_DIGITS], generator)
    pca = PCARebuilder(CODE, n_turns=1).fit(past)
    ours = dae(epochs=settings.epochs, random_state=0).fit(past)
    rows = {
        "25 % lost": seen,
        f"PCA, {CODE}": np.where(np.isnan(seen), pca.reconstruct(seen), seen),
        "skdae": np.where(np.isnan(seen), ours.reconstruct(seen), seen),
        "true": test[:N_DIGITS],
    }
    for ax, (name, images) in zip(axes, rows.items(), strict=True):
        strip = np.full((8, 9 * N_DIGITS - 1), np.nan)
        red = np.zeros((*strip.shape, 4))
        for i, image in enumerate(images):
            part = slice(9 * i, 9 * i + 8)
            strip[:, part] = image.reshape(8, 8)
            red[:, part][np.isnan(image.reshape(8, 8))] = (0.85, 0.51, 0.17, 0.75)
        ax.imshow(strip, cmap="gray_r", vmin=0, vmax=16, aspect="equal")
        ax.imshow(red, aspect="equal")
        ax.set(xticks=[], yticks=[])
        ax.set_ylabel(name, rotation=0, ha="right", va="center")
        ax.spines[:].set_visible(False)


def draw_gap(ax: Any, settings: Settings) -> None:
    """A sensor around a gap of its record, with the truth and the rebuilt signal."""
    plant = make_sensor_data(settings.plant_rows, random_state=11)
    cut = round(0.6 * settings.plant_rows)
    model = dae(epochs=settings.epochs, random_state=0).fit(plant.data[:cut])
    gaps = [e for e in plant.events if e.kind == "missing" and e.start >= cut]
    if not gaps:
        gaps = [e for e in plant.events if e.kind == "missing"]
    gap = max(gaps, key=lambda event: event.stop - event.start)
    rows = slice(max(0, gap.start - WINDOW), gap.stop + WINDOW)
    sensor = gap.sensors[0]
    time = np.arange(len(plant.data))[rows]
    rebuilt = model.reconstruct(plant.data[rows])[:, sensor]
    ax.axvspan(gap.start - 0.5, gap.stop - 0.5, color=LIGHT, lw=0)
    ax.plot(time, plant.data[rows, sensor], ".", color=GREY, ms=4, label="recorded")
    ax.plot(
        time,
        plant.clean[rows, sensor],
        color=DARK,
        lw=1.2,
        ls="--",
        zorder=3,
        label="true",
    )
    ax.plot(time, rebuilt, color=BLUE, lw=1.8, label="rebuilt by skdae")
    ax.set_title("A gap in a plant's record, filled from the other sensors")
    name = plant.feature_names[sensor].replace("_", " ")
    ax.set(xlabel="row (time)", ylabel=name, xlim=(time[0], time[-1]))
    ax.text(
        (gap.start + gap.stop - 1) / 2,
        0.98,
        "not recorded",
        ha="center",
        va="top",
        transform=ax.get_xaxis_transform(),
        color=DARK,
    )
    ax.margins(y=0.15)
    ax.legend(loc="best", fontsize=8)


def draw_comparison(ax: Any, result: Comparison, title: str, label: str) -> None:
    """Means of all methods, a line per table."""
    columns = result.columns
    for row, column in enumerate(columns):
        methods = [m for m in STYLES if m in result.values]
        means = {m: result.mean(m, column) for m in methods}
        known = [value for value in means.values() if not np.isnan(value)]
        ax.plot([min(known), max(known)], [row, row], color=LIGHT, lw=3, zorder=1)
        for method, value in means.items():
            marker, colour, filled = STYLES[method]
            ax.plot(
                value,
                row,
                marker,
                ms=11 if marker == "|" else 7,
                mew=1.6,
                mec=colour,
                mfc=colour if filled else "white",
                label=method if row == 0 else None,
                ls="none",
                zorder=3 if method == OURS else 2,
            )
    ax.set_yticks(range(len(columns)), columns)
    ax.set_ylim(len(columns) - 0.5, -0.5)
    ax.set_title(title)
    ax.set_xlabel(label)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def draw_schedules(ax: Any, result: Comparison) -> None:
    """Scores of the schedules before and after tuning, every repeat a dot."""
    columns = result.columns
    shift = {"grown": 0.0, "then tuned": 1.0}
    names = list(SCHEDULE_NAMES.values())
    step = len(names) * 2 + 1.5
    tables = list(dict.fromkeys(column.split(", ")[0] for column in columns))
    ticks, labels = [], []
    for t, table in enumerate(tables):
        for i, name in enumerate(names):
            x = t * step + 2 * i
            colour = {OURS: BLUE, STACKED: ORANGE}.get(name, GREY)
            means = []
            for ending, offset in shift.items():
                values = result.values[name][f"{table}, {ending}"]
                spot = np.full(len(values), x + 0.8 * offset)
                face = colour if offset else "white"
                ax.plot(spot, values, "o", ms=5, mec=colour, mfc=face, zorder=2)
                means.append(np.mean(values))
            ax.plot([x, x + 0.8], means, color=colour, lw=1.5, zorder=1)
            ticks.append(x + 0.4)
            labels.append(name.removeprefix("skdae, ").split(" (")[0].split(" from")[0])
        centre = t * step + (len(names) * 2 - 1.2) / 2
        ax.text(
            centre,
            0.02,
            table,
            transform=ax.get_xaxis_transform(),
            ha="center",
            va="bottom",
            color=DARK,
            fontweight="bold",
        )
    ax.set_xticks(ticks, labels, rotation=30, ha="right", rotation_mode="anchor")
    low, high = ax.get_ylim()
    ax.set_ylim(low - 0.12 * (high - low), high)
    ax.set_ylabel("score on fresh rows (1 is perfect)")
    ax.set_title("Schedules at equal weight updates: as grown ○, then tuned ●")


def draw(
    path: Path,
    lost: Comparison,
    noisy: Comparison,
    schedules: Comparison,
    settings: Settings,
) -> None:
    """Write the picture."""
    import matplotlib.pyplot as plt

    with plt.rc_context(STYLE):
        figure = plt.figure(figsize=(12, 9.6), layout="constrained")
        top, bottom = figure.subfigures(2, 1, height_ratios=(1, 1.15))
        left, right = top.subfigures(1, 2, width_ratios=(1, 1.1))
        left.suptitle(
            "Digits with lost pixels, rebuilt",
            x=0.14,
            ha="left",
            fontsize=10,
            fontweight="bold",
        )
        draw_digits(left.subplots(4, 1), settings)
        draw_gap(right.subplots(), settings)
        left, right = bottom.subfigures(1, 2, width_ratios=(1.1, 1))
        upper, lower = left.subplots(2, 1)
        draw_comparison(
            upper,
            lost,
            "Cells that were lost: error after filling",
            "error in standard deviations of the sensor (less is better)",
        )
        draw_comparison(
            lower,
            noisy,
            "Noisy cells: error after denoising",
            "error in standard deviations of the sensor (less is better)",
        )
        handles = {}
        for ax in (upper, lower):
            for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
                handles.setdefault(label, handle)
        left.legend(
            handles.values(),
            handles.keys(),
            loc="outside lower center",
            ncols=4,
            fontsize=8,
        )
        draw_schedules(right.subplots(), schedules)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110, facecolor="white")
        plt.close(figure)
