"""
Plots of sensors and alarms
===========================

The displays of :mod:`skdae.plotting` show training curves, reconstructions, residuals,
alarms with the sensors behind them, codes, and comparisons of schedules.
"""

# %%
# A plant with time stamps
# ------------------------
#
# A month of readings every ten minutes. The displays take the sensor names and the time
# from the DataFrame. The first half, without known faults, is for training; the second
# half is new data.

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
from skdae.schedules import Gradual
from skdae.timeseries import BlockSplit

plant = make_sensor_data(4320, n_sensors=15, as_frame=True, random_state=5)
table = plant.data.set_index(
    pd.date_range("2024-03-01", periods=len(plant.data), freq="10min")
)
faulty = plant.target.to_numpy() == 1
past, future = table[:2160][~faulty[:2160]], table[2160:]

# %%
# Training curve
# --------------
#
# Layers are added one by one; each phase shows the depth of the network. The loss of
# held-out rows shows whether a phase overfits.

dae = GradualDAETransformer(
    (64, 32, 8),
    noise="random_masking",
    noise_rate=0.7,
    max_iter=60,
    schedule=Gradual(tuning_fraction=0.2),
    early_stopping=True,
    validation_fraction=BlockSplit(10, n_blocks=20),
    random_state=0,
).fit(past)
TrainingCurveDisplay.from_estimator(dae)
plt.show()

# %%
# In a notebook the estimator itself shows its phases as a table.

dae

# %%
# Expected values of the sensors
# ------------------------------
#
# On the 27th a group of sensors drops out and reads 0. The reconstruction remains
# closer to the true value, although a healthy sensor (the last) is affected as well.
# Imputed cells are marked. Without ``features`` the sensors with the largest deviations
# are shown.

ReconstructionDisplay.from_estimator(
    dae,
    future["2024-03-24":"2024-03-28"],
    features=["vibration_05", "pressure_02", "flow_03", "pressure_08"],
    units={"pressure_02": "Pa", "pressure_08": "Pa", "flow_03": "m³/s"},
)
plt.show()

# %%
# Residuals of all sensors
# ------------------------
#
# A single coloured line is a sensor that is inconsistent with the others; a coloured
# column is a group that dropped out, or a state that did not occur in training.

ResidualHeatmapDisplay.from_estimator(dae, future)
plt.show()

# %%
# Alarms and contributions
# ------------------------
#
# The threshold of the detector is calibrated on out-of-fold scores. Below the scores
# are the sensors that contribute most to the alarms.

detector = GradualDAEOutlierDetector(
    GradualDAETransformer((64, 16), noise="random_masking", noise_rate=1, max_iter=30),
    random_state=0,
).fit(past)
AnomalyTimelineDisplay.from_estimator(detector, future, faulty[2160:])
plt.show()

# %%
# Map of the codes
# ----------------
#
# The codes of the rows, coloured by fault. Rows in which a group dropped out are far
# from the others. Drifts and stuck sensors are not separated from the normal rows: the
# code describes what the sensors have in common, and such faults show in the residuals.

CodeMapDisplay.from_estimator(dae, table, plant.fault_kind.rename("fault"))
plt.show()

# %%
# Comparison of schedules
# -----------------------
#
# All schedules have the same number of weight updates, rows and seeds. The plot shows
# the difference from stacked training. The intervals are for other seeds, not for other
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
