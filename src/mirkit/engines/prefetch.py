"""A stream worked on ahead of whoever reads it, so that decoding, computing and encoding go on at once."""

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

T = TypeVar("T")

#: Seconds after which the thread looks whether anybody still reads.
_LOOK = 0.5


class _End:
    """What comes after the last item: the error that ended the stream, if one did."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def prefetch(items: Iterable[T], most: int = 2) -> Generator[T, None, None]:
    """Yield the items of a stream that a thread of its own works on.

    Worth it where the work lets go of Python's lock, as codecs, resamplers and PyTorch do. Closing this generator ends
    the thread after the item that it is at.

    Parameters
    ----------
    items : iterable
        Used in that thread only. What it raises is raised here.
    most : int
        Items that may wait to be read.
    """
    waiting: queue.Queue[T | _End] = queue.Queue(most)
    nobody_reads = threading.Event()

    def hand_over(item: T | _End) -> None:
        while not nobody_reads.is_set():
            try:
                waiting.put(item, timeout=_LOOK)
            except queue.Full:
                continue
            return

    def work() -> None:
        stream = iter(items)
        error: BaseException | None = None
        try:
            for item in stream:
                hand_over(item)
                if nobody_reads.is_set():
                    break
        except BaseException as raised:  # noqa: BLE001 (raised again where the stream is read)
            error = raised
        finally:
            if close := getattr(stream, "close", None):
                close()
        hand_over(_End(error))

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
        nobody_reads.set()
