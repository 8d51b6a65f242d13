"""
A gap and its band
==================

A filled value is a guess. ``sample_imputations`` draws several filled tables, and their
spread says how good a guess it is: narrow beside known values, wide in the middle of a
long gap.
"""

# %%
# Gaps of several lengths
# -----------------------
#
# Single cells and outages of 5, 20 and 60 rows are removed from new rows. The removed
# values are known, so that the bands can be checked.

import matplotlib.pyplot as plt
import numpy as np

from skdae import GradualDAEImputer
from skdae.datasets import make_sensor_data
from skdae.plotting import ImputationDisplay

table = make_sensor_data(
    2400, n_sensors=10, faults=(), as_frame=True, random_state=0
).data
past, new = table[:1600], table[1600:]
rng = np.random.default_rng(0)
is_hidden = np.zeros(new.shape, dtype=bool)
for length, n_gaps in [(1, 200), (5, 20), (20, 10), (60, 3)]:
    for _ in range(n_gaps):
        start = rng.integers(len(new) - length)
        is_hidden[start : start + length, rng.integers(new.shape[1])] = True
is_hidden[300:360, 0] = True  # shown below
incomplete = new.mask(is_hidden)

imputer = GradualDAEImputer(n_imputations=50, random_state=0).fit(past)
draws = np.array(imputer.sample_imputations(incomplete))
low, high = np.quantile(draws, [0.05, 0.95], axis=0)

# %%
# Do the bands cover?
# -------------------
#
# Bands of 90 % should cover nine in ten of the hidden values. In a later period than
# that of ``fit`` they cover somewhat fewer, because the parameters of the model are not
# drawn.

truth = new.to_numpy()
is_covered = (low <= truth) & (truth <= high)
print(
    f"{is_covered[is_hidden].mean():.0%} of {is_hidden.sum()} hidden cells are covered"
)

# %%
# The longer the gap, the wider the band
# --------------------------------------
#
# The width is in standard deviations of the column, by the distance to the nearest
# known value of the column.

row = np.arange(len(new))
width = (high - low) / past.std().to_numpy()
distance = np.empty(new.shape, dtype=int)
for j in range(new.shape[1]):
    known = row[~is_hidden[:, j]]
    distance[:, j] = np.abs(row[:, None] - known).min(axis=1)
steps = [1, 2, 3, 5, 10, 20, 31]
means = [
    width[is_hidden & (a <= distance) & (distance < b)].mean()
    for a, b in zip(steps[:-1], steps[1:], strict=True)
]

fig, (left, right) = plt.subplots(
    1, 2, figsize=(11, 3.6), width_ratios=(2, 1), layout="constrained"
)
name = table.columns[0]
left.plot(new[name], color="#8a8f98", lw=1)
ImputationDisplay.from_estimator(imputer, incomplete, name, ax=left)
left.set_xlabel("row; grey: removed values")
left.set(xlim=(new.index[250], new.index[410]), title="")
around = new[name].iloc[250:410]
left.set_ylim(around.min() - around.std(), around.max() + around.std())
right.plot(steps[:-1], means, "o-", color="#1f5fbf")
right.set(
    xlabel="rows to the nearest known value",
    ylabel="width of the band, standard deviations",
    xscale="log",
    ylim=(0, None),
)
right.set_xticks(steps[:-1], steps[:-1])
right.minorticks_off()
right.spines[["top", "right"]].set_visible(False)
plt.show()
