"""The fields that a query can name: those of the library, how their values are written, and other names for them."""

import difflib
import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal

from mirkit.catalog import INFO_SPECS, PITCH_CLASSES, REQUESTED, FeatureSpec
from mirkit.dataset.library.fields import FIELDS
from mirkit.dataset.library.fields import Field as LibraryField
from mirkit.errors import SettingsError, printable

Kind = Literal["number", "duration", "category", "key", "text", "date"]


@dataclass(frozen=True)
class QueryField:
    """A field of a track or clip, as queries and tables use it.

    Attributes
    ----------
    name : str
    kind : str
        How its values are written and compared.
    description : str
    sql : str
        SQL expression of its value.
    unit : str
    decimals : int or None
        Decimals with which numbers are shown and compared; None: significant digits are shown, and numbers are
        compared as they are.
    categories : tuple of str
        Values of a category.
    aliases : tuple of str
        Other names.
    group : str
        What it belongs to, for the list of fields.
    """

    name: str
    kind: Kind
    description: str
    sql: str
    unit: str = ""
    decimals: int | None = None
    categories: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    group: str = "track"

    @property
    def is_share(self) -> bool:
        """Whether its values are so small that whole numbers tell little."""
        return self.unit in _SHARES and self.kind == "number"


_SHARES = ("ratio", "events/beat", "s")
_DECIMALS = {
    **dict.fromkeys(("BPM", "1/min", "LUFS", "LU", "dB", "dBTP", "0-100", "MIDI note", "semitones"), 1),
    **dict.fromkeys(("ratio", "events/beat", "1/s", "1/s^2", "1", "1-10"), 2),
    **dict.fromkeys(("count", "flag", "Hz"), 0),
    "s": 3,
}
#: Fields that hold a length or a place in time, and are shown as minutes and seconds.
_CLOCK = ("duration", "duration_seconds", "start", "end")
_ALIASES = {
    "bpm": ("tempo",),
    "duration": ("length",),
    "time_signature": ("meter",),
    "lufs": ("loudness",),
    "failed": ("error",),
    "reasons": ("null", "why"),
    "music_flamingo_full": ("caption",),
}
_SPECS = {row.name: row for row in (*INFO_SPECS, *REQUESTED)}
#: States of a track, with the conditions that tell them; the first that holds counts.
STATES = {
    "unreadable": '"problem" IS NOT NULL',
    "outdated": '"outdated" IS NOT NULL',
    "failed": '"failed" IS NOT NULL',
    "new": '"known" IS NULL OR "known" = 0',
    "measured": "1",
}


def _decimals(row: LibraryField, spec: FeatureSpec | None) -> int | None:
    if spec is None:
        return 0 if row.kind == "flag" or row.name in ("year", "track_number") else _DECIMALS.get(row.unit, 2)
    if spec.scale == "log":
        return None
    decimals = _DECIMALS.get(row.unit, 2)
    is_narrow = spec.kind == "float" and spec.low is not None and spec.high is not None and spec.high - spec.low < 5
    return max(decimals, 2) if is_narrow else decimals


def _field(row: LibraryField) -> QueryField:
    spec = _SPECS.get(row.name)
    kind: Kind = "number" if row.kind in ("number", "flag") else "date" if row.kind == "date" else "text"
    decimals = _decimals(row, spec)
    description = row.description
    if row.name == "key":
        kind, description = "key", "musical key, such as Am, F#, Bb, or 8A as DJs write it"
    elif row.kind == "category":
        kind = "category"
    elif row.name in _CLOCK:
        kind, decimals = "duration", 0
    unit = "flag" if row.kind == "flag" else "count" if row.name in ("year", "track_number") else row.unit
    categories = row.categories or (spec.categories if spec and kind == "category" else ())
    return QueryField(
        *(row.name, kind, description, row.column, unit, decimals, categories),
        *(_ALIASES.get(row.name, ()), row.group),
    )


@cache
def query_fields() -> dict[str, QueryField]:
    """All fields by name."""
    cases = " ".join(f"WHEN {condition} THEN '{state}'" for state, condition in STATES.items())
    state = QueryField(
        "state",
        "category",
        "measured, new (not measured), outdated (its audio was replaced since), failed (in a stage) or unreadable",
        f"(CASE {cases} END)",
        categories=tuple(STATES),
    )
    rows = [_field(row) for row in FIELDS.values()]
    tonic = QueryField("tonic", "category", "tonic of the key alone", '"key"', categories=PITCH_CLASSES)
    rows[:0] = [state]
    rows.insert(next(i for i, row in enumerate(rows) if row.name == "key") + 1, tonic)
    return {row.name: row for row in rows}


@cache
def _names() -> dict[str, str]:
    """Every name by which a field is known -> its name."""
    rows = query_fields().values()
    return {alias: row.name for row in rows for alias in row.aliases} | {row.name: row.name for row in rows}


def find_field(name: str, advice: str = "") -> QueryField:
    """Return the field of a name or an alias; case, and ``-`` for ``_``, make no difference.

    Raises
    ------
    SettingsError
        There is no such field; the message suggests similar ones, and ends with ``advice``.
    """
    plain = name.lower().replace("-", "_")
    if found := _names().get(plain):
        return query_fields()[found]
    near = difflib.get_close_matches(plain, _names(), 3, 0.6)
    near = near or [known for known in _names() if len(plain) > 2 and plain in known][:3]
    hint = f"did you mean {' or '.join(near)}?" if near else "mirkit ls --list-fields lists the fields."
    raise SettingsError(f"there is no field {printable(name[:60])!r}; {hint} {advice}".rstrip())


def choose_fields(names: Iterable[str]) -> list[QueryField]:
    """Return the fields of names and patterns such as ``lufs*``, each once; ``all`` is every field.

    Raises
    ------
    SettingsError
        There is no such field.
    """
    chosen: dict[str, QueryField] = {}
    for name in names:
        pattern = "*" if name == "all" else name.lower()
        if "*" in pattern or "?" in pattern:
            found = [field for field in query_fields().values() if fnmatch.fnmatchcase(field.name, pattern)]
            if not found:
                raise SettingsError(f"--fields {printable(name)}: no field has such a name")
        else:
            found = [find_field(name)]
        chosen |= {field.name: field for field in found}
    return list(chosen.values())
