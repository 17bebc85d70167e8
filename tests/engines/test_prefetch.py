"""A stream worked on ahead: nothing lost, errors where the stream is read, an end when nobody reads."""

import threading
import time
from collections.abc import Iterator

import pytest

from mirkit.engines.prefetch import prefetch


def test_every_item_in_order_from_another_thread() -> None:
    threads = set()

    def items() -> Iterator[int]:
        for i in range(20):
            threads.add(threading.get_ident())
            yield i

    assert list(prefetch(items())) == list(range(20))
    assert threading.get_ident() not in threads


def test_an_error_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    stream = prefetch(items())
    assert next(stream) == 1
    with pytest.raises(ValueError, match="broken"):
        next(stream)


def test_closing_it_ends_the_work() -> None:
    made, ended = [], threading.Event()

    def items() -> Iterator[int]:
        try:
            for i in range(10**6):
                made.append(i)
                yield i
        finally:
            ended.set()

    stream = prefetch(items(), most=1)
    assert next(stream) == 0
    stream.close()
    assert ended.wait(10), "the generator in the thread was closed"
    assert len(made) <= 4


def test_no_more_than_so_many_wait() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for i in range(50):
            made.append(i)
            yield i

    stream = prefetch(items(), most=2)
    next(stream)
    deadline = time.monotonic() + 10
    while len(made) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    assert len(made) == 4, "one read, two waiting, one in hand"
    assert sum(1 for _ in stream) == 49
