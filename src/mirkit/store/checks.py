"""What a setting may be: each check gives the value as it is kept, or raises ValueError with what it should be."""

import difflib
from collections.abc import Callable
from typing import Any


def text(value: Any) -> str:
    """Accept a text that is not blank."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text")
    return value


def flag(value: Any) -> bool:
    """Accept true or false."""
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


def one_of(*names: str) -> Callable[[Any], str]:
    """Accept one of these names."""

    def check(value: Any) -> str:
        if value not in names:
            near = difflib.get_close_matches(str(value), names, 1)
            raise ValueError(f"one of {', '.join(names)}" + (f" (did you mean {near[0]}?)" if near else ""))
        return str(value)

    return check


def whole(low: int, high: int) -> Callable[[Any], int]:
    """Accept a whole number in a range."""

    def check(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return check


def number(low: float, high: float) -> Callable[[Any], float]:
    """Accept a number in a range."""

    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"a number from {low:g} to {high:g}")
        return float(value)

    return check


def optional(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Accept None, or what another check accepts."""
    return lambda value: None if value is None else check(value)


def tempo_range(value: Any) -> tuple[float, float]:
    """Accept two tempos, the lower first."""
    tempo = number(20, 400)
    if not isinstance(value, list | tuple) or len(value) != 2 or not tempo(value[0]) < tempo(value[1]):
        raise ValueError("two tempos from 20 to 400, the lower first, such as [80, 160]")
    return float(value[0]), float(value[1])


def device(value: Any) -> str:
    """Accept where to compute."""
    name, _, number = value.partition(":") if isinstance(value, str) else ("", "", "")
    if name not in ("auto", "cpu", "cuda", "mps") or (number and not (name == "cuda" and number.isdecimal())):
        raise ValueError("auto, cpu, cuda, cuda:<number> or mps (ROCm cards of AMD are cuda too)")
    return str(value)


def texts(value: Any) -> dict[str, str]:
    """Accept a table of texts."""
    if not isinstance(value, dict) or not all(isinstance(inner, str) for inner in value.values()):
        raise ValueError('a table of name = "text"')
    return dict(value)
