"""
Sensors and alarms in pictures
==============================

Numbers persuade an engineer, and pictures show her where to look. The displays of
:mod:`skdae.plotting` draw what the estimators say of a table: how training went, what
a sensor should have read, where residuals are, which alarms there were and what they
are about.
"""

# %%
# A plant with a clock
# --------------------
#
# A month of readings every ten minutes. The displays take the names of the sensors and
# the time of the rows from the DataFrame. The first half is the past, without the rows
# known to be faulty; the second half is what came after.

import matplotlib.pyplot as plt
import pandas as pd

from skdae import GradualDAEOutlierDetector, GradualDAETransformer
from skdae.datasets import make_sensor_data
from skdae.plotting import (
    AnomalyTimelineDisplay,
    CodeMapDisplay,
    ReconstructionDisplay,
    ResidualHeatmapDisplay,
    ScheduleComparisonDisplay,
    TrainingCurveDisplay,
)

plant = make_sensor_data(4320, n_sensors=15, as_frame=True, random_state=5)
table = plant.data.set_index(
    pd.date_range("2024-03-01", periods=len(plant.data), freq="10min")
)
faulty = plant.target.to_numpy() == 1
past, future = table[:2160][~faulty[:2160]], table[2160:]

# %%
# How training went
# -----------------
#
# Layers are added one by one; each phase says how deep the network is. Held-out rows
# tell whether a phase has learned the plant or its rows by heart.

dae = GradualDAETransformer(
    (64, 32, 8),
    noise="random_masking",
    noise_rate=0.7,
    max_iter=60,
    tuning_fraction=0.2,
    early_stopping=True,
    validation_blocks=20,
    random_state=0,
).fit(past)
TrainingCurveDisplay.from_estimator(dae)
plt.show()

# %%
# In a notebook the estimator itself shows its phases as a table.

dae

# %%
# What the sensors should have read
# ---------------------------------
#
# On the 27th a group of sensors falls silent and reads 0. What is rebuilt stays nearer
# to the plant, though a healthy sensor (the last) is drawn along. Where nothing was
# measured at all, what the network fills in is marked. Without ``features`` the sensors
# that deviate most are drawn.

ReconstructionDisplay.from_estimator(
    dae,
    future["2024-03-24":"2024-03-28"],
    features=["vibration_05", "pressure_02", "flow_03", "pressure_08"],
    units={"pressure_02": "Pa", "pressure_08": "Pa", "flow_03": "m³/s"},
)
plt.show()

# %%
# All sensors at a glance
# -----------------------
#
# A single coloured line is a sensor that disagrees with the others; a coloured column
# is a group that fell silent, or a state that the plant has not been in before.

ResidualHeatmapDisplay.from_estimator(dae, future)
plt.show()

# %%
# Alarms and what they are about
# ------------------------------
#
# The threshold of the detector comes from rows that its networks have not seen. Below
# the scores, the sensors that add most to the alarms.

detector = GradualDAEOutlierDetector(
    GradualDAETransformer((64, 16), noise="random_masking", noise_rate=1, max_iter=30),
    calibration="blocked",
    random_state=0,
).fit(past)
AnomalyTimelineDisplay.from_estimator(detector, future, faulty[2160:])
plt.show()

# %%
# A map of the plant's states
# ---------------------------
#
# The codes are what the network keeps of a row, here coloured by what was wrong with
# it. Rows whose sensors fell silent together lie far out. A drift or a stuck sensor
# hides among the normal rows: the code is what a row has in common with others, and it
# is the residual that tells such faults.

CodeMapDisplay.from_estimator(dae, table, plant.fault_kind.rename("fault"))
plt.show()

# %%
# Which schedule?
# ---------------
#
# The same number of weight updates for all, on the same rows and seeds; drawn is the
# difference from stacked training. The intervals speak of other seeds, not of other
# plants.

ScheduleComparisonDisplay.from_estimator(
    GradualDAETransformer((64, 32, 8), noise="random_masking", max_iter=24),
    past,
    future[~faulty[2160:]],
    n_repeats=3,
    reference="stacked",
    random_state=0,
)
plt.show()
