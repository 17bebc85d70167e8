"""Values of fields as tables show them, and the fields that tables show by default."""

from datetime import UTC, datetime
from typing import Any

from mirkit.captions.vocabulary import key_name
from mirkit.catalog import MODES, PITCH_CLASSES
from mirkit.dataset.query import QueryField
from mirkit.dataset.selection import plain_value

#: Fields of a table, if none are named.
DEFAULT_FIELDS = ("path", "bpm", "key", "time_signature", "duration", "lufs", "vocal_presence")
#: Fields of CSV and JSON, if none are named: values are those of the ``.INFO``, where key and mode are two.
DEFAULT_COLUMNS = ("path", "bpm", "key", "mode", "time_signature", "duration", "lufs", "vocal_presence")
#: What stands for an unknown value.
_UNKNOWN = "-"


def cell(item: QueryField, value: Any, mode: Any = None) -> str:
    """Return a value as a table shows it; ``mode`` is that of a key."""
    if value is None:
        return _UNKNOWN
    if item.kind == "key":
        return short_key(value, mode)
    if item.kind == "date":
        return datetime.fromtimestamp(value, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
    if item.kind == "duration":
        return clock(value)
    if item.kind == "number":
        return number(value, item.decimals)
    plain = plain_value(item, value)
    if isinstance(plain, list):
        return ", ".join(map(str, plain))
    if isinstance(plain, dict):
        return "; ".join(f"{name}: {text}" for name, text in plain.items())
    return str(plain)


def number(value: float, decimals: int | None) -> str:
    """Return a number with so many decimals, or three significant digits."""
    text = f"{value:.3g}" if decimals is None else f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text


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
