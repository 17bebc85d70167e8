"""Sidecars of many tracks, read fast: only what statistics ask of them, and nothing is checked that they do not use."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
import numpy.typing as npt

from mirkit.store.json_files import DamagedFileError, JsonObject, check_format, loads, read_bounded
from mirkit.store.os_errors import printable
from mirkit.store.provenance import FORMAT

_NUMBERS = frozenset((int, float, NoneType))
_TEXT = frozenset((str,))


@dataclass(frozen=True)
class Origin:
    """What a ``.PROVENANCE`` says of how the numbers came about.

    Attributes
    ----------
    reasons : dict
        Key -> why it is null.
    methods : dict
        Stage -> method, "none" where it has none.
    facts : dict
        Name -> value, where it is known.
    source : str
        Of a clip: the track that it was cut from, as a path from its folder; else "".
    """

    reasons: dict[str, str]
    methods: dict[str, str]
    facts: dict[str, Any]
    source: str


def scan_numbers(path: Path, keys: Sequence[str]) -> tuple[npt.NDArray[np.float64], frozenset[str]]:
    """Read numbers of a ``.INFO``.

    Returns
    -------
    values : array, shape=(keys,)
        NaN where there is no number.
    absent : set of str
        Those of the keys that are not there at all: an absent file has none.

    Raises
    ------
    InfoError
        It cannot be read.
    """
    content = _object(path) or {}
    found = [content.get(key) for key in keys]
    if not _NUMBERS.issuperset(map(type, found)):
        found = [value if type(value) in _NUMBERS else None for value in found]
    values = np.array(found, np.float64)  # None becomes NaN
    values[~np.isfinite(values)] = np.nan
    return values, frozenset(keys) - content.keys()


def scan_origin(path: Path) -> Origin:
    """Read what statistics need of a ``.PROVENANCE``; an absent one says nothing.

    Raises
    ------
    InfoError
        It cannot be read.
    """
    content = _object(path) or {}
    check_format(content, FORMAT, path)
    reasons: dict[str, str] = {}
    methods: dict[str, str] = {}
    try:
        stages: dict[str, Any] = content.get("stages", {})  # type: ignore[assignment]  # checked by use
        facts: dict[str, Any] = content.get("facts", {})  # type: ignore[assignment]
        for name, entry in stages.items():
            given = entry.get("reasons", {})
            if not isinstance(given, dict):
                raise TypeError
            reasons |= given
            methods[name] = entry.get("backend") or "none"
        source = str(stages["cut"]["parameters"]["source"]) if "cut" in stages else ""
        known = {name: fact["value"] for name, fact in facts.items() if fact.get("value") is not None}
        if not _TEXT.issuperset(map(type, (*reasons.values(), *methods.values()))):
            raise TypeError
    except (AttributeError, KeyError, TypeError) as error:
        raise DamagedFileError(f"{printable(path)}: no provenance that can be read; move it away") from error
    return Origin(reasons, methods, known, source)


def _object(path: Path) -> JsonObject | None:
    data = read_bounded(path)
    if data is None:
        return None
    try:
        content = loads(data)
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{printable(path)}: not readable as JSON; mend it, or move it away") from error
    if not isinstance(content, dict):
        raise DamagedFileError(
            f"{printable(path)}: JSON, but not an object of keys and values; mend it, or move it away"
        )
    return content
