"""From the hashes of many tracks to pairs that may be the same recording: a join of sorted hashes, not of all pairs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirkit.dataset.fingerprint import TABLES, UNSURE, Hashes

#: Semitones that a copy may be higher; as every track is compared with every other, as many lower too.
SEMITONES = (0, 1)
#: Bits of 192 in which two landmarks of the same sound differ at most (unlike ones differ in 96, give or take 14).
_MOST_FLIPS = 40
#: Landmarks with equal hashes that one is compared with: copies beyond stay connected by these.
_MOST_EQUAL = 50
_AT_ONCE = 100_000
#: Matching landmarks that make a candidate; for a track with few landmarks, one does.
_FEWEST_HITS = 2
_FEW_LANDMARKS = 8


@dataclass(frozen=True)
class Candidate:
    """Two tracks with landmarks in common.

    Attributes
    ----------
    first, second : int
        Which tracks.
    semitones : int
        The second sounds so many semitones higher.
    times : float32 array, shape=(hits, 2)
        Seconds of the landmarks, in the first and in the second.
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
        For each track, when its landmarks are, in seconds.
    hashed : sequence
        For each track, its hashes when transposed by each of ``SEMITONES``.

    Yields
    ------
    Candidate
        Each pair of tracks at most once per transposition, in order.
    """
    count = len(times)
    if not count:
        return
    owner = np.repeat(np.arange(count), [len(own) for own in times])
    when = np.concatenate(times)
    index = np.concatenate([own[0].words for own in hashed])
    found = []
    for which, _ in enumerate(SEMITONES):
        words = np.concatenate([own[which].words for own in hashed])
        near = np.concatenate([own[which].near for own in hashed])
        pairs = [np.zeros(0, np.int64)]
        for table in range(TABLES):
            for asked, met in _hits(index[:, table], words[:, table], near[:, table]):
                other = owner[asked] != owner[met]
                asked, met = asked[other], met[other]
                flips = np.bitwise_count(words[asked] ^ index[met]).sum(axis=1, dtype=np.int64)
                # Most that meet are unlike, and must not pile up: two landmarks as one number, the like ones only.
                pairs.append((asked * len(index) + met)[flips <= _MOST_FLIPS])
        found.append(np.divmod(np.unique(np.concatenate(pairs)), max(len(index), 1)))
    landmarks = np.bincount(owner, minlength=count)
    for semitones, (asked, met) in zip(SEMITONES, found, strict=True):
        yield from _pairs(owner, when, landmarks, semitones, asked, met)


def _hits(
    index: npt.NDArray[np.uint32], words: npt.NDArray[np.uint32], near: npt.NDArray[np.uint8]
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Landmarks that ask, and those that they meet: its hash in one table is theirs, the least sure bits either way."""
    order = np.argsort(index, kind="stable")
    ordered = index[order]
    bits = np.uint32(1) << near.astype(np.uint32)
    for choice in range(2**UNSURE):
        flipped = np.zeros(len(words), np.uint32)
        for bit in range(UNSURE):
            if choice >> bit & 1:
                flipped |= bits[:, bit]
        for start in range(0, len(words), _AT_ONCE):
            asked = (words ^ flipped)[start : start + _AT_ONCE]
            low, high = np.searchsorted(ordered, asked, "left"), np.searchsorted(ordered, asked, "right")
            length = np.minimum(high - low, _MOST_EQUAL)
            who = np.repeat(np.arange(len(asked)), length)
            step = np.arange(len(who)) - np.repeat(np.cumsum(length) - length, length)
            met = order[np.repeat(low, length) + step]
            yield start + who, met


def _pairs(
    owner: npt.NDArray[np.int64],
    when: npt.NDArray[np.float32],
    landmarks: npt.NDArray[np.int64],
    semitones: int,
    asked: npt.NDArray[np.int64],
    met: npt.NDArray[np.int64],
) -> Iterator[Candidate]:
    """Gather the hits of each pair of tracks."""
    first, second = owner[asked], owner[met]
    if semitones == 0:  # each is found from both sides
        back = first > second
        asked, met = np.where(back, met, asked), np.where(back, asked, met)
        asked, met = np.divmod(np.unique(asked * len(owner) + met), len(owner))
        first, second = owner[asked], owner[met]
    order = np.lexsort((met, asked, second, first))
    first, second, asked, met = first[order], second[order], asked[order], met[order]
    new = np.flatnonzero(np.diff(first, prepend=-1) | np.diff(second, prepend=-1))
    for start, end in zip(new, np.append(new, len(first))[1:], strict=True):
        a, b = int(first[start]), int(second[start])
        enough = 1 if min(landmarks[a], landmarks[b]) < _FEW_LANDMARKS else _FEWEST_HITS
        if min(len(set(asked[start:end])), len(set(met[start:end]))) >= enough:
            yield Candidate(a, b, semitones, np.stack((when[asked[start:end]], when[met[start:end]]), axis=1))
