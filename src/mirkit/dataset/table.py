"""The features of a data set as a table: one row per track, one column per feature."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mirkit.catalog import FEATURES, TRACK_KEYS
from mirkit.dataset.items import iter_tracks
from mirkit.errors import InfoError, MissingInput
from mirkit.store import printable
from mirkit.store.info import scan_numbers
from mirkit.store.provenance import Origin, scan_origin

#: Reason for an unknown value if the provenance gives none.
NOT_MEASURED = "not measured"
_NO_REASON = "no reason given"
#: Metadata whose values are counted.
CLASSES = ("key", "mode", "meter")


@dataclass
class Table:
    """Features of many tracks.

    Attributes
    ----------
    keys : tuple of str
        Columns: names of features.
    names : list of str
        Rows: paths of tracks, relative to the folder that was read.
    values : float64 array, shape=(tracks, features)
        NaN where unknown.
    nulls : dict
        Feature -> reason why it is unknown -> number of tracks.
    methods : dict
        Stage -> method -> number of tracks.
    classes : dict
        Metadata (key, mode, meter) -> value -> number of tracks.
    excluded : dict
        Track -> why the user excluded it; excluded tracks have no row.
    unreadable : list of str
        A line for each track or folder that could not be read.
    unmeasured : int
        Number of rows without any feature.
    """

    keys: tuple[str, ...]
    names: list[str] = field(default_factory=list)
    values: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    nulls: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    methods: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    classes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    excluded: dict[str, str] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    unmeasured: int = 0


def read_table(path: Path, *, crops: bool = False) -> Table:
    """Read the features of every track at or below a folder, or of their clips.

    Parameters
    ----------
    path : Path
        A folder of tracks, a track, or a loose file.
    crops : bool
        Clips instead of tracks.

    Returns
    -------
    Table

    Raises
    ------
    MissingInput
        There is no track, or no clip.
    SettingsError
        The settings file is wrong.
    """
    problems: list[str] = []
    keys = tuple(row.name for row in FEATURES) if crops else TRACK_KEYS
    table = Table(keys, unreadable=problems)
    rows: list[npt.NDArray[np.float64]] = []
    for member in iter_tracks(path, problems, crops=crops):
        if member.excluded:
            table.excluded[member.name] = member.excluded
            continue
        track = member.track
        try:
            (values, absent), origin = scan_numbers(track.info, keys), scan_origin(track.provenance)
        except InfoError as error:
            problems.append(str(error))
            continue
        if origin.source in member.sources:
            table.names.append(member.name)
            table.unmeasured += absent.issuperset(keys)
            rows.append(values)
            _count(table, values, absent, origin)
    if not (rows or table.excluded or problems):
        which = "clip in this folder; cut clips with: mirkit crop" if crops else "track in this folder"
        raise MissingInput(f"{printable(path)}: there is no {which}")
    table.values = np.array(rows, np.float64).reshape(len(rows), len(keys))
    return table


def _count(table: Table, values: npt.NDArray[np.float64], absent: frozenset[str], origin: Origin) -> None:
    """Count reasons of unknown values, methods, and metadata of one track."""
    for column in np.flatnonzero(np.isnan(values)):
        key = table.keys[column]
        table.nulls[key][NOT_MEASURED if key in absent else origin.reasons.get(key, _NO_REASON)] += 1
    if "separate" not in origin.methods:
        stems = "lufs_drums" not in absent and origin.reasons.get("lufs_drums") != "stem missing"
        table.methods["separate"]["external" if stems else "none"] += 1
    for stage, method in origin.methods.items():
        table.methods[stage][method] += 1
    for name in CLASSES:
        if name in origin.facts:
            table.classes[name][str(origin.facts[name])] += 1
