"""Worker processes on this machine: a killed, crashed or hung one costs its item, which is tried once more."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, Generic

from mirkit.engines.item_result import I, ItemResult, R
from mirkit.engines.resources import WORKER, default_memory, threads_each
from mirkit.engines.worker import GRACE
from mirkit.engines.worker_handle import WorkerHandle
from mirkit.errors import MirkitError

#: A worker is replaced after this many items, so that slow leaks in libraries cannot add up.
ITEMS_PER_WORKER = 200
#: Seconds between two looks at clock and memory.
_TICK = 0.5
#: So many workers in a row that die before they can take an item mean that none ever will.
_STILLBORN = 3


def run(
    work: Callable[[I], R],
    items: Sequence[I],
    *,
    jobs: int,
    time_limit: float | None = None,
    memory: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> Generator[ItemResult[I, R], None, None]:
    """Yield results as they come.

    An item that took its worker down is tried again after all others, with no other worker beside it, in case there
    was not memory enough; one that took too long is tried again at the end of the queue.

    Raises
    ------
    MirkitError
        No worker process can be started here.
    """
    foreman = _Foreman(work, items, jobs, time_limit, memory or default_memory(), environment or {})
    try:
        yield from foreman.results()
    finally:
        foreman.send_home()


class _Foreman(Generic[I, R]):
    """Hands items to workers and decides what a loss means."""

    def __init__(
        self,
        work: Callable[[I], R],
        items: Sequence[I],
        jobs: int,
        time_limit: float | None,
        memory: int,
        environment: Mapping[str, str],
    ) -> None:
        self._work, self._items, self._jobs = work, items, jobs
        self._time_limit, self._memory = time_limit, memory
        self._waiting = deque(range(len(items)))
        self._alone: deque[int] = deque()
        self._mishaps: dict[int, str] = {}
        self._workers: list[WorkerHandle] = []
        self._heard: SimpleQueue[tuple[WorkerHandle, Any]] = SimpleQueue()
        self._stillborn = 0
        self._environment = {**threads_each(jobs), **environment}

    def results(self) -> Iterator[ItemResult[I, R]]:
        while self._waiting or self._alone or self._busy():
            self._hand_out()
            with suppress(Empty):
                worker, message = self._heard.get(timeout=_TICK)
                if worker in self._workers:  # not one that was sent home
                    yield from self._hear(worker, message)
            yield from self._enforce_limits()

    def send_home(self) -> None:
        """End every worker; those at work take back what they have half written."""
        try:
            self._end(*self._workers)
        finally:  # also after a second Ctrl-C
            for worker in self._workers:
                worker.end(0)

    def _end(self, *workers: WorkerHandle) -> None:
        for worker in workers:
            worker.dismiss()
        deadline = time.monotonic() + GRACE + 1
        for worker in workers:
            worker.end(deadline)

    def _part_with(self, worker: WorkerHandle) -> None:
        self._workers.remove(worker)
        self._end(worker)

    def _busy(self) -> list[WorkerHandle]:
        return [worker for worker in self._workers if worker.busy]

    def _hand_out(self) -> None:
        busy = self._busy()
        wanted = min(self._jobs, len(busy) + len(self._waiting)) or 1
        for worker in [worker for worker in self._workers if not worker.busy][max(0, wanted - len(busy)) :]:
            self._part_with(worker)
        while len(self._workers) < wanted:
            number = min(set(range(wanted)) - {worker.number for worker in self._workers})
            self._workers.append(
                WorkerHandle(number, self._work, self._environment | {WORKER: str(number)}, self._heard)
            )
        for worker in self._workers:
            if worker.ready and not worker.busy:
                if self._waiting:
                    number = self._waiting.popleft()
                elif self._alone and not self._busy():
                    number = self._alone.popleft()
                else:
                    return
                worker.give(number, self._items[number])

    def _hear(self, worker: WorkerHandle, message: Any) -> Iterator[ItemResult[I, R]]:
        number, was_ready = worker.item, worker.ready
        if message is None:
            self._workers.remove(worker)
            how = worker.how_it_ended()
            if worker.busy:
                yield from self._lost(number, f"its process {how}", self._alone)
            elif not was_ready:
                self._count_stillborn(how)
            return
        worker.note(message)
        self._stillborn = 0
        if not was_ready and not worker.ready:
            raise MirkitError(f"worker processes cannot begin: {message[1]}")
        if not was_ready:
            return
        result, error = message
        yield ItemResult(self._items[number], result, error, "" if error else self._mishaps.get(number, ""))
        if worker.served >= ITEMS_PER_WORKER or worker.memory > self._memory / self._jobs:
            self._part_with(worker)

    def _lost(self, number: int, why: str, queue: deque[int]) -> Iterator[ItemResult[I, R]]:
        """Try an item again, once."""
        before = self._mishaps.get(number)
        if before is None:
            self._mishaps[number] = why
            queue.append(number)
        else:
            why = why if why == before else f"{before}; then {why}"
            yield ItemResult(self._items[number], None, f"tried twice: {why}")

    def _count_stillborn(self, how: str) -> None:
        self._stillborn += 1
        if self._stillborn == _STILLBORN:
            raise MirkitError(f"worker processes cannot begin: each {how}")

    def _enforce_limits(self) -> Iterator[ItemResult[I, R]]:
        now = time.monotonic()
        for worker in self._busy():
            if self._time_limit is not None and now - worker.since > self._time_limit:
                self._part_with(worker)
                why = f"took longer than {self._time_limit:g} s and was stopped"
                yield from self._lost(worker.item, why, self._waiting)
        held = {worker: worker.memory for worker in self._workers}
        if sum(held.values()) <= self._memory or not self._busy():
            return
        largest = max(self._busy(), key=lambda worker: held[worker])
        self._part_with(largest)
        held_gb, all_gb = held[largest] / 1e9, self._memory / 1e9
        why = f"stopped when it held {held_gb:.2g} of the {all_gb:.2g} GB that all workers may hold"
        yield from self._lost(largest.item, why, self._alone)
