"""Split a data set into training, validation and test without leaks: groups of related tracks stay together."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import PurePath
from statistics import median
from typing import Any

from mirkit.dataset.duplicates import GROUP_KEYS, GroupKey, TrackNames, group_tracks
from mirkit.dataset.duplicates.find import Duplicates, find_duplicates
from mirkit.dataset.duplicates.names import album_folder, tags_of_path
from mirkit.dataset.library import Library
from mirkit.dataset.library.row import key_of
from mirkit.dataset.seeds import path_before
from mirkit.errors import SettingsError
from mirkit.store import as_number, readable_provenance
from mirkit.track import ORIGINAL_NAME, Track


@dataclass(frozen=True)
class Split:
    """Names of the tracks for training, for validation and for a test.

    Attributes
    ----------
    seed : int
    share, test_share : float
        Wanted shares of the tracks for validation and for the test.
    train, val, test : tuple of str
        Names, sorted.
    groups : tuple of tuple of str
        Groups of two or more tracks that were kept together.
    """

    seed: int
    share: float
    test_share: float
    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class TrackFacts:
    """What a split depends on.

    Attributes
    ----------
    tags : mapping
    original_name : str or None
        Name before the track was organized.
    duration : float or None
        Seconds.
    """

    tags: Mapping[str, Any]
    original_name: Any = None
    duration: float | None = None

    @classmethod
    def of(cls, metadata: Mapping[str, Any]) -> "TrackFacts":
        """Choose from the metadata of a track."""
        tags = metadata.get("tags")
        return cls(
            tags if isinstance(tags, dict) else {}, metadata.get(ORIGINAL_NAME), as_number(metadata.get("duration"))
        )


#: Tracks that are shorter than this share of the median length are only drawn if there are no others.
_SHORT_SHARE = 0.1


def split_tracks(
    tracks: Sequence[Track],
    names: Sequence[str],
    share: float = 0.05,
    seed: int = 0,
    keys: Sequence[GroupKey] = GROUP_KEYS,
    duplicates: Duplicates | None = None,
    advance: Callable[[str], None] = lambda _: None,
    test_share: float = 0.0,
    library: Library | None = None,
    facts: Sequence[TrackFacts] | None = None,
) -> Split:
    """Split a data set; copies of a recording, and tracks of the same artist or album, stay together.

    The same tracks, shares and seed give the same split, in any order of the tracks.

    Parameters
    ----------
    tracks : sequence of Track
    names : sequence of str
        Name of each in the result; names must be unique.
    share : float
        Share of the tracks for validation; it is exceeded only where the smallest group is larger.
    seed : int
    keys : sequence of str
        ``artist``, ``album``, both or none. If the tag is missing, it is taken from the names of the track and of the
        folders above it, ``Artist - Album - Track`` or ``Artist/Album/01 - Track``.
    duplicates : Duplicates, optional
        Duplicates among these tracks; searched by default.
    advance : callable, optional
        Called with the name of each track when its feature series have been read.
    test_share : float
        Share of the tracks for the test, by the same rule.
    library : Library, optional
        Where the tags are taken from; by default, the provenances are read.
    facts : sequence of TrackFacts, optional
        What is known of each track, where the caller knows it.

    Returns
    -------
    Split

    Raises
    ------
    SettingsError
        A share is not between 0 and 1, or both together leave nothing for training.
    """
    if duplicates is None:
        duplicates = find_duplicates(tracks, advance, library)
    facts = _facts(tracks, library) if facts is None else facts
    known = [_names_of(track, name, fact.tags) for track, name, fact in zip(tracks, names, facts, strict=True)]
    groups = group_tracks(known, duplicates.groups, keys)
    named = [tuple(sorted(names[number] for number in group)) for group in groups]
    seed_keys = {name: path_before(name, fact.original_name) for name, fact in zip(names, facts, strict=True)}
    train, val, test = split(named, share, seed, seed_keys, test_share, _very_short(names, facts))
    together = tuple(sorted(group for group in named if len(group) > 1))
    return Split(seed, share, test_share, train, val, test, together)


def split(
    groups: Sequence[Sequence[str]],
    share: float,
    seed: int,
    seed_keys: Mapping[str, str] | None = None,
    test_share: float = 0.0,
    short: Set[str] = frozenset(),
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Draw whole groups of names for validation and for the test by the seed, as long as the shares allow.

    The groups for validation do not depend on the share of the test.

    Parameters
    ----------
    groups : sequence of sequences of str
    share : float
    seed : int
    seed_keys : mapping, optional
        Name -> text that the draw depends on; by default the name itself.
    test_share : float
    short : set of str
        Names that are for training, because they say too little; groups of nothing else are not drawn.

    Returns
    -------
    train, val, test : tuples of str
        Sorted. ``val`` and ``test`` are empty only where no group is left for them, or their share is 0; one group is
        always left for training.

    Raises
    ------
    SettingsError
        A share is not between 0 and 1, or both together leave nothing for training.
    """
    for use, value in (("validation", share), ("the test", test_share)):
        if not 0 <= value < 1:
            raise SettingsError(f"the share for {use} is {value:g}; it must be 0 or more and less than 1")
    if share + test_share >= 1:
        raise SettingsError(
            f"the shares for validation and for the test are {share:g} and {test_share:g} and leave nothing for "
            "training; their sum must be less than 1"
        )
    known = seed_keys or {}

    def rank(group: list[str]) -> tuple[bytes, list[str]]:
        """Rank of a group, which does not depend on other groups."""
        text = f"{seed}\n{min(known.get(name, name) for name in group)}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest(), group

    ordered = sorted((sorted(group) for group in groups if group), key=rank)
    count = sum(map(len, ordered))
    long = [group for group in ordered if not short >= set(group)]
    kept = [group for group in ordered if short >= set(group)] if len(long) > 1 else []
    val, rest = _drawn(long if kept else ordered, share, count)
    test, rest = _drawn(rest, test_share, count)
    return _names([*rest, *kept]), _names(val), _names(test)


