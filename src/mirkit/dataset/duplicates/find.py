"""Find the tracks of a data set that are the same recording, from ``.CURVES.npz`` and without decoding audio.

Copies with another codec, gain or trim are found, and copies that are up to 5 % faster or slower, or a semitone higher
or lower. Landmarks of harmony and dynamics are hashed, and tracks that share landmarks are candidates
(:mod:`candidates`); they are aligned, and are the same recording if their correlation is high enough
(:mod:`alignment`).
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import DisjointSet

from mirkit import engines
from mirkit.audio import SourceInfo, probe
from mirkit.dataset.duplicates.alignment import Alignment, align
from mirkit.dataset.duplicates.candidates import Candidate, candidates
from mirkit.dataset.duplicates.fingerprints import FingerprintFeatures, Hashes
from mirkit.dataset.duplicates.known import Pair, keep_pairs, known_pairs
from mirkit.dataset.duplicates.stored import NO_FINGERPRINT, fingerprints, read_features
from mirkit.dataset.library import Library
from mirkit.dataset.library.row import key_of
from mirkit.errors import AudioError
from mirkit.track import Track, is_audio_name

#: Number of tracks whose features are kept in memory while pairs are compared.
_CACHED = 512
#: Candidates that are aligned at a time.
_AT_A_TIME = 20_000
#: Copies whose lengths differ by less (s) have the same length.
_SAME_SECONDS = 0.5


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
    hashed: list[Sequence[Hashes]] = []
    first_with: dict[str, int] = {}
    groups = DisjointSet(range(len(tracks)))
    found = fingerprints(tracks, library, advance)
    for number, (track, one) in enumerate(zip(tracks, found, strict=True)):
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
    identical = {pair.second for pair in result.pairs}
    usable = [
        number for number in range(len(tracks)) if number not in result.not_compared.keys() | result.failed.keys()
    ]
    compared = {number for number in usable if found[number].compared and number not in identical}
    anew = set(usable) - compared - identical
    keys: list[bytes] = []
    if library:
        prefix = os.path.join(library.root, "")
        keys = [key_of(track, prefix) for track in tracks]
        known, again = known_pairs(library, {key: number for number, key in enumerate(keys)}, compared)
        anew |= again
        for pair in known:
            groups.merge(pair.first, pair.second)
        result.pairs += known
    if anew:
        some = (one for one in candidates(times, hashed) if one.first in anew or one.second in anew)
        result.pairs += _same(some, tracks, groups, result.failed)
        if library:
            keep_pairs(library, keys, sorted(usable), result.pairs)
    result.groups = [sorted(group) for group in groups.subsets() if len(group) > 1]
    return result


def _same(
    found: Iterator[Candidate], tracks: Sequence[Track], groups: "DisjointSet", failed: dict[int, str]
) -> list[Pair]:
    """Align candidates on all cores, and merge the groups of those that are the same recording.

    A track is compared with one of its candidates, then with two, and so on, because it may then be in the group of the
    others.
    """
    pairs: list[Pair] = []
    deferred: list[Candidate] = []
    most = 1
    while batch := [*deferred, *islice(found, _AT_A_TIME)]:
        now: list[Candidate] = []
        deferred = []
        seconds: Counter[int] = Counter()
        for candidate in batch:
            if groups.connected(candidate.first, candidate.second):
                continue
            (now if seconds[candidate.second] < most else deferred).append(candidate)
            seconds[candidate.second] += 1
        most *= 2
        jobs = [
            _Job(tracks[one.first].feature_series, tracks[one.second].feature_series, one, number)
            for number, one in enumerate(now)
        ]
        aligned: list[Alignment | None] = [None] * len(now)
        for done in engines.run_chunked(_align, jobs, jobs=engines.cores()):
            aligned[done.item.number] = done.result
            if done.error:
                failed.setdefault(done.item.candidate.first, done.error)
        for candidate, alignment in zip(now, aligned, strict=True):
            if alignment is not None and alignment.is_same and groups.merge(candidate.first, candidate.second):
                pairs.append(Pair(candidate.first, candidate.second, alignment))
    return pairs


@dataclass(frozen=True)
class _Job:
    """Two files of feature series to align."""

    first: Path
    second: Path
    candidate: Candidate
    number: int


def _align(job: _Job) -> Alignment | None:
    return align(_features(job.first, *_stamp(job.first)), _features(job.second, *_stamp(job.second)), job.candidate)


def _stamp(path: Path) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


@lru_cache(_CACHED)
def _features(path: Path, _size: int, _mtime_ns: int) -> FingerprintFeatures:
    return read_features(path)


#: Names that systems and users give to a copy.
_COPY = re.compile(r"\b(?:copy|copie|kopie|copia|duplicate)\b|\(\d{1,2}\)$|~\d$", re.IGNORECASE)


def _is_named_copy(name: str) -> bool:
    """Whether a name, of a track folder or of a file, says that it is a copy."""
    last = re.split(r"[/\\]", name)[-1]
    return _COPY.search(os.path.splitext(last)[0] if is_audio_name(last) else last) is not None


def best_copy(mixes: Mapping[str, Path]) -> str:
    """Return the name of the best of several copies of a recording.

    Lossless copies are better, then longer ones, then those with the higher sample rate and bit depth; of equal ones,
    those that are not named as a copy (``copy of x``, ``x (1)``), and of these the first by name.
    """
    known: dict[str, SourceInfo] = {}
    for name, path in sorted(mixes.items(), key=lambda item: (_is_named_copy(item[0]), item[0])):
        try:
            known[name] = probe(path)
        except AudioError:
            continue  # reported when the track is processed
    if not known:
        return min(mixes, key=lambda name: (_is_named_copy(name), name))
    lossless = [name for name, info in known.items() if info.lossless] or list(known)
    longest = max(known[name].duration or 0.0 for name in lossless)
    long = [name for name in lossless if (known[name].duration or 0.0) > longest - _SAME_SECONDS]
    return max(long, key=lambda name: (known[name].sample_rate, known[name].bits or 0))
