"""Engines apply a function to items: in this process, in worker processes, or on a Ray cluster.

Engines know nothing about tracks. ``run(work, items, ...)`` yields one :class:`ItemResult` for each item, in the order
in which they finish. An error, a killed worker, a lost node or an exceeded limit is the result of that item only.
``work`` and the items must be picklable.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial

from mirkit.activity import watched
from mirkit.engines import resources
from mirkit.engines.resources import default_memory, worker_number
from mirkit.engines.worker import I, ItemResult, R, error_line

#: Largest number of actors that share a GPU, because each loads its own models.
_MAX_ACTORS_PER_GPU = 4

#: Number of items per message of :func:`run_chunked`, and of items up to which it starts no processes.
_CHUNK, _FEW = 32, 1024

__all__ = [
    "ItemResult",
    "cores",
    "default_memory",
    "run",
    "run_batches",
    "run_chunked",
    "run_serially",
    "worker_number",
]


def cores(address: str | None = None) -> int:
    """Return the number of processors that this process may use, or that a whole Ray cluster has."""
    if address is None:
        return resources.cores()
    from mirkit.engines import ray_engine

    ray_engine.connect(address)
    return int(ray_engine.resource("CPU"))


def run(
    work: Callable[[I], R],
    items: Sequence[I],
    *,
    jobs: int = 1,
    time_limit: float | None = None,
    memory: int | None = None,
    address: str | None = None,
    gpu: bool = False,
    environment: Mapping[str, str] | None = None,
    watch: Callable[[I, str], None] | None = None,
) -> Generator[ItemResult[I, R], None, None]:
    """Apply ``work`` to every item: a single one in this process, several in worker processes.

    Closing the generator ends the workers; busy workers remove partially written files.

    Parameters
    ----------
    work : callable
        Importable by name; called once for each item, and once more if the first call ended its worker.
    items : sequence
    jobs : int
        Worker processes.
    time_limit : float, optional
        Time limit per item in seconds.
    memory : int, optional
        Memory in bytes that all workers together may use; by default 90 % of the memory of this machine. Ray has its
        own limit.
    address : str, optional
        Address of a Ray cluster.
    gpu : bool
        Whether the work uses a GPU. Each actor of the cluster then gets an equal share, at least a quarter of one.
    environment : mapping, optional
        Environment variables for the worker processes of this machine.
    watch : callable, optional
        Receives an item and what is being done with it, as ``mirkit.activity`` announces it; not from a cluster.

    Yields
    ------
    ItemResult
    """
    if address is not None:
        from mirkit.engines import ray_engine

        ray_engine.connect(address)
        gpus = ray_engine.resource("GPU") if gpu else 0.0
        share = min(1.0, max(gpus / jobs, 1 / _MAX_ACTORS_PER_GPU)) if gpus else 0.0
        # Ray counts shares in ten-thousandths.
        return ray_engine.run(work, items, jobs=jobs, gpus=int(share * 1e4) / 1e4, time_limit=time_limit)
    if len(items) <= 1 and jobs == 1 and time_limit is None and memory is None:
        return run_serially(work, items, watch)
    from mirkit.engines import processes

    return processes.run(
        work, items, jobs=jobs, time_limit=time_limit, memory=memory, environment=environment, watch=watch
    )


def run_serially(
    work: Callable[[I], R], items: Sequence[I], watch: Callable[[I, str], None] | None = None
) -> Generator[ItemResult[I, R], None, None]:
    """Yield the result of each item, which is computed in this process; an exception is the error of its item."""
    for item in items:
        try:
            with watched(partial(watch, item) if watch is not None else None):
                result = work(item)
        except Exception as error:  # noqa: BLE001 (an engine reports the error of an item and goes on)
            yield ItemResult(item, None, error_line(error))
        else:
            yield ItemResult(item, result)


def run_chunked(work: Callable[[I], R], items: Sequence[I], *, jobs: int) -> Generator[ItemResult[I, R], None, None]:
    """Apply work of a few milliseconds to every item, as :func:`run` does, with several items per message.

    Up to 1024 items are processed in this process, because starting others would take longer. Where a worker is lost,
    the items of its chunk are tried again one by one.

    Parameters
    ----------
    work : callable
        Importable by name; called again for items of a chunk that was lost.
    items : sequence
    jobs : int
        Worker processes; with 1, everything is done in this process.

    Yields
    ------
    ItemResult
    """
    for done in run_batches(partial(_each, work), items, jobs=jobs):
        result, error = done.result or (None, done.error)
        yield ItemResult(done.item, result, error)


def run_batches(
    work: Callable[[Sequence[I]], Sequence[R]],
    items: Sequence[I],
    *,
    jobs: int,
    few: int | None = None,
    together: int | None = None,
) -> Generator[ItemResult[I, R], None, None]:
    """Apply work to the items as :func:`run_chunked` does, where the work takes several items at once.

    Parameters
    ----------
    work : callable
        Importable by name; returns one result for each of the items that it gets. If it raises, or its worker is lost,
        it is called again for each of these items alone.
    items : sequence
    jobs : int
        Worker processes; with 1, everything is done in this process.
    few : int, optional
        Number of items up to which no process is started.
    together : int, optional
        Number of items that the work takes at once.

    Yields
    ------
    ItemResult
    """
    size = _CHUNK if together is None else together
    chunks = [items[start : start + size] for start in range(0, len(items), size)]
    here = jobs == 1 or len(items) <= (_FEW if few is None else few)
    lost: list[Sequence[I]] = []
    for done in run_serially(work, chunks) if here else run(work, chunks, jobs=jobs):
        if done.result is None:
            lost += [[item] for item in done.item]
        else:
            yield from (ItemResult(item, result) for item, result in zip(done.item, done.result, strict=True))
    for alone in run_serially(work, lost) if here else run(work, lost, jobs=jobs):
        yield ItemResult(alone.item[0], None if alone.result is None else alone.result[0], alone.error)


def _each(work: Callable[[I], R], chunk: Sequence[I]) -> list[tuple[R | None, str]]:
    return [(done.result, done.error) for done in run_serially(work, chunk)]
