"""A grid search whose candidates share the work that they have in common."""

import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from inspect import unwrap
from typing import Any

import joblib
import sklearn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state
from sklearn.utils.parallel import delayed

from skdae._sklearn_compat import intercept_fits
from skdae._table.validation import user_stacklevel
from skdae._transformer import GradualDAETransformer
from skdae._transformer._defaults import default_transformer
from skdae._transformer._parameters import resolve_parameters
from skdae._transformer._sharing import content_hash, shared_phases

#: Parameters of a transformer that leave the first phases as they are.
LATER = frozenset({"hidden_layer_sizes", "schedule", "max_iter", "output", "verbose"})

Task = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class GradualDAESearchCV(GridSearchCV):
    """Exhaustive search over a grid that trains what candidates share only once.

    Results are those of :class:`~sklearn.model_selection.GridSearchCV`, bit for bit,
    and so are parameters, attributes and methods. Three things are shared among the
    candidates of a fold:

    - Phases of the network. Candidates that differ in `hidden_layer_sizes`, `schedule`
      or `max_iter` alone begin with the same layer, and go on from its weights, random
      streams and optimiser. With the 'equal' allocation the layers of ``(64,)``,
      ``(64, 32)`` and ``(64, 32, 16)`` have different numbers of epochs, and their
      first phases are one run; a plan in `schedule` that gives a layer the same epochs
      whatever comes above shares all phases but the last.
    - Pretraining. Candidates of a classifier or regressor that differ in the
      parameters of fine-tuning start from one pretrained network.
    - Steps of a pipeline before its last one, for candidates that do not vary them.

    Nothing is shared where `random_state` is None, since such fits differ, where a step
    draws from numpy's global generator, or where callbacks observe the networks.

    Parameters
    ----------
    estimator : estimator object
        A transformer, classifier, regressor or pipeline with some of them. Others are
        searched as by GridSearchCV.
    param_grid : dict or list of dict
        Values of each parameter.
    scoring : str, callable, list, tuple or dict, default=None
        As in GridSearchCV. None takes ``estimator.score``; see
        :func:`make_denoising_scorer`.
    n_jobs : int or None, default=None
        Processes. The candidates of a fold that share work are one unit of work.
    refit : bool, str or callable, default=True
        As in GridSearchCV.
    cv : int, cross-validation generator or iterable, default=None
        As in GridSearchCV.
    verbose : int, default=0
        As in GridSearchCV.
    pre_dispatch : int or str, default='2*n_jobs'
        As in GridSearchCV, in units of work.
    error_score : 'raise' or numeric, default=np.nan
        As in GridSearchCV.
    return_train_score : bool, default=False
        As in GridSearchCV.

    Attributes
    ----------
    cv_results_ : dict of numpy (masked) ndarrays
        As in GridSearchCV. `mean_fit_time` is the time of what had not been trained by
        another candidate.
    best_estimator_, best_score_, best_params_, best_index_ : object
        As in GridSearchCV.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skdae import GradualDAETransformer
    >>> from skdae.model_selection import GradualDAESearchCV
    >>> X, _ = load_digits(return_X_y=True)
    >>> dae = GradualDAETransformer(output="code", max_iter=6, random_state=0)
    >>> grid = {"hidden_layer_sizes": [(32,), (32, 16)]}
    >>> search = GradualDAESearchCV(dae, grid, cv=2).fit(X)
    >>> search.transform(X).shape[1] == search.best_params_["hidden_layer_sizes"][-1]
    True
    """

    def _run_search(self, evaluate_candidates, *, callback_ctx=None):
        run = partial(_run_shared, self.estimator, self.n_jobs)
        if not intercept_fits(evaluate_candidates, run):
            warnings.warn(
                "GradualDAESearchCV shares no work among candidates and takes the time "
                "of GridSearchCV, with the same results: it does not know how "
                f"scikit-learn {sklearn.__version__} makes the fits of a search. "
                "Update skdae, or install an earlier scikit-learn.",
                UserWarning,
                stacklevel=user_stacklevel(),
            )
        context = {} if callback_ctx is None else {"callback_ctx": callback_ctx}
        super()._run_search(evaluate_candidates, **context)


def _run_shared(
    estimator: Any, n_jobs: int | None, parallel: Any, tasks: list[Task]
) -> list[Any]:
    """Run the fits of a search, those that share work together; results in order."""
    units = _units(estimator, tasks, joblib.effective_n_jobs(n_jobs))
    outputs = parallel(
        delayed(_run_unit)([_unwrapped(tasks[number]) for number in unit])
        for unit in units
    )
    results = {
        number: result
        for unit, output in zip(units, outputs, strict=True)
        for number, result in zip(unit, output, strict=True)
    }
    return [results[number] for number in range(len(tasks))]


