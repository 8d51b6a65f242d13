"""
300 labels, 20,000 rows without
===============================

A plant's history is long, and somebody who knows the plant has looked at 300 rows of
it and said in which mode it ran. The encoder is trained on every row; then the labels
train the whole network. If asked, the rows without a label take part once more:
networks trained on the labels say what they take them for, and one more network learns
from that.
"""

# %%
# The data
# --------
#
# A simulated plant with six operating modes, noise, faults and gaps. The last 10,000
# rows are to come; -1 marks a row that nobody has looked at.

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
# Pretrain once, fine-tune as often as you like
# ---------------------------------------------
#
# ``GradualDAEClassifier(unlabeled=-1).fit(past, labels)`` alone does all of it. To try
# several settings, pretrain once and freeze what came of it. Swap noise, a cell taken
# from another row, is what serves a classifier best; twenty epochs are enough for a
# table of this length.

dae = GradualDAETransformer((256, 128), noise="swap", max_iter=20, random_state=0)
frozen = FrozenEstimator(dae.fit(past))

ours = {
    "skdae, labels": GradualDAEClassifier(frozen, unlabeled=-1, random_state=0),
    "skdae, labels and other rows": GradualDAEClassifier(
        frozen, unlabeled=-1, unlabeled_weight=1.0, random_state=0
    ),
}
right = {
    name: model.fit(past, labels).score(new, truth_new) for name, model in ours.items()
}

# %%
# What else there is
# ------------------

rivals = {
    "logistic regression": make_pipeline(
        SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=1000)
    ),
    "gradient boosting": HistGradientBoostingClassifier(random_state=0),
}
for name, rival in rivals.items():
    rival.fit(past.iloc[known], labels[known])
    right[name] = rival.score(new, truth_new)

for name, share in sorted(right.items(), key=lambda item: item[1]):
    print(f"{name:30s} {share:.3f}")

# %%
# One simulated plant proves nothing: ``benchmarks/downstream.py`` compares on
# seventeen tables, and there are some where gradient boosting stays ahead.

names = sorted(right, key=right.get)
colours = ["#1f5fbf" if name in ours else "#8a8f98" for name in names]
fig, ax = plt.subplots(figsize=(7, 2.6), layout="constrained")
bars = ax.barh(names, [right[name] for name in names], color=colours, height=0.6)
ax.bar_label(bars, fmt="%.3f", padding=4)
ax.set(xlim=(0, 0.8), xlabel="share of the 10,000 later rows whose mode is told right")
ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# Probabilities that mean what they say
# -------------------------------------
#
# With ``temperature_scaling=True`` a tenth of the labels is held out to calibrate them.

honest = GradualDAEClassifier(
    frozen, unlabeled=-1, temperature_scaling=True, random_state=0
).fit(past, labels)
sure = honest.predict_proba(new).max(axis=1)
print(f"temperature {honest.temperature_:.2f}")
print(f"sure of itself on average {sure.mean():.3f}")
print(f"right on average          {honest.score(new, truth_new):.3f}")
