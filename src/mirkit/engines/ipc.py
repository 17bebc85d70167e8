"""Communication between the processes of a run: messages over a pipe, and the result of an item."""

import pickle
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO, Generic, TypeVar

I = TypeVar("I")  # noqa: E741 (an item)
R = TypeVar("R")

_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True)
class ItemResult(Generic[I, R]):
    """One item and its result, or the error that prevented it.

    Attributes
    ----------
    item : I
    result : R or None
        The result; None if the item failed.
    error : str
        Why the item failed; ``""`` if it did not.
    retry_reason : str
        Why the first attempt was lost, if the item succeeded later.
    """

    item: I
    result: R | None
    error: str = ""
    retry_reason: str = ""


class UnreadableError(Exception):
    """A message was received completely but cannot be unpickled; the next one may be readable."""


def send(pipe: BinaryIO, message: Any) -> None:
    """Send a message.

    Raises
    ------
    OSError
        The other process has ended. A message that cannot be pickled raises an error before anything is sent.
    """
    data = pickle.dumps(message)
    pipe.write(_LENGTH.pack(len(data)) + data)
    pipe.flush()


def receive(pipe: BinaryIO) -> Any:
    """Wait for the next message.

    Raises
    ------
    EOFError
        The other process has ended, perhaps in the middle of a message.
    UnreadableError
        The message cannot be unpickled.
    """
    head = pipe.read(_LENGTH.size)
    data = pipe.read(_LENGTH.unpack(head)[0]) if len(head) == _LENGTH.size else b""
    if not data or len(data) < _LENGTH.unpack(head)[0]:
        raise EOFError
    try:
        return pickle.loads(data)
    except Exception as error:
        raise UnreadableError(error_line(error)) from error


def error_line(error: BaseException) -> str:
    """Return type and message of an error."""
    return f"{type(error).__name__}: {error}"
