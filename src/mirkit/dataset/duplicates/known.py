"""Pairs of copies that earlier comparisons found, kept in the library while their tracks do not change."""

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import astuple, dataclass

from scipy.cluster.hierarchy import DisjointSet

from mirkit.dataset.duplicates.alignment import Alignment
from mirkit.dataset.library import Library


@dataclass(frozen=True)
class Pair:
    """Two tracks that are the same recording.

    Attributes
    ----------
    first, second : int
        Indexes of the tracks.
    alignment : Alignment or None
        Their alignment; None if their files are identical.
    """

    first: int
    second: int
    alignment: Alignment | None


def known_pairs(
    library: Library, numbers: Mapping[bytes, int], compared: Collection[int]
) -> tuple[list[Pair], set[int]]:
    """Return the pairs that are known, and the tracks that have to be compared again although they have not changed.

    Such a track was a copy of one that has changed or is not asked for: the pairs of a group are not all known.

    Parameters
    ----------
    library : Library
    numbers : mapping
        Path of each track that is asked for, from the root -> its index.
    compared : collection of int
        Indexes of the tracks that have been compared with each other, and have not changed since.
    """
    stored = list(library.copies())
    groups = DisjointSet({key for first, second, _ in stored for key in (first, second)})
    found: list[tuple[bytes, bytes, Alignment]] = []
    lost = {key for first, second, _ in stored for key in (first, second) if numbers.get(key) not in compared}
    for first, second, text in stored:
        groups.merge(first, second)
        alignment = _decoded(text)
        if alignment is None:
            lost |= {first, second}
        else:
            found.append((first, second, alignment))
    broken = {groups[key] for key in lost}
    again = {numbers[key] for key in groups if groups[key] in broken and numbers.get(key) in compared}
    pairs = [
        Pair(numbers[first], numbers[second], alignment)
        for first, second, alignment in found
        if groups[first] not in broken
    ]
    return pairs, again


def keep_pairs(library: Library, keys: Sequence[bytes], compared: Collection[int], pairs: Sequence[Pair]) -> None:
    """Keep what a comparison found, unless the library knows of tracks that were not part of it.

    Parameters
    ----------
    library : Library
    keys : sequence of bytes
        Path of each track from the root.
    compared : collection of int
        Indexes of the tracks that have been compared with each other.
    pairs : sequence of Pair
    """
    rows = [
        (keys[pair.first], keys[pair.second], _encoded(pair.alignment)) for pair in pairs if pair.alignment is not None
    ]
    library.keep_copies(set(keys), [keys[number] for number in compared], rows)


def _encoded(alignment: Alignment) -> str:
    return json.dumps([None if math.isnan(value) else value for value in astuple(alignment)])


def _decoded(text: object) -> Alignment | None:
    """Decode an alignment; None for what a library from a stranger may hold instead."""
    try:
        harmony, dynamics, semitones, speed, offset, seconds = json.loads(str(text))
        harmony, dynamics = (math.nan if value is None else float(value) for value in (harmony, dynamics))
        return Alignment(harmony, dynamics, int(semitones), float(speed), float(offset), float(seconds))
    except (ValueError, TypeError, RecursionError):
        return None
