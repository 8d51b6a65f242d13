"""
Outlier detector: thresholds and contributions
==============================================

``GradualDAEOutlierDetector`` calibrates its threshold on out-of-fold scores, so that
new normal rows have the requested false alarm rate, and attributes each score to the
sensors.
"""

# %%
# Training on normal rows, test rows with faults
# ----------------------------------------------
#
# The rows of a plant are in time order and autocorrelated. The detector notices it and
# holds out blocks of consecutive rows, so that no row is scored by a network that was
# trained on its neighbours.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from skdae import GradualDAEOutlierDetector, GradualDAETransformer
from skdae.datasets import make_sensor_data
from skdae.plotting import AnomalyTimelineDisplay

plant = make_sensor_data(
    5000, faults=("bias", "drift", "stuck", "spike", "dropout"), random_state=3
)
healthy = plant.target[:3000] == 0
past, future = plant.data[:3000][healthy], plant.data[3000:]
is_fault = plant.target[3000:] == 1

# %%
# Fit, predict, explain
# ---------------------

detector = GradualDAEOutlierDetector(
    GradualDAETransformer((64, 16), noise="random_masking", noise_rate=1, max_iter=40),
    false_alarm_rate=0.01,
    random_state=0,
).fit(past)
alarms = detector.predict(future) == -1
area = roc_auc_score(is_fault, -detector.score_samples(future))
print(f"detection rate      {alarms[is_fault].mean():.1%}")
print(f"false alarm rate    {alarms[~is_fault].mean():.1%}")
print(f"area under the ROC  {area:.3f}")

# %% The contributions of a row add up to its score. How often is the sensor with the
# largest contribution the faulty one?

contributions = detector.contributions(future)
top_sensor = contributions.argmax(axis=1)
is_detected = alarms & is_fault
is_faulty_sensor = plant.mask[3000:][np.arange(len(future)), top_sensor]
print(f"faulty sensor first {is_faulty_sensor[is_detected].mean():.1%}")

# %%
# The codes and errors of a transformer can also be the input of another detector.

pipeline = make_pipeline(
    GradualDAETransformer(
        (64, 16), max_iter=40, output="code_and_error", random_state=0
    ),
    IsolationForest(random_state=0),
).fit(past)
area = roc_auc_score(is_fault, -pipeline.score_samples(future))
print(f"isolation forest    {area:.3f}")

# %%
# Contributions over time
# -----------------------
#
# Anomaly scores, threshold and alarms; below, the sensors that contribute most.

AnomalyTimelineDisplay.from_predictions(
    detector.score_samples(future),
    is_fault,
    offset=detector.offset_,
    contributions=contributions,
    feature_names=plant.feature_names,
    time=np.arange(3000, 5000),
)
plt.show()
