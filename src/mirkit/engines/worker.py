"""The inside of a worker process: items come in, one after another, and never longer than somebody wants them."""

import _thread
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, BinaryIO

from mirkit.engines.ipc import UnreadableError, receive, send, told

#: Seconds that a worker which must stop has for taking back what it was writing.
GRACE = 5.0
#: First message of a worker that can take items.
READY = "ready"
_END = object()


def main() -> None:
    """Serve whoever started this process, over its standard input and output."""
    source, sink = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    with suppress(OSError):  # what a library prints is not to get between the answers
        os.dup2(2, 1)
    with suppress(KeyboardInterrupt, BrokenPipeError):  # told to stop, or nobody is there any more
        _Server(source, sink).serve()


class _Server:
    """Answers items until no more come.

    The source ends when the other side lets go, on purpose or because it died. Work in progress is then broken off, so
    that what is half written is taken back.
    """

    def __init__(self, source: BinaryIO, sink: BinaryIO) -> None:
        self._source, self._sink = source, sink
        self._inbox: SimpleQueue[Any] = SimpleQueue()
        self._busy = False

    def serve(self) -> None:
        signal.signal(signal.SIGTERM, _break_off)
        threading.Thread(target=self._receive, daemon=True).start()
        work = self._inbox.get()
        if isinstance(work, UnreadableError):
            send(self._sink, (None, str(work)))
            return
        send(self._sink, READY)
        while (item := self._inbox.get()) is not _END:
            self._busy = True
            self._answer(work, item)
            self._busy = False

    def _answer(self, work: Any, item: Any) -> None:
        try:
            if isinstance(item, UnreadableError):
                raise item
            result = work(item)
        except Exception as error:  # noqa: BLE001 (the promise of an engine: an item's error is the item's alone)
            send(self._sink, (None, told(error)))
            return
        try:
            send(self._sink, (result, ""))
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001 (a result may refuse to be pickled in any way it likes)
            send(self._sink, (None, told(error)))

    def _receive(self) -> None:
        with suppress(EOFError):
            while True:
                try:
                    self._inbox.put(receive(self._source))
                except UnreadableError as error:
                    self._inbox.put(error)
        self._inbox.put(_END)
        if self._busy:
            sys.unraisablehook = lambda _: None  # an interrupt within a library's callback is told there, and lost
            for _ in range(2):
                _interrupt()
                time.sleep(GRACE / 2)
            os._exit(1)


def _interrupt() -> None:
    if hasattr(signal, "pthread_kill"):  # wakes the main thread even from a sleep
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)
    else:
        _thread.interrupt_main(signal.SIGTERM)


def _break_off(number: int, frame: object) -> None:
    raise KeyboardInterrupt
