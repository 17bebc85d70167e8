"""Worker processes on this machine: a killed or hung one costs one item."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, TimeoutError, wait

from mirkit.engines.done import Done, I, R

#: A worker is replaced after this many items, so that slow leaks in libraries cannot add up.
ITEMS_PER_WORKER = 200
#: Items handed to the pool ahead of the workers.
AHEAD = 2
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def run(
    work: Callable[[I], R], items: Sequence[I], *, jobs: int, time_limit: float | None = None
) -> Iterator[Done[I, R]]:
    """Yield results as they come. A worker that dies is replaced and its item tried once more."""
    from pebble import ProcessExpired, ProcessPool

    for name in _THREAD_VARIABLES:  # inherited by the workers: N workers use N cores
        os.environ.setdefault(name, "1")
    pool = ProcessPool(jobs, max_tasks=ITEMS_PER_WORKER, context=multiprocessing.get_context("spawn"))
    waiting = list(reversed(items))
    running: dict[Future[R], I] = {}
    retried: set[int] = set()
    try:
        while waiting or running:
            while waiting and len(running) < jobs * AHEAD:
                item = waiting.pop()
                running[pool.schedule(work, args=(item,), timeout=time_limit)] = item
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                item = running.pop(future)
                try:
                    yield Done(item, future.result())
                except TimeoutError:
                    yield Done(item, None, f"took longer than {time_limit:g} s and was stopped")
                except ProcessExpired as error:
                    if id(item) in retried:
                        yield Done(item, None, f"its process was killed twice (exit {error.exitcode}); out of memory?")
                    else:
                        retried.add(id(item))
                        waiting.append(item)
                except CancelledError:
                    yield Done(item, None, "cancelled")
                except Exception as error:  # noqa: BLE001 (the promise of an engine: an item's error is the item's alone)
                    yield Done(item, None, f"{type(error).__name__}: {error}")
    finally:
        if running:  # left early: an interrupt, or the caller stopped listening
            pool.stop()  # type: ignore[no-untyped-call]
        else:
            pool.close()  # type: ignore[no-untyped-call]
        pool.join()
