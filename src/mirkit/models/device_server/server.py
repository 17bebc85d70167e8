"""The process that computes on a device for the workers of a run."""

import copy
import os
import sys
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from mirkit.engines.ipc import error_line
from mirkit.errors import MirkitError, ModelError, WeightsError, printable
from mirkit.models.batching import Array, OutOfMemory
from mirkit.models.device_server.client import receive, send
from mirkit.models.weights import Weights, is_changed
from mirkit.store.compiled import use_compiled

#: Backlog of the socket: all workers of a run connect at once.
_BACKLOG = 128
#: First words of GPU error messages; before version 2.8, PyTorch has no class for these errors.
_CARD_ERRORS = ("CUDA error", "HIP error")


def serve(device_and_address: tuple[str, str]) -> None:
    """Serve a device until the run ends. :class:`DeviceServers` starts this function as a worker."""
    device, address = device_and_address
    use_compiled()
    if sys.platform != "win32":
        Path(address).unlink(missing_ok=True)  # it may remain from a server that was killed
    try:
        with Listener(address, backlog=_BACKLOG) as listener:
            DeviceServer(device).serve(listener)
    finally:
        if sys.platform != "win32":
            with suppress(OSError):  # other servers still use the folder, or the run has removed it
                Path(address).parent.rmdir()


@dataclass(eq=False)
class _Request:
    """A batch for a step of a network; with step ``""``, a request for the model without its network."""

    connection: Connection
    name: str
    weights: Weights
    step: str
    alone: bool
    batch: list[Array]
    answer: "Future[tuple[Any, list[Array]]]" = field(default_factory=Future)

    @property
    def kind(self) -> tuple[object, ...]:
        """Key of the request: requests with equal keys can be computed together."""
        return self.name, self.weights, self.step, [(array.shape[1:], array.dtype) for array in self.batch]


class DeviceServer:
    """Models on a device, and the requests for them.

    One thread computes. For each worker, another thread receives its requests and sends the responses, so that the
    device can compute the next batch in the meantime.

    Parameters
    ----------
    device : str
        Device, in PyTorch's names.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._models: dict[tuple[str, Weights], Any] = {}
        self._waiting: deque[_Request] = deque()
        self._compute_thread = ThreadPoolExecutor(1)

    def serve(self, listener: Listener) -> NoReturn:
        """Answer the workers that connect, until the process is stopped."""
        while True:
            with suppress(ConnectionError):  # the worker has ended already
                threading.Thread(target=self._serve_worker, args=(listener.accept(),), daemon=True).start()

    def _serve_worker(self, connection: Connection) -> None:
        with suppress(EOFError, OSError):
            while True:
                (name, weights, step, alone), batch = receive(connection)
                request = _Request(connection, name, weights, step, alone, batch)
                self._waiting.append(request)
                self._compute_thread.submit(self._compute_next)
                send(connection, *request.answer.result())

    def _compute_next(self) -> None:
        """Compute the oldest request, together with all waiting requests that fit into the same batch."""
        if not self._waiting:  # an earlier batch contained all requests
            return
        first = self._waiting.popleft()
        group, rows = [first], len(first.batch[0]) if first.batch else 0
        model = self._models.get((first.name, first.weights))
        most = model.compute.together if model and first.step and not first.alone else 0
        for request in list(self._waiting):
            same = most > 0 and request.kind == first.kind and not request.alone
            if same and rows + len(request.batch[0]) <= most:
                self._waiting.remove(request)
                group.append(request)
                rows += len(request.batch[0])
        self._answer(group)

    def _answer(self, group: list[_Request]) -> None:
        for request in group:
            with suppress(OSError):  # the worker has ended
                send(request.connection, "begun")
        try:
            outputs = self._outputs(group)
        except ModelError as error:
            if _is_card_lost(error):
                for request in group:
                    with suppress(OSError):
                        send(request.connection, ("ending", str(error)))
                os._exit(1)  # the run starts another process, in which the GPU works again
            if len(group) == 1:
                group[0].answer.set_result((("failed", error), []))
                return
            for request in group:  # computed one by one, because one of them may be the cause
                self._answer([request])
        except Exception as error:  # noqa: BLE001 (the worker raises it again)
            raised = error if isinstance(error, MirkitError) else RuntimeError(error_line(error))
            for request in group:
                request.answer.set_result((("failed", raised), []))
        else:
            for request, output in zip(group, outputs, strict=True):
                request.answer.set_result(output)

    def _outputs(self, group: list[_Request]) -> list[tuple[Any, list[Array]]]:
        first = group[0]
        model = self._model(first.name, first.weights)
        if not first.step:
            without_network = copy.copy(model)
            without_network.compute = None
            return [(("model", without_network, model.compute.together), [])]
        batch = [np.concatenate(arrays) for arrays in zip(*(request.batch for request in group), strict=True)]
        output = model.compute(first.step, *batch)
        ends = np.cumsum([len(request.batch[0]) for request in group])[:-1]
        return [(("done",), [own]) for own in np.split(output, ends)]

    def _model(self, name: str, weights: Weights) -> Any:
        from mirkit.models import make

        key = name, weights
        if key not in self._models:
            # The worker may have checked the files long ago, and an earlier server may have loaded them.
            if is_changed(weights):
                raise WeightsError(
                    f"{printable(weights.model)}: the weights have changed since this run began; start it again"
                )
            self._models[key] = make(name, weights, self._device)
        return self._models[key]


def _is_card_lost(error: ModelError) -> bool:
    """Return whether an error makes the GPU unusable for this process, so that every later call fails."""
    torch, cause = sys.modules.get("torch"), error.__cause__
    if torch is None or isinstance(error, OutOfMemory):
        return False
    return isinstance(cause, getattr(torch, "AcceleratorError", ())) or str(cause).startswith(_CARD_ERRORS)
