"""The code of a worker process, which receives items over its standard input, and the messages that it exchanges."""

import _thread
import os
import pickle
import signal
import struct
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, BinaryIO, Generic, TypeVar

from mirkit.activity import watched
from mirkit.errors import MirkitError

#: Seconds that a worker has to remove partially written files when it is stopped.
GRACE = 5.0
#: First message of a worker that can take items.
READY = "ready"
_END = object()


def main() -> None:
    """Serve the process that started this one."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    with suppress(OSError):  # so that output of libraries does not mix with the results
        os.dup2(2, 1)
    with suppress(KeyboardInterrupt, BrokenPipeError):  # this process was stopped, or the parent has ended
        _Worker(source, sink).serve()


class _Worker:
    """Processes items until no more come.

    The input ends when the parent closes it, or ends for any reason. An item in progress is then interrupted, so that
    partially written files are removed.
    """

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source, self._sink = source, sink
        self._inbox: SimpleQueue[Any] = SimpleQueue()
        self._busy = False
        self._sending = threading.Lock()

    def serve(self) -> None:
        signal.signal(signal.SIGTERM, _raise_interrupt)
        threading.Thread(target=self._receive, daemon=True).start()
        work = self._inbox.get()
        if isinstance(work, UnreadableError):
            send(self._sink, (None, str(work)))
            return
        send(self._sink, READY)
        while (item := self._inbox.get()) is not _END:
            self._busy = True
            self._process(work, item)
            self._busy = False

    def _process(self, work: Any, item: Any) -> None:
        try:
            if isinstance(item, UnreadableError):
                raise item
            with watched(self._announce):
                result = work(item)
        except Exception as error:  # noqa: BLE001 (an engine reports the error of an item and goes on)
            self._send((None, error_line(error)))
            return
        try:
            self._send((result, ""))
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001 (pickling a result can raise anything)
            self._send((None, error_line(error)))

    def _announce(self, activity: str) -> None:
        with suppress(OSError):  # the parent has ended, which the end of the input reports
            self._send(Activity(activity))

    def _send(self, message: Any) -> None:
        with self._sending:  # a thread of the work may announce something at the same time
            send(self._sink, message)

    def _receive(self) -> None:
        with suppress(EOFError):
            while True:
                try:
                    self._inbox.put(receive(self._source))
                except UnreadableError as error:
                    self._inbox.put(error)
        self._inbox.put(_END)
        if self._busy:
            # An interrupt inside a callback of a library is printed there and then lost, so it is repeated.
            sys.unraisablehook = lambda _: None
            for _ in range(2):
                _interrupt_main_thread()
                time.sleep(GRACE / 2)
            os._exit(1)


def _interrupt_main_thread() -> None:
    if hasattr(signal, "pthread_kill"):  # wakes the main thread even from a sleep
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    else:
        _thread.interrupt_main(signal.SIGTERM)


def _raise_interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


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


@dataclass(frozen=True)
class Activity:
    """Message of a worker about what it does with its item, see ``mirkit.activity``."""

    text: str


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
    """Return the message of an error; its type, too, where the message was not written for the user."""
    return str(error) if isinstance(error, MirkitError) else f"{type(error).__name__}: {error}"
