"""
Before an isolation forest
==========================

An isolation forest looks for values that are rare in themselves. A fault of a plant is
more often a value that is common in itself and does not go with the others: a stuck
sensor, a slow drift. ``output='error'`` hands the forest what it needs: for each
sensor, how far its reading lies from what the others say.
"""

# %%
# A plant and its faults
# ----------------------
#
# The past has faults and gaps as the future has, and nobody has labelled them. The
# labels serve only to judge the alarms.

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
# With and without
# ----------------
#
# Both pipelines take the gaps as they come: the forest on raw sensors needs them
# filled, the transformer does not.

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
strangeness = {
    name: -pipeline.fit(past).score_samples(future)
    for name, pipeline in pipelines.items()
}

# %%
# Two plain rivals: the Mahalanobis distance, one formula long, and the transformer's
# own score without any forest.

filled = make_pipeline(SimpleImputer(), StandardScaler()).fit(past)
inverse = np.linalg.pinv(np.cov(filled.transform(past).T))
Z = filled.transform(future)
strangeness["Mahalanobis distance"] = np.einsum("ij,jk,ik->i", Z, inverse, Z)
strangeness["skdae's score_samples"] = -residuals.score_samples(future)

for name, score in strangeness.items():
    print(f"{name:30s}{roc_auc_score(is_fault, score):.3f}")

# %%
# One plant proves little: over several plants and on the Tennessee Eastman process
# (``make demo DATA=dir``) the Mahalanobis distance is often ahead of the forest.

colours = ["#8a8f98", "#1f5fbf", "#30343b", "#d9822b"]
fig, (left, right) = plt.subplots(
    1, 2, figsize=(11, 4), width_ratios=(1, 1.6), layout="constrained"
)
for (name, score), colour in zip(strangeness.items(), colours, strict=True):
    false_alarms, found, _ = roc_curve(is_fault, score)
    left.plot(false_alarms, found, color=colour, label=name)
left.plot([0, 1], [0, 1], color="#dfe3e8", zorder=0)
left.set(xlabel="share of normal rows alarmed", ylabel="share of faulty rows found")
left.legend(frameon=False, fontsize=8)

rows = np.arange(2400, 4000)
name = "forest on skdae's residuals"
right.plot(rows, strangeness[name], color="#1f5fbf", lw=0.8)
for event in plant.events:
    if event.start >= 2400 and event.kind != "missing":
        right.axvspan(event.start, event.stop, color="#d9822b", alpha=0.3, lw=0)
right.set(xlabel="row (time)", ylabel="strangeness", xlim=(2400, 4000))
right.set_title(f"{name}; faults are shaded", fontsize=10)
plt.show()
