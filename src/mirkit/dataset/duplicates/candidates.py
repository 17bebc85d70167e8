"""Find pairs of tracks that may be the same recording, by joining sorted hashes instead of comparing all pairs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirkit.dataset.duplicates.features import TABLES, UNSURE, Hashes

#: Transpositions of a copy, in semitones upwards; each pair is compared in both directions, which covers lower copies.
SEMITONES = (0, 1)
#: Largest number of the 192 bits in which two landmarks of one recording differ (unrelated ones: 96 +- 14).
_MAX_FLIPS = 40
#: Largest number of landmarks with an equal hash that one landmark is compared with; more copies are connected through
#: these.
_MAX_EQUAL = 50
_CHUNK = 100_000
#: Least number of matching landmarks of a candidate; one is enough for a track with few landmarks.
_MIN_HITS = 2
_FEW_LANDMARKS = 8


@dataclass(frozen=True)
class Candidate:
    """Two tracks that share landmarks.

    Attributes
    ----------
    first, second : int
        Indexes of the tracks.
    semitones : int
        Semitones by which the second is higher.
    times : float32 array, shape=(hits, 2)
        Times of the shared landmarks in the first and in the second track (s).
    """

    first: int
    second: int
    semitones: int
    times: npt.NDArray[np.float32]


def candidates(times: Sequence[npt.NDArray[np.float32]], hashed: Sequence[Sequence[Hashes]]) -> Iterator[Candidate]:
    """Find the pairs of tracks that share landmarks.

    Parameters
    ----------
    times : sequence of float32 arrays
        Times of the landmarks of each track (s).
    hashed : sequence
        Hashes of each track, transposed by each of ``SEMITONES``.

    Yields
    ------
    Candidate
        Each pair of tracks at most once per transposition, in order.
    """
    count = len(times)
    if not count:
        return
    track_of = np.repeat(np.arange(count), [len(own) for own in times])
    when = np.concatenate(times)
    index = np.concatenate([own[0].words for own in hashed])
    landmarks = np.bincount(track_of, minlength=count)
    for which, semitones in enumerate(SEMITONES):
        words = np.concatenate([own[which].words for own in hashed])
        near = np.concatenate([own[which].near for own in hashed])
        pairs = [np.zeros(0, np.int64)]
        for table in range(TABLES):
            for queries, matches in _hits(index[:, table], words[:, table], near[:, table]):
                other = track_of[queries] != track_of[matches]
                queries, matches = queries[other], matches[other]
                flips = np.bitwise_count(words[queries] ^ index[matches]).sum(axis=1, dtype=np.int64)
                # Most matches are false. To save memory, only true ones are kept, with both indexes in one number.
                pairs.append((queries * len(index) + matches)[flips <= _MAX_FLIPS])
        queries, matches = np.divmod(np.unique(np.concatenate(pairs)), max(len(index), 1))
        yield from _pairs(track_of, when, landmarks, semitones, queries, matches)


def _hits(
    index: npt.NDArray[np.uint32], words: npt.NDArray[np.uint32], near: npt.NDArray[np.uint8]
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Yield pairs of landmarks with an equal hash in one table, ignoring the least certain bits."""
    order = np.argsort(index, kind="stable")
    ordered = index[order]
    bits = np.uint32(1) << near.astype(np.uint32)
    for choice in range(2**UNSURE):
        flipped = np.zeros(len(words), np.uint32)
        for bit in range(UNSURE):
            if choice >> bit & 1:
                flipped |= bits[:, bit]
        for start in range(0, len(words), _CHUNK):
            queried = (words ^ flipped)[start : start + _CHUNK]
            low, high = np.searchsorted(ordered, queried, "left"), np.searchsorted(ordered, queried, "right")
            length = np.minimum(high - low, _MAX_EQUAL)
            queries = np.repeat(np.arange(len(queried)), length)
            step = np.arange(len(queries)) - np.repeat(np.cumsum(length) - length, length)
            yield start + queries, order[np.repeat(low, length) + step]


def _pairs(
    track_of: npt.NDArray[np.int64],
    when: npt.NDArray[np.float32],
    landmarks: npt.NDArray[np.int64],
    semitones: int,
    queries: npt.NDArray[np.int64],
    matches: npt.NDArray[np.int64],
) -> Iterator[Candidate]:
    """Collect the hits of each pair of tracks."""
    first, second = track_of[queries], track_of[matches]
    if semitones == 0:  # each pair is found in both directions
        swapped = first > second
        queries, matches = np.where(swapped, matches, queries), np.where(swapped, queries, matches)
        queries, matches = np.divmod(np.unique(queries * len(track_of) + matches), len(track_of))
        first, second = track_of[queries], track_of[matches]
    order = np.lexsort((matches, queries, second, first))
    first, second, queries, matches = first[order], second[order], queries[order], matches[order]
    new = np.flatnonzero(np.diff(first, prepend=-1) | np.diff(second, prepend=-1))
    for start, end in zip(new, np.append(new, len(first))[1:], strict=True):
        a, b = int(first[start]), int(second[start])
        enough = 1 if min(landmarks[a], landmarks[b]) < _FEW_LANDMARKS else _MIN_HITS
        if min(len(set(queries[start:end])), len(set(matches[start:end]))) >= enough:
            yield Candidate(a, b, semitones, np.stack((when[queries[start:end]], when[matches[start:end]]), axis=1))
