"""
Gradual and stacked training
============================

Stacked training adds a layer, trains it alone and freezes it. Gradual training
continues to train the layers below when a new one is added. Each of its epochs updates
more weights, so the two are compared at the same number of *weight updates*.
"""

# %%
# Schedules are data
# ------------------
#
# A schedule is a tuple of phases that can be printed and whose cost can be computed
# before training. ``at_equal_updates`` builds another schedule of the same cost.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skdae import GradualDAETransformer
from skdae.schedules import at_equal_updates, describe, gradual, total_cost

plan = gradual(3, 60)
print(describe(plan))
print(describe(at_equal_updates("stacked", plan)))

# %%
# Four schedules with the same budget
# -----------------------------------
#
# Two more schedules are reported: *frozen*, the control, differs from gradual only in
# that the lower layers are frozen, so it measures the effect of training them; *joint*
# trains all layers from the start.

X, _ = load_digits(return_X_y=True)
budgets = [12, 24, 48, 96]  # epochs of the gradual plan
names = ["gradual", "stacked", "frozen", "joint"]
seeds = range(2)
scores = {name: np.empty((len(seeds), len(budgets))) for name in names}
for seed in seeds:
    X_train, X_test = train_test_split(X, test_size=0.3, random_state=seed)
    for i, epochs in enumerate(budgets):
        plan = gradual(3, epochs, tuning_fraction=0.25)
        for name in names:
            dae = GradualDAETransformer(
                (128, 64, 16),
                schedule=at_equal_updates(name, plan),
                random_state=seed,
            )
            scores[name][seed, i] = dae.fit(X_train).score(X_test)

for name, values in scores.items():
    print(f"{name:8s}", *(f"{mean:.3f}" for mean in values.mean(axis=0)))

# %% All four end with the same phase of full tuning. Gradual training is slightly
# better than stacked training and the control at every budget. On a table of this size,
# training all layers from the start is a strong baseline, and here it is level.

updates = [total_cost(gradual(3, n, tuning_fraction=0.25)) for n in budgets]
colours = {"gradual": "#1f5fbf", "stacked": "#d9822b"}
styles = {"frozen": "s--", "joint": "^:"}
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for name, values in scores.items():
    ax.plot(
        updates,
        values.mean(axis=0),
        styles.get(name, "o-"),
        color=colours.get(name, "#8a8f98"),
        label=name,
    )
ax.set_xscale("log")
ax.set_xticks(updates, updates)
ax.minorticks_off()
ax.set(
    xlabel="weight updates (layers times epochs)",
    ylabel="score on test rows (1 is perfect)",
)
ax.legend(frameon=False)
plt.show()
