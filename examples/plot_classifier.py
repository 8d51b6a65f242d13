"""
Features for a classifier
=========================

Labels are expensive; unlabelled rows are not. The transformer is trained on all rows,
the classifier on those with a label. Here each of the 64 pixels of handwritten digits
is a sensor.
"""

# %%
# The pipeline
# ------------
#
# ``output='layers'`` returns the codes of all layers: the wide lower layer keeps
# information that the narrow top layer cannot represent. The codes are scaled because
# logistic regression is sensitive to scale.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdae import GradualDAETransformer

X, y = load_digits(return_X_y=True)


def feature_extractors(seed):
    """Three feature extractors; none of them uses labels."""
    codes = GradualDAETransformer(
        (128, 16), output="layers", max_iter=100, random_state=seed
    )
    return {
        "raw sensors": StandardScaler(),
        "PCA, 16 components": make_pipeline(StandardScaler(), PCA(16)),
        "skdae, all layers": make_pipeline(codes, StandardScaler()),
    }


# %%
# Few labels, many rows
# ---------------------
#
# Each of four random splits keeps 30 % of the rows for the test.

n_labels = [50, 100, 200, 400, 800]
accuracy = {name: np.empty((4, len(n_labels))) for name in feature_extractors(0)}
for seed in range(4):
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.3, stratify=y, random_state=seed
    )
    for name, extractor in feature_extractors(seed).items():
        codes_train = extractor.fit(X_train).transform(X_train)  # no labels here
        codes_test = extractor.transform(X_test)
        for i, n in enumerate(n_labels):
            classifier = LogisticRegression(max_iter=2000)
            classifier.fit(codes_train[:n], y_train[:n])
            accuracy[name][seed, i] = classifier.score(codes_test, y_test)

for name, values in accuracy.items():
    print(f"{name:20s}", *(f"{mean:.3f}" for mean in values.mean(axis=0)))

# %%
# The lines are means, the bands range from the worst to the best split. Features that
# were learned without labels increase the accuracy by one or two percentage points.
# Always compare with the raw sensors.

colours = {"raw sensors": "#30343b", "PCA, 16 components": "#8a8f98"}
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for name, values in accuracy.items():
    colour = colours.get(name, "#1f5fbf")
    ax.fill_between(n_labels, values.min(0), values.max(0), color=colour, alpha=0.12)
    ax.plot(n_labels, values.mean(axis=0), "o-", color=colour, label=name)
ax.set_xscale("log")
ax.set_xticks(n_labels, n_labels)
ax.minorticks_off()
ax.set(xlabel="rows with a label", ylabel="accuracy on test rows")
ax.legend(frameon=False)
plt.show()
