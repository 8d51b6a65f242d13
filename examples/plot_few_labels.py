"""
300 labels, 20,000 unlabelled rows
==================================

Labels are expensive; unlabelled rows are not. Here the operating mode is known for 300
rows of a long history. All rows pretrain the encoder; then the labels fine-tune the
whole network. Optionally, the unlabelled rows are used again with pseudo-labels:
networks trained on the labels predict them, and a student network is trained on the
predictions.
"""

# %%
# The data
# --------
#
# A simulated plant with six operating modes, noise, faults and missing values. The last
# 10,000 rows are the test set; -1 marks a row without a label.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdae import GradualDAEClassifier, GradualDAETransformer
from skdae.datasets import make_sensor_data

plant = make_sensor_data(30_300, n_regimes=6, noise=0.2, as_frame=True, random_state=0)
past, new = plant.data[:20_300], plant.data[20_300:]
truth, truth_new = plant.regime[:20_300], plant.regime[20_300:]

labels = np.full(len(past), -1)
known = np.random.default_rng(0).choice(len(past), 300, replace=False)
labels[known] = truth.iloc[known]

# %%
# Pretrain once, fine-tune several times
# --------------------------------------
#
# ``GradualDAEClassifier(unlabeled=-1).fit(past, labels)`` pretrains and fine-tunes. To
# try several settings, pretrain once and freeze the transformer. Swap noise, which
# takes a cell from another row, is best for classifiers; twenty epochs are enough for a
# table of this length.

dae = GradualDAETransformer((256, 128), noise="swap", max_iter=20, random_state=0)
frozen = FrozenEstimator(dae.fit(past))

ours = {
    "skdae, labels": GradualDAEClassifier(frozen, unlabeled=-1, random_state=0),
    "skdae, with unlabelled rows": GradualDAEClassifier(
        frozen, unlabeled=-1, unlabeled_weight=1.0, random_state=0
    ),
}
accuracy = {
    name: model.fit(past, labels).score(new, truth_new) for name, model in ours.items()
}

# %%
# Baselines
# ---------

baselines = {
    "logistic regression": make_pipeline(
        SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=1000)
    ),
    "gradient boosting": HistGradientBoostingClassifier(random_state=0),
}
for name, baseline in baselines.items():
    baseline.fit(past.iloc[known], labels[known])
    accuracy[name] = baseline.score(new, truth_new)

for name, share in sorted(accuracy.items(), key=lambda item: item[1]):
    print(f"{name:30s} {share:.3f}")

# %%
# A single simulated plant is weak evidence: ``benchmarks/downstream.py`` compares on
# seventeen tables, and on some of them gradient boosting is better.

names = sorted(accuracy, key=accuracy.get)
colours = ["#1f5fbf" if name in ours else "#8a8f98" for name in names]
fig, ax = plt.subplots(figsize=(7, 2.6), layout="constrained")
bars = ax.barh(names, [accuracy[name] for name in names], color=colours, height=0.6)
ax.bar_label(bars, fmt="%.3f", padding=4)
ax.set(xlim=(0, 0.8), xlabel="accuracy on the 10,000 later rows")
ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# Calibrated probabilities
# ------------------------
#
# With ``temperature_scaling=True`` a tenth of the labels is held out for calibration.

calibrated = GradualDAEClassifier(
    frozen, unlabeled=-1, temperature_scaling=True, random_state=0
).fit(past, labels)
confidence = calibrated.predict_proba(new).max(axis=1)
print(f"temperature {calibrated.temperature_:.2f}")
print(f"mean confidence {confidence.mean():.3f}")
print(f"accuracy        {calibrated.score(new, truth_new):.3f}")
