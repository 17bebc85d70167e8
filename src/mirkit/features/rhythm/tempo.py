"""Tempo of a beat grid: ``bpm``, ``bpm_is_defined``, ``beat_count``, ``beat_regularity``, and the tempo map.

*Measured*: ``bpm`` in beats per minute from a line through the beats, ``beat_regularity`` as the standard deviation of
their intervals in seconds. *Reading*: ``bpm`` is 40 to 300; it is unknown, and ``bpm_is_defined`` 0, without a steady
pulse and where the tempo changes. A drum machine has a regularity of 0.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from mirkit.features.rhythm.beats.grid import Beats
from mirkit.features.types import FloatArray, Unknown, Value, Window

NO_TEMPO = Unknown("no steady pulse")
TOO_FEW_BEATS = Unknown("too few beats")
TEMPO_CHANGES = Unknown("tempo changes")

#: Neighboring beat intervals that differ by less than this share belong to one steady run.
STEADY_CHANGE = 0.08
#: A known tempo stands for an octave of the measured one if it differs by at most this share.
HINT_TOLERANCE = 0.04
_HINT_OCTAVES = 2
_FIT_BEATS = 16
_LOCAL_REACH = 4  # number of beats on either side for the local tempo
_CONSTANT = 0.02  # largest relative deviation of local tempi from their median, for a constant tempo
_RANGE = (40.0, 300.0)
#: One tempo: the local tempo of this share of the beats lies this near to a line with at most this drift.
_ONE_TEMPO_SHARE, _ONE_TEMPO_NEAR, _ONE_TEMPO_DRIFT = 0.8, 0.04, 0.06
_SLOPE_POINTS = 120
#: Segments of a tempo map: least number of beats, least change between neighbors, and least gain of a new segment, in
#: squared deviations of the intervals, which are at least 1 %.
_SEGMENT_BEATS, _SEGMENT_CHANGE, _SEGMENT_GAIN, _LEAST_DEVIATION = 4, 0.04, 12.0, 0.01


@dataclass(frozen=True)
class TempoFeatures:
    """Tempo of a window, named as in ``.INFO``.

    Attributes
    ----------
    bpm : 40 to 300 per minute
        Tempo of the steady part.
    bpm_is_defined : 0 or 1
        Whether there is a steady pulse with one tempo.
    beat_count : int, 0 or more
        Number of beats.
    beat_regularity : 0 to 0.5 s
        Standard deviation of the intervals between beats.
    """

    bpm: Value
    bpm_is_defined: Value
    beat_count: Value
    beat_regularity: Value


class TempoSegment(NamedTuple):
    """A part of a track with one tempo.

    Attributes
    ----------
    start, end : float
        Seconds.
    bpm : float
        Beats per minute.
    """

    start: float
    end: float
    bpm: float


def tempo(beats: Beats, window: Window) -> TempoFeatures:
    """Measure the tempo of a window of a track.

    ``bpm`` follows from the slope of beat time over beat index, fitted to the steady runs of the window's beats, with
    neighbors added to have 16 beats. If the tempo drifts slightly, ``bpm`` is the duration-weighted median of the local
    tempo. It is unknown when the track has no steady pulse, and in a window in which the tempo changes (see
    ``tempo_map``); beats beyond a change are no neighbors. ``bpm_is_defined`` is 1 where ``bpm`` is known.
    ``beat_count`` counts the window's beats; ``beat_regularity`` is the standard deviation of their intervals in
    seconds (0 = perfectly regular), unknown below 3 beats.

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
    regularity: Value = float(np.diff(beats.times[first:last]).std()) if count >= 3 else TOO_FEW_BEATS
    bpm = _tempo(np.asarray(beats.times, np.float64), first, last) if beats.steady else NO_TEMPO
    return TempoFeatures(bpm, int(not isinstance(bpm, Unknown)), count, regularity)


