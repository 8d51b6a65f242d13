"""
Denoising without a clean row
=============================

All that there is are measurements with errors. Rows in time order are enough:
:class:`~skdae.GradualDAEDenoiser` finds out how large the errors of each sensor are,
predicts each cell from the rows around and from related sensors, and keeps as much of
the cell as its error allows.
"""

# %%
# Sensors with errors
# -------------------
#
# Three slow quantities, six sensors. The first four have errors of up to half a
# standard deviation, the last two none. One sensor has a spike; steps are no errors.

import matplotlib.pyplot as plt
import numpy as np

from skdae import GradualDAEDenoiser
from skdae.timeseries import moving_average

rng = np.random.default_rng(0)
n_rows = 1500
t = np.arange(n_rows)
load = np.repeat(rng.normal(size=n_rows // 100), 100)  # another level every 100 rows
slow = np.column_stack([np.sin(t / 60), np.sin(t / 23 + 1), load])
loadings = np.array([[1, 0, 1], [1, 1, 0], [0, 1, 1], [0, 1, -1], [1, 0, 0], [0, 1, 0]])
truth = slow @ loadings.T
deviation = truth.std(axis=0)
sizes = np.array([0.5, 0.3, 0.5, 0.2, 0, 0])
measured = truth + sizes * deviation * rng.normal(size=truth.shape)
measured[1290, 0] += 8

# %%
# What the denoiser finds
# -----------------------
#
# It learns from the first 1,000 rows as they were measured.

denoiser = GradualDAEDenoiser(order="time", random_state=0).fit(measured[:1000])
found = denoiser.error_scale_ * measured[:1000].std(axis=0) / deviation
print("size of the errors:", sizes)
print("found             :", found.round(2))

# %%
# Later rows
# ----------
#
# A moving average smears the steps, and the spike spreads over its window.

later = slice(1000, n_rows)
denoised = denoiser.transform(measured[later])
averages = {width: moving_average(measured[later], width) for width in (5, 9, 15)}


def error(rows):
    """Root of the mean squared error in standard deviations."""
    return np.sqrt((((rows - truth[later]) / deviation) ** 2)[:, :4].mean())


best = min(averages, key=lambda width: error(averages[width]))
print(f"as measured            : {error(measured[later]):.3f}")
print(f"moving average, {best:2} rows: {error(averages[best]):.3f}")
print(f"denoiser               : {error(denoised):.3f}")

fig, axes = plt.subplots(2, 1, figsize=(8, 5), sharex=True, layout="constrained")
shown = slice(220, 420)
for ax, rows, name in (
    (axes[0], averages[best], f"moving average, {best} rows"),
    (axes[1], denoised, "denoiser"),
):
    ax.plot(t[later][shown], measured[later][shown, 0], ".", color="0.7", ms=4)
    ax.plot(t[later][shown], truth[later][shown, 0], "k--", lw=1, label="truth")
    ax.plot(t[later][shown], rows[shown, 0], "C0", label=name)
    ax.set_ylim(-4, 4)
    ax.set_ylabel("sensor 1")
    ax.legend(loc="lower left", ncols=2)
axes[1].set_xlabel("row")
plt.show()
