"""A search space for Optuna."""

from typing import Any

#: The sizes that a trial chooses among, by the name that Optuna keeps of them.
SIZES = {
    "-".join(map(str, sizes)): sizes
    for sizes in ((64,), (64, 32), (128, 64), (256, 128), (128, 64, 32))
}


def suggest_params(trial: Any, *, prefix: str = "") -> dict[str, Any]:
    """Draw settings of a transformer from an Optuna trial.

    Layer sizes, the rate of a noise given by name and the step size. The space is that
    of tables of some tens of columns; narrow it, or add to it, by a trial of your own.

    Parameters
    ----------
    trial : optuna.trial.BaseTrial
        The trial; ``study.best_trial`` gives the settings that were best.
    prefix : str, default=''
        What stands before the names, such as ``'gradualdaetransformer__'`` for a step
        of a pipeline or ``'transformer__'`` for a classifier.

    Returns
    -------
    dict
        Parameters for ``set_params``.

    Examples
    --------
    >>> class Middle:  # stands for a trial
    ...     def suggest_categorical(self, name, choices):
    ...         return choices[len(choices) // 2]
    ...
    ...     def suggest_float(self, name, low, high, *, log=False):
    ...         return (low * high) ** 0.5 if log else (low + high) / 2
    >>> from skdae import GradualDAETransformer
    >>> from skdae.model_selection import suggest_params
    >>> GradualDAETransformer(**suggest_params(Middle())).hidden_layer_sizes
    (128, 64)
    """
    size = trial.suggest_categorical(f"{prefix}hidden_layer_sizes", list(SIZES))
    rate = trial.suggest_float(f"{prefix}noise_rate", 0.05, 0.6)
    step = trial.suggest_float(f"{prefix}learning_rate_init", 3e-4, 3e-3, log=True)
    return {
        f"{prefix}hidden_layer_sizes": SIZES[size],
        f"{prefix}noise_rate": rate,
        f"{prefix}learning_rate_init": step,
    }
