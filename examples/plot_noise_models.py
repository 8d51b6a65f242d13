"""
Noise models
============

A network learns to remove the noise that it is trained with. Each model of
:mod:`skdae.noise` stands for a fault of sensors, and as a rule the noise that resembles
the fault removes it best.
"""

# %%
# One signal and what each model makes of it
# ------------------------------------------
#
# ``corrupt`` returns a corrupted copy and the mask of the corrupted cells. In training
# the same noise is drawn again for each batch.

import matplotlib.pyplot as plt
import numpy as np

from skdae import GradualDAETransformer
from skdae.datasets import make_sensor_data
from skdae.noise import (
    DriftNoise,
    DropoutNoise,
    GaussianNoise,
    MaskingNoise,
    SaltAndPepperNoise,
    SpikeNoise,
    StuckNoise,
    SwapNoise,
)

models = {
    "masking": MaskingNoise(0.2),
    "gaussian": GaussianNoise(0.3),
    "salt and pepper": SaltAndPepperNoise(0.1),
    "swap": SwapNoise(0.2),
    "stuck": StuckNoise(0.3, length=20),
    "spike": SpikeNoise(0.03, scale=4),
    "drift": DriftNoise(0.4, scale=2, length=50),
    "dropout": DropoutNoise(0.1, groups=2),
}
t = np.arange(200)
rows = np.column_stack([np.sin(t / 15), np.cos(t / 15), np.sin(t / 7)])

fig, axes = plt.subplots(4, 2, figsize=(9, 7), sharex=True, layout="constrained")
for ax, (name, noise) in zip(axes.flat, models.items(), strict=True):
    corrupted, mask = noise.corrupt(rows, random_state=1)
    ax.plot(rows[:, 0], color="#c8ccd2", lw=2.5)
    ax.plot(corrupted[:, 0], color="#1f5fbf", lw=0.8)
    ax.plot(t[mask[:, 0]], corrupted[mask[:, 0], 0], ".", color="#d9822b", ms=4)
    ax.set_title(name, fontsize=10, loc="left")
    ax.spines[["top", "right"]].set_visible(False)
fig.suptitle("grey: signal, blue: corrupted copy, orange: corrupted cells", fontsize=9)
plt.show()

# %%
# Train with the noise that is to be removed
# ------------------------------------------
#
# Four networks, each trained with one noise, denoise new rows with each of the four.
# The error is that of what ``reconstruct`` returns, over that of doing nothing. The
# rows have no measurement errors of their own.

names = ["gaussian", "swap", "spike", "stuck"]
plant = make_sensor_data(2000, faults=(), noise=0, random_state=0).data
past, new = plant[::2], plant[1::2]
spread = past.std(axis=0)
gain = np.empty((len(names), len(names)))
for i, trained in enumerate(names):
    dae = GradualDAETransformer(
        (64, 32), noise=models[trained], max_iter=20, random_state=0
    ).fit(past)
    for j, fault in enumerate(names):
        corrupted, _ = models[fault].corrupt(new, random_state=2)
        before = (((corrupted - new) / spread) ** 2).mean()
        after = (((dae.reconstruct(corrupted) - new) / spread) ** 2).mean()
        gain[i, j] = after / before

fig, ax = plt.subplots(figsize=(5, 4), layout="constrained")
image = ax.imshow(gain, cmap="Blues_r", vmin=0, vmax=1)
for i, j in np.ndindex(gain.shape):
    colour = "white" if gain[i, j] < 0.5 else "black"
    ax.text(j, i, f"{gain[i, j]:.2f}", ha="center", va="center", color=colour)
ax.set_xticks(range(len(names)), names)
ax.set_yticks(range(len(names)), names)
ax.set(xlabel="fault in the new rows", ylabel="noise of the training")
fig.colorbar(image, label="squared error over that of doing nothing")
plt.show()

# %%
# In the first three columns the diagonal is best. A stuck sensor of a slow process
# stays close to its true value for a while, and small errors are what the network
# trained with Gaussian noise has learned to remove: try it on rows of your own.
