"""
Where does a network move the points?
=====================================

A denoising network moves a point to where rows are denser. For two columns this can be
drawn: an arrow from each point of a grid towards what the network rebuilds of it.
"""

# %%
# Little noise, and much
# ----------------------
#
# Two half-moons, and two networks that differ only in the noise they were trained with.
# With little noise, arrows near the rows lead to the closest of them. With much noise a
# point may have come from many rows, and the network rebuilds their mean: it moves the
# rows themselves more than twice as far.

import matplotlib.pyplot as plt
from sklearn.datasets import make_moons

from skdae import GradualDAETransformer
from skdae.inspection import reconstruction_field
from skdae.plotting import ReconstructionFieldDisplay

X, _ = make_moons(1000, noise=0.05, random_state=0)

fig, axes = plt.subplots(1, 2, figsize=(10, 5), layout="constrained", sharey=True)
for ax, noise_rate in zip(axes, (0.1, 0.4), strict=True):
    dae = GradualDAETransformer(
        (64, 64), noise="gaussian", noise_rate=noise_rate, random_state=0
    ).fit(X)
    ReconstructionFieldDisplay.from_estimator(dae, X, ax=ax)
    ax.set_title(f"noise of {noise_rate} standard deviations")
axes[0].get_legend().remove()
axes[1].label_outer()
plt.show()

# %%
# Arrows are cut at a step of the grid;
# :func:`skdae.inspection.reconstruction_field` returns their length as well:

field = reconstruction_field(dae, X, n_grid=3)
for point, vector in zip(field.points, field.vectors, strict=True):
    print(point.round(2), "to", (point + vector).round(2))
