"""Checks of values: each returns the normalized value, or raises ValueError with the allowed values."""

import difflib
import re
import urllib.parse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

Unit = Literal["s", "samples", "bars"]

#: Shortest and longest clip in each unit.
LENGTH_LIMITS: dict[str, tuple[float, float]] = {"s": (0.1, 36_000), "samples": (4410, 2**31), "bars": (1, 1024)}
#: Bytes in the units of a size. They are powers of two: 8G is 8 GiB, because tools show the size of memory in these
#: units.
_SIZE_UNITS = {"": 1, "B": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
#: Name of a backend or a model.
_NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"


@dataclass(frozen=True)
class Check:
    """The allowed values of a setting, and their form as text.

    Attributes
    ----------
    accept : callable
        Returns the normalized value, or raises ValueError with the allowed values.
    read : callable
        Converts the text of a command line or environment variable; may raise ValueError.
    metavar : str
        Placeholder of the value in ``--help``.
    write : callable
        Converts a value to the text that a user would write.
    """

    accept: Callable[[Any], Any]
    read: Callable[[str], Any] = str
    metavar: str = ""
    write: Callable[[Any], str] = str

    def __call__(self, value: Any) -> Any:
        """Return the normalized value, or raise ValueError with the allowed values and the wrong one."""
        try:
            return self.accept(value)
        except ValueError as error:
            raise ValueError(f"{error}, not {str(value)[:80]!r}") from error

    def from_text(self, text: str, unit: str = "") -> Any:
        """Convert and check a text, with ``unit`` appended; the ValueError of a wrong one quotes the text."""
        try:
            value = self.read(f"{text} {unit}" if unit else text)
        except ValueError:
            value = text  # which is not accepted, with the reason
        try:
            return self.accept(value)
        except ValueError as error:
            raise ValueError(f"{error}, not {text[:80]!r}") from error


def _checked(
    valid: Callable[[Any], Any], wanted: str, normalize: Callable[[Any], Any] = lambda value: value, **form: Any
) -> Check:
    """Accept the values for which ``valid`` is true; ``form`` holds further attributes of the check."""

    def accept(value: Any) -> Any:
        if not valid(value):
            raise ValueError(wanted)
        return normalize(value)

    return Check(accept, **form)


def _matches(pattern: str, value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None


def names_a_file(value: Any, *folders: Path) -> bool:
    """Return whether the name of a model is, or may be intended as, the path of a file."""
    if not isinstance(value, str) or not value.strip():
        return False  # not a name, which its check reports
    return not _matches(_NAME, value) or any((folder / value).exists() for folder in folders)


def text(metavar: str = "TEXT") -> Check:
    """Accept a text that is not blank."""
    return _checked(lambda value: isinstance(value, str) and value.strip(), "a text", metavar=metavar)


def backend_name() -> Check:
    """Accept ``auto`` or a possible name of a backend."""
    return _checked(lambda value: _matches(_NAME, value), "auto or the name of a backend")


def any_text(metavar: str = "TEXT") -> Check:
    """Accept any text, including an empty one."""
    return Check(str, metavar=metavar)


def flag() -> Check:
    """Accept true or false."""
    return _checked(lambda value: isinstance(value, bool), "true or false")


def one_of(*names: str) -> Check:
    """Accept one of these names; an empty one means none, and no message names it."""
    named = [name for name in names if name]

    def accept(value: Any) -> str:
        if value not in names:
            near = difflib.get_close_matches(str(value), names, 1)
            raise ValueError(f"one of {', '.join(named)}" + (f" (did you mean {near[0]}?)" if near else ""))
        return str(value)

    return Check(accept, metavar=f"{{{','.join(named)}}}")


def whole(low: int, high: int, metavar: str = "N") -> Check:
    """Accept a whole number in a range."""
    wanted = f"a whole number from {low} to {high}"
    return _checked(lambda value: type(value) is int and low <= value <= high, wanted, read=int, metavar=metavar)


def bits() -> Check:
    """Accept the number of bits of a sample."""
    return _checked(lambda value: type(value) is int and value in (16, 24, 32), "16, 24 or 32", read=int, metavar="N")


def number(low: float, high: float, metavar: str = "X") -> Check:
    """Accept a number in a range."""

    def valid(value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high

    wanted = f"a number from {low:g} to {high:g}"
    return _checked(valid, wanted, float, read=float, metavar=metavar, write="{:.10g}".format)


def optional(check: Check) -> Check:
    """Accept None, and the values that another check accepts."""
    return replace(check, accept=lambda value: None if value is None else check.accept(value))


def tempo_range() -> Check:
    """Accept two tempos, the lower first; as text ``LOW-HIGH``."""
    tempo = number(20, 400).accept

    def accept(value: Any) -> tuple[float, float]:
        if not isinstance(value, list | tuple) or len(value) != 2 or not tempo(value[0]) < tempo(value[1]):
            raise ValueError("two tempos from 20 to 400, the lower first, such as [80, 160] (as an option: 80-160)")
        return float(value[0]), float(value[1])

    def read(text: str) -> tuple[float, float]:
        low, _, high = text.partition("-")
        return float(low), float(high)

    return Check(accept, read, "LOW-HIGH")


def device() -> Check:
    """Accept a device to compute on."""
    wanted = "auto, cpu, cuda, cuda:<number> or mps (ROCm cards of AMD are cuda too)"
    return _checked(lambda value: _matches(r"auto|cpu|cuda(:\d+)?|mps", value), wanted, metavar="DEVICE")


def texts() -> Check:
    """Accept a table of texts."""
    return _checked(
        lambda value: isinstance(value, dict) and all(isinstance(inner, str) for inner in value.values()),
        'a table of name = "text"',
        dict,
    )


def hosts() -> Check:
    """Accept a list of host names."""

    def valid(value: Any) -> bool:
        return isinstance(value, list | tuple) and all(_matches("[A-Za-z0-9._:-]+", host) for host in value)

    wanted = 'a list of host names, such as ["10.0.0.5", "studio.local"]'
    return _checked(valid, wanted, lambda value: tuple(host.lower() for host in value))


def url() -> Check:
    """Accept the address of a server, without a key in it."""
    wanted = "an address such as http://127.0.0.1:8080, without user, key or query"

    def accept(value: Any) -> str:
        try:
            parts = urllib.parse.urlsplit(value) if isinstance(value, str) else urllib.parse.urlsplit("")
            valid = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
        except ValueError as error:  # a wrong port, or wrong brackets
            raise ValueError(wanted) from error
        if not valid or "@" in parts.netloc or parts.query or parts.fragment or not str(value).isprintable():
            raise ValueError(wanted)
        return str(value).rstrip("/").removesuffix("/v1")

    return Check(accept, metavar="URL")


def by_field(check: Callable[[Any], Any], wanted: str, field: str) -> Check:
    """Accept a table whose keys match the pattern ``field`` and whose values pass a check."""

    def accept(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ValueError(wanted)
        for name in value:
            if not re.fullmatch(field, name):
                raise ValueError(f"named by up to 32 small letters, digits and _ (not {name[:40]!r})")
        return {name: check(inner) for name, inner in value.items()}

    return Check(accept)


def clip_length() -> Check:
    """Accept the length of a clip, and normalize its form."""
    return Check(lambda value: "{:.10g} {}".format(*parse_length(value)))


def parse_length(text: Any) -> tuple[float, Unit]:
    """Split the length of a clip into amount and unit.

    Raises
    ------
    ValueError
        It is not a length, or out of bounds.
    """
    match = re.fullmatch(r"(-?\d+(?:\.\d+)?)\s*(s|samples|bars)", text) if isinstance(text, str) else None
    if not match:
        raise ValueError('a length such as "30 s", "2097152 samples" or "8 bars"')
    if match[2] != "s" and not float(match[1]).is_integer():
        raise ValueError(f"a length of a whole number of {match[2]}")
    amount, (low, high) = float(match[1]), LENGTH_LIMITS[match[2]]
    if not low <= amount <= high:
        raise ValueError(f"a length from {low:.10g} to {high:.10g} {match[2]}")
    return amount, cast("Unit", match[2])


def set_name() -> Check:
    """Accept the name of a set of clips, which becomes part of file names, or "" for none."""
    wanted = "a name of up to 32 letters, digits and hyphens that begins with a letter"
    return _checked(lambda value: _matches("([A-Za-z][A-Za-z0-9-]{0,31})?", value), wanted, metavar="NAME")


def seconds() -> Check:
    """Accept a positive number of seconds."""

    def valid(value: Any) -> bool:
        return isinstance(value, float) and 0 < value < float("inf")

    return _checked(valid, "a positive number of seconds", read=float, metavar="S")


def size() -> Check:
    """Accept a number of bytes; as text with a unit: K, M, G and T are 2**10, 2**20, 2**30 and 2**40."""

    def read(text: str) -> int:
        number = text.rstrip("BKMGTbkmgt")
        unit = text[len(number) :].upper()
        if unit not in _SIZE_UNITS or not float(number) < 2**63:
            raise ValueError(text)
        return int(float(number) * _SIZE_UNITS[unit])

    return _checked(
        lambda value: type(value) is int and value > 0,
        "a size such as 500M or 8G (G is 2**30 bytes)",
        read=read,
        metavar="SIZE",
        write=lambda value: f"{value / 2**20:g}M",
    )


def names(*known: str) -> Check:
    """Accept a selection of these names, as text separated by commas, or ``none``."""
    return _checked(
        lambda value: isinstance(value, tuple) and set(value) <= set(known),
        f"{','.join(known)}, {', '.join(known)} or none",
        read=lambda text: () if text == "none" else tuple(text.split(",")),
        metavar="NAMES",
        write=",".join,
    )


def path() -> Check:
    """Accept the path of a file."""
    return Check(Path, metavar="FILE")


def patterns() -> Check:
    """Accept names or patterns of names, as text separated by commas."""
    return Check(tuple, lambda text: tuple(text.split(",")), "KEYS", ",".join)


def folders() -> Check:
    """Accept folders, as text separated by commas."""
    return Check(tuple, lambda text: tuple(name for name in text.split(",") if name), "DIR", ",".join)


def licenses() -> Check:
    """Accept names of licenses, as text separated by commas."""
    return _checked(
        lambda value: isinstance(value, tuple) and all(_matches(r"[a-z0-9][a-z0-9.+-]*", name) for name in value),
        "names such as cc0,cc-by",
        read=lambda text: tuple(text.lower().split(",")),
        metavar="NAMES",
        write=",".join,
    )
