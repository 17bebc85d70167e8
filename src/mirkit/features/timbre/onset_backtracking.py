"""Where notes really begin: detected onsets moved back along the envelope, and those that are none removed."""

from itertools import pairwise

import numpy as np

from mirkit.features.timbre.onsets import HOP, detect_onsets
from mirkit.features.types import FloatArray

_LOOK_BACK = 882  # 20 ms
_HYSTERESIS = 13230  # 300 ms
_SHARE = 0.1  # of the envelope's range: less is no event of its own
_APART = 4410.0  # 100 ms
_LEAST_STRENGTH = 3.0


def backtrack_onsets(strength: FloatArray, envelope: FloatArray, margin: int) -> list[int]:
    """Find the beginnings of notes.

    Each onset is followed back while the envelope falls; beginnings whose note rises by less than a tenth of the
    envelope's range, that follow another within 100 ms, or with no onset strength of 3 up to the next one, are dropped.

    Parameters
    ----------
    strength : float64 array, shape=(frames,)
        Onset strength.
    envelope : float32 array, shape=(n,)
    margin : int
        A note that would begin before this sample begins at 0.

    Returns
    -------
    list of int
        Samples, ascending; [0] when nothing is left.
    """
    onsets = detect_onsets(strength) * HOP
    threshold = _SHARE * (float(envelope.max()) - float(envelope.min()))
    starts: list[int] = []
    for onset in onsets:
        # Onsets within the last frame are not followed, unless there is no other.
        if onset == 0:
            starts.append(0)
        elif not starts or onset + HOP - 1 < len(envelope):
            starts.append(_follow_back(int(onset), envelope, threshold, margin))
    starts = list(dict.fromkeys(start for i, start in enumerate(starts) if start or not i))
    starts = _rising(starts, envelope, threshold)
    starts = _apart(starts)
    return _strong(starts, strength) or [0]


def segment_ends(starts: list[int], end: int) -> list[int]:
    """End of the segment that begins at each start: the next start; the last one reaches to the ``end``."""
    return [*starts[1:], end] if starts else []


def _follow_back(onset: int, envelope: FloatArray, threshold: float, margin: int) -> int:
    while True:
        here = envelope[onset]
        recent = envelope[onset - _LOOK_BACK - 1 : onset] if onset > _LOOK_BACK else envelope[: onset - 1]
        if recent.min() <= here:
            onset = int(recent.argmin()) + onset - _LOOK_BACK - 1
            if onset <= margin:
                return 0
            continue
        past = envelope[max(0, onset - _HYSTERESIS - 1) : onset]
        lower = np.flatnonzero(past < here)
        if not len(lower):
            return onset
        since = past[lower[-1] :]
        if since.max() - since.min() >= threshold:
            return onset
        onset -= len(since)
        if onset < margin:
            return 0


def _rising(starts: list[int], envelope: FloatArray, threshold: float) -> list[int]:
    """Keep the starts whose segment, up to the next kept one, rises by the threshold to a peak."""
    if len(starts) < 2:
        return starts
    kept: list[int] = []
    end = len(envelope)
    for start in reversed(starts):
        segment = envelope[start:end]
        peak = int(segment.argmax()) if len(segment) else 0
        if peak and float(segment[peak]) - float(segment[:peak].min()) >= threshold:
            kept.append(start)
            end = start
    return kept[::-1]


def _apart(starts: list[int]) -> list[int]:
    """Drop starts within 100 ms of the one before, all at once, until there are none."""
    while True:
        kept = starts[:1] + [b for a, b in pairwise(starts) if b - a >= _APART]
        if len(kept) == len(starts):
            return kept
        starts = kept


def _strong(starts: list[int], strength: FloatArray) -> list[int]:
    """Keep the starts with enough strength up to the next kept one."""
    kept: list[int] = []
    end = len(strength)
    for start in reversed(starts):
        frame = start // HOP
        if strength[frame:end].max() >= _LEAST_STRENGTH:
            kept.append(start)
            end = frame
    return kept[::-1]
