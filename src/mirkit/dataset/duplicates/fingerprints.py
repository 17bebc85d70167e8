"""Fingerprints of recordings: landmarks of harmony and dynamics, as short hashes; and the recordings that share some.

A landmark is a moment of great change. Harmony and levels around it are described relative to it and hashed to bits;
equal hashes at matching times indicate the same recording. Codec, gain and trimming do not move landmarks, and a speed
that differs by a few percent blurs them only a little. A pitch that differs by whole semitones rotates the pitch
classes; the search for candidates tries all allowed rotations. It joins sorted hashes instead of comparing all pairs.

The scheme follows landmark fingerprints (Wang 2003) and locality-sensitive hashing by random hyperplanes (Charikar
2002); chroma and band levels are used because ``.CURVES.npz`` stores both.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d

from mirkit.features.bands import HOP, BandCurve
from mirkit.features.harmony.chroma import ChromaCurve
from mirkit.features.harmony.constant_q import HOP as CHROMA_HOP
from mirkit.features.peaks import vertex_offset
from mirkit.features.types import ANALYSIS_RATE

Array = npt.NDArray[np.float32]

#: Rows of ``FingerprintFeatures.rows`` per second.
RATE = ANALYSIS_RATE / HOP
_CHROMA_FRAMES = HOP // CHROMA_HOP
#: Level difference (dB) with the same weight as a pitch class at full strength.
_DECIBELS = 20.0
_FLOOR_DB = 50.0
#: Rows on each side over which the change at a landmark is measured.
_SIDE = 6
#: A landmark is the greatest change within this many rows on each side; fewer in tracks below a minute.
_REACH, _REACH_OF_SHORT = 6, 3
_SHORT = 60 * RATE
#: Number of rows at each end of a track without landmarks.
_MARGIN = 12
#: Edges of the cells around a landmark (s).
_CELLS = np.array([-4.5, -3.0, -1.8, -0.8, 0.0, 0.8, 1.8, 3.0, 4.5])
CELLS, COLUMNS = len(_CELLS) - 1, 16
#: Hashes per landmark, and bits of each.
TABLES, BITS, UNSURE = 6, 32, 3
_SEED = 7


@dataclass(frozen=True)
class FingerprintFeatures:
    """Harmony and levels of a track over time, 5.4 rows per second.

    Attributes
    ----------
    rows : float32 array, shape=(n, 16)
        Twelve pitch classes, less their mean and 0 in silence, then the levels of four bands relative to the loudest
        row, in units of 20 dB, at least -2.5. Row ``i`` is centered on ``i / RATE`` seconds.
    """

    rows: Array

    @property
    def seconds(self) -> float:
        """Duration (s)."""
        return len(self.rows) / RATE


@dataclass(frozen=True)
class Landmarks:
    """The landmarks of a track.

    Attributes
    ----------
    times : float32 array, shape=(n,)
        Times (s).
    cells : float32 array, shape=(n, 8, 16)
        Pitch classes and band levels in the eight cells around each landmark.
    """

    times: Array
    cells: Array


NO_LANDMARKS = Landmarks(np.zeros(0, np.float32), np.zeros((0, CELLS, COLUMNS), np.float32))


def fingerprint_features(chroma: ChromaCurve, bands: BandCurve) -> FingerprintFeatures:
    """Bring chroma and band levels to one time base.

    Parameters
    ----------
    chroma : ChromaCurve
    bands : BandCurve

    Returns
    -------
    FingerprintFeatures
    """
    active = np.where(chroma.active[:, None], chroma.chroma, 0).astype(np.float32) / 255
    active -= active.mean(axis=1, keepdims=True)
    total: npt.NDArray[np.float64] = np.concatenate((np.zeros((1, 12)), np.cumsum(active, axis=0, dtype=np.float64)))
    count = min(len(bands.energy), 1 + (len(active) - 1) // _CHROMA_FRAMES)
    center = np.arange(count) * _CHROMA_FRAMES
    first = np.maximum(center - _CHROMA_FRAMES // 2, 0)
    last = np.minimum(center + _CHROMA_FRAMES // 2 + 1, len(active))
    classes = (total[last] - total[first]) / (last - first)[:, None]
    energy = bands.energy[:count].astype(np.float64)
    loudest = energy.max(initial=0.0)
    quietest = loudest * 10 ** (-_FLOOR_DB / 10)
    levels = 10 * np.log10(np.maximum(energy, quietest) / loudest) if loudest > 0 else np.zeros_like(energy)
    return FingerprintFeatures(np.concatenate((classes, levels / _DECIBELS), axis=1).astype(np.float32))


def landmarks(features: FingerprintFeatures) -> Landmarks:
    """Find the moments of greatest change, about one in 3 s, and describe the 4.5 s before and after them.

    Beyond the ends of the track, cells are zero. A track below 5 s has no landmarks.
    """
    rows = features.rows.astype(np.float64)
    total: npt.NDArray[np.float64] = np.concatenate((np.zeros((1, COLUMNS)), np.cumsum(rows, axis=0)))
    if len(rows) <= 2 * _MARGIN:
        return NO_LANDMARKS
    change = np.linalg.norm(total[2 * _SIDE :] - 2 * total[_SIDE:-_SIDE] + total[: -2 * _SIDE], axis=1)
    change = np.pad(change, _SIDE)
    reach = _REACH if len(rows) > _SHORT else _REACH_OF_SHORT
    peaks = np.flatnonzero((change == maximum_filter1d(change, 2 * reach + 1)) & (change > 0))
    peaks = peaks[(peaks >= _MARGIN) & (peaks <= len(rows) - _MARGIN)]
    # Boundary ``i`` is between rows ``i - 1`` and ``i``; a parabola refines it to less than a row.
    where = peaks + vertex_offset(change, peaks)
    edges = interpolated(total, where[:, None] + _CELLS * RATE)
    cells = np.diff(edges, axis=1) / (np.diff(_CELLS) * RATE)[:, None]
    cells[:, :, 12:] -= cells[:, :, 12:].mean(axis=1, keepdims=True)
    return Landmarks(((where - 0.5) / RATE).astype(np.float32), cells.astype(np.float32))


def rotated(cells: Array, semitones: int) -> Array:
    """Transpose rows or cells up by a number of semitones."""
    return np.concatenate((np.roll(cells[..., :12], semitones, axis=-1), cells[..., 12:]), axis=-1)


@dataclass(frozen=True)
class Hashes:
    """Hashes of the landmarks of a track.

    Attributes
    ----------
    words : uint32 array, shape=(n, 6)
        One bit per random hyperplane: the side on which the landmark lies.
    near : uint8 array, shape=(n, 6, 3)
        The three least certain bits of each word, whose planes are closest to the landmark.
    """

    words: npt.NDArray[np.uint32]
    near: npt.NDArray[np.uint8]


def hashes(cells: Array) -> Hashes:
    """Hash landmarks: each bit is the side of a fixed random hyperplane.

    Parameters
    ----------
    cells : float32 array, shape=(n, 8, 16)

    Returns
    -------
    Hashes
    """
    flat = cells.reshape(len(cells), CELLS * COLUMNS)
    planes = np.random.default_rng(_SEED).standard_normal((flat.shape[1], TABLES * BITS), np.float32)
    # einsum instead of matmul, so that the result does not depend on the BLAS.
    sides = np.einsum("nd,db->nb", flat, planes).reshape(-1, TABLES, BITS)
    words = ((sides > 0) * (np.uint32(1) << np.arange(BITS, dtype=np.uint32))).sum(axis=-1, dtype=np.uint32)
    near = np.argpartition(np.abs(sides), UNSURE, axis=-1)[..., :UNSURE]
    return Hashes(words, near.astype(np.uint8))


def interpolated(rows: npt.NDArray[np.float64], where: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Interpolate linearly between rows; before the first and after the last, these are returned."""
    where = np.clip(where, 0, len(rows) - 1)
    low = np.minimum(where.astype(np.int64), len(rows) - 2)
    part = (where - low)[..., None]
    between: npt.NDArray[np.float64] = (1 - part) * rows[low] + part * rows[low + 1]
    return between


