"""Settings of a transformer that are chosen from its training rows.

The rule: with a part of the epochs, on some of the rows, networks of each candidate
noise rate are trained, then networks of each candidate size with the rate that was
chosen. What counts is how well cells of held-out rows are predicted from the others,
whatever the candidate's noise (`score`). Of rows in time order, the last are held out.
The first candidates, which are best on most tables, are taken unless others are clearly
better: short trials rank badly (correlation with the scores after all epochs 0.4).
"""

import warnings
from collections.abc import Iterator
from copy import copy
from typing import Any, NamedTuple

import numpy as np

from skdae._core.monitor import Monitor
from skdae._random import spawn_streams
from skdae._table.validation import user_stacklevel
from skdae._transformer._fitting import (
    LearnEncoder,
    open_fit,
    train_rows,
    training_source,
)
from skdae._transformer._mixture import MIN_HELD_OUT
from skdae._transformer._outputs import Fitted, hidden_cell_score
from skdae._transformer._parameters import DEFAULT_NOISE_RATE, resolve_parameters
from skdae.noise import make_noise
from skdae.schedules import Schedule

DEFAULT_SIZES = (128, 64)
#: In the order of trial. The first ones have the best scores on validation rows of
#: twelve of sixteen tables, simulated and open ones, and of all on average.
CANDIDATES: dict[str, tuple[Any, ...]] = {
    "noise_rate": (0.4, DEFAULT_NOISE_RATE, 0.1, 0.6),
    "hidden_layer_sizes": ((256, 128), DEFAULT_SIZES, (64, 32)),
}
DEFAULTS = {"noise_rate": DEFAULT_NOISE_RATE, "hidden_layer_sizes": DEFAULT_SIZES}
CLEAR_GAIN = 0.01  # of the score; with less, trials were wrong on three of these tables
# with both, a choice takes a fifth of the grid's time (benchmarks/auto.py)
TRIAL_SHARE = 0.05  # of the epochs
MAX_TRIAL_ROWS = 1_000  # that are trained on
MAX_SCORED_ROWS = 500
SCORED_SHARE = 0.25  # of the rows, where no splitter says which to hold out


class Choice(NamedTuple):
    """Chosen settings, and the score of each candidate that was tried."""

    settings: dict[str, Any]
    trials: list[dict[str, Any]]


def open_settings(transformer: Any) -> list[str]:
    """Return the names of the settings that are to be chosen."""
    values = {name: getattr(transformer, name) for name in CANDIDATES}
    return [n for n, v in values.items() if isinstance(v, str) and v == "auto"]


def settled(transformer: Any, choice: Choice | None) -> Any:
    """Return a transformer with what was chosen for it; itself without a choice."""
    if choice is None:
        return transformer
    names = open_settings(transformer)
    return _with(transformer, {n: v for n, v in choice.settings.items() if n in names})


def _with(transformer: Any, settings: dict[str, Any]) -> Any:
    """Return a transformer with other settings, and the same fitted attributes."""
    changed = copy(transformer)
    vars(changed).update(settings)
    return changed


def choose(
    transformer: Any, raw: np.ndarray, learn_encoder: LearnEncoder, sample_weight: Any
) -> Choice:
    """Choose what is 'auto' from training rows."""
    names = open_settings(transformer)
    _check(transformer, names)
    settings = {name: CANDIDATES[name][0] for name in names}
    rows = _trial_rows(_with(transformer, settings), raw, learn_encoder, sample_weight)
    trials: list[dict[str, Any]] = []
    if min(len(rows.train), len(rows.scored)) < MIN_HELD_OUT:  # they rank nothing
        settings = {name: DEFAULTS[name] for name in names}
        _warn_of_few_rows(settings, rows)
        return Choice(settings, trials)
    for name in names:
        for value in CANDIDATES[name]:
            tried = settings | {name: value}
            if not any(trial.items() >= tried.items() for trial in trials):
                score = _score(_with(transformer, tried), rows, learn_encoder)
                trials.append(tried | {"score": score})
        kept = next(trial for trial in trials if trial.items() >= settings.items())
        best = max(trials, key=lambda trial: trial["score"])
        if best["score"] > kept["score"] + CLEAR_GAIN:
            settings = {each: best[each] for each in names}
    return Choice(settings, trials)


