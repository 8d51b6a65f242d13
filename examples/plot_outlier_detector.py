"""
Which sensor, and how sure?
===========================

A detector that cries wolf is switched off. ``GradualDAEOutlierDetector`` sets its
threshold on rows that its networks have not seen, so that a false alarm rate of 1 % is
one, and says of each alarm which sensors it is about.
"""

# %%
# A healthy past and a future with faults
# ---------------------------------------
#
# Rows of a plant come in the order of time and resemble their neighbours. Calibration
# therefore holds out blocks of consecutive rows: a row is not judged by a network that
# has seen the minute before it.

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
    calibration="blocked",
    n_splits=5,
    random_state=0,
).fit(past)
alarms = detector.predict(future) == -1
area = roc_auc_score(is_fault, -detector.score_samples(future))
print(f"faulty rows found   {alarms[is_fault].mean():.1%}")
print(f"false alarms        {alarms[~is_fault].mean():.1%}")
print(f"area under the ROC  {area:.3f}")

# %%
# ``contributions`` adds up to the score. Is the sensor that adds most the one that is
# broken?

contributions = detector.contributions(future)
blamed = contributions.argmax(axis=1)
found = alarms & is_fault
right = plant.mask[3000:][np.arange(len(future)), blamed]
print(f"the right sensor    {right[found].mean():.1%} of the faulty rows found")

# %%
# The codes and errors of a transformer also serve scikit-learn's own detectors.

pipeline = make_pipeline(
    GradualDAETransformer(
        (64, 16), max_iter=40, output="code_and_error", random_state=0
    ),
    IsolationForest(random_state=0),
).fit(past)
area = roc_auc_score(is_fault, -pipeline.score_samples(future))
print(f"before a forest     {area:.3f}")

# %%
# The top sensors over time
# -------------------------
#
# Strangeness, its threshold and the alarms; below, the sensors that add most to them.

AnomalyTimelineDisplay.from_predictions(
    detector.score_samples(future),
    is_fault,
    offset=detector.offset_,
    contributions=contributions,
    feature_names=plant.feature_names,
    time=np.arange(3000, 5000),
)
plt.show()
