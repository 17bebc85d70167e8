"""What a setting may be: each check gives the value as it is kept, or raises ValueError with what it should be."""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any


class Kind(Enum):
    """What a setting can reach, which decides whether a data set may hold it: a data set may come from a stranger."""

    VALUE = "a number, a switch, one of a closed set of names, or a plain name that becomes part of a file's"
    WORDS = "words that are printed or sent, and never opened"
    MODEL = "a model: a data set may hold its name, and no path"
    ADDRESS = "a program, a file or a server: never in a data set"


@dataclass(frozen=True)
class Setting:
    """One setting: what it may be, and where it may stand.

    Attributes
    ----------
    check : callable
        Gives the value as it is kept, or raises ValueError with what it should be.
    kind : Kind
    names : str
        For a model or an address: what the value names, e.g. ``"a program"``.
    option : str
        For a model or an address: the option of the command line, e.g. ``"--program"``.
    restricts : bool
        For a switch: once it is on in the user's own settings, a data set cannot switch it off.
    """

    check: Callable[[Any], Any]
    kind: Kind
    names: str = ""
    option: str = ""
    restricts: bool = False


def names_a_file(value: Any, *folders: Path) -> bool:
    """Tell whether the name of a model is, or may be meant as, the path of a file."""
    if not isinstance(value, str) or not value.strip():
        return False  # no name at all, which its check says
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", value):
        return True
    return any((folder / value).exists() for folder in folders)


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


def hosts(value: Any) -> tuple[str, ...]:
    """Accept a list of host names."""
    if not isinstance(value, list | tuple) or not all(
        isinstance(host, str) and re.fullmatch(r"[A-Za-z0-9._:-]+", host) for host in value
    ):
        raise ValueError('a list of host names, such as ["10.0.0.5", "studio.local"]')
    return tuple(host.lower() for host in value)
