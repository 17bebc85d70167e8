"""The recordings of a data set that share landmarks: sorted hashes are joined, instead of comparing all pairs.

A landmark that very many recordings share, such as the first chord after silence, says little. It is compared with a
limited number of others, those whose hashes are most alike, and makes no candidate unless the recordings share most of
their landmarks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from mirkit import engines
from mirkit.dataset.duplicates.fingerprints import SEMITONES, TABLES, Hashes
from mirkit.engines.forks import map_forked

Numbers = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint32]
Parts = npt.NDArray[np.uint64]

#: Largest number of the 192 bits in which two landmarks of one recording differ (unrelated ones: 96 +- 14).
_MAX_FLIPS = 40
#: The same where a single landmark makes a candidate. Of 406 copies (300 of 24 s and 106 of 11 s, docs/how_good/
#: duplicates.md), 7 are found by a single landmark, which differs in 7 to 20 bits; landmarks of made-up pieces that are
#: alike by chance mostly differ in more than 25.
_MAX_FLIPS_ALONE = 30
#: Largest number of the 64 bits of harmony, and of dynamics, in which they differ (unrelated ones: 32 +- 4; the best
#: landmark of each of these copies: 16 at most). Two tracks are the same recording only if both agree.
_MAX_PART_FLIPS = 26
#: Largest number of landmarks with an equal hash that one landmark is compared with; more copies are connected through
#: these.
_MAX_EQUAL = 50
#: A landmark that is found in more other tracks than this is common. Common landmarks make a candidate only where they
#: are at least this share of the landmarks of the shorter track.
_COMMON, _MOST = 25, 0.5
#: Number of landmarks that are looked up at a time.
_AT_A_TIME = 8192
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
    """Find the pairs of tracks that share landmarks, on all cores.

    Parameters
    ----------
    times : sequence of float32 arrays
        Times of the landmarks of each track (s).
    hashed : sequence
        Hashes of each track, transposed by each of ``SEMITONES``. Those of a few tracks are asked for at a time, so
        that a sequence may read them from a file.

    Yields
    ------
    Candidate
        Each pair of tracks at most once per transposition, in order.
    """
    index = _Index.of(times, hashed)
    if not len(index.words):
        return
    when = np.concatenate(times)
    for which, semitones in enumerate(SEMITONES):
        found = map_forked(partial(_found, index, hashed, which), range(len(times)), jobs=engines.cores())
        queries, matches, flips = (np.concatenate(columns) for columns in zip(*found, strict=True))
        yield from _pairs(index, when, semitones, queries, matches, flips)


@dataclass(frozen=True)
class _Index:
    """The landmarks of all tracks, sorted by each of their hashes.

    Attributes
    ----------
    starts : int array, shape=(tracks + 1,)
        Number of the first landmark of each track, and of all.
    track_of : int32 array
        Track of each landmark.
    words : uint32 array, shape=(n, 6)
    parts : uint64 array, shape=(n, 2)
    orders : tuple of int32 arrays
        For each hash, the landmarks in its order; those with an equal hash in the order of the next one.
    sorted : tuple of uint32 arrays
        The hashes in that order.
    """

    starts: Numbers
    track_of: npt.NDArray[np.int32]
    words: Words
    parts: Parts
    orders: tuple[npt.NDArray[np.int32], ...]
    sorted: tuple[Words, ...]

    @classmethod
    def of(cls, times: Sequence[npt.NDArray[np.float32]], hashed: Sequence[Sequence[Hashes]]) -> "_Index":
        counts = np.array([len(own) for own in times], np.int64)
        starts = np.concatenate((np.zeros(1, np.int64), np.cumsum(counts)))
        words, parts = np.empty((starts[-1], TABLES), np.uint32), np.empty((starts[-1], 2), np.uint64)
        for number in np.flatnonzero(counts).tolist():
            own = hashed[number][0]
            words[starts[number] : starts[number + 1]] = own.words
            parts[starts[number] : starts[number + 1]] = own.parts
        tables = range(TABLES)
        orders = tuple(np.lexsort((words[:, (t + 1) % TABLES], words[:, t])).astype(np.int32) for t in tables)
        track_of = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
        return cls(starts, track_of, words, parts, orders, tuple(words[orders[t], t] for t in tables))

    def landmarks(self, track: int) -> int:
        """Return the number of landmarks of a track."""
        return int(self.starts[track + 1] - self.starts[track])

    def equal(self, own: Hashes, table: int) -> tuple[Numbers, Numbers]:
        """Return pairs of a landmark of ``own`` and one with an equal hash in a table, but for uncertain bits."""
        order, known = self.orders[table], self.sorted[table]
        bits = np.uint32(1) << own.near[:, table].astype(np.uint32)
        asked = own.words[:, table]
        for bit in bits.T:
            asked = np.concatenate((asked, asked ^ np.tile(bit, len(asked) // len(bit))))
        by = np.argsort(asked)  # what is looked up in order is found several times faster
        asked = asked[by]
        low = np.searchsorted(known, asked)
        there = known[np.minimum(low, len(known) - 1)] == asked
        queries, asked, low = by[there] % len(own.words), asked[there], low[there]
        high = np.searchsorted(known, asked, "right")
        if len(many := np.flatnonzero(high - low > _MAX_EQUAL)):
            following = (table + 1) % TABLES
            wanted = own.words[queries[many], following]
            low[many] = self._nearest(order, self.words[:, following], wanted, low[many], high[many])
            high[many] = low[many] + _MAX_EQUAL
        length = high - low
        step = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
        return np.repeat(queries, length), order[np.repeat(low, length) + step].astype(np.int64)

    @staticmethod
    def _nearest(order: npt.NDArray[np.int32], words: Words, wanted: Words, low: Numbers, high: Numbers) -> Numbers:
        """Of long runs in an order, return where to begin so that those nearest to what is wanted are compared."""
        left, right = low.copy(), high.copy()
        while (left < right).any():
            middle = (left + right) // 2
            below = words[order[np.minimum(middle, len(order) - 1)]] < wanted
            left, right = np.where(below & (left < right), middle + 1, left), np.where(below, right, middle)
        return np.clip(left - _MAX_EQUAL // 2, low, high - _MAX_EQUAL)


def _found(
    index: _Index, hashed: Sequence[Sequence[Hashes]], which: int, tracks: Sequence[int]
) -> tuple[Numbers, Numbers, npt.NDArray[np.uint8]]:
    """Look up the landmarks of some tracks: numbers of both landmarks of each hit, and bits in which they differ."""
    parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8))]
    waiting: list[Hashes] = []
    start = int(index.starts[tracks[0]]) if len(tracks) else 0
    count = 0
    for number in tracks:
        if index.landmarks(number):
            waiting.append(hashed[number][which])
            count += len(waiting[-1].words)
        if waiting and (count >= _AT_A_TIME or number == tracks[-1]):
            parts.append(_hits(index, start, _joined(waiting)))
            start += count
            waiting, count = [], 0
    queries, matches, flips = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return queries, matches, flips


def _joined(several: Sequence[Hashes]) -> Hashes:
    return Hashes(
        np.concatenate([own.words for own in several]),
        np.concatenate([own.near for own in several]),
        np.concatenate([own.parts for own in several]),
    )


def _hits(index: _Index, start: int, own: Hashes) -> tuple[Numbers, Numbers, npt.NDArray[np.uint8]]:
    """Look up consecutive landmarks, of which the first has a number, in all tables."""
    pairs = [np.zeros(0, np.int64)]
    for table in range(TABLES):
        queries, matches = index.equal(own, table)
        other = index.track_of[start + queries] != index.track_of[matches]
        queries, matches = queries[other], matches[other]
        alike = _flips(own.words[queries], index.words[matches]) <= _MAX_FLIPS
        # To save memory, both numbers are kept in one.
        pairs.append(queries[alike] * len(index.words) + matches[alike])
    queries, matches = np.divmod(np.unique(np.concatenate(pairs)), len(index.words))
    alike = _agree(own.parts[queries], index.parts[matches])
    queries, matches = queries[alike], matches[alike]
    return start + queries, matches, _flips(own.words[queries], index.words[matches])


def _flips(first: Words, second: Words) -> npt.NDArray[np.uint8]:
    flips: npt.NDArray[np.uint8] = np.bitwise_count(first ^ second).sum(axis=1, dtype=np.uint8)
    return flips


def _agree(first: Parts, second: Parts) -> npt.NDArray[np.bool_]:
    """Whether harmony and dynamics agree, each as far as both are known."""
    unknown = (first == 0) | (second == 0)
    agree: npt.NDArray[np.bool_] = (unknown | (np.bitwise_count(first ^ second) <= _MAX_PART_FLIPS)).all(axis=1)
    return agree


def _pairs(
    index: _Index,
    when: npt.NDArray[np.float32],
    semitones: int,
    queries: Numbers,
    matches: Numbers,
    flips: npt.NDArray[np.uint8],
) -> Iterator[Candidate]:
    """Collect the hits of each pair of tracks."""
    if semitones == 0:  # each pair is found in both directions
        swapped = index.track_of[queries] > index.track_of[matches]
        queries, matches = np.where(swapped, matches, queries), np.where(swapped, queries, matches)
        both, kept = np.unique(queries * len(index.words) + matches, return_index=True)
        queries, matches = np.divmod(both, len(index.words))
        flips = flips[kept]
    rare = np.maximum(np.bincount(queries)[queries], np.bincount(matches)[matches]) <= _COMMON
    first, second = index.track_of[queries], index.track_of[matches]
    order = np.lexsort((matches, queries, second, first))
    first, second, queries, matches = first[order], second[order], queries[order], matches[order]
    flips, rare = flips[order], rare[order]
    new = np.flatnonzero(np.diff(first, prepend=-1) | np.diff(second, prepend=-1))
    for start, end in zip(new, np.append(new, len(first))[1:], strict=True):
        a, b = int(first[start]), int(second[start])
        here = slice(start, end)
        if _is_enough(
            min(index.landmarks(a), index.landmarks(b)), queries[here], matches[here], flips[here], rare[here]
        ):
            yield Candidate(a, b, semitones, np.stack((when[queries[here]], when[matches[here]]), axis=1))


def _is_enough(
    landmarks: int, queries: Numbers, matches: Numbers, flips: npt.NDArray[np.uint8], rare: npt.NDArray[np.bool_]
) -> bool:
    """Whether the hits of two tracks, the shorter of which has so many landmarks, make them a candidate."""
    if _count(queries, matches) < max(_MIN_HITS, _MOST * landmarks):
        queries, matches, flips = queries[rare], matches[rare], flips[rare]
    hits = _count(queries, matches)
    return hits >= _MIN_HITS or (hits == 1 and landmarks < _FEW_LANDMARKS and int(flips.min()) <= _MAX_FLIPS_ALONE)


def _count(queries: Numbers, matches: Numbers) -> int:
    return min(len(set(queries.tolist())), len(set(matches.tolist())))
