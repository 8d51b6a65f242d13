"""One network trained by several workers, each with a shard of the rows."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import clone

from skdae._core.settings import Settings
from skdae._random import Streams
from skdae._table.encoder import TableEncoder
from skdae._transformer import GradualDAETransformer
from skdae._transformer._fitting import Opening, stream_source
from skdae._transformer._parameters import training_settings
from skdae._transformer._transformer import fit_elsewhere
from skdae.distributed._ray import check_dataset, n_processors, resources

#: Cells of a block of rows, and blocks whose rows are mixed in an epoch: 64 MB at most.
BLOCK_CELLS, MIXED_BLOCKS = 2**20, 8
SAMPLE_ROWS = 100_000  # that scaling and categories are learned from, as in fit_stream
LOST_SECONDS = 30.0  # without an answer


def fit(
    estimator: GradualDAETransformer,
    dataset: Any,
    *,
    num_workers: int = 2,
    checkpoint_minutes: float = 5.0,
    max_failures: int = 3,
) -> GradualDAETransformer:
    """Train one network on the rows of a Ray dataset by several workers.

    The rows are read once and divided among the workers. In each step a worker
    computes the gradient of its part of the batch; the sum of the gradients makes the
    same update everywhere, that of the whole batch. So number and size of the updates,
    phases and schedules are those of one process, and the result differs from that of
    ``fit_stream`` by the order of the rows, the draws of the noise and of the rows that
    added layers are copied on, and float sums.

    Where a worker is lost, all go on from the last checkpoint, and end with the weights
    of an undisturbed fit, bit for bit.

    Parameters
    ----------
    estimator : GradualDAETransformer
        An unfitted transformer. With ``device='cuda'`` each worker takes a GPU, with
        'auto' where the cluster has as many; with `n_threads` so many processors. Its
        callbacks are not called.
    dataset : ray.data.Dataset
        Training rows. They are kept in Ray's object store, which spills to disk what
        does not fit into memory. It is set to keep the order of its rows, in blocks
        of about a million cells; the rows of eight blocks, drawn once from those of a
        worker, are mixed in each epoch.
    num_workers : int, default=2
        Processes, on one machine or several.
    checkpoint_minutes : float, default=5.0
        Time after which the end of an epoch is a checkpoint; the end of a phase is one
        always. Checkpoints are kept by the process that calls `fit`.
    max_failures : int, default=3
        How often workers may be lost before `fit` gives up.

    Returns
    -------
    GradualDAETransformer
        A fitted clone, usable without Ray. Its `mixture_` is None: no rows are held
        out.

    Raises
    ------
    ValueError
        If the estimator is another one or has ``early_stopping=True``, for which no
        rows are held out, or the cluster is too small.
    RuntimeError
        If workers were lost more than `max_failures` times.

    Examples
    --------
    >>> from skdae.distributed import fit
    >>> rows = ray.data.read_parquet("plant/")  # doctest: +SKIP
    >>> dae = fit(GradualDAETransformer(), rows, num_workers=8)  # doctest: +SKIP
    """
    check_dataset(dataset)
    _check(estimator, num_workers, max_failures)
    dataset.context.execution_options.preserve_order = True
    model = clone(estimator)
    n_rows = dataset.count()
    if not n_rows:
        raise ValueError("dataset has no rows; pass some to train on.")

    def train(opening: Opening, streams: Streams) -> Any:
        settings = training_settings(model, n_rows)
        settings = replace(settings, device=_device(settings.device, num_workers))
        _check_batch(settings, num_workers)
        shards = _shards(model, opening, dataset, n_rows, num_workers, streams)
        job = _Job(opening, streams, settings, num_workers, 60 * checkpoint_minutes)
        return _train(job, shards, max_failures)

    return fit_elsewhere(model, partial(_sample, dataset, n_rows), train)


def _check(estimator: Any, num_workers: int, max_failures: int) -> None:
    """Raise where there is no such fit, or no place for it."""
    if not isinstance(estimator, GradualDAETransformer):
        raise ValueError(
            f"estimator must be a GradualDAETransformer, and is a "
            f"{type(estimator).__name__}; the others learn more than one network. Fit "
            "them on a sample of the rows, or one for each group by fit_groups."
        )
    if not isinstance(num_workers, Integral) or num_workers < 1:
        raise ValueError(
            f"num_workers={num_workers!r} must be an int of at least 1; 1 trains in "
            "one process of the cluster."
        )
    if not isinstance(max_failures, Integral) or max_failures < 0:
        raise ValueError(
            f"max_failures={max_failures!r} must be an int of at least 0; 0 gives up "
            "with the first worker that is lost."
        )
    needed = num_workers * (estimator.n_threads or 1)
    if needed > n_processors():
        raise ValueError(
            f"num_workers={num_workers} need {needed} processors, and the cluster has "
            f"{n_processors()}; take fewer workers, or a larger cluster."
        )


def _device(device: str, num_workers: int) -> str:
    """Return where the workers train: 'cpu', or 'cuda' with a GPU for each."""
    n_gpus = int(resources().get("GPU", 0))
    if device == "cuda" and n_gpus < num_workers:
        raise ValueError(
            f"device='cuda' with num_workers={num_workers} needs a GPU for each, and "
            f"the cluster has {n_gpus}; take fewer workers, or device='auto' or 'cpu'."
        )
    return "cpu" if device == "cpu" or n_gpus < num_workers else "cuda"


def _check_batch(settings: Settings, num_workers: int) -> None:
    """Raise where a worker would have no row of a batch."""
    if settings.batch_size < num_workers:
        raise ValueError(
            f"batch_size={settings.batch_size} must be at least num_workers="
            f"{num_workers}, so that each has a row; raise batch_size."
        )


def _sample(dataset: Any, n_rows: int, streams: Streams) -> Any:
    """Return rows that scaling and categories are learned from."""
    if n_rows > SAMPLE_ROWS:
        seed = int(streams.split.integers(2**31))
        dataset = dataset.random_sample(SAMPLE_ROWS / n_rows, seed=seed)
    return dataset.to_pandas(limit=n_rows)


def _shards(
    model: GradualDAETransformer,
    opening: Opening,
    dataset: Any,
    n_rows: int,
    num_workers: int,
    streams: Streams,
) -> list[list[Any]]:
    """Return references to the blocks of raw rows of each worker.

    Blocks but the last have one size, by which all workers have about as many rows. Of
    very few rows a worker may have none; it makes the updates of the others.
    """
    import ray

    most = max(1, BLOCK_CELLS // opening.raw.shape[1])
    n_blocks = num_workers * -(-n_rows // (num_workers * most))
    names = list(dataset.columns())
    raw = dataset.map_batches(
        _Read(model, opening.encoder, names), batch_format="pandas"
    )
    size = -(-n_rows // n_blocks)
    blocks = raw.repartition(target_num_rows_per_block=size, strict=True)
    refs = blocks.to_numpy_refs(column="raw")
    # its tasks need processors, which the workers will not give back
    ray.wait(refs, num_returns=len(refs), fetch_local=False)
    order = streams.split.permutation(len(refs))
    return [[refs[i] for i in order[rank::num_workers]] for rank in range(num_workers)]


@dataclass(frozen=True)
class _Read:
    """Turns batches of a dataset into raw rows."""

    model: GradualDAETransformer
    encoder: TableEncoder
    names: list[str]

    def __call__(self, batch: Any) -> dict[str, np.ndarray]:
        """Return the raw rows of a batch."""
        return {"raw": self.encoder.read(self.model, batch[self.names])}


@dataclass(frozen=True)
class _Job:
    """What every worker is given."""

    opening: Opening
    streams: Streams
    settings: Settings
    size: int
    seconds: float  # between checkpoints


def _train(job: _Job, shards: list[list[Any]], max_failures: int) -> Any:
    """Train, again from the last checkpoint where workers are lost."""
    import ray

    given = ray.put(job)
    checkpoint: Any = None
    for _ in range(max_failures + 1):
        workers, runs = _start(job), []
        try:
            address = ray.get(workers[0].listen.remote())
            runs = [
                worker.train.remote(given, rank, address, blocks, checkpoint)
                for rank, (worker, blocks) in enumerate(
                    zip(workers, shards, strict=True)
                )
            ]
            for found in runs[0]:
                checkpoint = ray.get(found)
            return checkpoint.training
        except ray.exceptions.RayError as error:
            if not any(map(_is_lost, workers)):
                raise _cause(runs, error) from error
        finally:
            for worker in workers:
                ray.kill(worker)
    raise RuntimeError(
        f"Workers were lost more than max_failures={max_failures} times; look into the "
        "logs of Ray for the reason, often a lack of memory."
    )


def _start(job: _Job) -> list[Any]:
    """Return workers, on several machines where there are."""
    import ray

    options = {
        "num_cpus": job.settings.n_threads or 1,
        "num_gpus": 0 if job.settings.device == "cpu" else 1,
        "max_concurrency": 2,  # one call asks whether it is there
        "scheduling_strategy": "SPREAD",
    }
    make = ray.remote(_Worker).options(**options)
    return [make.remote() for _ in range(job.size)]


def _is_lost(worker: Any) -> bool:
    """Return whether a worker is gone."""
    import ray

    try:
        ray.get(worker.is_there.remote(), timeout=LOST_SECONDS)
    except (ray.exceptions.RayActorError, ray.exceptions.GetTimeoutError):
        return True
    return False


def _cause(runs: list[Any], error: Exception) -> Exception:
    """Return why a worker has failed; the others fail since it has left their group."""
    import ray

    from skdae._core.data_parallel import is_of_group

    causes = [getattr(error, "cause", error)]
    if not runs:
        return causes[0]
    by_end = {run.completed(): run for run in runs}
    ended, _ = ray.wait(list(by_end), num_returns=len(runs), timeout=LOST_SECONDS)
    for end in ended:
        try:
            ray.get(list(by_end[end]))
        except ray.exceptions.RayTaskError as failed:
            causes.append(failed.cause)
    return min(causes, key=is_of_group)  # the first that is not


class _Worker:
    """A process that trains with its shard of the rows."""

    def __init__(self) -> None:
        self._store: Any = None  # of the one worker by which all meet

    def listen(self) -> str:
        """Open the store by which all workers meet, and return its address."""
        import ray

        from skdae._core.data_parallel import listen

        self._store, address = listen(ray.util.get_node_ip_address())
        return address

    def is_there(self) -> bool:
        """Answer while the process lives."""
        return True

    def train(
        self, job: _Job, rank: int, address: str, blocks: list[Any], checkpoint: Any
    ) -> Iterator[Any]:
        """Yield the checkpoints of a training; those of the first worker are kept."""
        from skdae._core.data_parallel import connect, joined, train_shard

        rows = _Rows(tuple(blocks))
        opening, parameters = job.opening, job.opening.parameters
        store = self._store or connect(address)
        with joined(store, rank, job.size, job.settings.device) as group:
            for found in train_shard(
                stream_source(opening, rows),
                rows.n_rows,
                parameters.plan,
                opening.shape,
                noise=parameters.noise,
                streams=job.streams,
                settings=job.settings,
                group=group,
                checkpoint=checkpoint,
                seconds=job.seconds,
            ):
                yield found if rank == 0 else None


@dataclass(frozen=True)
class _Rows:
    """The raw rows of a worker, in Ray's object store."""

    blocks: tuple[Any, ...]  # references

    def __call__(self) -> Iterator[np.ndarray]:
        """Yield all rows, some blocks at a time."""
        import ray

        for a in range(0, len(self.blocks), MIXED_BLOCKS):
            yield np.concatenate(ray.get(list(self.blocks[a : a + MIXED_BLOCKS])))

    @property
    def n_rows(self) -> int:
        """Number of rows with a value."""
        return sum(int((~np.isnan(raw).all(axis=1)).sum()) for raw in self())
