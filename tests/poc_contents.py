"""Reports of made-up errors, assembled and judged as those of a run are."""

import json

import numpy as np

from skdae.poc._plan import Plan
from skdae.poc._report import OVERALL, SCHEMA, differences, made, rows_of
from skdae.poc._statistics import TINY
from skdae.poc._troubles import TROUBLES
from skdae.poc._verdict import DETECTORS, PREDICTORS, judge

REBUILDERS = ("as_measured", "column_mean", "pca", "neighbors", "regressions")
SHARE = 0.25  # of test rows to training rows
#: How an error is measured, by the task.
MEASURES = {
    "classification": "share_wrong",
    "regression": "rmse",
    "anomaly": "one_minus_auroc",
}


def errors_around(means, n_splits, seed, spread=0.01):
    """Return errors by method and split that lie around means."""
    draw = np.random.default_rng(seed)
    return {
        method: [float(e) for e in mean * np.exp(spread * draw.normal(size=n_splits))]
        for method, mean in means.items()
    }


def make_content(
    task="classification",
    *,
    ours=0.5,
    simple=0.6,
    mean=1.0,
    stacked=0.55,
    ours_downstream=0.2,
    rivals_downstream=0.25,
    untrained=0.3,
    constant=0.5,
    one_trouble=None,
    spread=0.01,
    n_splits=5,
    schedules=None,
    columns=("temperature", "pressure", "unit"),
    name="plant",
    target="regime",
    counts=("100", "300", "all"),
    findings=(),
    left_out=(),
    repeated=0,
    in_time=False,
    groups=None,
    n_planned=None,
):
    """Return a report with these mean errors; the last column holds text."""
    schedules = schedules or {"gradual": "gradual", "stacked": "stacked"}
    judged = next(iter(schedules))
    nets = {s: ours if s == judged else stacked for s in schedules}
    means = nets | dict.fromkeys(REBUILDERS, simple) | {"column_mean": mean}
    denoising = {
        "judged": judged,
        "schedules": list(schedules),
        "troubles": list(TROUBLES),
        "errors": [],
        "differences": [],
    }
    for k, trouble in enumerate((*TROUBLES, OVERALL)):
        here = means
        if one_trouble is not None and trouble != OVERALL:
            # another simple method for each
            here = means | {REBUILDERS[k % len(REBUILDERS)]: one_trouble}
        values = errors_around(here, n_splits, k, spread)
        denoising["errors"] += rows_of(values, SHARE, trouble=trouble)
        denoising["differences"] += differences(
            values, judged, SHARE, TINY, trouble=trouble
        )
    numeric = list(columns[:-1])
    denoising["columns"] = [{"names": numeric}] + [
        {
            "method": method,
            "trouble": trouble,
            "errors": [float(e) * (j + 1) for j in range(len(numeric))],
        }
        for method, e in means.items()
        for trouble in TROUBLES
    ]
    downstream = None
    kinds = dict.fromkeys(schedules, "network") | dict.fromkeys(REBUILDERS, "rebuilder")
    if task is not None:
        before = "detector_" if task == "anomaly" else ""
        if task == "anomaly":
            counts, rivals = ("all",), (*DETECTORS, "constant")
            kinds |= {before + s: "our_detector" for s in schedules}
            kinds |= dict.fromkeys(rivals, "detector")
            extra = {}
        else:
            rivals = (*PREDICTORS, "constant")
            extra = {"linear_codes": 0.3, "untrained": untrained}
            kinds |= dict.fromkeys(rivals, "predictor") | {"untrained": "untrained"}
        downstream = {
            "task": task,
            "measure": MEASURES[task],
            "judged": before + judged,
            "schedules": [before + s for s in schedules],
            "labels": list(counts),
            "errors": [],
            "differences": [],
        }
        means = {before + s: ours_downstream for s in schedules} | extra
        means |= dict.fromkeys(rivals, rivals_downstream) | {"constant": constant}
        for k, count in enumerate(counts):
            values = errors_around(means, n_splits, 100 + k, spread)
            downstream["errors"] += rows_of(values, SHARE, labels=count)
            downstream["differences"] += differences(
                values, before + judged, SHARE, TINY, labels=count
            )
    plan = Plan(
        *(1000, 50, tuple(schedules), n_planned or n_splits, (100, 300, 0)),
        left_out=tuple(left_out),
    )
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
            "groups": groups,
            "findings": list(findings),
        },
        "plan": plan.to_dict(),
        "whole_splits": n_splits,
        "splits": [
            {"train": 800, "test": 200, "repeated": repeated} for _ in range(n_splits)
        ],
        "denoising": denoising,
        "downstream": downstream,
        "resources": [
            {"kind": kind, "method": method, "fit_seconds": 1.25, "cpu_seconds": 1.2}
            | {"rows_per_second": 54_321.0, "peak_bytes": None}
            | (
                {"weight_updates": 1875.0, "parameters": 840.0, "size_bytes": 3360.0}
                if kind == "network"
                else {}
            )
            for method, kind in kinds.items()
        ],
        "warnings": ["it did not converge & stopped"],
    }
    content["resources"][0]["peak_bytes"] = 12_345_678.0
    content["verdict"] = judge(content)
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
    finding("telling_column", ["leak"], scores=[0.997]),
    finding("unlabelled_rows", rows=300),
    finding("rows_in_order", correlation=0.9),
)
EVERY_CUT = (
    ("schedules", ["gradual", "stacked", "joint"], ["gradual", "stacked"]),
    ("max_iter", 200, 50),
    ("rows", 40_000, 1000),
    ("splits", 10, 5),
    ("label_counts", [100, 300, 1000, 0], [100, 0]),
)

#: Reports that differ in all that the words and the page must cope with.
CONTENTS = {
    "worth": make_content(),
    "unsure": make_content(ours=0.45, ours_downstream=0.18, spread=0.3),
    "not_worth": make_content(ours=0.7, ours_downstream=0.3, stacked=0.6),
    "nothing": make_content("regression", ours=1.02, simple=1.0, ours_downstream=0.3),
    "anomaly": make_content("anomaly", in_time=True, repeated=3),
    "all_round": make_content(ours_downstream=0.3, one_trouble=0.4),
    "chance": make_content(constant=0.15),
    "no_target": make_content(None, groups=12, left_out=EVERY_CUT),
    "not_shown": make_content(None, ours=0.6, simple=0.6, stacked=0.6, spread=0.3),
    "one_split": make_content(n_splits=1, ours=0.7),
    "one_split_of_noise": make_content(
        "regression", ours=1.02, simple=1.0, spread=0.001, n_splits=1
    ),
    "interrupted": make_content(n_splits=1, n_planned=5),
    "findings": make_content(findings=EVERY_FINDING, left_out=EVERY_CUT),
    "zero": make_content("anomaly", ours_downstream=1e-15, spread=20.0),
    "own_names": make_content(
        schedules={"mine {x}": "gradual", "pca <b>": "stacked"}, target=None
    ),
    "one_schedule": make_content(schedules={"joint": "joint"}, counts=("all",)),
}
