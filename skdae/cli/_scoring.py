"""How good the predictions of labelled rows are, in a sentence."""

import numpy as np
import pandas as pd

MIN_ROWS = 10  # labelled rows that a score is computed on


def score_in_words(kind: str, labels: np.ndarray, predicted: np.ndarray) -> str:
    """Return the score of a classifier or a regressor on labelled rows.

    Beside it stands what needs no model: the most frequent class, the mean.
    """
    known = ~pd.isna(labels)
    labels, predicted = labels[known], predicted[known]
    if len(labels) < MIN_ROWS:
        return ""
    if kind == "classifier":
        from sklearn.metrics import accuracy_score, balanced_accuracy_score

        texts, guesses = labels.astype(str), predicted.astype(str)
        share = pd.Series(texts).value_counts(normalize=True).iloc[0]
        return (
            f"accuracy {accuracy_score(texts, guesses):.3f} (the most frequent class: "
            f"{share:.3f}), balanced accuracy "
            f"{balanced_accuracy_score(texts, guesses):.3f}, on {len(texts)} rows"
        )
    truth, guesses = labels.astype(np.float64), predicted.astype(np.float64)
    error = np.sqrt(np.mean((truth - guesses) ** 2))
    return (
        f"root mean squared error {error:.4g} (the mean of the rows: "
        f"{truth.std():.4g}), on {len(truth)} rows"
    )
