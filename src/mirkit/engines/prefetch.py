"""A stream that a thread computes ahead of its reader, so that decoding, computing and encoding overlap."""

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

T = TypeVar("T")

#: Seconds after which the thread checks whether the reader has closed the stream.
_CHECK_SECONDS = 0.5


class _End:
    """Follows the last item, with the error that ended the stream, if there was one."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def prefetch(items: Iterable[T], most: int = 2) -> Generator[T, None, None]:
    """Yield the items of a stream that a thread computes.

    This saves time if the work releases the GIL, as codecs, resamplers and PyTorch do. Closing the generator
    ends the thread after its current item.

    Parameters
    ----------
    items : iterable
        Iterated in the thread only. Its exceptions are raised here.
    most : int
        Items that are computed ahead.

    Yields
    ------
    item
    """
    waiting: queue.Queue[T | _End] = queue.Queue(most)
    closed = threading.Event()

    def put(item: T | _End) -> None:
        while not closed.is_set():
            try:
                waiting.put(item, timeout=_CHECK_SECONDS)
            except queue.Full:
                continue
            return

    def work() -> None:
        stream = iter(items)
        error: BaseException | None = None
        try:
            for item in stream:
                put(item)
                if closed.is_set():
                    break
        except BaseException as raised:  # noqa: BLE001 (raised again where the stream is read)
            error = raised
        finally:
            if close := getattr(stream, "close", None):
                close()
        put(_End(error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            item = waiting.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        closed.set()
