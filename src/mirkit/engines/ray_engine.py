"""The engine on a Ray cluster: items go to actors on its nodes; those of a lost node are processed on another one.

An actor is a process that stays alive between items, so it loads a model only once. ``work`` and everything that it
imports must be installed on every node, and paths in the items must be valid there.
"""

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Generic

from mirkit.engines.resources import threads_each
from mirkit.engines.worker import I, ItemResult, R, error_line
from mirkit.errors import MirkitError, MissingExtra

#: Number of actors that may be lost with an item before the item fails.
_TRIES = 3
#: An actor is replaced after this many items, so that slow leaks in libraries cannot add up.
_ITEMS_PER_ACTOR = 200
#: Seconds between two checks of the time limit.
_TICK = 1.0
#: Seconds to wait for the first actor.
_START_SECONDS = 180.0
#: Number of actors in a row that end before they are ready, after which the run is given up.
_MAX_FAILED_STARTS = 6


def connect(address: str) -> None:
    """Connect to a cluster; a second call does nothing.

    Parameters
    ----------
    address : str
        ``auto``, ``host:port`` or ``ray://host:port``.

    Raises
    ------
    MissingExtra
        Ray is not installed.
    MirkitError
        No cluster answers, or its version differs.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingExtra("ray is not installed; pip install 'mirkit[ray]'") from error
    if ray.is_initialized():
        return
    try:
        ray.init(address=address, namespace="mirkit", log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        why = str(error).partition("\n")[0]
        raise MirkitError(
            f"no Ray cluster at {address}: {why}; start one with: ray start --head, and give its address by --address"
        ) from error


def resource(name: str) -> float:
    """Return how much ``CPU`` or ``GPU`` the whole cluster has. Call :func:`connect` first."""
    import ray

    held: Mapping[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return float(held.get(name, 0.0))


def run(
    work: Callable[[I], R], items: Sequence[I], *, jobs: int, gpus: float = 0.0, time_limit: float | None = None
) -> Generator[ItemResult[I, R], None, None]:
    """Yield results in the order in which items finish. Call :func:`connect` first.

    Closing the generator ends the actors.

    Parameters
    ----------
    work : callable
        Importable by name on every node.
    items : sequence
    jobs : int
        Largest number of actors; there are fewer if the cluster has fewer free processors.
    gpus : float
        Share of a GPU that each actor gets.
    time_limit : float, optional
        Time limit per item in seconds.

    Raises
    ------
    MirkitError
        No actor can be started.
    """
    scheduler = _Scheduler(work, items, jobs, gpus, time_limit)
    try:
        yield from scheduler.results()
    finally:
        scheduler.shutdown()


class _RayActor:
    """The inside of an actor."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        os.environ.update(environment)

    def ready(self, work: Any) -> None:
        """Return when ``work`` has been imported."""

    def process(self, work: Any, item: Any) -> tuple[Any, str]:
        """Return the result of an item, or its error."""
        try:
            return work(item), ""
        except Exception as error:  # noqa: BLE001 (an engine reports the error of an item and goes on)
            return None, error_line(error)


