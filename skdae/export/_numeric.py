"""Functions that ONNX has no operator for."""

from collections.abc import Sequence

import numpy as np

from skdae.export._graph import Graph, Tensor

# Wichura, "Algorithm AS 241: the percentage points of the normal distribution",
# Applied Statistics 37(3), 1988: ratios of polynomials, from the highest power down
CENTRAL = (
    (
        2509.0809287301226727,
        33430.575583588128105,
        67265.770927008700853,
        45921.953931549871457,
        13731.693765509461125,
        1971.5909503065514427,
        133.14166789178437745,
        3.387132872796366608,
    ),
    (
        5226.495278852854561,
        28729.085735721942674,
        39307.89580009271061,
        21213.794301586595867,
        5394.1960214247511077,
        687.1870074920579083,
        42.313330701600911252,
        1.0,
    ),
)
TAIL = (
    (
        7.7454501427834140764e-4,
        0.0227238449892691845833,
        0.24178072517745061177,
        1.27045825245236838258,
        3.64784832476320460504,
        5.7694972214606914055,
        4.6303378461565452959,
        1.42343711074968357734,
    ),
    (
        1.05075007164441684324e-9,
        5.475938084995344946e-4,
        0.0151986665636164571966,
        0.14810397642748007459,
        0.68976733498510000455,
        1.6763848301838038494,
        2.05319162663775882187,
        1.0,
    ),
)
CENTER, CENTER_SQUARE, TAIL_SHIFT = 0.425, 0.180625, 1.6
MAX_ROOT = 5.0  # of minus the logarithm of a level, up to which `TAIL` holds
# "Computer approximations", Wiley 1968, algorithm 5666 for the error function
LEVEL = (
    (
        0.0352624965998911,
        0.700383064443688,
        6.37396220353165,
        33.912866078383,
        112.079291497871,
        221.213596169931,
        220.206867912376,
    ),
    (
        0.0883883476483184,
        1.75566716318264,
        16.064177579207,
        86.7807322029461,
        296.564248779674,
        637.333633378831,
        793.826512519948,
        440.413735824752,
    ),
)
LEVEL_LIMIT = 7.0  # standard deviations up to which it holds


def _ratio(
    x: Tensor, polynomials: tuple[tuple[float, ...], tuple[float, ...]]
) -> Tensor:
    numerator, denominator = (_polynomial(x, each) for each in polynomials)
    return numerator / denominator


def _polynomial(x: Tensor, coefficients: tuple[float, ...]) -> Tensor:
    value = x * coefficients[0] + coefficients[1]
    for each in coefficients[2:]:
        value = value * x + each
    return value


def normal_quantile(level: Tensor) -> Tensor:
    """Return the quantile of the normal distribution, to 1e-15 from 1e-11 on."""
    centred = level - 0.5
    near = centred * _ratio(CENTER_SQUARE - centred.square(), CENTRAL)
    least = level.minimum(1.0 - level)
    root = (-least.log()).sqrt().minimum(MAX_ROOT)
    far = centred.sign() * _ratio(root - TAIL_SHIFT, TAIL)
    return level.graph.where(abs(centred) <= CENTER, near, far)


def normal_level(x: Tensor) -> Tensor:
    """Return the distribution function of the normal distribution, to 1e-14."""
    size = abs(x).minimum(LEVEL_LIMIT)
    below = (size.square() * -0.5).exp() * _ratio(size, LEVEL)
    return x.graph.where(x > 0.0, 1.0 - below, below)


def log1p(x: Tensor) -> Tensor:
    """Return the logarithm of one more."""
    return (x + 1.0).log()


def softplus(x: Tensor) -> Tensor:
    """Return ``log(1 + exp(x))`` without overflow."""
    return x.maximum(0.0) + log1p((-abs(x)).exp())


def count_at_most(V: Tensor, knots: np.ndarray) -> Tensor:
    """Return how many knots of its column each value reaches, (n, width).

    By bisection; `knots`, (width, n_knots), ascend.
    """
    n_steps = int(np.ceil(np.log2(knots.shape[1] + 1)))
    padded = np.full((len(knots), 2**n_steps), np.inf)
    padded[:, 1 : 1 + knots.shape[1]] = knots  # the number of a knot is its place
    count = V.graph.constant(np.zeros((1, len(knots))), np.int64)
    for step in (2**k for k in reversed(range(n_steps))):
        candidate = count + step
        reached = lookup(V.graph, padded, candidate) <= V
        count = V.graph.where(reached, candidate, count)
    return count


def lookup(graph: Graph, table: np.ndarray, places: Tensor) -> Tensor:
    """Return the entries of a table, (width, m), at places by column, (n, width)."""
    starts = np.arange(len(table)) * table.shape[1]
    return graph.constant(table.ravel()).take(places + starts, axis=0)


def conditional_fill(
    deviation: Tensor, missing: Tensor, precision: np.ndarray
) -> Tensor:
    """Return deviations from a mean with missing ones at their expectation, (n, width).

    `deviation` is 0 where a feature is missing. With P the precision and m the missing
    features of a row, the expectation is ``-inv(P_mm) @ P_mo @ deviation_o``.
    """
    pull = (deviation @ precision).expanded(2)
    solution = _solved_for_missing(missing, precision, pull, 1)
    return deviation.graph.where(missing, -solution.take(0, axis=2), deviation)


def marginal_precisions(missing: Tensor, precision: np.ndarray) -> Tensor:
    """Return `Gaussian.marginal_precisions`, (n, width, width)."""
    every = missing.graph.constant(precision[None])
    solution = _solved_for_missing(missing, precision, every, len(precision))
    observed = (~missing).cast(np.float64)
    pairs = observed.expanded(2) * observed.expanded(1)
    return pairs * (every - every @ solution)


def _solved_for_missing(
    missing: Tensor, precision: np.ndarray, right: Tensor, n_right: int
) -> Tensor:
    """Return ``inv(P_mm) @ right_m`` of each row, (n, width, n_right), 0 elsewhere.

    P is the precision, m are the missing features of a row.
    """
    gaps, width = missing.cast(np.float64), len(precision)
    pairs = gaps.expanded(2) * gaps.expanded(1)
    system = pairs * precision + (1.0 - gaps).expanded(2) * np.eye(width)
    any_missing = gaps.sum(0, keepdims=False).sum(0, keepdims=False) > 0.5
    n_times = any_missing.cast(np.int64) * width
    return solved(system, gaps.expanded(2) * right, (width, n_right), n_times)


def solved(
    system: Tensor, right: Tensor, shape: tuple[int, int], n_times: Tensor
) -> Tensor:
    """Return the solution of systems of equations of each row, by elimination.

    The systems are (n, width, width) and positive definite, which needs no pivots;
    `right` and the solution have the shape (n, width, n_right), of which `shape` are
    the last two. `n_times` is the width, or 0 if all of `right` is 0.
    """
    graph, (width, n_right) = system.graph, shape

    def eliminate(
        body: Graph, number: Tensor, state: Sequence[Tensor]
    ) -> Sequence[Tensor]:
        """Solve all systems for one unknown, in all their equations."""
        (system,) = state
        column = system.take(number, axis=2)  # (n, width)
        pivot = column.take(number, axis=1).expanded(1)
        row = system.take(number, axis=1) / pivot  # (n, width + n_right)
        unit = body.constant(np.eye(width)).take(number, axis=0)
        return [system - (column - unit).expanded(2) * row.expanded(1)]

    state = [graph.concatenated([system, right], 2)]
    (after,) = graph.loop(n_times, state, eliminate)
    return after.take(np.arange(width, width + n_right), axis=2)