def _very_short(names: Sequence[str], facts: Sequence[TrackFacts]) -> frozenset[str]:
    """Return the tracks that are shorter than a tenth of the median: a single sound cannot validate songs."""
    known = [fact.duration for fact in facts if fact.duration is not None]
    least = _SHORT_SHARE * median(known) if known else 0.0
    return frozenset(
        name for name, fact in zip(names, facts, strict=True) if fact.duration is not None and fact.duration < least
    )


def _names(groups: list[list[str]]) -> tuple[str, ...]:
    return tuple(sorted(name for group in groups for name in group))


def _drawn(ordered: list[list[str]], share: float, count: int) -> tuple[list[list[str]], list[list[str]]]:
    """Take the first groups whose sizes fit into a share of ``count`` names: these groups, and the others."""
    taken, others = [], []
    room = share * count + 1e-9
    for group in ordered:
        if len(group) <= room:
            taken.append(group)
            room -= len(group)
        else:
            others.append(group)
    if not taken and share > 0 and len(ordered) > 1:
        taken = [others.pop(others.index(min(others, key=len)))]
    return taken, others


def _facts(tracks: Sequence[Track], library: Library | None) -> list[TrackFacts]:
    """Return what is known of each track."""
    if library is None:
        facts = [readable_provenance(track.provenance).facts for track in tracks]
        return [TrackFacts.of({name: fact.get("value") for name, fact in each.items()}) for each in facts]
    library.refresh()
    columns = ["_key", ORIGINAL_NAME, "duration", "artists", *_TAGS]
    known = {
        key: TrackFacts(
            dict(zip(_TAGS, tags, strict=True)) | {"artists": json.loads(artists or "[]")}, original, duration
        )
        for key, original, duration, artists, *tags in library.rows(columns)
    }
    prefix = os.path.join(library.root, "")
    return [known.get(key_of(track, prefix), TrackFacts({})) for track in tracks]


_TAGS = ("artist", "albumartist", "album")


def _names_of(track: Track, name: str, tags: Mapping[str, Any]) -> TrackNames:
    """Artists and album from the tags, or else from the path."""
    folders = PurePath(name).parts[:-1]
    told = tags_of_path([*folders, track.name])

    def text(field: str) -> str:
        return found if isinstance(found := tags.get(field), str) else ""

    several = tags.get("artists")
    artists = [found for found in several if isinstance(found, str)] if isinstance(several, list) else []
    artists = artists or [text("artist") or told.get("artist", "")]
    return TrackNames(
        tuple(artists), text("albumartist"), text("album") or told.get("album", ""), album_folder(folders)
    )
