"""One item after another, in this process."""

from collections.abc import Callable, Generator, Sequence

from mirkit.engines.ipc import told
from mirkit.engines.item_result import I, ItemResult, R


def run(work: Callable[[I], R], items: Sequence[I]) -> Generator[ItemResult[I, R], None, None]:
    """Yield the result of each item; an exception is that item's error."""
    for item in items:
        try:
            yield ItemResult(item, work(item))
        except Exception as error:  # noqa: BLE001 (the promise of an engine: an item's error is the item's alone)
            yield ItemResult(item, None, told(error))
