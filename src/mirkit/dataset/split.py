"""Split a data set into training and validation without leaks: groups of related tracks stay together."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from mirkit.dataset.duplicates import GROUP_KEYS, GroupKey, group_tracks, tags_of_name
from mirkit.dataset.duplicates.find import Duplicates, find_duplicates
from mirkit.errors import SettingsError
from mirkit.store import Provenance, readable_provenance
from mirkit.track import ORIGINAL_NAME, Track


@dataclass(frozen=True)
class Split:
    """Names of the tracks for training and for validation.

    Attributes
    ----------
    seed : int
    share : float
        Wanted share of the tracks for validation.
    train, val : tuple of str
        Names, sorted.
    groups : tuple of tuple of str
        Groups of two or more tracks that were kept together.
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
    keys: Sequence[GroupKey] = GROUP_KEYS,
    duplicates: Duplicates | None = None,
    advance: Callable[[str], None] = lambda _: None,
) -> Split:
    """Split a data set; copies of a recording, and tracks of the same artist or album, stay together.

    The same tracks, share and seed give the same split, in any order of the tracks.

    Parameters
    ----------
    tracks : sequence of Track
    names : sequence of str
        Name of each in the result; names must be unique.
    share : float
        Share of the tracks for validation; it is exceeded only where the smallest group is larger.
    seed : int
    keys : sequence of str
        ``artist``, ``album``, both or none. If the tag is missing, it is taken from the folder's name, Artist - Album -
        Track.
    duplicates : Duplicates, optional
        Duplicates among these tracks; searched by default.
    advance : callable, optional
        Called with the name of each track when its feature series have been read.

    Returns
    -------
    Split

    Raises
    ------
    SettingsError
        The share is not between 0 and 1.
    """
    if duplicates is None:
        duplicates = find_duplicates(tracks, advance)
    provenances = [readable_provenance(track.provenance) for track in tracks]
    tags = [_tags(track, provenance) for track, provenance in zip(tracks, provenances, strict=True)]
    groups = group_tracks(tags, duplicates.groups, keys)
    named = [tuple(sorted(names[number] for number in group)) for group in groups]
    seed_keys = {name: seed_key(name, provenance) for name, provenance in zip(names, provenances, strict=True)}
    train, val = split(named, share, seed, seed_keys)
    return Split(seed, share, train, val, tuple(sorted(group for group in named if len(group) > 1)))


def split(
    groups: Sequence[Sequence[str]], share: float, seed: int, seed_keys: Mapping[str, str] | None = None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Draw whole groups of names for validation by the seed, as long as the share allows.

    Parameters
    ----------
    groups : sequence of sequences of str
    share : float
    seed : int
    seed_keys : mapping, optional
        Name -> text that the draw depends on; by default the name itself.

    Returns
    -------
    train, val : tuples of str
        Sorted. ``val`` is empty only where there is one group, or the share is 0.

    Raises
    ------
    SettingsError
        The share is not between 0 and 1.
    """
    if not 0 <= share < 1:
        raise SettingsError(f"the share for validation is {share:g}; it must be 0 or more and less than 1")
    known = seed_keys or {}

    def rank(group: list[str]) -> tuple[bytes, list[str]]:
        """Rank of a group, which does not depend on other groups."""
        text = f"{seed}\n{min(known.get(name, name) for name in group)}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest(), group

    ordered = sorted((sorted(group) for group in groups if group), key=rank)
    limit = share * sum(map(len, ordered))
    val: list[str] = []
    for group in ordered:
        if len(val) + len(group) <= limit + 1e-9:
            val.extend(group)
    if not val and share > 0 and len(ordered) > 1:
        least = min(map(len, ordered))
        val.extend(next(group for group in ordered if len(group) == least))
    validation = set(val)
    return tuple(sorted(name for group in ordered for name in group if name not in validation)), tuple(sorted(val))


def seed_key(name: str, provenance: Provenance) -> str:
    """Seed of a track's random draws: its path before it was organized, so that organizing changes no draw."""
    path = PurePath(name)
    original: Any = provenance.facts.get(ORIGINAL_NAME, {}).get("value")
    return (path.with_name(original) if _is_name(original) else path).as_posix()


def _is_name(text: Any) -> bool:
    """Whether a text is a plain file name; the provenance may come from an untrusted data set."""
    return isinstance(text, str) and text not in ("", ".", "..") and PurePath(text).name == text


def _tags(track: Track, provenance: Provenance) -> dict[str, str]:
    """Artist and album from the tags, or else from the name."""
    value: Any = provenance.facts.get("tags", {}).get("value")
    tags = {name: text for name, text in value.items() if isinstance(text, str)} if isinstance(value, dict) else {}
    return tags_of_name(track.name) | tags
