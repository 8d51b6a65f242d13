"""Ray, imported where it is used, and checks of its datasets."""

from collections.abc import Iterable
from typing import Any


def ray_data() -> Any:
    """Return the module ray.data, or raise an error that names the extra."""
    try:
        import ray.data
    except ImportError as error:
        raise ImportError(
            "skdae.distributed needs the package ray; install it with: "
            "pip install 'skdae[ray]'"
        ) from error
    return ray.data


def check_dataset(dataset: Any) -> list[str]:
    """Return the names of the columns of a dataset; raise unless it is one of Ray."""
    if not isinstance(dataset, ray_data().Dataset):
        raise ValueError(
            f"dataset must be a ray.data.Dataset, and is a {type(dataset).__name__}; "
            "make one with ray.data.read_parquet or ray.data.from_pandas, or call the "
            "estimator on the table."
        )
    columns = dataset.columns()
    if not columns:
        raise ValueError(
            "dataset has no columns, as one without rows; pass rows with the columns "
            "of the estimator."
        )
    return list(columns)


def check_columns(columns: list[str], wanted: Iterable[str], parameter: str) -> None:
    """Raise where wanted columns are not among those of a dataset."""
    missing = [name for name in wanted if name not in columns]
    if missing:
        raise ValueError(
            f"{parameter} names columns that dataset lacks: {missing}; it has "
            f"{columns}. Correct the names, or add the columns."
        )


def resources() -> dict[str, float]:
    """Return what the cluster has, by name."""
    import ray

    return ray.cluster_resources()


def n_processors() -> int:
    """Return the number of processors of the cluster."""
    return max(1, int(resources().get("CPU", 1)))
