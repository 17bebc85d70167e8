"""The numbers of a whole data set as one table: a row a track, a column a key."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mirkit.catalog import FEATURES, TRACK_KEYS
from mirkit.dataset.items import iter_tracks
from mirkit.errors import InfoError, MissingInput
from mirkit.store.fast_read import Origin, scan_numbers, scan_origin

#: Why a key is null where the provenance does not say.
NOT_MEASURED = "not measured"
_NO_REASON = "no reason given"
#: Facts whose values are counted.
CLASSES = ("key", "mode", "meter")


@dataclass
class Table:
    """Numbers of many tracks.

    Attributes
    ----------
    keys : tuple of str
        Columns.
    names : list of str
        Rows: paths from the folder that was asked for.
    values : float64 array, shape=(tracks, keys)
        NaN where there is no number.
    nulls : dict
        Key -> reason -> number of tracks.
    methods : dict
        Stage -> method -> number of tracks.
    classes : dict
        Fact (key, mode, meter) -> value -> number of tracks.
    excluded : dict
        Track -> why it is left out; such a track is no row.
    unreadable : list of str
        A line for every track or folder that could not be read.
    unmeasured : int
        Rows without any key.
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
    """Read the numbers of every track at or below a folder, or of their clips.

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
        raise MissingInput(f"{path}: no {'clips; cut them with: mirkit crop' if crops else 'track'} in it")
    table.values = np.array(rows, np.float64).reshape(len(rows), len(keys))
    return table


def _count(table: Table, values: npt.NDArray[np.float64], absent: frozenset[str], origin: Origin) -> None:
    """Count why keys have no number, which methods made the others, and what kind of track it is."""
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
