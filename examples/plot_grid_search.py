"""
Grid search
===========

Every parameter is reached by ``set_params``, so ``GridSearchCV`` tunes the network
like any other estimator. What matters is the score: the network's own loss always
prefers no noise, because a row that is whole is easier to rebuild.
"""

# %%
# A score that no candidate can bend
# ----------------------------------
#
# ``score`` hides each cell of the held-out rows once, whatever the candidate's own
# noise, and says how well the hidden cells are predicted: 1 is perfect, 0 no better
# than the mean. The search may therefore run over the noise itself.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import GridSearchCV, train_test_split

from skdae import GradualDAETransformer

X, y = load_breast_cancer(return_X_y=True)
X_train, X_test = train_test_split(X, test_size=0.3, random_state=0)

noise_rates = [0.02, 0.1, 0.25, 0.4, 0.6]
widths = [(64, 8), (64, 16), (128, 32)]
search = GridSearchCV(
    GradualDAETransformer(max_iter=100, random_state=0),
    {"noise_rate": noise_rates, "hidden_layer_sizes": widths},
    cv=3,
)
search.fit(X_train)
print(search.best_params_)
print(f"score in the search {search.best_score_:.3f}, test {search.score(X_test):.3f}")

# %%
# The loss of each candidate
# --------------------------
#
# For contrast, the training loss with which each noise rate ends. By it, one would
# choose the least noise and the widest code: a network that copies.

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
# The two disagree
# ----------------

scores = search.cv_results_["mean_test_score"]
sizes = [p["hidden_layer_sizes"] for p in search.cv_results_["params"]]
fig, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
for width, colour in zip(widths, ["#8a8f98", "#d9822b", "#1f5fbf"], strict=True):
    mine = np.array([size == width for size in sizes])
    left.plot(noise_rates, scores[mine], "o-", color=colour, label=str(width))
left.set(xlabel="noise_rate", ylabel="score on held-out rows (more is better)")
left.legend(title="hidden_layer_sizes", frameon=False)
right.plot(noise_rates, losses, "o-", color="#30343b")
right.set(xlabel="noise_rate", ylabel="own training loss (less is better)")
right.set_title("The loss always prefers less noise", fontsize=10)
plt.show()
