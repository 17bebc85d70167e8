"""The engine that processes one item after another in this process."""

from collections.abc import Callable, Generator, Sequence

from mirkit.engines.ipc import I, ItemResult, R, error_line


def run(work: Callable[[I], R], items: Sequence[I]) -> Generator[ItemResult[I, R], None, None]:
    """Yield the result of each item; an exception is the error of its item."""
    for item in items:
        try:
            yield ItemResult(item, work(item))
        except Exception as error:  # noqa: BLE001 (an engine reports the error of an item and goes on)
            yield ItemResult(item, None, error_line(error))
