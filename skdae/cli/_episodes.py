"""Rows with alarms as episodes, one line for each."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd

from skdae.cli._outputs import Write
from skdae.timeseries import events

SCORES = ("anomaly_score", "threshold", "alarm")


@contextmanager
def as_episodes(write: Write) -> Iterator[Write]:
    """Yield what collects rows with alarms, and write their episodes at the end."""
    parts: list[pd.DataFrame] = []
    yield parts.append
    if parts:
        write(episodes(pd.concat(parts, ignore_index=True)))


def episodes(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the episodes of rows with anomaly score, alarm, and sensors with shares.

    Rows are counted from 1. The sensor is the one with the largest shares; of other
    columns the values of the first and of the last row are kept.
    """
    found = events(rows["alarm"] == 1)
    spans = list(zip(found["start"], found["stop"], strict=True))
    first, last = found["start"].to_numpy(), found["stop"].to_numpy() - 1
    scores = rows["anomaly_score"].to_numpy()
    columns = {
        "first_row": first + 1,
        "last_row": last + 1,
        "rows": found["length"].to_numpy(),
        "highest_score": np.array([scores[a:b].max() for a, b in spans], dtype=float),
    }
    named = [name for name in rows if str(name).startswith(("sensor_", "share_"))]
    if named:
        sensors = [_sensor(rows.loc[a : b - 1, named]) for a, b in spans]
        columns["sensor"] = pd.Series(sensors, dtype=object)
    for name in rows.columns.drop([*SCORES, *named]):
        columns[f"first_{name}"] = rows[name].to_numpy()[first]
        columns[f"last_{name}"] = rows[name].to_numpy()[last]
    return pd.DataFrame(columns)


def _sensor(rows: pd.DataFrame) -> str:
    """Return the sensor with the largest sum of shares."""
    n_places = rows.shape[1] // 2
    sums = pd.concat(
        [
            pd.Series(rows[f"share_{place}"].to_numpy(), index=rows[f"sensor_{place}"])
            for place in range(1, n_places + 1)
        ]
    )
    return str(sums.groupby(level=0).sum().idxmax())
