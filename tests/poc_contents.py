"""Reports of made-up errors, with statistics and verdict as in a run."""

import json
from dataclasses import asdict

import numpy as np

from skdae.poc._denoising import CORRUPTIONS, ERROR, FAULTS, GAPS, RESTORERS
from skdae.poc._downstream import DETECTORS, PREDICTORS
from skdae.poc._plan import Plan
from skdae.poc._report import SCHEMA, made, views
from skdae.poc._results import (
    COLUMNS,
    DENOISING,
    DOWNSTREAM,
    N_REPLICATES,
    OVERALL,
    RESOURCES,
    Record,
)
from skdae.poc._verdict import decide

SHARE = 0.25  # of test rows to training rows
#: Measures of each task, the one that decides first.
MEASURES = {
    "classification": ["share_wrong", "one_minus_auroc", "log_loss"],
    "regression": ["rmse"],
    "anomaly": ["one_minus_auroc", "one_minus_average_precision"],
}


def records_around(
    means, experiment, condition, measure, *, n_splits, seed, spread, row_spread=0.001
):
    """Return records of methods whose errors lie around means."""
    draw = np.random.default_rng(seed)
    found = []
    for method, mean in means.items():
        values = mean * np.exp(spread * draw.normal(size=n_splits))
        # jackknife replicates of a mean with this relative standard error
        moved = row_spread * draw.normal(size=(n_splits, N_REPLICATES)) / 3
        for split, value in enumerate(values):
            replicates = tuple((value * np.exp(moved[split])).tolist())
            facts = (experiment, method, condition, split, measure)
            found.append(Record(*facts, float(value), replicates))
    return found


def make_content(
    task="classification",
    *,
    ours=0.5,
    imputer=0.5,
    simple=0.6,
    mean=1.0,
    stacked=0.55,
    by_corruption=None,
    ours_downstream=0.2,
    baselines_downstream=0.25,
    untrained=0.3,
    constant=0.5,
    by_labels=None,
    spread=0.01,
    row_spread=0.001,
    n_splits=5,
    schedules=None,
    columns=("temperature", "pressure", "unit"),
    name="plant",
    target="regime",
    counts=("100", "300", "all"),
    findings=(),
    sensors=(),
    left_out=(),
    repeated=0,
    in_time=False,
    groups=None,
    n_planned=None,
):
    """Return a report with these mean errors; the last column holds text.

    `by_corruption` and `by_labels` replace means of methods under single conditions.
    """
    schedules = schedules or {"gradual": "gradual", "stacked": "stacked"}
    main, numeric = next(iter(schedules)), list(columns[:-1])
    options = {"n_splits": n_splits, "spread": spread, "row_spread": row_spread}
    records = []
    means = {s: ours if s == main else stacked for s in schedules}
    means |= dict.fromkeys(RESTORERS, simple) | {"column_mean": mean}
    for k, condition in enumerate((*CORRUPTIONS, OVERALL)):
        here = means | ({"imputer": imputer} if condition in GAPS else {})
        here |= (by_corruption or {}).get(condition, {})
        found = records_around(here, DENOISING, condition, ERROR, seed=k, **options)
        records += found
        if condition != OVERALL:
            records += [
                Record(COLUMNS, r.method, condition, r.split, c, r.value * (j + 1))
                for r in found
                for j, c in enumerate(numeric)
            ]
    kinds = dict.fromkeys(schedules, "network") | dict.fromkeys(RESTORERS, "restorer")
    kinds["imputer"] = "restorer"
    if task is not None:
        counts = ("all",) if task == "anomaly" else counts
        before = "detector_" if task == "anomaly" else ""
        baselines = DETECTORS if task == "anomaly" else PREDICTORS
        means = {before + s: ours_downstream for s in schedules}
        means |= dict.fromkeys(baselines, baselines_downstream)
        means["constant"] = constant
        if task != "anomaly":
            means |= {"linear_codes": 0.3, "untrained": untrained}
        kind = "detector" if task == "anomaly" else "predictor"
        kinds |= dict.fromkeys(baselines, kind)
        kinds |= {"untrained": kind} if task != "anomaly" else {}
        if task == "anomaly":
            kinds |= {before + s: kind for s in schedules}
        for k, count in enumerate(counts):
            here = means | (by_labels or {}).get(count, {})
            for measure in MEASURES[task]:
                records += records_around(
                    here, DOWNSTREAM, count, measure, seed=100 + k, **options
                )
    costs = {"fit_seconds": 1.25, "cpu_seconds": 1.2, "rows_per_second": 54_321.0}
    size = {"weight_updates": 1875.0, "parameters": 840.0, "size_bytes": 3360.0}
    for method, kind in kinds.items():
        every = costs | (size if kind == "network" else {})
        every |= {"peak_bytes": 12_345_678.0} if method == main else {}
        records += [Record(RESOURCES, method, kind, 0, *item) for item in every.items()]
    plan = Plan(
        *(1000, 50, tuple(schedules), n_planned or n_splits, (100, 300, 0)),
        left_out=tuple(left_out),
    )
    line = np.linspace(0, 1, 60).tolist()
    content = {
        "schema": SCHEMA,
        "finished": n_planned is None,
        "made": made(),
        "asked": {
            "task": "auto",
            "schedules": schedules,
            "transformer": "GradualDAETransformer(noise=GaussianNoise(scale=0.75))",
            "label_budget": None,
            "minutes": 1.5,
            "n_splits": 10,
            "max_rows": 20_000,
            "memory": False,
            "random_state": 0,
            "n_jobs": 1,
            "name": name,
            "time": "stamp" if in_time else False,
            "groups": groups is not None,
            "target": None if task is None else target,
            "use": [],
        },
        "data": {
            "rows": 1000,
            "columns": [
                {
                    "name": column,
                    "kind": "numeric" if column in numeric else "text",
                    "missing": 0.01,
                    "mean": 3.0 if column in numeric else None,
                    "deviation": 2.0 if column in numeric else None,
                }
                for column in columns
            ],
            "missing": 0.01,
            "target": None
            if task is None
            else {
                "name": target,
                "task": task,
                "classes": [] if task == "regression" else ["0", "1"],
                "counts": None if task == "regression" else [900, 100],
                "known": 1000,
            },
            "in_time": in_time,
            "in_order": in_time,
            "groups": groups,
            "sensors": list(sensors),
            "findings": list(findings),
        },
        "plan": asdict(plan),
        "whole_splits": n_splits,
        "splits": [
            {"train": 800, "test": 200, "repeated": repeated} for _ in range(n_splits)
        ],
        "schedules": list(schedules),
        "corruptions": list(CORRUPTIONS),
        "task": None
        if task is None
        else {"kind": task, "measures": MEASURES[task], "labels": list(counts)},
        "warnings": ["it did not converge & stopped"],
        "pictures": {
            "traces": {
                c: {
                    "column": columns[0],
                    "true": line,
                    "corrupted": [None, *line[1:]],
                    "restored": [
                        {"method": m, "values": line} for m in (main, *RESTORERS)
                    ],
                }
                for c in FAULTS
            },
            "predictions": [
                {"method": m, "actual": line, "predicted": line}
                for m in (main, *PREDICTORS)
            ]
            if task == "regression"
            else [],
        },
    }
    content |= views(records, content, SHARE)
    content["verdict"] = decide(content)
    # as it comes from a file
    return json.loads(json.dumps(content))


