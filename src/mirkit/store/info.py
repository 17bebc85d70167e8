"""``.INFO``: one flat JSON object a track, the numbers and texts that a trainer reads.

It is merged under a lock and replaced whole, so that two writers, a kill or a full disk lose no key. Keys that are not
ours are kept. The same content gives the same bytes.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mirkit.store.json_files import (
    DamagedFileError,
    JsonObject,
    JsonValue,
    encode_object,
    merge,
    parse_object,
    read_bounded,
)

_ABSENT = object()


def read_info(path: Path) -> JsonObject:
    """Read a ``.INFO``; an absent one is empty.

    ``NaN`` and ``Infinity``, which an older writer may have left, read as None (unknown).

    Raises
    ------
    InfoError
        It is there and cannot be read; the message says why.
    """
    data = read_bounded(path)
    return {} if data is None else parse_object(data, path)


def update_info(
    path: Path, values: Mapping[str, Any], remove: Iterable[str] = (), order: Sequence[str] = ()
) -> JsonObject:
    """Merge values into a ``.INFO`` and give its whole content.

    Parameters
    ----------
    path : Path
        The ``.INFO``; made if absent. One that cannot be read is set aside as ``<name>.INFO.unreadable-<n>``.
    values : mapping
        Key -> number, text, None (unknown) or plain JSON. Numbers are rounded to six significant digits.
    remove : iterable of str
        Keys to take out.
    order : sequence of str
        Known keys in the order in which they are to stand; all others follow in the order in which they came.

    Raises
    ------
    InfoError
        The system refused; the file is as it was.
    ValueError
        A number is NaN or infinite.
    """
    plain = {key: _plain(value) for key, value in values.items()}
    gone = set(remove)
    merged: JsonObject = {}

    def change(data: bytes | None) -> bytes:
        nonlocal merged
        known = {} if data is None else parse_object(data, path)
        known |= plain
        first = [key for key in order if key in known]
        merged = {key: known[key] for key in dict.fromkeys([*first, *known]) if key not in gone}
        return encode_object(merged)

    merge(path, change)
    return merged


def write_info(path: Path, content: Mapping[str, Any]) -> None:
    """Save a whole ``.INFO``, as :func:`read_info` gave it and the caller changed it.

    What the caller did not change is left as it is, and a key that another program wrote in the meantime stays.
    Raises as :func:`update_info`.
    """
    try:
        known = read_info(path)
    except DamagedFileError:
        known = {}  # set aside by the update
    # By their text, for 1, 1.0 and True are equal in Python and different in JSON.
    update_info(path, {key: value for key, value in content.items() if repr(known.get(key, _ABSENT)) != repr(value)})


def round6(value: float) -> float:
    """Round to six significant digits; minus zero becomes zero.

    Raises
    ------
    ValueError
        NaN or infinite.
    """
    if not math.isfinite(value):
        raise ValueError(f"not a number that can be stored: {value}; an unknown is None")
    return float(f"{value:.6g}") + 0.0


def as_number(value: Any) -> int | float | None:
    """Give a value that was read from JSON where it is a number; None for anything else, ``true`` and ``false`` too."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _plain(value: Any) -> JsonValue:
    """Turn NumPy scalars, tuples and the like into what JSON has."""
    item = getattr(value, "item", None)
    if item is not None and getattr(value, "ndim", None) == 0:
        value = item()
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return round6(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    raise TypeError(f"{type(value).__name__} is not for a .INFO")
