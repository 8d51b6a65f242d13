"""
Isolation forest on residuals
=============================

An isolation forest isolates values that are rare by themselves. A sensor fault is more
often a common value that is inconsistent with the other sensors, for example of a stuck
or drifting sensor. ``output='error'`` provides the residual of each sensor: the
difference between its reading and its prediction from the others.
"""

# %%
# A plant with faults
# -------------------
#
# Training and test rows have faults and missing values. The labels are used for
# evaluation only.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdae import GradualDAETransformer
from skdae.datasets import make_sensor_data

plant = make_sensor_data(4000, random_state=0)
past, future = plant.data[:2400], plant.data[2400:]
is_fault = plant.target[2400:]

# %%
# With and without the transformer
# --------------------------------
#
# The forest on raw sensors needs imputation, the transformer does not.

residuals = GradualDAETransformer(
    (128, 16), output="error", max_iter=150, random_state=0
)
pipelines = {
    "forest on raw sensors": make_pipeline(
        SimpleImputer(), IsolationForest(n_estimators=200, random_state=0)
    ),
    "forest on skdae's residuals": make_pipeline(
        residuals, IsolationForest(n_estimators=200, random_state=0)
    ),
}
anomaly_scores = {
    name: -pipeline.fit(past).score_samples(future)
    for name, pipeline in pipelines.items()
}

# %%
# Two baselines: the Mahalanobis distance, and the transformer's own score without a
# forest.

filled = make_pipeline(SimpleImputer(), StandardScaler()).fit(past)
inverse = np.linalg.pinv(np.cov(filled.transform(past).T))
Z = filled.transform(future)
anomaly_scores["Mahalanobis distance"] = np.einsum("ij,jk,ik->i", Z, inverse, Z)
anomaly_scores["skdae's score_samples"] = -residuals.score_samples(future)

for name, score in anomaly_scores.items():
    print(f"{name:30s}{roc_auc_score(is_fault, score):.3f}")

# %%
# A single plant is weak evidence: over several plants and on the Tennessee Eastman
# process (``make demo DATA=dir``) the Mahalanobis distance is often better.

colours = ["#8a8f98", "#1f5fbf", "#30343b", "#d9822b"]
fig, (left, right) = plt.subplots(
    1, 2, figsize=(11, 4), width_ratios=(1, 1.6), layout="constrained"
)
for (name, score), colour in zip(anomaly_scores.items(), colours, strict=True):
    false_alarms, detected, _ = roc_curve(is_fault, score)
    left.plot(false_alarms, detected, color=colour, label=name)
left.plot([0, 1], [0, 1], color="#dfe3e8", zorder=0)
left.set(xlabel="false alarm rate", ylabel="detection rate")
left.legend(frameon=False, fontsize=8)

rows = np.arange(2400, 4000)
name = "forest on skdae's residuals"
right.plot(rows, anomaly_scores[name], color="#1f5fbf", lw=0.8)
for event in plant.events:
    if event.start >= 2400 and event.kind != "missing":
        right.axvspan(event.start, event.stop, color="#d9822b", alpha=0.3, lw=0)
right.set(xlabel="row (time)", ylabel="anomaly score", xlim=(2400, 4000))
right.set_title(f"{name}; faults are shaded", fontsize=10)
plt.show()