def _tempo(times: FloatArray, first: int, last: int) -> Value:
    """Tempo of the beats ``[first, last)`` of a grid."""
    start, end = 0, len(times)
    for low, high in _segments(times.tobytes()):
        # A segment ends at the beat with which the next one begins; one beat beyond it is no change of tempo.
        if low - 1 <= first and last - 1 <= high + 1:
            start, end = low, high + 1
            break
    else:
        return TEMPO_CHANGES
    missing = max(0, _FIT_BEATS - (last - first))
    low = max(start, min(first - (missing + 1) // 2, end - _FIT_BEATS))
    high = min(end, max(last + missing // 2, low + _FIT_BEATS))
    period = beat_period(times[low:high])
    if period is None:
        return TOO_FEW_BEATS
    return 60 / period if _RANGE[0] <= 60 / period <= _RANGE[1] else Unknown("tempo out of range")


def tempo_map(beats: Beats) -> tuple[TempoSegment, ...]:
    """Divide a track whose tempo changes into parts with one tempo.

    Parameters
    ----------
    beats : Beats
        Of the whole track.

    Returns
    -------
    tuple of TempoSegment
        Each ends where the next begins; empty if the track has one tempo or no steady pulse.

    Examples
    --------
    >>> times = np.concatenate(([0], np.cumsum([0.6] * 40 + [0.5] * 40)))
    >>> beats = Beats(times, times[::4], np.ones(81), "4/4", 1.0, steady=True)
    >>> [(round(part.start, 1), round(part.end, 1), round(part.bpm)) for part in tempo_map(beats)]
    [(0.0, 24.0, 100), (24.0, 44.0, 120)]
    """
    parts = _segments(beats.times.tobytes()) if beats.steady else []
    if len(parts) < 2:
        return ()
    return tuple(
        TempoSegment(
            float(beats.times[low]),
            float(beats.times[high]),
            60 / (beat_period(beats.times[low : high + 1]) or float(np.diff(beats.times[low : high + 1]).mean())),
        )
        for low, high in parts
    )


def octave_of(known: float, measured: float) -> int | None:
    """By how many octaves a known tempo is above a measured one.

    Parameters
    ----------
    known, measured : float
        Beats per minute.

    Returns
    -------
    int or None
        None if the known tempo is not within 4 % of an octave of the measured one.

    Examples
    --------
    >>> octave_of(64, 128.4), octave_of(128, 128.4), octave_of(192, 128.4)
    (-1, 0, None)
    """
    octave = round(float(np.log2(known / measured)))
    near = abs(known / (measured * 2.0**octave) - 1) <= HINT_TOLERANCE
    return octave if near and abs(octave) <= _HINT_OCTAVES else None


def has_one_tempo(times: FloatArray) -> bool:
    """Whether the tempo of a grid stays the same, or drifts by at most 6 %.

    The local tempo of at least 80 % of the beats lies within 4 % of a straight line over time.

    Parameters
    ----------
    times : array, shape=(n,)
        Beats in seconds, ascending.

    Returns
    -------
    bool
        True also for a grid without a steady run.
    """
    runs = steady_runs(times)
    if not runs:
        return True
    local = np.log(np.concatenate([_local_periods(times[a : b + 1]) for a, b in runs]))
    at = np.concatenate([times[a:b] for a, b in runs])
    place = (at - at[0]) / max(at[-1] - at[0], 1e-9)
    drift = _median_slope(place, local)
    level = local - drift * place
    near = np.log1p(_ONE_TEMPO_NEAR)
    within = np.count_nonzero(np.abs(level - np.median(level)) <= near)
    return bool(abs(drift) <= np.log1p(_ONE_TEMPO_DRIFT) and within >= _ONE_TEMPO_SHARE * (len(times) - 1))


def _median_slope(x: FloatArray, y: FloatArray) -> float:
    """Median of the slopes between all pairs of points (Theil and Sen), of evenly chosen ones if there are many."""
    chosen = np.unique(np.linspace(0, len(x) - 1, min(len(x), _SLOPE_POINTS)).round().astype(np.int64))
    first, second = np.triu_indices(len(chosen), 1)
    apart = x[chosen][second] - x[chosen][first]
    return float(np.median((y[chosen][second] - y[chosen][first]) / apart)) if len(apart) else 0.0


@lru_cache(maxsize=8)  # all windows of a track have its grid
def _segments(grid: bytes) -> list[tuple[int, int]]:
    """First and last beat (inclusive) of each part of a grid with one tempo; neighbors share a beat."""
    times = np.frombuffer(grid)
    if len(times) < 2 * _SEGMENT_BEATS or has_one_tempo(times):
        return [(0, len(times) - 1)]
    level = np.log(np.diff(times))
    deviation = max(_LEAST_DEVIATION, 1.05 * float(np.median(np.abs(np.diff(level)))))
    sums = np.concatenate(([0.0], np.cumsum(level)))
    done: list[tuple[int, int]] = []
    first = _best_cut(sums, 0, len(level), 0.0)  # there are two parts at least
    todo = [(0, first), (first, len(level))] if first is not None else [(0, len(level))]
    while todo:
        low, high = todo.pop()
        cut = _best_cut(sums, low, high, deviation, np.log1p(_SEGMENT_CHANGE))
        if cut is None:
            done.append((low, high))
        else:
            todo += [(low, cut), (cut, high)]
    return sorted(done)


def _best_cut(sums: FloatArray, low: int, high: int, deviation: float, least_change: float = 0.0) -> int | None:
    """Where a segment of intervals is divided into two with different means; None where they are one."""
    cuts = np.arange(low + _SEGMENT_BEATS, high - _SEGMENT_BEATS + 1)
    if not len(cuts):
        return None
    before = (sums[cuts] - sums[low]) / (cuts - low)
    after = (sums[high] - sums[cuts]) / (high - cuts)
    gain = np.square(after - before) * (cuts - low) * (high - cuts) / (high - low)
    best = int(gain.argmax())
    change = abs(float(after[best] - before[best]))
    enough = gain[best] >= _SEGMENT_GAIN * deviation**2 and change >= least_change
    return int(cuts[best]) if enough else None


def steady_runs(times: FloatArray) -> list[tuple[int, int]]:
    """Find runs of beats whose neighboring intervals differ by less than 8 %.

    Parameters
    ----------
    times : array, shape=(n,)
        Beats in seconds, ascending.

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
    """Beat period of the steady part of a grid.

    Parameters
    ----------
    times : array, shape=(n,)
        Beats in seconds, ascending.

    Returns
    -------
    float or None
        Seconds; None if no part is steady.

    Examples
    --------
    >>> beat_period(np.arange(16) * 0.5)
    0.5
    """
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
