"""
Which sensor is faulty?
=======================

From a table of sensors to a list of episodes with the sensor behind each:
``skdae.grade`` looks for defects before training, ``explain`` names the sensor that
deviates, with the value expected from the others, and
``skdae.timeseries.events`` turns alarms into episodes.
"""

# %%
# Grade the sensors
# -----------------
#
# A plant with readings every ten minutes. In the training rows one sensor was stuck for
# a while, and another one is a copy in other units.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import skdae
from skdae import GradualDAEOutlierDetector, GradualDAETransformer
from skdae.datasets import make_sensor_data
from skdae.timeseries import events

plant = make_sensor_data(5000, n_sensors=15, faults=(), as_frame=True, random_state=7)
table = plant.data.set_index(
    pd.date_range("2024-03-01", periods=len(plant.data), freq="10min", name="time")
)
table["flow_copy"] = 3.6 * table["flow_03"]
past, future = table[:3500].copy(), table[3500:].copy()
past.iloc[700:760, 1] = past.iloc[700, 1]

grading = skdae.grade(past, time=past.index)
print(grading.sensors[["verdict", "reason"]])

# %%
# The copy is left out, and so are the rows with the stuck sensor.

is_kept = grading.sensors["verdict"] != "drop"
columns = list(grading.sensors.index[is_kept])
normal = past[columns].drop(past.index[690:770])

# %%
# Alarms of new rows
# ------------------
#
# Three faults in the new rows: a sensor reads too high, another one drifts, and for a
# few hours the whole plant runs beyond the range that it was trained on.

future = future[columns]
spread = normal.std()
truth = future.copy()
future.iloc[200:260, 7] += 3 * spread.iloc[7]
future.iloc[600:760, 0] += np.linspace(0, 3, 160) * spread.iloc[0]
future.iloc[1100:1130] += 1.5 * (future.iloc[1100:1130] - normal.mean())

detector = GradualDAEOutlierDetector(
    GradualDAETransformer((64, 16), noise="random_masking", noise_rate=1, max_iter=30),
    random_state=0,
).fit(normal)
alarms = detector.predict(future) == -1

# %%
# Explain them
# ------------
#
# One line per row and sensor. The measured value is compared with the one expected from
# the other sensors, in the units of the table.

found = detector.explain(future, rows=alarms)
print(found.loc[found["row"].between(200, 202)].round(3).to_string())

# %%
# Episodes with their sensors
# ---------------------------
#
# The share of the first sensor is near 1 where one sensor is at fault, and small where
# the whole plant has changed.

episodes = events(alarms, time=future.index, off_delay="1h", min_length=5)
first = found[found["rank"] == 1].set_index("row")
for episode in episodes.itertuples():
    own = first.loc[episode.start : episode.stop - 1]
    print(
        f"{episode.start_time:%d %b %H:%M} to {episode.end_time:%d %b %H:%M}: "
        f"{own['sensor'].mode()[0]:14} share {own['share'].median():.2f}"
    )

# %%
# Measured and expected values
# ----------------------------

figure, axes = plt.subplots(2, 1, figsize=(8, 5), sharex=True, layout="constrained")
for ax, column in zip(axes, (7, 0), strict=True):
    name = columns[column]
    lines = found[found["sensor"] == name]
    ax.plot(future.index[150:800], future[name][150:800], lw=0.7, label="measured")
    ax.plot(truth.index[150:800], truth[name][150:800], lw=0.7, label="true value")
    shown = lines[lines["row"].between(150, 800)]
    ax.plot(shown.index, shown["expected"], "k.", ms=3, label="expected, in alarms")
    ax.set_ylabel(name)
axes[0].legend(loc="upper right")
plt.show()
