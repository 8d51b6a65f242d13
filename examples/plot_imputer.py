"""
Filling what sensors did not say
================================

A line was down, a logger was full, a sensor was off for repair: tables of sensors have
holes, and often whole blocks of them. What the other sensors say at that moment fills
them: ``GradualDAEImputer`` changes missing cells only.
"""

# %%
# A plant with holes
# ------------------
#
# One cell in ten is lost, and for two hundred rows a third of the sensors is silent. We
# know what was lost, and can tell how well it is filled.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.preprocessing import StandardScaler

from skdae import GradualDAEImputer
from skdae.datasets import make_sensor_data

plant = make_sensor_data(3000, faults=(), as_frame=True, random_state=0)
table = plant.data.ffill().bfill()
rng = np.random.default_rng(0)
is_lost = rng.random(table.shape) < 0.1
silent = slice(2500, 2700)
is_lost[silent, : table.shape[1] // 3] = True
with_holes = table.mask(is_lost)

# %%
# Fill them
# ---------
#
# The past is learned from, holes and all; then the holes of all rows are filled. With
# ``set_output`` a frame comes back, with its index and its dtypes.

imputer = GradualDAEImputer(random_state=0).set_output(transform="pandas")
filled = imputer.fit(with_holes[:2000]).transform(with_holes)
print(filled.isna().sum().sum(), "cells are missing,")
print(int((filled != table).to_numpy()[~is_lost].sum()), "others have changed")

# %%
# Beside simpler methods, which are given standard units: the lost cells of the
# thousand rows that were not learned from.

scaler = StandardScaler().fit(table[:2000])
truth = scaler.transform(table)


def error(Z):
    return np.sqrt(np.mean((Z - truth)[2000:][is_lost[2000:]] ** 2))


rivals = {
    "mean": SimpleImputer(),
    "nearest neighbours": KNNImputer(),
    "a regression for each": IterativeImputer(max_iter=30, tol=0.01, random_state=0),
}
Z = scaler.transform(with_holes)
errors = {
    name: error(rival.fit(Z[:2000]).transform(Z)) for name, rival in rivals.items()
}
errors["skdae"] = error(scaler.transform(filled))
for name, value in errors.items():
    print(f"{name:25s}{value:.3f}")

# %%
# How sure is it?
# ---------------
#
# ``sample_imputations`` draws tables from what the missing cells may have been. Where
# they lie apart, the other sensors do not tell.

draws = np.stack(imputer.set_params(n_imputations=40).sample_imputations(with_holes))
low, high = np.quantile(draws[:, :, 0], [0.05, 0.95], axis=0)

rows = np.arange(2440, 2760)
name = table.columns[0]
fig, (left, right) = plt.subplots(
    1, 2, figsize=(11, 4), width_ratios=(2.2, 1), layout="constrained"
)
left.axvspan(silent.start, silent.stop, color="#f0f2f5", lw=0)
left.fill_between(
    rows,
    low[rows],
    high[rows],
    color="#1f5fbf",
    alpha=0.25,
    lw=0,
    label="90 % of draws",
)
left.plot(rows, table[name][rows], color="#8a8f98", lw=1, label="what was lost")
left.plot(rows, filled[name][rows], color="#1f5fbf", lw=1, label="as filled")
left.set(xlabel="row (time)", ylabel=name, xlim=(rows[0], rows[-1]))
left.set_title("a third of the sensors is silent where shaded", fontsize=10)
left.legend(frameon=False, fontsize=8)

colours = ["#8a8f98"] * len(rivals) + ["#1f5fbf"]
right.barh(list(errors), list(errors.values()), color=colours)
right.invert_yaxis()
right.set(xlabel="error, standard deviations")
right.spines[["top", "right"]].set_visible(False)
plt.show()