class _Scheduler(Generic[I, R]):
    """Distributes items over actors, and handles items whose actor was lost."""

    def __init__(
        self, work: Callable[[I], R], items: Sequence[I], jobs: int, gpus: float, time_limit: float | None
    ) -> None:
        import ray

        self._ray = ray
        # Spread over the nodes, so that a lost node has few actors. Ray does not restart them: the scheduler does.
        options = {"num_cpus": 1, "num_gpus": gpus, "max_restarts": 0, "scheduling_strategy": "SPREAD"}
        self._actor_class: Any = ray.remote(_RayActor).options(**options)
        self._work, self._items, self._jobs, self._time_limit = work, items, jobs, time_limit
        self._waiting = deque(range(len(items)))
        self._losses: dict[int, list[str]] = {}
        self._served: dict[Any, int] = {}
        self._idle: list[Any] = []
        self._starting: dict[Any, Any] = {}
        self._busy: dict[Any, tuple[Any, int, float]] = {}
        self._failed_starts = 0
        self._last_answer = time.monotonic()

    def results(self) -> Iterator[ItemResult[I, R]]:
        while self._waiting or self._busy:
            self._submit_items()
            references = [*self._busy, *self._starting]
            answered, _ = self._ray.wait(references, num_returns=1, timeout=_TICK)
            for reference in answered:
                self._last_answer = time.monotonic()
                if reference in self._starting:
                    self._add_started(reference)
                else:
                    yield from self._receive(reference)
            yield from self._enforce_limit()
            if not self._busy and not self._idle and time.monotonic() - self._last_answer > _START_SECONDS:
                raise MirkitError("the Ray cluster has had no free processor for three minutes; see: ray status")

    def shutdown(self) -> None:
        for actor in [*self._served, *self._starting.values()]:
            self._kill(actor)

    def _submit_items(self) -> None:
        wanted = min(self._jobs, len(self._busy) + len(self._waiting))
        while len(self._idle) + len(self._busy) + len(self._starting) < wanted:
            actor = self._actor_class.remote(threads_each(1))
            self._starting[actor.ready.remote(self._work)] = actor
        while self._idle and self._waiting:
            actor, number = self._idle.pop(), self._waiting.popleft()
            reference = actor.process.remote(self._work, self._items[number])
            self._busy[reference] = actor, number, time.monotonic()

    def _add_started(self, reference: Any) -> None:
        actor = self._starting.pop(reference)
        try:
            self._ray.get(reference)
        except self._ray.exceptions.RayActorError as error:
            self._kill(actor)
            self._failed_starts += 1
            if self._failed_starts == _MAX_FAILED_STARTS:
                raise MirkitError(f"no worker can start on the Ray cluster: {_cause_line(error)}") from error
            return
        except self._ray.exceptions.RayError as error:
            self._kill(actor)
            raise MirkitError(
                f"no worker can start on the Ray cluster: {_cause_line(error)}; every node needs the same mirkit"
            ) from error
        self._failed_starts = 0
        self._served[actor] = 0
        self._idle.append(actor)

    def _receive(self, reference: Any) -> Iterator[ItemResult[I, R]]:
        actor, number, _ = self._busy.pop(reference)
        try:
            result, error = self._ray.get(reference)
        except self._ray.exceptions.RayActorError as lost:
            self._retire(actor)
            yield from self._retry(number, f"its worker or node was lost ({_cause_line(lost)})")
            return
        except self._ray.exceptions.RayError as refused:  # the result cannot be pickled
            result, error = None, _cause_line(refused)
        losses = self._losses.get(number, [])
        yield ItemResult(self._items[number], result, error, "" if error else "; ".join(losses))
        self._served[actor] += 1
        if self._served[actor] < _ITEMS_PER_ACTOR:
            self._idle.append(actor)
        else:
            self._retire(actor)

    def _retry(self, number: int, reason: str) -> Iterator[ItemResult[I, R]]:
        losses = self._losses.setdefault(number, [])
        losses.append(reason)
        if len(losses) < _TRIES:
            self._waiting.append(number)
        else:
            yield ItemResult(self._items[number], None, f"tried {_TRIES} times: {losses[-1]}")

    def _enforce_limit(self) -> Iterator[ItemResult[I, R]]:
        if self._time_limit is None:
            return
        for reference, (actor, number, since) in list(self._busy.items()):
            if time.monotonic() - since > self._time_limit:
                del self._busy[reference]
                self._retire(actor)
                yield from self._retry(number, f"took longer than {self._time_limit:g} s and was stopped")

    def _retire(self, actor: Any) -> None:
        del self._served[actor]
        self._kill(actor)

    def _kill(self, actor: Any) -> None:
        with suppress(self._ray.exceptions.RayError, RuntimeError, ValueError):  # the actor has ended
            self._ray.kill(actor)


def _cause_line(error: Exception) -> str:
    """Return the cause of an error of Ray in one line; its own message has a page."""
    cause = getattr(error, "cause", None)
    text = error_line(cause) if isinstance(cause, Exception) else str(error)
    return next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)[:200]
