"""A Ray cluster: items go to actors on its nodes; what a lost node was at work on is done elsewhere.

An actor is a process that keeps what it has loaded, so a model is loaded once by each. ``work`` and everything that it
imports must be installed on every node, and the items must mean the same there.
"""

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Generic

from mirkit.engines.ipc import told
from mirkit.engines.item_result import I, ItemResult, R
from mirkit.engines.resources import WORKER, threads_each
from mirkit.errors import MirkitError, MissingExtra

#: An item is given to so many actors, one after another, before it counts as what kills them.
_TRIES = 3
#: An actor is replaced after this many items, so that slow leaks in libraries cannot add up.
_ITEMS_PER_ACTOR = 200
#: Seconds between two looks at the clock.
_TICK = 1.0
#: Seconds to wait for the first actor when nothing else goes on.
_PATIENCE = 180.0
#: So many actors in a row that die before they can take an item mean that none ever will.
_STILLBORN = 6


def connect(address: str) -> None:
    """Join a cluster; a second call does nothing.

    Parameters
    ----------
    address : str
        ``auto``, ``host:port`` or ``ray://host:port``.

    Raises
    ------
    MissingExtra
        Ray is not installed.
    MirkitError
        There is no cluster that answers, or one of another version.
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
    """How much of ``CPU`` or ``GPU`` the whole cluster has. Call :func:`connect` before."""
    import ray

    held: Mapping[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return float(held.get(name, 0.0))


def run(
    work: Callable[[I], R], items: Sequence[I], *, jobs: int, gpus: float = 0.0, time_limit: float | None = None
) -> Generator[ItemResult[I, R], None, None]:
    """Yield results as they come. Call :func:`connect` before; leaving ends the actors.

    Parameters
    ----------
    work : callable
        Importable by name on every node.
    items : sequence
    jobs : int
        Actors at most; fewer where the cluster has no room.
    gpus : float
        Share of a GPU that each actor gets.
    time_limit : float, optional
        Seconds that one item may take.

    Raises
    ------
    MirkitError
        No actor can be started.
    """
    pool = _Pool(work, items, jobs, gpus, time_limit)
    try:
        yield from pool.results()
    finally:
        pool.dismiss()


class _Hand:
    """The inside of an actor."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        os.environ.update(environment)

    def ready(self, work: Any) -> None:
        """Answer, when ``work`` could be imported here."""

    def answer(self, work: Any, item: Any) -> tuple[Any, str]:
        """Give the result of an item, or its error."""
        try:
            return work(item), ""
        except Exception as error:  # noqa: BLE001 (the promise of an engine: an item's error is the item's alone)
            return None, told(error)


class _Pool(Generic[I, R]):
    """Hands items to actors and decides what a loss means."""

    def __init__(
        self, work: Callable[[I], R], items: Sequence[I], jobs: int, gpus: float, time_limit: float | None
    ) -> None:
        import ray

        self._ray = ray
        # Spread, so that one lost node costs little; not restarted by Ray, which knows nothing of our items.
        options = {"num_cpus": 1, "num_gpus": gpus, "max_restarts": 0, "scheduling_strategy": "SPREAD"}
        self._kind: Any = ray.remote(_Hand).options(**options)
        self._work, self._items, self._jobs, self._time_limit = work, items, jobs, time_limit
        self._waiting = deque(range(len(items)))
        self._losses: dict[int, list[str]] = {}
        self._served: dict[Any, int] = {}
        self._idle: list[Any] = []
        self._starting: dict[Any, Any] = {}
        self._busy: dict[Any, tuple[Any, int, float]] = {}
        self._stillborn = 0
        self._moved = time.monotonic()

    def results(self) -> Iterator[ItemResult[I, R]]:
        while self._waiting or self._busy:
            self._hand_out()
            asked = [*self._busy, *self._starting]
            answered, _ = self._ray.wait(asked, num_returns=1, timeout=_TICK)
            for reference in answered:
                self._moved = time.monotonic()
                if reference in self._starting:
                    self._welcome(reference)
                else:
                    yield from self._take(reference)
            yield from self._enforce_limit()
            if not self._busy and not self._idle and time.monotonic() - self._moved > _PATIENCE:
                raise MirkitError("the Ray cluster has had no free processor for three minutes; see: ray status")

    def dismiss(self) -> None:
        for actor in [*self._served, *self._starting.values()]:
            self._kill(actor)

    def _hand_out(self) -> None:
        wanted = min(self._jobs, len(self._busy) + len(self._waiting))
        while len(self._idle) + len(self._busy) + len(self._starting) < wanted:
            actor = self._kind.remote(threads_each(1) | {WORKER: "0"})
            self._starting[actor.ready.remote(self._work)] = actor
        while self._idle and self._waiting:
            actor, number = self._idle.pop(), self._waiting.popleft()
            reference = actor.answer.remote(self._work, self._items[number])
            self._busy[reference] = actor, number, time.monotonic()

    def _welcome(self, reference: Any) -> None:
        actor = self._starting.pop(reference)
        try:
            self._ray.get(reference)
        except self._ray.exceptions.RayActorError as error:
            self._kill(actor)
            self._stillborn += 1
            if self._stillborn == _STILLBORN:
                raise MirkitError(f"no worker can begin on the Ray cluster: {_line(error)}") from error
            return
        except self._ray.exceptions.RayError as error:
            self._kill(actor)
            raise MirkitError(
                f"no worker can begin on the Ray cluster: {_line(error)}; every node needs the same mirkit"
            ) from error
        self._stillborn = 0
        self._served[actor] = 0
        self._idle.append(actor)

    def _take(self, reference: Any) -> Iterator[ItemResult[I, R]]:
        actor, number, _ = self._busy.pop(reference)
        try:
            result, error = self._ray.get(reference)
        except self._ray.exceptions.RayActorError as lost:
            self._part_with(actor)
            yield from self._lost(number, f"its worker or node was lost ({_line(lost)})")
            return
        except self._ray.exceptions.RayError as refused:  # the result could not travel
            result, error = None, _line(refused)
        losses = self._losses.get(number, [])
        yield ItemResult(self._items[number], result, error, "" if error else "; ".join(losses))
        self._served[actor] += 1
        if self._served[actor] < _ITEMS_PER_ACTOR:
            self._idle.append(actor)
        else:
            self._part_with(actor)

    def _lost(self, number: int, why: str) -> Iterator[ItemResult[I, R]]:
        losses = self._losses.setdefault(number, [])
        losses.append(why)
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
                self._part_with(actor)
                yield from self._lost(number, f"took longer than {self._time_limit:g} s and was stopped")

    def _part_with(self, actor: Any) -> None:
        del self._served[actor]
        self._kill(actor)

    def _kill(self, actor: Any) -> None:
        with suppress(self._ray.exceptions.RayError, RuntimeError, ValueError):  # gone already
            self._ray.kill(actor)


def _line(error: Exception) -> str:
    """Say the cause in a line: Ray tells a page of it."""
    cause = getattr(error, "cause", None)
    text = told(cause) if isinstance(cause, Exception) else str(error)
    return next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)[:200]
