"""Very many small questions: asked here while they are few, a few hundred at a time of worker processes when not."""

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial

from mirkit.engines import processes
from mirkit.engines.item_result import I, R

#: From so many on it is worthwhile to start processes.
_MANY = 4000
_AT_ONCE = 250


def map_chunked(question: Callable[[I], R], items: Sequence[I], *, jobs: int) -> list[R]:
    """Answer a question about every item, in their order.

    Parameters
    ----------
    question : callable
        It must pickle, as must items and answers. What it raises is raised here.
    items : sequence
    jobs : int
        Worker processes, if there are any.
    """
    if len(items) < _MANY or jobs == 1:
        return [question(item) for item in items]
    chunks = [items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE)]
    answers: dict[int, list[R]] = {}
    with closing(processes.run(partial(_each, question), list(enumerate(chunks)), jobs=jobs)) as results:
        for done in results:
            # Of a chunk whose process has ended, or that raised, the answers are found here.
            answers[done.item[0]] = _each(question, done.item) if done.result is None else done.result
    return [answer for number in range(len(chunks)) for answer in answers[number]]


def _each(question: Callable[[I], R], chunk: tuple[int, Sequence[I]]) -> list[R]:
    return [question(item) for item in chunk[1]]
