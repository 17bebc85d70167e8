"""The client of a device server, and the messages between both: a pickled header, then the memory of the arrays."""

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Client, Connection
from typing import Any

import numpy as np

from mirkit.errors import ModelError
from mirkit.models.batching import Array
from mirkit.models.weights import Weights

#: Seconds to wait for a server that is being started.
_START_SECONDS = 30.0
#: Number of times that a server may end during a request before the request fails as the cause.
_MAX_ENDS = 2


def send(connection: Connection, head: Any, arrays: Sequence[Array] = ()) -> None:
    """Send a message. Raises ``OSError`` if the other side has closed the connection."""
    flat = [np.ascontiguousarray(array) for array in arrays]
    connection.send((head, [(array.shape, array.dtype.str) for array in flat]))
    for array in flat:
        content = _bytes(array)
        if sys.platform == "win32":
            connection.send_bytes(content)
        else:
            with _socket(connection) as bare:
                bare.sendall(content)


def receive(connection: Connection) -> tuple[Any, list[Array]]:
    """Wait for the next message. Raises ``EOFError`` or ``OSError`` if the other side has closed it."""
    head, layouts = connection.recv()
    arrays: list[Array] = [np.empty(shape, dtype) for shape, dtype in layouts]
    for array in arrays:
        content = _bytes(array)
        if sys.platform == "win32":
            connection.recv_bytes_into(content)
        else:
            with _socket(connection) as bare:
                while content:
                    count = bare.recv_into(content)
                    if not count:
                        raise EOFError
                    content = content[count:]
    return head, arrays


def _bytes(array: Array) -> memoryview:
    """Return the memory of an array; ``memoryview.cast`` refuses one without items."""
    return array.reshape(-1).view(np.uint8).data


@contextmanager
def _socket(connection: Connection) -> Iterator[socket.socket]:
    """Yield the socket of a connection, which copies no data, unlike the methods of the connection."""
    with socket.socket(fileno=os.dup(connection.fileno())) as bare:
        yield bare


class DeviceClient:
    """Connection of a worker to the server of a device; it is opened, or reopened, when a request needs it.

    Parameters
    ----------
    device : str
        Device of the server, for messages.
    address : str
        Address at which the server listens.
    """

    def __init__(self, device: str, address: str) -> None:
        self._device, self._address = device, address
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    def describe(self, name: str, weights: Weights) -> tuple[Any, int]:
        """Return the model of a backend without its network, and its batch size.

        Raises
        ------
        MirkitError
            The model cannot be loaded.
        """
        (_, model, batch_size), _ = self._request((name, weights, ""))
        return model, batch_size

    def compute(self, name: str, weights: Weights, step: str, batch: Sequence[Array]) -> Array:
        """Compute a step of the model's network for a batch, see ``models.batching.Compute``."""
        _, (output,) = self._request((name, weights, step), batch)
        return output

    def _request(self, request: tuple[str, Weights, str], arrays: Sequence[Array] = ()) -> tuple[Any, list[Array]]:
        ends = 0
        with self._lock:
            while True:
                begun, why = False, "it ended"
                # After an error or interrupt in the middle of a message, this connection is not used again.
                connection, self._connection = self._connection or self._connect(), None
                try:
                    # A request during which the server ended is then computed alone, so that no other request fails
                    # with it.
                    send(connection, (*request, ends > 0), arrays)
                    head, outputs = receive(connection)
                    while head == "begun":
                        begun = True
                        head, outputs = receive(connection)
                    if head[0] != "ending":
                        self._connection = connection
                        if head[0] == "failed":
                            raise head[1]
                        return head, outputs
                    why = head[1]
                except (OSError, EOFError):
                    pass
                ends += begun
                if ends == _MAX_ENDS:
                    raise ModelError(f"the process that computes on {self._device} ended {ends} times at this: {why}")

    def _connect(self) -> Connection:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                return Client(self._address)
            except OSError as error:
                if time.monotonic() > deadline:
                    why = f"the process that computes on {self._device} does not answer ({error}); try --device cpu"
                    raise ModelError(why) from error
                time.sleep(0.1)  # the server is being started


class RemoteNetwork:
    """A network that is computed by a device server, see ``models.batching.Compute``."""

    def __init__(self, client: DeviceClient, name: str, weights: Weights, batch_size: int) -> None:
        self._client, self._name, self._weights = client, name, weights
        self.together = batch_size

    def __call__(self, step: str, *batch: Array) -> Array:
        """Compute a step of the network for a batch."""
        return self._client.compute(self._name, self._weights, step, batch)
