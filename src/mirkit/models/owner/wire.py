"""Messages between a worker and an owner: a head that is pickled, then arrays as they lie in memory.

Both are processes of one user on one machine, and the connection is opened with a secret of theirs.
"""

from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from mirkit.models.batches import Array


def send(connection: Connection, head: Any, arrays: Sequence[Array] = ()) -> None:
    """Send a message; ``OSError``: nobody listens any more."""
    flat = [np.ascontiguousarray(array) for array in arrays]
    connection.send((head, [(array.shape, array.dtype.str) for array in flat]))
    for array in flat:
        if array.nbytes:
            connection.send_bytes(array.data.cast("B"))


def receive(connection: Connection) -> tuple[Any, list[Array]]:
    """Wait for the next message; ``EOFError``, ``OSError``: the other side is gone."""
    head, shapes = connection.recv()
    arrays: list[Array] = []
    for shape, kind in shapes:
        array = np.empty(shape, kind)
        if array.nbytes:
            connection.recv_bytes_into(array.data.cast("B"))
        arrays.append(array)
    return head, arrays
