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
from mirkit.dataset.library import Library
from mirkit.dataset.library.fields import FIELDS
from mirkit.dataset.scales import correlations, ranks
from mirkit.dataset.selection import sound
from mirkit.dataset.statistics import Statistics, Table, as_json
from mirkit.report.encode import to_base64
from mirkit.track import base_of

#: Most tracks that the page draws and lists individually; the statistics include all tracks.
MAX_TRACKS = 20_000
#: Characters of a text that the page shows.
_MAX_TEXT = 280
_DIGITS = 5
#: Up to this number of tracks, a distribution is drawn as one line per track instead of a histogram.
_MAX_RUG = 60


def features_content(table: Table, result: Statistics, order: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Collect what every page needs: the distribution of each feature, and the tracks in order.

    Parameters
    ----------
    table : Table
    result : Statistics
        Of the table.
    order : sequence of mapping
        Name, page and title of each track with a page.
    """
    statistics = as_json(result)["keys"]
    keys = []
    for j, name in enumerate(table.keys):
        row = feature(name)
        keys.append(
            {
                "key": name,
                "module": stage(row.stage).section,
                "unit": row.unit,
                "description": row.description,
                "kind": row.kind,
                "scale": row.scale,
                "valid": [row.low, row.high],
                "rug": _rug(table.values[:, j]),
            }
            | statistics[name]
        )
    return {"tracks": result.tracks, "keys": keys, "order": list(order)[:MAX_TRACKS]}


def _rug(column: npt.NDArray[np.float64]) -> list[float]:
    """Return the values themselves if there are too few for a histogram."""
    values = column[np.isfinite(column)]
    return [_rounded(value) for value in np.sort(values).tolist()] if len(column) <= _MAX_RUG else []


def set_content(
    table: Table, result: Statistics, rows: Mapping[str, Mapping[str, Any]], pages: Mapping[str, str]
) -> dict[str, Any]:
    """Collect the content of the data set's page, without the distributions.

    Parameters
    ----------
    table : Table
    result : Statistics
        Of the table.
    rows : mapping
        Name in the table -> row, see :func:`read_rows`.
    pages : mapping
        Name in the table -> its page, where it has one.
    """
    related = correlations(ranks(table.values))
    listed = table.names[:MAX_TRACKS]
    # Five digits: the values of a thousand tracks take half a megabyte.
    values = {
        name: [None if np.isnan(value) else _rounded(value) for value in table.values[: len(listed), j]]
        for j, name in enumerate(table.keys)
    }
    content = as_json(result)
    return {
        "names": listed,
        "pages": [pages.get(name, "") for name in listed],
        "rows": [dict(rows.get(name) or {"title": name}) for name in listed],
        "values": values,
        "related": to_base64(np.where(np.isfinite(related), np.rint(100 * related), -128).astype(np.int8)),
        "mixed": content["mixed"],
        "classes": content["classes"],
        "methods": {name: dict(counts) for name, counts in table.methods.items()},
        "excluded": content["excluded"],
        "unreadable": content["unreadable"],
        "stems": list(STEMS),
    }


#: Fields of the library that the list of tracks shows, before the texts.
_SHOWN = ("title", "artist", "genre", "duration", "key", "mode", "time_signature", "failed", "methods", "findings")
#: What the library has in place of a method where mirkit made no stems.
_NO_METHOD = ("external", "none")


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
    columns = ["_key", *(FIELDS[name].column for name in (*_SHOWN, *TEXT_KEYS))]
    with Library.open(root) as library:
        return sound(
            library, lambda: {library.name_of(key): _row(key, *values) for key, *values in library.rows(columns)}
        )


def _row(key: bytes, *values: Any) -> dict[str, Any]:
    known = dict(zip((*_SHOWN, *TEXT_KEYS), values, strict=True))
    methods = json.loads(known["methods"] or "{}")
    audit = stored_audit(known["findings"])
    row = {
        "title": known["title"] or base_of(os.fsdecode(key.rpartition(b"/")[2])),
        "artist": known["artist"],
        "genre": known["genre"],
        "seconds": known["duration"],
        **{name: value for name in ("key", "mode") if (value := known[name]) in feature(name).categories},
        "meter": value if (value := known["time_signature"]) in TIME_SIGNATURES else None,
        "failed": json.loads(known["failed"] or "{}"),
        "faults": audit.faults,
        "notices": audit.notices,
        "stems": None if (method := methods.get("separate")) in _NO_METHOD else method,
        "texts": {name: known[name][:_MAX_TEXT] for name in TEXT_KEYS if known[name] is not None},
    }
    return {name: value for name, value in row.items() if value not in (None, {}, "", [])}


def _rounded(value: float) -> float | int:
    rounded = float(f"{value:.{_DIGITS}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e6 else rounded
