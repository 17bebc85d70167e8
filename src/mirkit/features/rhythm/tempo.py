"""Tempo of a beat grid: ``bpm``, ``bpm_is_defined``, ``beat_count`` and ``beat_regularity``.

*Measured*: ``bpm`` in beats per minute from a line through the beats, ``beat_regularity`` as the standard deviation of
their intervals in seconds. *Reading*: ``bpm`` is 40 to 300 and unknown where ``bpm_is_defined`` is 0; a drum machine
has a regularity of 0.
"""

from dataclasses import dataclass

import numpy as np

from mirkit.features.rhythm.beats.grid import Beats
from mirkit.features.types import FloatArray, Unknown, Value, Window

NO_TEMPO = Unknown("no steady pulse")
TOO_FEW_BEATS = Unknown("too few beats")

#: Neighboring beat intervals that differ by less than this share belong to one steady run.
STEADY_CHANGE = 0.08
_FIT_BEATS = 16
_LOCAL_REACH = 4  # number of beats on either side for the local tempo
_CONSTANT = 0.02  # largest relative deviation of local tempi from their median, for a constant tempo
_RANGE = (40.0, 300.0)


@dataclass(frozen=True)
class TempoFeatures:
    """Tempo of a window, named as in ``.INFO``."""

    bpm: Value
    bpm_is_defined: Value
    beat_count: Value
    beat_regularity: Value


def tempo(beats: Beats, window: Window) -> TempoFeatures:
    """Measure the tempo of a window of a track.

    ``bpm`` follows from the slope of beat time over beat index, fitted to the steady runs of the window's beats, with
    neighbors added to have 16 beats. If the tempo changes, ``bpm`` is the duration-weighted median of the local tempo.
    It is unknown when the track has no steady pulse. ``beat_count`` counts the window's beats; ``beat_regularity`` is
    the standard deviation of their intervals in seconds (0 = perfectly regular), unknown below 3 beats.

    Parameters
    ----------
    beats : Beats
        Grid of the whole track.
    window : Window

    Returns
    -------
    TempoFeatures

    Examples
    --------
    >>> times = np.arange(64) * 0.5
    >>> beats = Beats(times, times[::4], np.ones(64), "4/4", 1.0, steady=True)
    >>> features = tempo(beats, Window(0, 32))
    >>> round(features.bpm, 6), features.bpm_is_defined, features.beat_count, features.beat_regularity
    (120.0, 1, 64, 0.0)
    """
    first, last = (int(i) for i in np.searchsorted(beats.times, (window.start, window.end)))
    count = last - first
    intervals = np.diff(beats.times[first:last])
    regularity: Value = float(intervals.std()) if count >= 3 else TOO_FEW_BEATS
    bpm: Value = NO_TEMPO
    if beats.steady:
        missing = max(0, _FIT_BEATS - count)
        low = max(0, min(first - (missing + 1) // 2, len(beats.times) - _FIT_BEATS))
        high = min(len(beats.times), max(last + missing // 2, low + _FIT_BEATS))
        period = beat_period(beats.times[low:high])
        if period is None:
            bpm = TOO_FEW_BEATS
        else:
            bpm = 60 / period if _RANGE[0] <= 60 / period <= _RANGE[1] else Unknown("tempo out of range")
    return TempoFeatures(bpm, int(beats.steady), count, regularity)


def steady_runs(times: FloatArray) -> list[tuple[int, int]]:
    """Find runs of beats whose neighboring intervals differ by less than 8 %.

    Returns
    -------
    list of (int, int)
        First and last beat (inclusive) of each run, ascending. A run has at least two intervals; runs may share a beat.
    """
    intervals = np.diff(times)
    if len(intervals) < 2:
        return []
    small, large = np.minimum(intervals[:-1], intervals[1:]), np.maximum(intervals[:-1], intervals[1:])
    alike = np.concatenate(([False], large <= (1 + STEADY_CHANGE) * small, [False]))
    edges = np.flatnonzero(np.diff(alike.astype(np.int8)))
    return [(int(a), int(b) + 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def beat_period(times: FloatArray) -> float | None:
    """Beat period in seconds of the steady part of a grid, or None if there is none."""
    runs = steady_runs(times)
    if not runs:
        return None
    local = np.concatenate([_local_periods(times[a : b + 1]) for a, b in runs])
    weights = np.concatenate([np.diff(times[a : b + 1]) for a, b in runs])
    order = np.argsort(local, kind="stable")
    total = np.cumsum(weights[order])
    middle = float(local[order][np.searchsorted(total, total[-1] / 2)])
    constant = np.abs(local / middle - 1) <= _CONSTANT
    if weights[constant].sum() < 0.9 * weights.sum():
        return middle
    # Constant tempo: one slope for all runs, each with its own offset, so that gaps between them have no effect.
    above = below = 0.0
    for a, b in runs:
        run = times[a : b + 1]
        index = np.arange(len(run)) - (len(run) - 1) / 2
        if abs((run[-1] - run[0]) / (len(run) - 1) / middle - 1) <= _CONSTANT:
            above += float(index @ run)
            below += float(index @ index)
    return above / below if below else middle


def _local_periods(run: FloatArray) -> FloatArray:
    """Period around each interval of a run: slope of a line through the nearby beats, shape=(len(run) - 1,)."""
    x = np.arange(len(run), dtype=np.float64)
    y = run - run[0]
    low = np.maximum(np.arange(len(run) - 1) - _LOCAL_REACH + 1, 0)
    high = np.minimum(np.arange(len(run) - 1) + _LOCAL_REACH + 1, len(run))
    totals = np.cumsum(np.stack((np.ones(len(run)), x, x * x, y, x * y), axis=1), axis=0)
    totals = np.concatenate((np.zeros((1, 5)), totals))
    count, sum_x, sum_xx, sum_y, sum_xy = (totals[high] - totals[low]).T
    slopes: FloatArray = (sum_xy - sum_x * sum_y / count) / (sum_xx - sum_x * sum_x / count)
    return slopes
