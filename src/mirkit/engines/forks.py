"""Work of microseconds per item on all cores, by copies of this process: they need no start and no messages in."""

import os
import pickle
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise

from mirkit.engines.worker import I, R

#: Number of items for each process below which starting one takes longer.
_FEWEST = 10_000


def map_forked(function: Callable[[Sequence[I]], R], items: Sequence[I], *, jobs: int) -> list[R]:
    """Apply a function to consecutive parts of a list, on Linux in as many processes at once.

    Parameters
    ----------
    function : callable
        Looks at files, for example; it must not use threads, locks, open connections or the log.
    items : sequence
    jobs : int
        Processes at most, with this one.

    Returns
    -------
    list
        One result for each part, in order.
    """
    count = max(1, min(jobs, len(items) // _FEWEST))
    if sys.platform != "linux" or threading.active_count() > 1:
        count = 1
    edges = [len(items) * part // count for part in range(count + 1)]
    parts = [items[start:end] for start, end in pairwise(edges)]
    children = [_fork(function, part) for part in parts[1:]]
    results = [function(parts[0])]
    for part, child in zip(parts[1:], children, strict=True):
        data = _result(child)
        results.append(pickle.loads(data) if data else function(part))
    return results


def _fork(function: Callable[[Sequence[I]], R], part: Sequence[I]) -> tuple[int, int] | None:
    """Start a copy of this process that sends its result through a pipe; None if the system refuses."""
    source, sink = os.pipe()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # threads of libraries that wait for work
            child = os.fork()
    except OSError:
        os.close(source)
        os.close(sink)
        return None
    if not child:
        status = 1
        try:
            with open(sink, "wb") as output:
                pickle.dump(function(part), output)
            status = 0
        finally:
            os._exit(status)
    os.close(sink)
    return child, source


def _result(child: tuple[int, int] | None) -> bytes:
    """Return what a child has sent; "" if it failed."""
    if child is None:
        return b""
    number, source = child
    with open(source, "rb") as content:
        data = content.read()
    status = 1
    with suppress(ChildProcessError):
        status = os.waitpid(number, 0)[1]
    return b"" if status else data
