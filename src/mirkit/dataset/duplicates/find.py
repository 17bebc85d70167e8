"""Find the tracks of a data set that are the same recording, from ``.CURVES.npz`` and without decoding audio.

Copies with another codec, gain or trim are found, and copies that are up to 5 % faster or slower, or a semitone higher
or lower. Landmarks of harmony and dynamics are hashed, and tracks that share landmarks are candidates
(:mod:`fingerprints`); they are aligned, and are the same recording if their correlation is high enough
(:mod:`alignment`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import DisjointSet

from mirkit.audio import SourceInfo, probe
from mirkit.dataset.duplicates.alignment import Alignment, align
from mirkit.dataset.duplicates.fingerprints import Hashes, candidates
from mirkit.dataset.duplicates.stored import NO_FINGERPRINT, fingerprints, read_features
from mirkit.dataset.library import Library
from mirkit.errors import AudioError
from mirkit.track import Track

#: Number of tracks whose features are kept in memory while pairs are compared.
_CACHED = 512
#: Copies whose lengths differ by less (s) have the same length.
_SAME_SECONDS = 0.5


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


@dataclass
class Duplicates:
    """The duplicates of a data set. Tracks are given by their indexes.

    Attributes
    ----------
    groups : list of list of int
        Groups of two or more tracks that are the same recording.
    pairs : list of Pair
        Pairs that were found; they connect each group, but are not all its pairs.
    not_compared : dict
        Track -> why it could not be compared.
    unmeasured : list of int
        Tracks among those that have no feature series yet.
    failed : dict
        Track -> error of reading its feature series.
    """

    groups: list[list[int]] = field(default_factory=list)
    pairs: list[Pair] = field(default_factory=list)
    not_compared: dict[int, str] = field(default_factory=dict)
    unmeasured: list[int] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)


def find_duplicates(
    tracks: Sequence[Track], advance: Callable[[str], None] = lambda _: None, library: Library | None = None
) -> Duplicates:
    """Find the tracks that are the same recording.

    Parameters
    ----------
    tracks : sequence of Track
    advance : callable, optional
        Called with the name of each track when it has been read.
    library : Library, optional
        Where the fingerprints of unchanged tracks are taken from, and new ones are kept.

    Returns
    -------
    Duplicates
    """
    result = Duplicates()
    times: list[npt.NDArray[np.float32]] = []
    hashed: list[tuple[Hashes, ...]] = []
    first_with: dict[str, int] = {}
    groups = DisjointSet(range(len(tracks)))
    for number, (track, one) in enumerate(zip(tracks, fingerprints(tracks, library, advance), strict=True)):
        marks = one.times, one.hashed
        if one.unmeasured:
            result.not_compared[number] = one.unmeasured
            result.unmeasured.append(number)
        elif one.failed:
            result.failed[number] = one.failed
        else:
            if not len(one.times):
                result.not_compared[number] = "it is too short, or does not change"
            same = first_with.setdefault(one.audio or str(track.feature_series), number)
            if groups.merge(same, number):
                result.pairs.append(Pair(same, number, None))
                marks = NO_FINGERPRINT.times, NO_FINGERPRINT.hashed  # only the first of identical tracks is compared
        times.append(marks[0])
        hashed.append(marks[1])
    read = lru_cache(_CACHED)(lambda number: read_features(tracks[number].feature_series))
    for candidate in candidates(times, hashed):
        if groups.connected(candidate.first, candidate.second):
            continue
        alignment = align(read(candidate.first), read(candidate.second), candidate)
        if alignment is not None and alignment.is_same:
            groups.merge(candidate.first, candidate.second)
            result.pairs.append(Pair(candidate.first, candidate.second, alignment))
    result.groups = [sorted(group) for group in groups.subsets() if len(group) > 1]
    return result


def best_copy(mixes: Mapping[str, Path]) -> str:
    """Return the name of the best of several copies of a recording.

    Lossless copies are better, then longer ones, then those with the higher sample rate and bit depth; of equal ones,
    the first by name.
    """
    known: dict[str, SourceInfo] = {}
    for name, path in sorted(mixes.items()):
        try:
            known[name] = probe(path)
        except AudioError:
            continue  # reported when the track is processed
    if not known:
        return min(mixes)
    lossless = [name for name, info in known.items() if info.lossless] or list(known)
    longest = max(known[name].duration or 0.0 for name in lossless)
    long = [name for name in lossless if (known[name].duration or 0.0) > longest - _SAME_SECONDS]
    return max(long, key=lambda name: (known[name].sample_rate, known[name].bits or 0))
