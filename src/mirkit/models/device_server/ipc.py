"""Messages between a worker and an owner: a head that is pickled, then arrays as they lie in memory.

Both are processes of one user on one machine, and the connection is opened with a secret of theirs.
"""

import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from mirkit.models.batching import Array


def send(connection: Connection, head: Any, arrays: Sequence[Array] = ()) -> None:
    """Send a message; ``OSError``: nobody listens any more."""
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
    """Wait for the next message; ``EOFError``, ``OSError``: the other side is gone."""
    head, shapes = connection.recv()
    arrays: list[Array] = [np.empty(shape, kind) for shape, kind in shapes]
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
    """The memory of an array; ``memoryview.cast`` takes none without items."""
    return array.reshape(-1).view(np.uint8).data


@contextmanager
def _socket(connection: Connection) -> Iterator[socket.socket]:
    """The socket under a connection, which copies nothing on the way."""
    with socket.socket(fileno=os.dup(connection.fileno())) as bare:
        yield bare
