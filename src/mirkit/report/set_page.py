"""The page of the whole data set: its numbers as columns, its statistics, what failed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mirkit.catalog import STEMS, TEXT_KEYS, feature, stage
from mirkit.dataset.correlation import correlations
from mirkit.dataset.statistics import Statistics, as_json, scaled
from mirkit.dataset.table import Table
from mirkit.errors import InfoError
from mirkit.report.encode import text
from mirkit.store import read_info, read_provenance
from mirkit.track import Track

#: Tracks that the page draws and lists one by one; the statistics are of all of them.
MOST_TRACKS = 20_000
#: Letters of a text that the page of the set shows.
_BEGINNING = 280
_DIGITS = 5
#: Up to so many tracks are drawn as strokes instead of bars.
_FEW = 60


def of_keys(table: Table, found: Statistics, order: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """What every page needs: the distribution of each key, and the tracks in order."""
    told = as_json(found)["keys"]
    keys = []
    for j, name in enumerate(table.keys):
        row = feature(name)
        keys.append(
            {
                "key": name,
                "room": stage(row.stage).module,
                "unit": row.unit,
                "says": row.description,
                "kind": row.kind,
                "scale": row.scale,
                "valid": [row.low, row.high],
                "rug": _rug(table.values[:, j]),
            }
            | told[name]
        )
    return {"tracks": found.tracks, "keys": keys, "order": list(order)[:MOST_TRACKS]}


def _rug(column: npt.NDArray[np.float64]) -> list[float]:
    """The numbers themselves where a histogram of them would say little."""
    numbers = column[np.isfinite(column)]
    return [_short(value) for value in np.sort(numbers).tolist()] if len(column) <= _FEW else []


def of_set(table: Table, found: Statistics, tracks: Mapping[str, Track], pages: Mapping[str, str]) -> dict[str, Any]:
    """What the first page shows beside the distributions.

    Parameters
    ----------
    table : Table
    found : Statistics
        Of the table.
    tracks : mapping
        Name in the table -> track.
    pages : mapping
        Name in the table -> its page, where it has one.
    """
    columns = scaled(table)
    related = correlations(columns)
    listed = table.names[:MOST_TRACKS]
    rows = [_row(name, tracks[name]) for name in listed]
    # Whole columns of five digits: a thousand tracks take half a megabyte.
    values = {
        name: [None if np.isnan(value) else _short(value) for value in table.values[: len(listed), j]]
        for j, name in enumerate(table.keys)
    }
    told = as_json(found)
    return {
        "names": listed,
        "pages": [pages.get(name, "") for name in listed],
        "rows": rows,
        "values": values,
        "related": text(np.where(np.isfinite(related), np.rint(100 * related), -128).astype(np.int8)),
        "mixed": told["mixed"],
        "classes": told["classes"],
        "methods": {name: dict(counts) for name, counts in table.methods.items()},
        "excluded": told["excluded"],
        "unreadable": told["unreadable"],
        "stems": list(STEMS),
    }


def _row(name: str, track: Track) -> dict[str, Any]:
    """What is said of a track in lists: title, facts, failures; a damaged file tells nothing here."""
    try:
        info, provenance = read_info(track.info), read_provenance(track.provenance)
    except InfoError:
        return {"title": name}
    facts: dict[str, Any] = {what: fact.get("value") for what, fact in provenance.facts.items()}
    tags = facts["tags"] if isinstance(facts.get("tags"), dict) else {}
    row = {
        "title": tags.get("title") or track.name,
        "artist": tags.get("artist"),
        "genre": tags.get("genre"),
        "seconds": facts.get("duration"),
        "key": facts.get("key"),
        "mode": facts.get("mode"),
        "meter": facts.get("meter"),
        "failed": {stage: entry.failed for stage, entry in provenance.stages.items() if entry.failed},
        "stems": provenance.stages["separate"].backend if "separate" in provenance.stages else None,
        "texts": {name: text[:_BEGINNING] for name in TEXT_KEYS if isinstance(text := info.get(name), str)},
    }
    return {what: value for what, value in row.items() if value not in (None, {}, "")}


def _short(value: float) -> float | int:
    short = float(f"{value:.{_DIGITS}g}")
    return int(short) if short.is_integer() and abs(short) < 1e6 else short
