"""
Which output for which model?
=============================

An isolation forest looks for rare values, a linear model for directions that separate
classes. The residuals (``output='error'``) are good for the one, the scaled table
beside the code (the default) for the other, and no output is best for both.
"""

# %%
# Outputs of one network
# ----------------------
#
# One network for all outputs. The forest is trained on normal rows and scored by how
# well it ranks the faulty ones; the linear model predicts the operating mode from 100
# labels.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdae import GradualDAETransformer
from skdae.datasets import make_sensor_data

OUTPUTS = ["inputs_and_code", "code", "layers", "code_and_error", "error"]


def outputs(past, new, seed):
    """Training and test rows as each output; the default is scaled already."""
    dae = GradualDAETransformer((64, 16), max_iter=40, random_state=seed).fit(past)
    scaler = make_pipeline(SimpleImputer(), StandardScaler()).fit(past)
    yield "the table", scaler.transform(past), scaler.transform(new)
    for output in OUTPUTS:
        dae.set_params(output=output)
        is_scaled = output == "inputs_and_code"
        scaler = StandardScaler(with_mean=not is_scaled, with_std=not is_scaled)
        scaler.fit(dae.transform(past))
        yield (
            output,
            scaler.transform(dae.transform(past)),
            scaler.transform(dae.transform(new)),
        )


found = {}
for seed in range(3):
    plant = make_sensor_data(2000, n_regimes=4, random_state=seed)
    order = np.random.default_rng(seed).permutation(2000)
    past, new = order[:1200], order[1200:]
    is_normal = plant.target[past] == 0
    for name, Z, Z_new in outputs(plant.data[past], plant.data[new], seed):
        forest = IsolationForest(random_state=0).fit(Z[is_normal])
        area = roc_auc_score(plant.target[new], -forest.score_samples(Z_new))
        linear = LogisticRegression(max_iter=2000).fit(
            Z[:100], plant.regime[past][:100]
        )
        accuracy = linear.score(Z_new, plant.regime[new])
        found.setdefault(name, []).append((area, accuracy))

for name, values in found.items():
    print(f"{name:15s} forest {np.mean(values, 0)[0]:.3f}", end="  ")
    print(f"linear model {np.mean(values, 0)[1]:.3f}")

# %%

fig, ax = plt.subplots(figsize=(6, 4), layout="constrained")
for name, values in found.items():
    area, accuracy = np.mean(values, axis=0)
    ax.plot(area, accuracy, "o", color="#8a8f98" if name == "the table" else "#1f5fbf")
    shift = (6, -12) if name == "code" else (6, 4)
    ax.annotate(name, (area, accuracy), xytext=shift, textcoords="offset points")
ax.set(
    xlabel="isolation forest, area under the ROC curve",
    ylabel="linear model, accuracy with 100 labels",
)
ax.margins(0.15)
ax.spines[["top", "right"]].set_visible(False)
plt.show()
