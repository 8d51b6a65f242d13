"""Settings of the training, from the parameters of the estimators."""

from dataclasses import dataclass

import numpy as np

MAX_FLOAT32 = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Settings:
    """How to optimise; the names are those of the estimator's parameters."""

    solver: str
    learning_rate_init: float
    momentum: float
    alpha: float
    batch_size: int
    emphasis: tuple[float, float] | None
    n_iter_no_change: int
    tol: float
    device: str
    n_threads: int | None  # that share a batch; None: one
    dropout: float = 0.0
    averaging: float = 0.0  # share of a phase's last epochs whose weights are averaged
    dtype: str = "float32"  # of the products
    stops_early: bool = True  # where rows are held out

    def check(self) -> None:
        """Refuse step sizes and penalties that float32 weights cannot take."""
        for name in ("learning_rate_init", "alpha"):
            value = getattr(self, name)
            if not value <= MAX_FLOAT32:
                raise ValueError(
                    f"{name}={value:g} must be at most {MAX_FLOAT32:.2g}, the largest "
                    f"float32; use a value between 1e-5 and 1."
                )
