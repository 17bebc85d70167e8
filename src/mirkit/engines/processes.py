"""The engine of worker processes on this machine: if one is killed, crashes or hangs, only its item is lost.

The workers are plain child processes that communicate over standard input and output. Unlike those of
``multiprocessing`` they do not run the caller's main script again, share no lock that a killed one could leave locked,
and detect the end of this process by the end of their input.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, BinaryIO, Generic, cast

from mirkit.engines.resources import WORKER, default_memory, resident, threads_each
from mirkit.engines.worker import GRACE, READY, Activity, I, ItemResult, R, UnreadableError, receive, send
from mirkit.errors import MirkitError

#: A worker is replaced after this many items, so that slow leaks in libraries cannot add up.
ITEMS_PER_WORKER = 200
#: Seconds between two checks of time and memory.
_TICK = 0.5
#: Number of workers in a row that end before they are ready, after which the run is given up.
_MAX_FAILED_STARTS = 3
#: Smallest number of items for which :func:`map_chunked` starts processes, and number of items per message.
_MANY, _CHUNK = 4000, 250
_CODE = "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); from mirkit.engines.worker import main; main()"
_NO_ITEM = -1


def run(
    work: Callable[[I], R],
    items: Sequence[I],
    *,
    jobs: int,
    time_limit: float | None = None,
    memory: int | None = None,
    environment: Mapping[str, str] | None = None,
    watch: Callable[[I, str], None] | None = None,
) -> Generator[ItemResult[I, R], None, None]:
    """Yield results in the order in which items finish; for parameters see ``mirkit.engines.run``.

    An item that ended its worker is tried again after all others, with no other worker beside it, because memory may
    have been short. One that took too long is tried again at the end of the queue.

    Raises
    ------
    MirkitError
        No worker process can be started here.
    """
    scheduler = _Scheduler(work, items, jobs, time_limit, memory or default_memory(), environment or {}, watch)
    try:
        yield from scheduler.results()
    finally:
        scheduler.shutdown()


def map_chunked(function: Callable[[I], R], items: Sequence[I], *, jobs: int) -> list[R]:
    """Apply a fast function to many items, in order: in this process, or in several if there are thousands.

    Parameters
    ----------
    function : callable
        Function to apply. It must be picklable, like items and results. Its exceptions are raised here.
    items : sequence
    jobs : int
        Worker processes at most.

    Returns
    -------
    list
        One result for each item.
    """
    results: dict[int, list[R]] = {}
    for start, found in iter_chunked(function, items, jobs=jobs):
        results[start] = found
    return [result for start in sorted(results) for result in results[start]]


def iter_chunked(
    function: Callable[[I], R], items: Sequence[I], *, jobs: int
) -> Generator[tuple[int, list[R]], None, None]:
    """Apply a fast function to many items, as :func:`map_chunked`, and yield results as they come.

    Yields
    ------
    (int, list)
        Number of the first item of a chunk, and the results of the chunk.
    """
    chunks = [(start, items[start : start + _CHUNK]) for start in range(0, len(items), _CHUNK)]
    if len(items) < _MANY or jobs == 1:
        yield from ((start, [function(item) for item in chunk]) for start, chunk in chunks)
        return
    with closing(run(partial(_map_chunk, function), chunks, jobs=jobs)) as finished:
        for done in finished:
            # A chunk whose process raised an error or ended is computed in this process.
            yield done.item[0], _map_chunk(function, done.item) if done.result is None else done.result


def _map_chunk(function: Callable[[I], R], chunk: tuple[int, Sequence[I]]) -> list[R]:
    return [function(item) for item in chunk[1]]


class WorkerHandle:
    """A worker process, as seen by the process that started it.

    Parameters
    ----------
    number : int
        Number of the worker, from 0.
    work : callable
        Applied to each item.
    environment : mapping
        Environment variables beside those of this process.
    messages : queue
        Receives ``(worker, message)`` for each message of the worker, and ``(worker, None)`` when it has ended. A
        message is ``READY``, an ``Activity``, or the result and error of its item.

    Attributes
    ----------
    item : int
        Number of the item in progress; -1 for none.
    served : int
        Number of items that it has finished.
    since : float
        When it received its item, on the monotonic clock.
    ready : bool
        Whether it can take items.
    """

    def __init__(
        self,
        number: int,
        work: Callable[..., Any],
        environment: Mapping[str, str],
        messages: "SimpleQueue[tuple[WorkerHandle, Any]]",
    ) -> None:
        self.number = number
        self.item, self.served, self.since, self.ready = _NO_ITEM, 0, 0.0, False
        self._process = subprocess.Popen(
            # -P: Python would look for modules in the working folder first, which may be a data set of a stranger.
            [sys.executable, "-P", "-c", _CODE, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | environment,
            # Signals of a terminal (Ctrl-C, closing it) reach only this process, which decides how to end the workers.
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self._input = cast("BinaryIO", self._process.stdin)
        self._output = cast("BinaryIO", self._process.stdout)
        threading.Thread(target=self._listen, args=(messages,), daemon=True).start()
        self._send(work)

    @property
    def busy(self) -> bool:
        """Whether an item is in progress."""
        return self.item != _NO_ITEM

    @property
    def memory(self) -> int:
        """Resident memory in bytes."""
        return resident(self._process.pid)

    def submit(self, number: int, item: Any) -> None:
        """Send an item."""
        self.item, self.since = number, time.monotonic()
        self._send(item)

    def record(self, message: Any) -> None:
        """Update the attributes after a message of the worker."""
        if message == READY:
            self.ready = True
        else:
            self.item, self.served = _NO_ITEM, self.served + 1

    def close_input(self) -> None:
        """Announce that no more items come. A busy worker interrupts its item and cleans up."""
        with suppress(OSError):
            self._input.close()
        if not self.ready:  # it is still importing, so there is nothing to clean up
            self._process.kill()

    def end(self, deadline: float) -> None:
        """Wait until the worker ends; kill it at the deadline, on the monotonic clock."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, deadline - time.monotonic()))
        self._process.kill()
        self._process.wait()

    def exit_description(self) -> str:
        """Describe how a worker ended, as the end of a sentence."""
        self.close_input()
        self.end(time.monotonic() + 1)
        code = self._process.returncode
        if code >= 0:
            return f"ended (exit status {code})"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return f"was killed ({name}), perhaps for want of memory" if name == "SIGKILL" else f"crashed ({name})"

    def _send(self, message: Any) -> None:
        with suppress(OSError):  # the worker has ended, which `messages` reports
            send(self._input, message)

    def _listen(self, messages: "SimpleQueue[tuple[WorkerHandle, Any]]") -> None:
        with self._output as output, suppress(EOFError):
            while True:
                try:
                    messages.put((self, receive(output)))
                except UnreadableError as error:
                    messages.put((self, (None, str(error))))
        messages.put((self, None))