def _warn_of_few_rows(settings: dict[str, Any], rows: "_TrialRows") -> None:
    """Warn that nothing was tried."""
    taken = " and ".join(f"{name}={value}" for name, value in settings.items())
    warnings.warn(
        f"{' and '.join(settings)}='auto' tries nothing with {len(rows.train)} rows to "
        f"learn from and {len(rows.scored)} to rank by: {MIN_HELD_OUT} of each are "
        f"needed; the defaults are taken. Pass more rows, or set {taken}.",
        UserWarning,
        stacklevel=user_stacklevel(),
    )


class _LastRows:
    """A splitter that holds the last rows out."""

    def get_n_splits(self) -> int:
        """One."""
        return 1

    def split(self, X: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the first rows and the last ones."""
        n_train = round((1 - SCORED_SHARE) * len(X))
        yield np.arange(n_train), np.arange(n_train, len(X))


class _TrialRows(NamedTuple):
    """Rows that candidates learn from, and rows that rank them."""

    train: np.ndarray  # (n, n_columns), raw
    weights: np.ndarray | None
    scored: np.ndarray
    seed: int


def _trial_rows(
    transformer: Any, raw: np.ndarray, learn_encoder: LearnEncoder, sample_weight: Any
) -> _TrialRows:
    """Choose rows of either part.

    Of rows in time order the last ones rank, since they are most like those that come;
    of others random ones, where copies of a row are in one part. A splitter of the
    transformer decides instead.
    """
    from skdae.timeseries._order import numeric_order

    opening = open_fit(
        transformer, resolve_parameters(transformer), raw, learn_encoder, sample_weight
    )
    generator = spawn_streams(transformer.random_state).split
    fraction = transformer.validation_fraction
    if not hasattr(fraction, "get_n_splits"):
        found = numeric_order(raw, opening.encoder.schema.is_categorical)
        fraction = _LastRows() if found.is_ordered else SCORED_SHARE
    source = training_source(opening, fraction, generator)
    index = opening.rows.index
    train = index[_at_most(source.index, MAX_TRIAL_ROWS, generator)]
    scored = index[_at_most(source.held_out_index, MAX_SCORED_ROWS, generator)]
    weights = None if sample_weight is None else np.asarray(sample_weight)[train]
    seed = int(generator.integers(2**32))
    return _TrialRows(raw[train], weights, raw[scored], seed)


def _score(transformer: Any, rows: _TrialRows, learn_encoder: LearnEncoder) -> float:
    """Train a candidate for a part of the epochs, and score it."""
    n_layers = len(np.atleast_1d(transformer.hidden_layer_sizes))
    max_iter = max(2 * n_layers, round(TRIAL_SHARE * transformer.max_iter))
    max_iter = min(max_iter, transformer.max_iter)
    trial = _with(transformer, {"max_iter": max_iter, "random_state": rows.seed})
    parameters = resolve_parameters(trial)
    opening = open_fit(trial, parameters, rows.train, learn_encoder, rows.weights)
    fitted = train_rows(trial, opening, parameters.plan, Monitor(), mixes=True)
    parts = Fitted(opening.encoder, fitted.network, fitted.mixture)
    return hidden_cell_score(parts, rows.scored)


def _check(transformer: Any, names: list[str]) -> None:
    """Raise where there is no rule for a choice."""
    if not isinstance(transformer.schedule, str | Schedule):
        raise ValueError(
            f"{names[0]}='auto' tries candidates with fewer epochs, and "
            f"schedule={transformer.schedule!r} has a fixed number; set schedule to a "
            "name or a Schedule."
        )
    if "noise_rate" not in names:
        return
    noise = make_noise(transformer.noise, DEFAULT_NOISE_RATE)
    rates = (v for n, v in noise.get_params().items() if n.endswith("rate"))
    if isinstance(transformer.noise, str) and DEFAULT_NOISE_RATE in rates:
        return  # a share of cells, for Gaussian noise it is not
    raise ValueError(
        f"noise_rate='auto' is for a noise given by name that has a share of cells, "
        f"and noise is {transformer.noise!r}; set the scale of the measurement errors, "
        "or search the object's parameters with skdae.model_selection."
    )


def _at_most(
    index: np.ndarray | None, limit: int, generator: np.random.Generator
) -> np.ndarray:
    """Return a random part of an index, in its order."""
    if index is None:
        return np.empty(0, dtype=int)
    if len(index) <= limit:
        return index
    return np.sort(generator.choice(index, limit, replace=False))
