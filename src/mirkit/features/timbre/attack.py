"""The attack of a note: where it begins, and how long it takes (CUIDADO's minimum-effort method)."""

import math

import numpy as np

from mirkit.features.types import ANALYSIS_RATE, FloatArray

#: An attack is taken to last no longer than this.
MAX_SECONDS = 0.1

_LEVELS = np.linspace(0.1, 0.9, 9)
_EFFORT = 3.0
_FIXED_START = 0.2


def rise(segment: FloatArray) -> tuple[int, FloatArray] | None:
    """Cut a segment of an envelope down to the way from its last lowest point to its (first) peak, scaled to peak 1.

    Returns
    -------
    (index, array) or None
        Where the rise begins, and the rise; None where the segment begins with its peak (or is silent).
    """
    peak = int(segment.argmax())
    if peak == 0:
        return None
    segment = segment[: peak + 1] / np.float64(segment[peak])
    before = segment[:peak]
    start = peak - 1 - int(before[::-1].argmin())
    return start, segment[start:]


def fixed_start(segment: FloatArray) -> int | None:
    """Index where a segment's rise has climbed 20 % of its range; None where there is no rise."""
    found = rise(segment)
    if found is None:
        return None
    start, slope = found
    return start + int((slope >= slope.min() + _FIXED_START * (slope.max() - slope.min())).argmax())


def effort_attack(segment: FloatArray) -> tuple[float, int] | None:
    """Attack time by minimum effort.

    The rise is cut by nine levels at 10-90 % of its range. The attack begins with the first step that takes no more
    than three times the mean time of a step, and ends with the first later step that does.

    Returns
    -------
    (log10 of seconds, index of the beginning) or None
        None where the segment has no rise.
    """
    found = rise(segment)
    if found is None:
        return None
    offset, slope = found
    low = slope.min()
    crossings = np.array([(slope >= level).argmax() for level in _LEVELS * (slope.max() - low) + low])
    effort = np.diff(crossings)
    limit = effort.mean() * _EFFORT
    first = int((effort <= limit).argmax())
    later = int((effort[first:] >= limit).argmax()) or len(effort) - first - 1
    start, end = crossings[first], crossings[first + later]
    if start == end:
        start, end = crossings[0], crossings[-1]
    seconds = (end - start + 1) / ANALYSIS_RATE
    if seconds > MAX_SECONDS:
        seconds = (int(ANALYSIS_RATE * MAX_SECONDS) + 1) / ANALYSIS_RATE
    return math.log10(seconds), offset + int(start)
