"""Work on the items of an export in all processes, with a result that does not depend on their number."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

from mirkit import engines

I = TypeVar("I")  # noqa: E741 (an item)
R = TypeVar("R")

#: Called with the name of each item that is done.
Advance = Callable[[str], None]
#: ``progress(count)`` opens a context for a step with ``count`` items; it yields a function to call after each item.
Progress = Callable[[int], AbstractContextManager[Advance]]


@contextmanager
def no_progress(_count: int) -> Iterator[Advance]:
    """Report no progress."""
    yield lambda _name: None


def work_on(
    work: Callable[[I], R | str],
    items: Sequence[I],
    name: Callable[[I], str],
    problems: list[str],
    advance: Callable[[str], None],
    *,
    jobs: int,
    keep: Callable[[I, R], None] | None = None,
) -> dict[str, R]:
    """Apply a function to every item; an item that fails is one line, and the others go on.

    Parameters
    ----------
    work : callable
        Importable by name; returns the result of an item, or why there is none.
    items : sequence
    name : callable
        Name of an item, which must be unique.
    problems : list of str
        Gets a line for each item that fails, in the order of ``items``.
    advance : callable
        Called with the name of each item when it is done.
    jobs : int
        Worker processes, 0 for one per core.
    keep : callable, optional
        Called with each item and its result when it is done.

    Returns
    -------
    dict
        Item's name -> result, in the order of ``items``; items that failed are left out.
    """
    results: dict[str, R] = {}
    failed: dict[str, str] = {}
    for done in engines.run(work, items, jobs=jobs or engines.cores()) if items else ():
        if done.result is None or isinstance(done.result, str):
            failed[name(done.item)] = done.result or done.error
        else:
            results[name(done.item)] = done.result
            if keep:
                keep(done.item, done.result)
        advance(name(done.item))
    names = list(map(name, items))
    problems += [f"{each}: {failed[each]}" for each in names if each in failed]
    return {each: results[each] for each in names if each in results}
