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
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import DisjointSet

from mirkit.audio import SourceInfo, probe
from mirkit.dataset.duplicates.alignment import Alignment, align
from mirkit.dataset.duplicates.fingerprints import (
    NO_LANDMARKS,
    SEMITONES,
    FingerprintFeatures,
    Hashes,
    candidates,
    fingerprint_features,
    hashes,
    landmarks,
    rotated,
)
from mirkit.errors import AudioError, InfoError, MissingInput, printable
from mirkit.features.serialization import from_arrays
from mirkit.store import read_feature_series, read_feature_series_header
from mirkit.track import Track, rename_hint

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


def find_duplicates(tracks: Sequence[Track], advance: Callable[[str], None] = lambda _: None) -> Duplicates:
    """Find the tracks that are the same recording.

    Parameters
    ----------
    tracks : sequence of Track
    advance : callable, optional
        Called with the name of each track when it has been read.

    Returns
    -------
    Duplicates
    """
    result = Duplicates()
    times: list[npt.NDArray[np.float32]] = []
    hashed: list[list[Hashes]] = []
    first_with: dict[str, int] = {}
    groups = DisjointSet(range(len(tracks)))
    for number, track in enumerate(tracks):
        marks = NO_LANDMARKS
        try:
            marks = landmarks(read_features(track.feature_series))
            if not len(marks.times):
                result.not_compared[number] = "it is too short, or does not change"
            same = first_with.setdefault(_audio_hash(track.feature_series), number)
            if groups.merge(same, number):
                result.pairs.append(Pair(same, number, None))
                marks = NO_LANDMARKS  # of identical tracks, only the first is compared with others
        except MissingInput as error:
            result.not_compared[number] = rename_hint(track) or str(error)
            result.unmeasured.append(number)
        except InfoError as error:
            result.failed[number] = str(error)
        times.append(marks.times)
        hashed.append([hashes(rotated(marks.cells, semitones)) for semitones in SEMITONES])
        advance(track.name)
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


def read_features(path: Path) -> FingerprintFeatures:
    """Read the fingerprint features of a track from its ``.CURVES.npz``.

    Raises
    ------
    MissingInput
        The file does not exist, or lacks the feature series.
    InfoError
        The file is damaged.
    """
    chroma = read_feature_series(path, "tonal/chroma")
    source = "tonal" if chroma else "full_mix"
    chroma = chroma or read_feature_series(path, "full_mix/chroma")
    bands = read_feature_series(path, "full_mix/bands")
    if not (chroma and bands):
        raise MissingInput(
            f"{printable(path)}: the feature series are missing; measure the track with: "
            f'mirkit extract "{printable(path.parent)}"'
        )
    try:
        return fingerprint_features(_series(f"{source}/chroma", chroma, 12), _series("full_mix/bands", bands, 4))
    except (KeyError, ValueError) as error:
        raise InfoError(f"{printable(path)}: {error}; remove the file, and mirkit computes it again") from error


def _series(name: str, arrays: Mapping[str, Any], columns: int) -> Any:
    fields = {key.removeprefix(f"{name}/"): array for key, array in arrays.items()}
    kind = name.partition("/")[2]
    rows = fields["chroma" if kind == "chroma" else "energy"]
    if rows.ndim != 2 or rows.shape[1] != columns or not len(rows):
        raise ValueError(f"{name} does not have {columns} columns")
    return from_arrays(kind, fields)


def _audio_hash(path: Path) -> str:
    """Hash of the mix; if it is unknown, the path, which is unique."""
    header: Any = read_feature_series_header(path).get("full_mix/sound")
    return str(header["sound"]) if isinstance(header, dict) and "sound" in header else str(path)


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
