"""Values of fields as tables show them, and the fields that tables show by default."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from mirkit.captions.vocabulary import key_name
from mirkit.catalog import MODES, PITCH_CLASSES
from mirkit.dataset.library import FIELDS
from mirkit.dataset.query import QueryField
from mirkit.dataset.selection import plain_value

#: Fields of a table, if none are named.
DEFAULT_FIELDS = ("path", "bpm", "key", "time_signature", "duration", "lufs", "vocal_presence")
#: Fields of CSV and JSON, if none are named: values are those of the ``.INFO``, where key and mode are two.
DEFAULT_COLUMNS = ("path", "bpm", "key", "mode", "time_signature", "duration", "lufs", "vocal_presence", "state")
#: What stands for an unknown value.
_UNKNOWN = "-"


def cells(item: QueryField, values: Sequence[Any], modes: Sequence[Any]) -> list[str]:
    """Return the values of a column as a table shows them; ``modes`` are those of keys."""
    if item.kind == "key":
        return [
            _UNKNOWN if tonic is None else short_key(tonic, mode) for tonic, mode in zip(values, modes, strict=True)
        ]
    show = _formatter(item)
    return [_UNKNOWN if value is None else show(value) for value in values]


def _formatter(item: QueryField) -> Callable[[Any], str]:
    if item.kind == "date":
        return lambda value: _local(plain_value(item, value))
    if item.kind == "duration":
        return clock
    if item.kind == "number":
        return lambda value: number(value, item.decimals)
    if item.name in FIELDS and FIELDS[item.name].kind == "json":
        return lambda value: _listed(plain_value(item, value))
    return str


def _local(date: datetime | None) -> str:
    return f"{date.astimezone():%Y-%m-%d %H:%M}" if date else _UNKNOWN


def _listed(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "; ".join(f"{name}: {text}" for name, text in value.items()) if isinstance(value, dict) else str(value)


def number(value: float, decimals: int | None) -> str:
    """Return a number with so many decimals, or three significant digits."""
    text = f"{value:.3g}" if decimals is None else f"{value:.{decimals}f}"
    return text[1:] if text.startswith("-0") and float(text) == 0 else text  # no -0.0


def clock(seconds: float) -> str:
    """Return a length of time as minutes and seconds."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"


def short_key(tonic: str, mode: str | None) -> str:
    """Return a key as musicians write it: ``Am``, ``F#``, ``Bb``."""
    if tonic not in PITCH_CLASSES or mode not in MODES:
        return tonic
    name, _, _ = key_name(tonic, mode).partition(" ")
    return f"{name}m" if mode == "minor" else name
