"""One item after another, in this process."""

from collections.abc import Callable, Generator, Sequence

from mirkit.engines.done import Done, I, R
from mirkit.engines.wire import told


def run(work: Callable[[I], R], items: Sequence[I]) -> Generator[Done[I, R], None, None]:
    """Yield the result of each item; an exception is that item's error."""
    for item in items:
        try:
            yield Done(item, work(item))
        except Exception as error:  # noqa: BLE001 (the promise of an engine: an item's error is the item's alone)
            yield Done(item, None, told(error))
