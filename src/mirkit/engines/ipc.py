"""Messages between two processes of one run, over a pipe: a length, then the pickled content."""

import pickle
import struct
from typing import Any, BinaryIO

_LENGTH = struct.Struct("<Q")


class UnreadableError(Exception):
    """A message came through whole and cannot be used here; the next one can."""


def send(pipe: BinaryIO, message: Any) -> None:
    """Send a message. What cannot be pickled raises before a byte is sent; ``OSError``: nobody listens any more."""
    data = pickle.dumps(message)
    pipe.write(_LENGTH.pack(len(data)) + data)
    pipe.flush()


def receive(pipe: BinaryIO) -> Any:
    """Wait for the next message.

    Raises
    ------
    EOFError
        The other side is gone, perhaps in the middle of a message.
    UnreadableError
        Unpickling it failed.
    """
    head = pipe.read(_LENGTH.size)
    data = pipe.read(_LENGTH.unpack(head)[0]) if len(head) == _LENGTH.size else b""
    if not data or len(data) < _LENGTH.unpack(head)[0]:
        raise EOFError
    try:
        return pickle.loads(data)
    except Exception as error:
        raise UnreadableError(told(error)) from error


def told(error: BaseException) -> str:
    """Give an error in one line."""
    return f"{type(error).__name__}: {error}"