def _unwrapped(task: Task) -> Task:
    """Return a task without scikit-learn's configuration, which the unit carries."""
    function, args, kwargs = task
    return unwrap(function), args, kwargs


def _units(estimator: Any, tasks: list[Task], n_jobs: int) -> list[list[int]]:
    """Return the numbers of the tasks that share work, in the order to run them in.

    Shorter first phases come first, since longer ones go on from them. Units that would
    leave processes without one are taken apart.
    """
    groups: dict[Any, list[tuple[Any, int]]] = defaultdict(list)
    for number, (_, _, kwargs) in enumerate(tasks):
        parameters, fold = kwargs["parameters"], kwargs["split_progress"]
        distinct = sorted(
            (name, repr(value))
            for name, value in parameters.items()
            if not _is_later(name, estimator)
        )
        order = _epochs(estimator, parameters)
        groups[(*fold, str(distinct))].append((order, number))
    units = [[number for _, number in sorted(group)] for group in groups.values()]
    n_whole = len(units) - len(units) % n_jobs
    apart = [[number] for unit in units[n_whole:] for number in unit]
    return units[:n_whole] + apart


def _is_later(name: str, estimator: Any) -> bool:
    """Return whether candidates that differ in a parameter may begin alike."""
    head, _, rest = name.partition("__")
    if isinstance(estimator, Pipeline):
        names = [each for each, _ in estimator.steps]
        ours = [i for i, (_, step) in enumerate(estimator.steps) if _network(step)]
        if not ours or head not in names or names.index(head) < ours[-1]:
            return False
        if names.index(head) > ours[-1]:
            return True
        return bool(rest) and _is_later(rest, estimator[ours[-1]])
    if isinstance(estimator, GradualDAETransformer):
        return head in LATER
    if head == "transformer":
        return rest.partition("__")[0] in LATER
    return hasattr(estimator, "transformer")


def _network(estimator: Any) -> Any:
    """Return the last transformer of ours in an estimator, None without one."""
    if isinstance(estimator, GradualDAETransformer):
        return estimator
    if isinstance(estimator, Pipeline):
        found = [_network(step) for _, step in estimator.steps]
        return next((each for each in reversed(found) if each is not None), None)
    if hasattr(estimator, "transformer"):
        transformer = estimator.transformer
        if transformer is None:
            return default_transformer("classifier")
        return _network(transformer)
    return None


def _epochs(estimator: Any, parameters: dict[str, Any]) -> tuple[int, ...]:
    """Return the epochs of the phases of a candidate; of none where it is invalid."""
    try:
        candidate = clone(estimator).set_params(**clone(parameters, safe=False))
        plan = resolve_parameters(_network(candidate)).plan
    except (AttributeError, TypeError, ValueError):  # reported by the fit itself
        return ()
    return tuple(phase.epochs for phase in plan)


def _run_unit(tasks: list[Task]) -> list[Any]:
    """Run fits one after the other, and share their work."""
    if len(tasks) == 1:  # hashes of its rows would find nothing
        function, args, kwargs = tasks[0]
        return [function(*args, **kwargs)]
    steps = _StepMemory()
    results = []
    with shared_phases():
        for function, args, kwargs in tasks:
            estimator = args[0]
            if isinstance(estimator, Pipeline) and estimator.memory is None:
                estimator.set_params(memory=steps)
            results.append(function(*args, **kwargs))
    return results


class _StepMemory:
    """Keeps fitted steps of pipelines, as `joblib.Memory` does, but not on disk."""

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}

    def cache(
        self, function: Callable[..., Any], ignore: Sequence[str] = ()
    ) -> Callable[..., Any]:
        """Return a function that is computed once for equal arguments."""

        def cached(*args: Any, **kwargs: Any) -> Any:
            named = {name: kwargs[name] for name in kwargs if name not in ignore}
            key = content_hash((function.__qualname__, args, named))
            if key in self._kept:
                return deepcopy(self._kept[key])
            before = content_hash(check_random_state(None).get_state())
            result = function(*args, **kwargs)
            repeats = content_hash(check_random_state(None).get_state()) == before
            if key is not None and repeats and not _takes_entropy(args[0]):
                self._kept[key] = deepcopy(result)
            return result

        return cached


def _takes_entropy(step: Any) -> bool:
    """Return whether a fit draws a seed of its own, for the step or a part of ours.

    Parts of an estimator of ours that has a seed take theirs from it.
    """
    if isinstance(step, type) or not hasattr(step, "get_params"):
        return False
    if type(step).__module__.startswith("skdae.") and hasattr(step, "random_state"):
        return step.random_state is None
    parts = step.get_params(deep=True)  # those of a ColumnTransformer by their names
    return any(_takes_entropy(part) for name, part in parts.items() if "__" not in name)
