"""Training and validation tracks without leaks: what belongs together stays on one side."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mirkit.dataset.duplicates import Duplicates, find_duplicates
from mirkit.dataset.groups import TIES, Tie, tags_of_name, together
from mirkit.errors import InfoError, SettingsError
from mirkit.store import read_provenance
from mirkit.track import Track


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
    groups = together([_tags(track) for track in tracks], duplicates.groups, ties)
    named = [tuple(sorted(names[number] for number in group)) for group in groups]
    train, val = split(named, share, seed)
    return Split(seed, share, train, val, tuple(sorted(group for group in named if len(group) > 1)))


def split(groups: Sequence[Sequence[str]], share: float, seed: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Put whole groups of names into validation, in an order that the seed makes, while the share allows.

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
    ordered = sorted(named, key=lambda group: _rank(seed, group[0]))
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


def _tags(track: Track) -> dict[str, str]:
    """Artist and album, from the tags or else from the name; a damaged provenance tells nothing."""
    try:
        told: Any = read_provenance(track.provenance).facts.get("tags", {}).get("value")
    except InfoError:
        told = None
    tags = (
        {name: value for name, value in (told or {}).items() if isinstance(value, str)}
        if isinstance(told, dict)
        else {}
    )
    return tags_of_name(track.name) | tags
