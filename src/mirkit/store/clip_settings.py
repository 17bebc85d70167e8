"""``[crop]`` of ``mirkit.toml``: how training clips are cut."""

import re
from dataclasses import dataclass
from typing import Any, Literal, cast

Unit = Literal["s", "samples", "bars"]

#: Least and most of each unit that a clip may have.
LIMITS: dict[str, tuple[float, float]] = {"s": (0.1, 36_000), "samples": (4410, 2**31), "bars": (1, 1024)}
_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*(s|samples|bars)")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,31}")


@dataclass(frozen=True)
class ClipSettings:
    """How training clips are cut.

    Attributes
    ----------
    length : str
        ``"30 s"``, ``"2097152 samples"`` (counted at 44.1 kHz, as models do) or ``"8 bars"``.
    align : str
        What a clip begins on: ``downbeat``, ``beat`` or ``free`` (where the one before ended).
    overlap : float
        Share of a clip that the next one repeats, from 0 up to 1.
    tail : str
        What becomes of a rest shorter than a clip: ``drop``, ``pad`` (with silence) or ``keep`` (as it is).
    name : str
        Name of the set, so that several can stand beside each other; "" for the plain one.
    """

    length: str = "2097152 samples"
    align: str = "downbeat"
    overlap: float = 0.0
    tail: str = "drop"
    name: str = ""


def parse_length(text: str) -> tuple[float, Unit]:
    """Read a clip's length: how many, and of what.

    Raises
    ------
    ValueError
        It is no length, or out of bounds.
    """
    found = _LENGTH.fullmatch(text)
    if found:
        amount, unit = float(found[1]), cast("Unit", found[2])
        low, high = LIMITS[unit]
        if low <= amount <= high and (unit == "s" or amount.is_integer()):
            return amount, unit
    raise ValueError('a length such as "30 s", "2097152 samples" or "8 bars"')


def length(value: Any) -> str:
    """Accept a clip's length, written in one way."""
    if not isinstance(value, str):
        raise ValueError('a length such as "30 s", "2097152 samples" or "8 bars"')
    amount, unit = parse_length(value)
    return f"{amount:.10g} {unit}"


def set_name(value: Any) -> str:
    """Accept the name of a set of clips, which becomes part of file names."""
    if value != "" and not (isinstance(value, str) and _NAME.fullmatch(value)):
        raise ValueError("a name of up to 32 letters, digits and hyphens that begins with a letter")
    return str(value)
