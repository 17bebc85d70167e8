"""Training and validation tracks without leaks: what belongs together stays on one side."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from mirkit.dataset.duplicates import Duplicates, find_duplicates
from mirkit.dataset.groups import TIES, Tie, group_tracks, tags_of_name
from mirkit.errors import InfoError, SettingsError
from mirkit.store import Provenance, read_provenance
from mirkit.track import Track
from mirkit.track.names import ORIGINAL_NAME


@dataclass(frozen=True)
class Split:
    """Which tracks are for training and which for validation.

    Attributes
    ----------
    seed : int
    share : float
        Share of the tracks that validation was to have.
    train, val : tuple of str
        Names, sorted.
    groups : tuple of tuple of str
        What was kept together, groups of two and more.
    """

    seed: int
    share: float
    train: tuple[str, ...]
    val: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]


def split_tracks(
    tracks: Sequence[Track],
    names: Sequence[str],
    share: float = 0.05,
    seed: int = 0,
    ties: Sequence[Tie] = TIES,
    duplicates: Duplicates | None = None,
    advance: Callable[[str], None] = lambda _: None,
) -> Split:
    """Split a data set: copies of a recording, and what has the same artist or album, stay on one side.

    The same tracks, share and seed give the same split, in whatever order the tracks come.

    Parameters
    ----------
    tracks : sequence of Track
    names : sequence of str
        What each is called in the result, and ordered by: each only once.
    share : float
        Of the tracks, for validation; it is not exceeded, unless the smallest group is larger.
    seed : int
    ties : sequence of str
        ``artist``, ``album``, both or none. Without such a tag the folder's name tells: Artist - Album - Track.
    duplicates : Duplicates, optional
        Of the same tracks; found where they are not given.
    advance : callable, optional
        Called with the name of each track when its fingerprint has been read.

    Raises
    ------
    SettingsError
        The share is not between 0 and 1.
    """
    if duplicates is None:
        duplicates = find_duplicates(tracks, advance)
    known = [_provenance(track) for track in tracks]
    tags = [_tags(track, told) for track, told in zip(tracks, known, strict=True)]
    groups = group_tracks(tags, duplicates.groups, ties)
    named = [tuple(sorted(names[number] for number in group)) for group in groups]
    marks = {name: mark(name, told) for name, told in zip(names, known, strict=True)}
    train, val = split(named, share, seed, marks)
    return Split(seed, share, train, val, tuple(sorted(group for group in named if len(group) > 1)))


def split(
    groups: Sequence[Sequence[str]], share: float, seed: int, marks: Mapping[str, str] | None = None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Put whole groups of names into validation, in an order that the seed makes, while the share allows.

    Parameters
    ----------
    groups : sequence of sequences of str
    share : float
    seed : int
    marks : mapping, optional
        What the order is made of where it is not the name.

    Returns
    -------
    train, val : tuples of str
        Sorted. ``val`` is empty only with one group, or a share of 0.

    Raises
    ------
    SettingsError
        The share is not between 0 and 1.
    """
    if not 0 <= share < 1:
        raise SettingsError(f"share of validation {share:g}: expected 0 or more and less than 1")
    named: list[list[str]] = [sorted(group) for group in groups if group]
    of = marks or {}
    ordered = sorted(named, key=lambda group: (_rank(seed, min(of.get(name, name) for name in group)), group))
    room = share * sum(map(len, ordered))
    val: list[str] = []
    for group in ordered:
        if len(val) + len(group) <= room + 1e-9:
            val.extend(group)
    if not val and share > 0 and len(ordered) > 1:
        least = min(map(len, ordered))
        val.extend(next(group for group in ordered if len(group) == least))
    held = set(val)
    return tuple(sorted(name for group in ordered for name in group if name not in held)), tuple(sorted(val))


def _rank(seed: int, name: str) -> bytes:
    """Place of a group in the order of a seed: it does not change when other groups come or go."""
    return hashlib.sha256(f"{seed}\n{name}".encode("utf-8", "surrogatepass")).digest()


def _provenance(track: Track) -> Provenance:
    """The provenance of a track; a damaged one says nothing."""
    try:
        return read_provenance(track.provenance)
    except InfoError:
        return Provenance()


def mark(name: str, provenance: Provenance) -> str:
    """What a track is drawn by: its path before it was organized. So organizing changes nothing that a seed decides."""
    path = PurePath(name)
    original: Any = provenance.facts.get(ORIGINAL_NAME, {}).get("value")
    return (path.with_name(original) if _is_name(original) else path).as_posix()


def _is_name(text: Any) -> bool:
    """Whether a text is the name of one file: a data set may come from a stranger."""
    return isinstance(text, str) and text not in ("", ".", "..") and PurePath(text).name == text


def _tags(track: Track, provenance: Provenance) -> dict[str, str]:
    """Artist and album, from the tags or else from the name."""
    told: Any = provenance.facts.get("tags", {}).get("value")
    tags = (
        {name: value for name, value in (told or {}).items() if isinstance(value, str)}
        if isinstance(told, dict)
        else {}
    )
    return tags_of_name(track.name) | tags
