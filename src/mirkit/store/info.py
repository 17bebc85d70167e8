"""``.INFO``: one flat JSON object per track, with the features and captions that a trainer reads.

It is merged under a lock and replaced atomically, so two writers, a kill or a full disk lose no key. Keys of other
programs are kept. The same content gives the same bytes.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mirkit.store.sidecars import (
    DamagedFileError,
    JsonObject,
    JsonValue,
    encode_object,
    merge,
    parse_object,
    read_object,
)

_ABSENT = object()


def read_info(path: Path) -> JsonObject:
    """Read a ``.INFO``; an absent one is empty.

    ``NaN`` and ``Infinity``, which an older writer may have left, read as None (unknown).

    Raises
    ------
    InfoError
        The file exists and cannot be read.
    """
    return read_object(path)


def update_info(
    path: Path, values: Mapping[str, Any], remove: Iterable[str] = (), order: Sequence[str] = ()
) -> JsonObject:
    """Merge values into a ``.INFO``.

    Parameters
    ----------
    path : Path
        The ``.INFO``, created if absent. An unreadable one is renamed to ``<name>.INFO.unreadable-<n>``.
    values : mapping
        Key -> number, text, None (unknown) or plain JSON. Numbers are rounded to six significant digits.
    remove : iterable of str
        Keys to remove.
    order : sequence of str
        Order of the known keys; all others follow in their present order.

    Returns
    -------
    dict
        The whole content.

    Raises
    ------
    InfoError
        The system refused; the file is unchanged.
    ValueError
        A number is NaN or infinite.
    """
    plain = {key: _plain(value) for key, value in values.items()}
    removed = set(remove)
    merged: JsonObject = {}

    def change(data: bytes | None) -> bytes:
        nonlocal merged
        known = {} if data is None else parse_object(data, path)
        known |= plain
        first = [key for key in order if key in known]
        merged = {key: known[key] for key in dict.fromkeys([*first, *known]) if key not in removed}
        return encode_object(merged)

    merge(path, change)
    return merged


def write_info(path: Path, content: Mapping[str, Any]) -> None:
    """Write a ``.INFO`` that :func:`read_info` returned and the caller changed.

    Unchanged keys are left alone, and a key that another program wrote in the meantime is kept.
    Raises as :func:`update_info`.
    """
    try:
        known = read_info(path)
    except DamagedFileError:
        known = {}  # the update renames it
    # Compared by repr: 1, 1.0 and True are equal in Python and different in JSON.
    update_info(path, {key: value for key, value in content.items() if repr(known.get(key, _ABSENT)) != repr(value)})


def round6(value: float) -> float:
    """Round to six significant digits; minus zero becomes zero.

    Raises
    ------
    ValueError
        NaN or infinite.
    """
    if not math.isfinite(value):
        raise ValueError(f"{value} cannot be stored; an unknown value is None")
    return float(f"{value:.6g}") + 0.0


def as_number(value: Any) -> int | float | None:
    """Return a value from JSON if it is a number; None for anything else, including ``true`` and ``false``."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _plain(value: Any) -> JsonValue:
    """Turn NumPy scalars, tuples and mappings into JSON values."""
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
    raise TypeError(f"{type(value).__name__} cannot be stored in a .INFO")
