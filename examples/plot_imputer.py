"""
Imputation of missing sensor values
===================================

Tables of sensor data have missing values, often whole blocks of them: a line was down,
a logger was full, a sensor was being repaired. ``GradualDAEImputer`` predicts them from
the other sensors and, where rows are in time order, from the rows around. It changes
missing cells only.
"""

# %%
# A plant with missing values
# ---------------------------
#
# One cell in ten is removed, and for two hundred rows a third of the sensors is
# missing. The removed values are kept for evaluation.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.preprocessing import StandardScaler

from skdae import GradualDAEImputer
from skdae.datasets import make_sensor_data
from skdae.plotting import ImputationDisplay
from skdae.timeseries import interpolate

plant = make_sensor_data(3000, faults=(), as_frame=True, random_state=0)
table = plant.data.ffill().bfill()
rng = np.random.default_rng(0)
is_missing = rng.random(table.shape) < 0.1
outage = slice(2500, 2700)
is_missing[outage, : table.shape[1] // 3] = True
incomplete = table.mask(is_missing)

# %%
# Imputation
# ----------
#
# The training rows may have missing values as well. With ``set_output`` the result is a
# DataFrame with the index and the dtypes of the input.

imputer = GradualDAEImputer(random_state=0).set_output(transform="pandas")
filled = imputer.fit(incomplete[:2000]).transform(incomplete)
print(filled.isna().sum().sum(), "cells are missing,")
n_changed = int((filled != table).to_numpy()[~is_missing].sum())
print(n_changed, "observed cells have changed")

# %%
# Baselines, on standardised sensors: the error of the removed cells in the thousand
# held-out rows.

scaler = StandardScaler().fit(table[:2000])
truth = scaler.transform(table)


def error(Z):
    return np.sqrt(np.mean((Z - truth)[2000:][is_missing[2000:]] ** 2))


baselines = {
    "mean": SimpleImputer(),
    "nearest neighbours": KNNImputer(),
    "iterated regressions": IterativeImputer(max_iter=30, tol=0.01, random_state=0),
}
Z = scaler.transform(incomplete)
errors = {
    name: error(baseline.fit(Z[:2000]).transform(Z))
    for name, baseline in baselines.items()
}
errors["interpolation"] = error(interpolate(Z))
by_row = GradualDAEImputer(order=None, random_state=0).fit(Z[:2000]).transform(Z)
errors["skdae, row by row"] = error(by_row)
errors["skdae"] = error(scaler.transform(filled))
for name, value in errors.items():
    print(f"{name:25s}{value:.3f}")

# %%
# What is learned of each sensor stands in ``error_``: the errors of cells that were
# hidden in training, by the length of the gap, and the shares of the candidates.

errors_of_first = imputer.error_[imputer.error_["column"] == table.columns[0]]
print(errors_of_first.round(3).to_string(index=False))

# %%
# Uncertainty
# -----------
#
# ``sample_imputations`` draws several imputed tables (multiple imputation). Their
# spread is the uncertainty of the imputed values, which ``ImputationDisplay`` shows.

name = table.columns[0]
fig, (left, right) = plt.subplots(
    1, 2, figsize=(11, 4), width_ratios=(2.2, 1), layout="constrained"
)
left.plot(table[name], color="#8a8f98", lw=1)  # the true values
ImputationDisplay.from_estimator(imputer, incomplete, name, ax=left)
around = slice(outage.start - 60, outage.stop + 60)
left.set(xlim=(around.start, around.stop), xlabel="row; grey: removed values")
left.set_ylim(table[name][around].min() - 1, table[name][around].max() + 1)

colours = ["#1f5fbf" if name.startswith("skdae") else "#8a8f98" for name in errors]
right.barh(list(errors), list(errors.values()), color=colours)
right.invert_yaxis()
right.set(xlabel="error, standard deviations")
right.spines[["top", "right"]].set_visible(False)
plt.show()
