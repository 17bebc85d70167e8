"""The content of the data set's page: features as columns, statistics, failures."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mirkit.catalog import STEMS, TEXT_KEYS, TIME_SIGNATURES, feature, stage
from mirkit.dataset.scales import correlations, ranks
from mirkit.dataset.statistics import Statistics, Table, as_json
from mirkit.errors import InfoError
from mirkit.report.encode import to_base64
from mirkit.store import read_info, read_provenance
from mirkit.track import Track

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
    table: Table, result: Statistics, tracks: Mapping[str, Track], pages: Mapping[str, str]
) -> dict[str, Any]:
    """Collect the content of the data set's page, without the distributions.

    Parameters
    ----------
    table : Table
    result : Statistics
        Of the table.
    tracks : mapping
        Name in the table -> track.
    pages : mapping
        Name in the table -> its page, where it has one.
    """
    related = correlations(ranks(table.values))
    listed = table.names[:MAX_TRACKS]
    rows = [_row(name, tracks[name]) for name in listed]
    # Five digits: the values of a thousand tracks take half a megabyte.
    values = {
        name: [None if np.isnan(value) else _rounded(value) for value in table.values[: len(listed), j]]
        for j, name in enumerate(table.keys)
    }
    content = as_json(result)
    return {
        "names": listed,
        "pages": [pages.get(name, "") for name in listed],
        "rows": rows,
        "values": values,
        "related": to_base64(np.where(np.isfinite(related), np.rint(100 * related), -128).astype(np.int8)),
        "mixed": content["mixed"],
        "classes": content["classes"],
        "methods": {name: dict(counts) for name, counts in table.methods.items()},
        "excluded": content["excluded"],
        "unreadable": content["unreadable"],
        "stems": list(STEMS),
    }


def _row(name: str, track: Track) -> dict[str, Any]:
    """Return title, metadata and failures of a track; only the name of a damaged one."""
    try:
        info, provenance = read_info(track.info), read_provenance(track.provenance)
    except InfoError:
        return {"title": name}
    metadata: dict[str, Any] = {key: fact.get("value") for key, fact in provenance.facts.items()}
    tags = metadata["tags"] if isinstance(metadata.get("tags"), dict) else {}
    row = {
        "title": tags.get("title") or track.name,
        "artist": tags.get("artist"),
        "genre": tags.get("genre"),
        "seconds": metadata.get("duration"),
        **{name: value for name in ("key", "mode") if (value := info.get(name)) in feature(name).categories},
        "meter": value if (value := info.get("time_signature")) in TIME_SIGNATURES else None,
        "failed": {stage: entry.failed for stage, entry in provenance.stages.items() if entry.failed},
        "stems": provenance.stages["separate"].backend if "separate" in provenance.stages else None,
        "texts": {name: text[:_MAX_TEXT] for name in TEXT_KEYS if isinstance(text := info.get(name), str)},
    }
    return {key: value for key, value in row.items() if value not in (None, {}, "")}


def _rounded(value: float) -> float | int:
    rounded = float(f"{value:.{_DIGITS}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e6 else rounded
