"""The owner of a device: a process that computes what the workers of this machine ask."""

import copy
import json
import os
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener, answer_challenge, deliver_challenge
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from mirkit.engines.ipc import told
from mirkit.errors import MirkitError, ModelError, WeightsError
from mirkit.models.batching import Array, OutOfMemory
from mirkit.models.device_server import ipc
from mirkit.models.weights import Weights, is_changed
from mirkit.store import printable
from mirkit.store.compiled import use_compiled

#: Seconds without any worker after which it ends: workers are replaced by others now and then.
_GRACE = 2.0
#: Seconds that the first worker has to come.
_FIRST = 30.0
_TICK = 0.25
#: How the errors of a card begin; before 2.8, PyTorch has no class for them.
_CARD_FAILED = ("CUDA error", "HIP error")


def main() -> None:
    """Serve: the device is the argument, the secret comes over the input, and the address goes to the output."""
    secret = bytes.fromhex(sys.stdin.readline())
    if not secret:  # whoever started this process was killed meanwhile
        return
    with _listener() as listener:
        sys.stdout.write(f"{json.dumps(listener.address)}\n")
        sys.stdout.flush()
        nowhere = os.open(os.devnull, os.O_RDWR)
        use_compiled()
        for stream in (0, 1, 2):  # those of the worker that started it
            os.dup2(nowhere, stream)
        DeviceServer(sys.argv[1], listener, secret).serve()


def _listener() -> Listener:
    many = 128  # workers may come at once
    try:
        return Listener(None, backlog=many)
    except OSError:  # the path of a socket must be short, and TMPDIR is not
        return Listener(("127.0.0.1", 0), backlog=many)


@dataclass(eq=False)
class _Ask:
    """One thing that a worker asks; ``alone``: not together with what others ask."""

    connection: Connection
    name: str
    weights: Weights
    step: str
    alone: bool
    batch: list[Array]
    answer: "SimpleQueue[tuple[Any, list[Array]]]" = field(default_factory=SimpleQueue)

    @property
    def rows(self) -> int:
        return len(self.batch[0])

    @property
    def kind(self) -> tuple[object, ...]:
        """Asks of one kind can be computed together."""
        return self.name, self.weights, self.step, [(array.shape[1:], array.dtype) for array in self.batch]


class DeviceServer:
    """Models on a device, and what is asked of them.

    Parameters
    ----------
    device : str
        Of PyTorch.
    listener : Listener
        Without a key.
    secret : bytes
        What those who come must know.
    """

    def __init__(self, device: str, listener: Listener, secret: bytes) -> None:
        self._device, self._listener, self._secret = device, listener, secret
        self._models: dict[tuple[str, Weights], Any] = {}
        self._asked: SimpleQueue[_Ask] = SimpleQueue()
        self._waiting: deque[_Ask] = deque()
        self._lock = threading.Lock()
        self._workers = 0
        self._alone_since = time.monotonic() + _FIRST - _GRACE

    def serve(self) -> None:
        """Answer until the last worker has gone."""
        threading.Thread(target=self._welcome, daemon=True).start()
        while self._wait():
            self._answer(self._group())

    def _welcome(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except ConnectionError:  # one who is gone already
                continue
            except OSError:  # closed: no others are wanted
                return
            threading.Thread(target=self._attend, args=(connection,), daemon=True).start()

    def _attend(self, connection: Connection) -> None:
        """Hand on what one worker asks, and what is answered."""
        try:
            deliver_challenge(connection, self._secret)
            answer_challenge(connection, self._secret)
        except (AuthenticationError, EOFError, OSError):  # a stranger
            return
        with self._lock:
            self._workers += 1
        try:
            while True:
                ((job, name, weights, *step), alone), batch = ipc.receive(connection)
                ask = _Ask(connection, name, weights, step[0] if job == "compute" else "", alone, batch)
                self._asked.put(ask)
                ipc.send(connection, *ask.answer.get())
        except (EOFError, OSError):
            pass
        finally:
            with self._lock:
                self._workers -= 1
                self._alone_since = time.monotonic()

    def _wait(self) -> bool:
        """Wait for something to do; False: nobody is there any more."""
        while not self._waiting:
            try:
                self._waiting.append(self._asked.get(timeout=_TICK))
            except Empty:
                with self._lock:
                    if not self._workers and time.monotonic() - self._alone_since > _GRACE:
                        return False
        while not self._asked.empty():
            self._waiting.append(self._asked.get())
        return True

    def _group(self) -> list[_Ask]:
        """Take what was asked first, and what can be computed together with it."""
        first = self._waiting.popleft()
        group, rows = [first], first.rows if first.step else 0
        if not first.step or first.alone or (first.name, first.weights) not in self._models:
            return group
        most = self._models[first.name, first.weights].compute.together
        for ask in list(self._waiting):
            if ask.step and not ask.alone and rows + ask.rows <= most and ask.kind == first.kind:
                self._waiting.remove(ask)
                group.append(ask)
                rows += ask.rows
        return group

    def _answer(self, group: list[_Ask]) -> None:
        there = []
        for ask in group:
            try:
                ipc.send(ask.connection, "begun")
                there.append(ask)
            except OSError:  # it is gone
                ask.answer.put((None, []))
        if not there:
            return
        try:
            self._compute(there)
        except ModelError as error:
            if _lost(error):
                self._end(there, error)
            if len(there) == 1:
                there[0].answer.put((("failed", error), []))
                return
            for ask in there:  # one of them may be to blame
                self._answer([ask])
        except Exception as error:  # noqa: BLE001 (it is raised again where it was asked)
            for ask in there:
                ask.answer.put((("failed", error if isinstance(error, MirkitError) else RuntimeError(told(error))), []))

    def _compute(self, group: list[_Ask]) -> None:
        first = group[0]
        model = self._model(first.name, first.weights)
        if not first.step:
            hollow = copy.copy(model)
            hollow.compute = None
            first.answer.put((("model", hollow, model.compute.together), []))
            return
        batch = [np.concatenate(parts) for parts in zip(*(ask.batch for ask in group), strict=True)]
        found = model.compute(first.step, *batch)
        ends = np.cumsum([ask.rows for ask in group])[:-1]
        for ask, own in zip(group, np.split(found, ends), strict=True):
            ask.answer.put((("done",), [own]))

    def _model(self, name: str, weights: Weights) -> Any:
        from mirkit.models import make

        key = name, weights
        if key not in self._models:
            # Perhaps long after the worker looked: an owner before this one may have loaded them.
            if is_changed(weights):
                raise WeightsError(
                    f"{printable(weights.model)}: the weights have changed since this run began; start it anew"
                )
            self._models[key] = make(name, weights, self._device)
        return self._models[key]

    def _end(self, group: list[_Ask], error: ModelError) -> None:
        """End this process, which can compute nothing more: another will take its place."""
        self._listener.close()
        for ask in group:
            ask.answer.put((("broken", str(error)), []))
        time.sleep(1)
        os._exit(1)


def _lost(error: ModelError) -> bool:
    """Whether an error leaves nothing to be computed with: a card that failed fails from then on."""
    torch, cause = sys.modules.get("torch"), error.__cause__
    if torch is None or isinstance(error, OutOfMemory):
        return False
    return isinstance(cause, getattr(torch, "AcceleratorError", ())) or str(cause).startswith(_CARD_FAILED)
