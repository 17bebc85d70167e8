"""Whether the stems that a user brought belong to their mix, from excerpts of the files."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mirkit.audio import open_audio, probe
from mirkit.features.stem_match import StemMatch, match_stems
from mirkit.features.types import ANALYSIS_RATE, FloatArray

#: Length of an excerpt (s), and where the excerpts begin, as shares of the track.
_SECONDS = 15.0
_PLACES = (0.25, 0.6)


def check_stems(mix: Path, stems: Mapping[str, Path]) -> StemMatch | None:
    """Compare stems with their mix, on an excerpt where both sound.

    Parameters
    ----------
    mix : Path
    stems : mapping of str to Path
        Some stems, or all; their sum is compared.

    Returns
    -------
    StemMatch or None
        None where the stems or the mix are silent, so that nothing can be said. The offset is in samples at 44.1 kHz.

    Raises
    ------
    AudioError
        A file cannot be read.
    """
    seconds = probe(mix).duration or _SECONDS
    found: StemMatch | None = None
    for place in _PLACES:
        start = max(0.0, min(place * seconds, seconds - _SECONDS))
        whole = _excerpt(mix, start)
        parts = [_excerpt(path, start) for path in stems.values()]
        length = min(map(len, (whole, *parts)))
        found = match_stems(whole[:length], np.sum([part[:length] for part in parts], axis=0), ANALYSIS_RATE) or found
        if found and found.is_same:
            return found
    return found


def length_difference(mix: Path, stems: Mapping[str, Path]) -> float:
    """Return by how much the stem of the most different length is longer than its mix (s), negative if it is shorter.

    Raises
    ------
    AudioError
        A file cannot be read.
    """
    seconds = probe(mix).duration
    others = [probe(path).duration for path in stems.values()]
    differences = [other - seconds for other in others if other is not None and seconds is not None]
    return max(differences, key=abs, default=0.0)


def _excerpt(path: Path, start: float) -> FloatArray:
    samples: FloatArray = open_audio(path, hold_seconds=0).window(start, start + _SECONDS).mean(axis=0)
    return samples
