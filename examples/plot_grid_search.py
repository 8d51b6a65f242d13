"""
Grid search
===========

``GradualDAESearchCV`` is scikit-learn's ``GridSearchCV``, where candidates that begin
with the same layer train it once. The choice of the score is important: the training
loss always prefers no noise, because uncorrupted rows are easier to reconstruct.
"""

# %%
# A score that does not depend on the noise
# -----------------------------------------
#
# ``score`` hides each cell of the held-out rows once, independently of the candidate's
# noise, and measures how well the hidden cells are predicted: 1 is perfect, 0 is as
# good as the mean. The search may therefore include the noise.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

from skdae import GradualDAETransformer
from skdae.model_selection import GradualDAESearchCV

X, y = load_breast_cancer(return_X_y=True)
X_train, X_test = train_test_split(X, test_size=0.3, random_state=0)

noise_rates = [0.02, 0.1, 0.25, 0.4, 0.6]
widths = [(64, 8), (64, 16), (128, 32)]
search = GradualDAESearchCV(
    GradualDAETransformer(max_iter=100, random_state=0),
    {"noise_rate": noise_rates, "hidden_layer_sizes": widths},
    cv=3,
)
search.fit(X_train)
print(search.best_params_)
print(f"score in the search {search.best_score_:.3f}, test {search.score(X_test):.3f}")

# %%
# The training loss
# -----------------
#
# For comparison, the final training loss for each noise rate. It would select the
# lowest noise rate and the widest code: a network that copies its input.

losses = [
    GradualDAETransformer(
        search.best_params_["hidden_layer_sizes"],
        noise_rate=rate,
        max_iter=100,
        random_state=0,
    )
    .fit(X_train)
    .loss_curve_[-1]
    for rate in noise_rates
]

# %%
# Comparison
# ----------

scores = search.cv_results_["mean_test_score"]
sizes = [p["hidden_layer_sizes"] for p in search.cv_results_["params"]]
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for width, colour in zip(widths, ["#8a8f98", "#d9822b", "#1f5fbf"], strict=True):
    is_width = np.array([size == width for size in sizes])
    left.plot(noise_rates, scores[is_width], "o-", color=colour, label=str(width))
left.set(xlabel="noise_rate", ylabel="score on held-out rows (higher is better)")
left.legend(title="hidden_layer_sizes", frameon=False)
right.plot(noise_rates, losses, "o-", color="#30343b")
right.set(xlabel="noise_rate", ylabel="training loss (lower is better)")
right.set_title("The training loss prefers less noise", fontsize=10)
plt.show()
