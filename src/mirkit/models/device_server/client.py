"""A worker's side: what it asks the owner of a device, as often as it takes."""

import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from mirkit.errors import ModelError
from mirkit.models.batching import Array
from mirkit.models.device_server import ipc
from mirkit.models.device_server.discovery import connect
from mirkit.models.weights import Weights

#: The owner may die so often at work on one thing that is asked of it,
_DEATHS = 2
#: and so often before it came to that, which then was not the cause.
_LOSSES = 10


class DeviceClient:
    """Connection to the owner of a device; made, and made again, when something is asked."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    def describe(self, name: str, weights: Weights) -> tuple[Any, int]:
        """Model without its network, and how many items it takes together.

        Raises
        ------
        MirkitError
            It cannot be loaded.
        """
        (_, model, together), _ = self._ask(("describe", name, weights))
        return model, together

    def compute(self, name: str, weights: Weights, step: str, batch: Sequence[Array]) -> Array:
        """Put a batch through a step of the model's network: see ``models.batches.Compute``."""
        _, (found,) = self._ask(("compute", name, weights, step), batch)
        return found

    def _ask(self, question: tuple[Any, ...], arrays: Sequence[Array] = ()) -> tuple[Any, list[Array]]:
        deaths = losses = 0
        with self._lock:
            while True:
                begun, why = False, "it ended"
                try:
                    # What breaks off midway, also by an interrupt, leaves a connection that is not to be used again.
                    connection, self._connection = self._connection or connect(self._device), None
                    # What it died of once, it computes without company, so that nobody else is lost with it.
                    ipc.send(connection, (question, deaths > 0), arrays)
                    head, found = ipc.receive(connection)
                    while head == "begun":
                        begun = True
                        head, found = ipc.receive(connection)
                    if head[0] != "broken":
                        self._connection = connection
                        if head[0] == "failed":
                            raise head[1]
                        return head, found
                    why = head[1]
                except (OSError, EOFError):
                    pass
                deaths, losses = deaths + begun, losses + (not begun)
                if deaths == _DEATHS or losses == _LOSSES:
                    raise ModelError(f"the process that computes on {self._device} was lost again and again: {why}")


class RemoteNetwork:
    """A network that computes with the owner of its device: see ``models.batches.Compute``."""

    def __init__(self, link: DeviceClient, name: str, weights: Weights, together: int) -> None:
        self._link, self._name, self._weights = link, name, weights
        self.together = together

    def __call__(self, step: str, *batch: Array) -> Array:
        """Put a batch through a step of the network."""
        return self._link.compute(self._name, self._weights, step, batch)
