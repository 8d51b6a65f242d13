"""
What gradual training is
========================

Stacked training freezes a layer before it adds the next one. Gradual training continues
to train the layers below, with noise and loss on the input. At equal numbers of weight
updates the gradual network predicts hidden cells better, also after a last phase that
trains all layers.
"""

# %%
# The schedules
# -------------
#
# A schedule is a tuple of phases. Each phase says which layers are trained and where
# the noise enters, so the picture below is drawn from the schedules themselves.

import matplotlib.pyplot as plt
import numpy as np

from skdae import GradualDAETransformer
from skdae.datasets import make_sensor_data
from skdae.schedules import at_equal_updates, gradual, stacked, total_cost

COLOURS = {"gradual": "#1f5fbf", "stacked": "#d9822b", "frozen": "#c8ccd2"}


def draw(ax, phases, name):
    """Draw the layers of each phase: coloured where they are trained."""
    for column, phase in enumerate(phases):
        for layer, rate in enumerate(phase.rates):
            colour = COLOURS[name] if rate > 0 else COLOURS["frozen"]
            width = 0.8 - 0.16 * layer  # layers become narrower
            ax.barh(layer, width, 0.6, left=column - width / 2, color=colour)
        level = -1.0 if phase.corrupt == "input" else phase.depth - 1.5
        ax.text(column, level, "noise", ha="center", va="center", fontsize=8)
    ax.set(xticks=range(len(phases)), yticks=range(len(phases)), ylim=(-1.4, 2.6))
    ax.set_xticklabels([f"phase {column + 1}" for column in range(len(phases))])
    ax.set_yticklabels([f"layer {layer + 1}" for layer in range(len(phases))])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    note = "lower layers are frozen" if name == "stacked" else "all layers are trained"
    ax.set_title(f"{name}: {note}", fontsize=10, loc="left")


# %%
# At equal numbers of weight updates
# ----------------------------------
#
# An epoch that updates three layers costs three times as much as one that updates a
# single layer; ``at_equal_updates`` gives the stacked schedule as many more epochs.
# With ``validation_fraction=None`` the network is scored alone, without the linear
# estimate that ``reconstruct`` mixes in. The rows come from two simulated plants.


def mean_score(plan):
    """Score of held-out rows, mean over two plants."""
    values = []
    for seed in range(2):
        rows = make_sensor_data(2000, faults=(), random_state=seed).data
        dae = GradualDAETransformer(
            (64, 32, 8), schedule=plan, validation_fraction=None, random_state=seed
        )
        values.append(dae.fit(rows[::2]).score(rows[1::2]))
    return np.mean(values)


budgets = [15, 30, 60]  # epochs of the gradual schedule
plans = {
    share: [gradual(3, epochs, tuning_fraction=share) for epochs in budgets]
    for share in (0, 0.25)
}
scores = {
    (name, share): [mean_score(at_equal_updates(name, plan)) for plan in plans[share]]
    for share in plans
    for name in ("gradual", "stacked")
}
for (name, share), values in scores.items():
    print(f"{name:8s} tuning {share:4.0%}", *(f"{value:.3f}" for value in values))

# %%

fig = plt.figure(figsize=(9, 4), layout="constrained")
axes = fig.subplot_mosaic([["stacked", "score"], ["gradual", "score"]])
draw(axes["stacked"], stacked(3, 30), "stacked")
draw(axes["gradual"], gradual(3, 30), "gradual")
for (name, share), values in scores.items():
    axes["score"].plot(
        [total_cost(plan) for plan in plans[share]],
        values,
        "o--" if share else "o-",
        color=COLOURS[name],
        label=f"{name}, all layers tuned at the end" if share else name,
    )
axes["score"].set(
    xlabel="weight updates (layers times epochs)",
    ylabel="score on test rows (1 is perfect)",
)
axes["score"].legend(frameon=False, loc="lower right")
axes["score"].spines[["top", "right"]].set_visible(False)
plt.show()