class _Scheduler(Generic[I, R]):
    """Distributes items over workers, and handles items whose worker was lost."""

    def __init__(
        self,
        work: Callable[[I], R],
        items: Sequence[I],
        jobs: int,
        time_limit: float | None,
        memory: int,
        environment: Mapping[str, str],
        watch: Callable[[I, str], None] | None,
    ) -> None:
        self._work, self._items, self._jobs, self._watch = work, items, jobs, watch
        self._time_limit, self._memory = time_limit, memory
        self._waiting = deque(range(len(items)))
        self._alone: deque[int] = deque()
        self._retry_reasons: dict[int, str] = {}
        self._workers: list[WorkerHandle] = []
        self._messages: SimpleQueue[tuple[WorkerHandle, Any]] = SimpleQueue()
        self._failed_starts = 0
        self._environment = {**threads_each(jobs), **environment}

    def results(self) -> Iterator[ItemResult[I, R]]:
        while self._waiting or self._alone or self._busy():
            self._submit_items()
            with suppress(Empty):
                worker, message = self._messages.get(timeout=_TICK)
                if worker in self._workers:  # otherwise it has been replaced
                    yield from self._receive(worker, message)
            yield from self._enforce_limits()

    def shutdown(self) -> None:
        """End every worker; busy workers remove partially written files."""
        try:
            self._end(*self._workers)
        finally:  # also after a second Ctrl-C
            for worker in self._workers:
                worker.end(0)

    def _end(self, *workers: WorkerHandle) -> None:
        for worker in workers:
            worker.close_input()
        deadline = time.monotonic() + GRACE + 1
        for worker in workers:
            worker.end(deadline)

    def _retire(self, worker: WorkerHandle) -> None:
        self._workers.remove(worker)
        self._end(worker)

    def _busy(self) -> list[WorkerHandle]:
        return [worker for worker in self._workers if worker.busy]

    def _submit_items(self) -> None:
        busy = self._busy()
        wanted = min(self._jobs, len(busy) + len(self._waiting)) or 1
        for worker in [worker for worker in self._workers if not worker.busy][max(0, wanted - len(busy)) :]:
            self._retire(worker)
        while len(self._workers) < wanted:
            number = min(set(range(wanted)) - {worker.number for worker in self._workers})
            environment = self._environment | {WORKER: str(number)}
            self._workers.append(WorkerHandle(number, self._work, environment, self._messages))
        for worker in self._workers:
            if worker.ready and not worker.busy:
                if self._waiting:
                    number = self._waiting.popleft()
                elif self._alone and not self._busy():
                    number = self._alone.popleft()
                else:
                    return
                worker.submit(number, self._items[number])

    def _receive(self, worker: WorkerHandle, message: Any) -> Iterator[ItemResult[I, R]]:
        number, was_ready = worker.item, worker.ready
        if message is None:
            self._workers.remove(worker)
            how = worker.exit_description()
            if worker.busy:
                yield from self._retry(number, f"its process {how}", self._alone)
            elif not was_ready:
                self._failed_starts += 1
                if self._failed_starts == _MAX_FAILED_STARTS:
                    raise MirkitError(f"the worker processes cannot start: each {how}")
            return
        if isinstance(message, Activity):
            if self._watch is not None and worker.busy:
                self._watch(self._items[number], message.text)
            return
        worker.record(message)
        self._failed_starts = 0
        if not was_ready and not worker.ready:
            raise MirkitError(f"the worker processes cannot start: {message[1]}")
        if not was_ready:
            return
        result, error = message
        yield ItemResult(self._items[number], result, error, "" if error else self._retry_reasons.get(number, ""))
        if worker.served >= ITEMS_PER_WORKER or worker.memory > self._memory / self._jobs:
            self._retire(worker)

    def _retry(self, number: int, reason: str, queue: deque[int]) -> Iterator[ItemResult[I, R]]:
        """Try an item again, once."""
        before = self._retry_reasons.get(number)
        if before is None:
            self._retry_reasons[number] = reason
            queue.append(number)
        else:
            reason = reason if reason == before else f"{before}; then {reason}"
            yield ItemResult(self._items[number], None, f"tried twice: {reason}")

    def _enforce_limits(self) -> Iterator[ItemResult[I, R]]:
        now = time.monotonic()
        for worker in self._busy():
            if self._time_limit is not None and now - worker.since > self._time_limit:
                self._retire(worker)
                reason = f"took longer than {self._time_limit:g} s and was stopped"
                yield from self._retry(worker.item, reason, self._waiting)
        held = {worker: worker.memory for worker in self._workers}
        if sum(held.values()) <= self._memory or not self._busy():
            return
        largest = max(self._busy(), key=lambda worker: held[worker])
        self._retire(largest)
        held_gb, all_gb = held[largest] / 1e9, self._memory / 1e9
        reason = f"stopped when it held {held_gb:.2g} of the {all_gb:.2g} GB that all workers may hold"
        yield from self._retry(largest.item, reason, self._alone)
