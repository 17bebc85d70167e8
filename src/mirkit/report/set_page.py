"""The content of the data set's page: features as columns, statistics, failures."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mirkit.catalog import STEMS, TEXT_KEYS, TIME_SIGNATURES, feature, stage
from mirkit.dataset.audit import stored_audit
from mirkit.dataset.duplicates.kept import Copies, kept_duplicates
from mirkit.dataset.library import Library
from mirkit.dataset.library.fields import FIELDS
from mirkit.dataset.scales import correlations, ranks
from mirkit.dataset.selection import sound
from mirkit.dataset.statistics import Statistics, Table, as_json
from mirkit.features.types import SILENT
from mirkit.report.attention import CONFIDENCES, Group
from mirkit.report.encode import to_base64
from mirkit.report.spelling import key_spellings
from mirkit.track import base_of

#: Most tracks that the page draws and lists individually; the statistics include all tracks.
MAX_TRACKS = 20_000
#: Characters of a text that the page shows.
_MAX_TEXT = 280
_DIGITS = 5
#: Up to this number of tracks, a distribution is drawn as one dot per track instead of a histogram.
_MAX_RUG = 29
#: Values that the list of tracks shows; those of all other features are read when they are needed.
_LISTED = ("bpm", "lufs", "danceability")


def features_content(
    table: Table, result: Statistics, order: Sequence[Mapping[str, str]], folder: str = ""
) -> dict[str, Any]:
    """Collect what every page needs: the distribution of each feature, and the tracks in order.

    Parameters
    ----------
    table : Table
    result : Statistics
        Of the table.
    order : sequence of mapping
        Name, page and title of each track with a page.
    folder : str
        Name of the folder that the report describes.
    """
    statistics = as_json(result)["keys"]
    keys = []
    for j, name in enumerate(table.keys):
        row = feature(name)
        keys.append(
            {
                "key": name,
                "module": stage(row.stage).section,
                "unit": row.shown_unit,
                "description": row.description,
                "kind": row.kind,
                "scale": row.scale,
                "valid": [row.low, row.high],
                "rug": _rug(table.values[:, j]),
            }
            | statistics[name]
        )
    return {
        "tracks": result.tracks,
        "folder": folder,
        "spelled": key_spellings(),
        "keys": keys,
        "order": list(order)[:MAX_TRACKS],
    }


def _rug(column: npt.NDArray[np.float64]) -> list[float]:
    """Return the values themselves if there are too few for a histogram."""
    values = column[np.isfinite(column)]
    return [_rounded(value) for value in np.sort(values).tolist()] if len(column) <= _MAX_RUG else []


def set_content(
    table: Table,
    result: Statistics,
    rows: Mapping[str, Mapping[str, Any]],
    pages: Mapping[str, str],
    look: Sequence[Group] = (),
) -> dict[str, Any]:
    """Collect the content of the data set's page, without the distributions and the values.

    Parameters
    ----------
    table : Table
    result : Statistics
        Of the table.
    rows : mapping
        Name in the table -> row, see :func:`read_rows`.
    pages : mapping
        Name in the table -> its page, where it has one.
    look : sequence of Group
        What needs a look.
    """
    related = correlations(ranks(table.values))
    listed = table.names[:MAX_TRACKS]
    content = as_json(result)
    return {
        "names": listed,
        "pages": [pages.get(name, "") for name in listed],
        "rows": [{field: row[field] for field in row if field not in _UNSEEN} for row in rows_of(table, rows)],
        "values": values_content(table, [name for name in _LISTED if name in table.keys]),
        "related": to_base64(np.where(np.isfinite(related), np.rint(100 * related), -128).astype(np.int8)),
        "classes": content["classes"],
        "methods": {name: dict(counts) for name, counts in table.methods.items()},
        "excluded": content["excluded"],
        "look": [group.as_json() for group in look],
        "stems": list(STEMS),
    }


def rows_of(table: Table, rows: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of the listed tracks, in their order."""
    return [dict(rows.get(name) or {"title": name}) for name in table.names[:MAX_TRACKS]]


def values_content(table: Table, names: Sequence[str] | None = None) -> dict[str, list[float | None]]:
    """Return the values of the listed tracks, by feature; all features by default."""
    # Five digits: the values of a thousand tracks take half a megabyte.
    return {
        name: [
            None if np.isnan(value) else _rounded(value)
            for value in table.values[:MAX_TRACKS, table.keys.index(name)].tolist()
        ]
        for name in (table.keys if names is None else names)
    }


#: Fields of the library that the list of tracks shows, before the texts.
_SHOWN = (
    *("title", "artist", "album", "genre", "duration", "key", "mode", "time_signature", "voice", "failed", "bpm"),
    "findings",
)
#: Reasons of a track without loudness, which tell whether it is silent.
_REASONS = f"CASE WHEN {FIELDS['lufs'].column} IS NULL THEN {FIELDS['reasons'].column} END"
#: What the library knows about a track and the list does not show.
_UNSEEN = ("failed", "faults", "notices", "sure", "silent", "bpm", "texts")


def read_rows(root: Path) -> dict[str, dict[str, Any]]:
    """Read title, metadata and failures of all tracks from the library of the data set.

    Parameters
    ----------
    root : Path
        The folder of tracks, or the track, that the report describes.

    Returns
    -------
    dict
        Name in the table -> row; only the title of a damaged track.
    """
    columns = ["_key", _REASONS, *(FIELDS[name].column for name in (*_SHOWN, *CONFIDENCES.values(), *TEXT_KEYS))]
    with Library.open(root) as library:
        return sound(
            library, lambda: {library.name_of(key): _row(key, *values) for key, *values in library.rows(columns)}
        )


def _row(key: bytes, reasons: str | None, *values: Any) -> dict[str, Any]:
    known = dict(zip((*_SHOWN, *CONFIDENCES.values(), *TEXT_KEYS), values, strict=True))
    audit = stored_audit(known["findings"])
    row = {
        "title": known["title"] or base_of(os.fsdecode(key.rpartition(b"/")[2])),
        **{name: known[name] for name in ("artist", "album", "genre", "bpm")},
        "seconds": known["duration"],
        **{name: value for name in ("key", "mode", "voice") if (value := known[name]) in feature(name).categories},
        "meter": value if (value := known["time_signature"]) in TIME_SIGNATURES else None,
        "failed": json.loads(known["failed"] or "{}"),
        "faults": audit.faults,
        "notices": audit.notices,
        "sure": {name: known[field] for name, field in CONFIDENCES.items() if known[field] is not None},
        "silent": json.loads(reasons or "{}").get("lufs") == SILENT.reason,
        "texts": {name: known[name][:_MAX_TEXT] for name in TEXT_KEYS if known[name] is not None},
    }
    return {name: value for name, value in row.items() if value not in (None, {}, "", [], False)}


def read_copies(root: Path) -> Copies | None:
    """Read which duplicates ``mirkit duplicates`` found last; None if the tracks have not been compared."""
    with Library.open(root) as library:
        return sound(library, lambda: kept_duplicates(library))


def _rounded(value: float) -> float | int:
    rounded = float(f"{value:.{_DIGITS}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e6 else rounded
