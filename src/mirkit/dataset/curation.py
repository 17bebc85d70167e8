"""Curation: few tracks or clips that cover a data set, with caps per artist, genre, tempo and key."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mirkit.catalog import feature
from mirkit.dataset.coverage import Chosen, choose, standardize
from mirkit.dataset.duplicates.names import artist_keys, name_key, tags_of_path
from mirkit.dataset.library import FIELDS, NUMBER_KEYS, Library, TableName
from mirkit.dataset.scales import Column
from mirkit.dataset.selection import matching, nothing_found, parse_where, path_of, sound
from mirkit.errors import MissingInput, SettingsError, printable

#: What a cap may limit.
CAPS = ("artist", "genre", "tempo", "key")
#: Width of a tempo band (BPM).
TEMPO_BAND = 10
_TEXTS = ("artist", "genre", "key", "mode", "path", "source")


@dataclass(frozen=True)
class Curation:
    """The tracks or clips of a data set, and those of them that were chosen.

    Attributes
    ----------
    root : Path
        Root of the data set.
    paths : list of Path
        Track folder, loose file or folder of a clip.
    names : list of str
        Their paths from the folder that was read, with forward slashes.
    keys : tuple of str
        Features by which they were compared.
    values : float64 array, shape=(tracks, features)
        Values of these features, NaN where unknown.
    groups : dict
        Cap -> group of each track; None where unknown.
    chosen : Chosen
    unmeasured : int
        Tracks without any number, which cannot be chosen.
    outdated : list of str
        Tracks whose audio was replaced since they were measured, which cannot be chosen either.
    """

    root: Path
    paths: list[Path]
    names: list[str]
    keys: tuple[str, ...]
    values: Column
    groups: Mapping[str, list[str | None]]
    chosen: Chosen
    unmeasured: int
    outdated: list[str]

    def explain(self, number: int) -> str:
        """Say why a track was chosen: how far it is from those before, and in what it differs from the nearest."""
        choice = self.chosen.choices[number]
        if choice.nearest < 0:
            return f"nearest to the middle of the set; represents {choice.count}"
        text = f"distance {choice.distance:.2f} from {printable(self.names[choice.nearest])}"
        if choice.feature:
            at = self.keys.index(choice.feature)
            one, other = self.values[choice.index, at], self.values[choice.nearest, at]
            text += f", most in {choice.feature} ({one:.4g}, there {other:.4g})"
        return f"{text}; represents {choice.count}"

    def largest_shares(self) -> dict[str, tuple[int, int, float, float]]:
        """For each cap: groups in the set, groups among the chosen, and the share of the largest group in both."""
        rows = [choice.index for choice in self.chosen.choices]
        result = {}
        for name, groups in self.groups.items():
            before = Counter(group for group in groups if group is not None)
            after = Counter(group for row in rows if (group := groups[row]) is not None)
            if before:
                share, kept = (max(counts.values(), default=0) / max(counts.total(), 1) for counts in (before, after))
                result[name] = (len(before), len(after), share, kept)
        return result


def curate(
    path: Path,
    count: int,
    *,
    crops: bool = False,
    where: str = "",
    caps: Mapping[str, int] | None = None,
    seed: int = 0,
) -> Curation:
    """Choose tracks or clips that cover a data set; excluded ones do not count.

    Parameters
    ----------
    path : Path
        A folder of tracks.
    count : int
        Number to choose.
    crops : bool
        Clips instead of tracks.
    where : str
        Query: only what it finds.
    caps : mapping, optional
        ``artist``, ``genre``, ``tempo`` (bands of 10 BPM) or ``key`` -> largest number of chosen tracks of each.
    seed : int
        See :func:`~mirkit.dataset.coverage.choose`.

    Raises
    ------
    MissingInput
        There is nothing to choose from.
    SettingsError
        The query or the settings file is wrong.
    """
    query = parse_where(where)
    table: TableName = "clips" if crops else "tracks"
    columns = ("_unmeasured", "outdated", "_numbers", *(FIELDS[name].column for name in _TEXTS))
    with Library.open(path) as library:
        rows = sound(library, lambda: list(matching(library, query, columns, table=table)), table=table)
        unmeasured = sum(bool(row[1]) for row in rows)
        outdated = [Path(library.name_of(row[0])).as_posix() for row in rows if not row[1] and row[2] is not None]
        rows = [row for row in rows if not row[1] and row[2] is None]
        if not rows and query.condition:
            raise nothing_found(path, where)
        if not rows:
            which = "clip" if crops else "track"
            raise MissingInput(f"{printable(path)}: there is no measured {which} to choose from")
        root = library.root
        names = [Path(library.name_of(row[0])).as_posix() for row in rows]
    numbers = np.frombuffer(b"".join(row[3] for row in rows), "<f8").reshape(-1, len(NUMBER_KEYS))
    used = [i for i, key in enumerate(NUMBER_KEYS) if feature(key).kind != "flag" and feature(key).stage != "crop"]
    used_keys = [NUMBER_KEYS[i] for i in used]
    points, keys = standardize(numbers[:, used], used_keys)
    if not keys:
        raise MissingInput(f"{printable(path)}: all tracks have the same numbers, so none represents others")
    groups = _groups(numbers[:, NUMBER_KEYS.index("bpm")], [row[4:] for row in rows])
    if unknown := set(caps or {}) - set(groups):
        raise SettingsError(f"there is no cap {min(unknown)!r}; the caps are {', '.join(CAPS)}")
    chosen = choose(points, keys, count, groups=groups, caps=caps, seed=seed)
    values = numbers[:, [NUMBER_KEYS.index(key) for key in keys]]
    paths = [path_of(root, row[0]) for row in rows]
    return Curation(root, paths, names, keys, values, groups, chosen, unmeasured, outdated)


def _groups(tempi: Column, texts: list[tuple[str | None, ...]]) -> dict[str, list[str | None]]:
    """Group of each track for each cap; an artist without a tag is read from the path; spellings are one."""
    groups: dict[str, list[str | None]] = {name: [] for name in CAPS}
    for bpm, (artist, genre, key, mode, path, source) in zip(tempi, texts, strict=True):
        artist = artist or tags_of_path((source or path or "").split("/")).get("artist", "")
        groups["artist"].append(min(artist_keys([artist]), default=None) if artist else None)
        groups["genre"].append(name_key(genre) if genre else None)
        groups["tempo"].append(None if math.isnan(bpm) else f"{int(bpm // TEMPO_BAND) * TEMPO_BAND}")
        groups["key"].append(f"{key} {mode}" if key and mode else None)
    return groups