#: Transpositions of a copy, in semitones upwards; each pair is compared in both directions, which covers lower copies.
SEMITONES = (0, 1)
#: Largest number of the 192 bits in which two landmarks of one recording differ (unrelated ones: 96 +- 14).
_MAX_FLIPS = 40
#: The same where a single landmark makes a candidate: the closest of 114 pairs of made-up pieces that shared one by
#: chance differed in 22 to 40 bits (five of six in more than 30), that of 315 true pairs in 32 bits at most.
_MAX_FLIPS_ALONE = 30
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
        flips = np.bitwise_count(words[queries] ^ index[matches]).sum(axis=1, dtype=np.int64)
        yield from _pairs(track_of, when, landmarks, semitones, queries, matches, flips)


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
    flips: npt.NDArray[np.int64],
) -> Iterator[Candidate]:
    """Collect the hits of each pair of tracks, which differ in so many bits."""
    first, second = track_of[queries], track_of[matches]
    if semitones == 0:  # each pair is found in both directions
        swapped = first > second
        queries, matches = np.where(swapped, matches, queries), np.where(swapped, queries, matches)
        both, kept = np.unique(queries * len(track_of) + matches, return_index=True)
        queries, matches = np.divmod(both, len(track_of))
        first, second, flips = track_of[queries], track_of[matches], flips[kept]
    order = np.lexsort((matches, queries, second, first))
    first, second, queries, matches, flips = (column[order] for column in (first, second, queries, matches, flips))
    new = np.flatnonzero(np.diff(first, prepend=-1) | np.diff(second, prepend=-1))
    for start, end in zip(new, np.append(new, len(first))[1:], strict=True):
        a, b = int(first[start]), int(second[start])
        enough = 1 if min(landmarks[a], landmarks[b]) < _FEW_LANDMARKS else _MIN_HITS
        hits = min(len(set(queries[start:end])), len(set(matches[start:end])))
        if hits >= _MIN_HITS or (hits >= enough and flips[start:end].min() <= _MAX_FLIPS_ALONE):
            yield Candidate(a, b, semitones, np.stack((when[queries[start:end]], when[matches[start:end]]), axis=1))