def finding(code, columns=(), **numbers):
    return {"code": code, "columns": list(columns), "numbers": numbers}


EVERY_FINDING = (
    finding("empty", ["e"]),
    finding("constant", [f"c{i}" for i in range(30)]),
    finding("date_time", ["d"]),
    finding("id_like", ["number"]),
    finding("many_categories", ["text"]),
    finding("infinite", ["x"]),
    finding("duplicate_rows", rows=12, share=0.012),
    finding("leaking_column", ["leak"], scores=[0.997]),
    finding("unlabelled_rows", rows=300),
    finding("rows_in_order"),
)
#: Sensors with every defect; what was not measured is None.
EVERY_SENSOR = (
    {
        "name": "temperature",
        "verdict": "drop",
        "defects": ["missing", "marker", "stuck", "spikes", "duplicate"],
        "missing_share": 0.62,
        "n_markers": 12.0,
        "longest_run": 51.0,
        "n_spikes": 3.0,
        "duplicate_of": "pressure",
    },
    {
        "name": "pressure",
        "verdict": "check",
        "defects": ["monotonic", "drift", "quantised", "modes"],
        "one_way_share": 0.995,
        "drift": -1.53,
        "n_levels": 7.0,
        "n_modes": 2.0,
    },
)
EVERY_CUT = (
    ("schedules", ["gradual", "stacked", "joint"], ["gradual", "stacked"]),
    ("max_iter", 200, 50),
    ("rows", 40_000, 1000),
    ("splits", 10, 5),
    ("label_counts", [100, 300, 1000, 0], [100, 0]),
)

#: Reports that differ in all that the texts and the page must cope with.
CONTENTS = {
    "worth": make_content(),
    "unsure": make_content(ours=0.45, ours_downstream=0.18, spread=0.3),
    "not_worth": make_content(ours=0.7, imputer=0.7, ours_downstream=0.3, stacked=0.6),
    "nothing": make_content(
        "regression",
        ours=1.02,
        imputer=1.02,
        simple=1.01,
        stacked=1.03,
        ours_downstream=0.3,
    ),
    "anomaly": make_content("anomaly", in_time=True, repeated=3),
    "chance": make_content(constant=0.15),
    "no_target": make_content(None, groups=12, left_out=EVERY_CUT),
    "not_shown": make_content(
        None, ours=0.6, imputer=0.6, simple=0.6, stacked=0.6, spread=0.3
    ),
    "one_split": make_content(n_splits=1, ours=0.7),
    "interrupted": make_content(n_splits=1, n_planned=5),
    "findings": make_content(
        findings=EVERY_FINDING, sensors=EVERY_SENSOR, left_out=EVERY_CUT
    ),
    "zero": make_content("anomaly", ours_downstream=1e-15, spread=20.0),
    "own_names": make_content(
        schedules={"mine {x}": "gradual", "pca <b>": "stacked"}, target=None
    ),
    "one_schedule": make_content(schedules={"joint": "joint"}, counts=("all",)),
}
