"""What an engine returns for each item."""

from dataclasses import dataclass
from typing import Generic, TypeVar

I = TypeVar("I")  # noqa: E741 (an item)
R = TypeVar("R")


@dataclass(frozen=True)
class ItemResult(Generic[I, R]):
    """One item and its result, or the one line that says why there is none.

    ``mishap`` says what took the worker down at the first try of an item that came through at the second.
    """

    item: I
    result: R | None
    error: str = ""
    mishap: str = ""
