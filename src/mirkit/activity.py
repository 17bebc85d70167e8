"""What this process is doing now, such as ``separating``, for those who watch it; nobody needs to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_watch: Callable[[str], None] | None = None
_now = ""


def announce(activity: str) -> None:
    """Say what is being done from now on, in a word or two.

    Parameters
    ----------
    activity : str
        For example ``beats``; ``""`` for nothing.
    """
    global _now
    _now = activity
    if _watch is not None:
        _watch(activity)


@contextmanager
def announced(activity: str) -> Iterator[None]:
    """Say what is being done during the block; after it, what was being done before."""
    before = _now
    announce(activity)
    try:
        yield
    finally:
        announce(before)


@contextmanager
def watched(watch: Callable[[str], None] | None) -> Iterator[None]:
    """Call ``watch`` with each activity that this process announces during the block."""
    global _watch, _now
    before, _watch, _now = _watch, watch, ""
    try:
        yield
    finally:
        _watch, _now = before, ""
