"""Steadiness of a pulse: how well the onsets around each beat fit a regular grid.

Noise, drones, speech and rubato have onsets, or even beats, but no steady tempo.
"""

import numpy as np

from mirkit.features.rhythm.onsets import Onsets
from mirkit.features.types import FloatArray

#: Number of beats on either side: four bars of 4/4 in total, long enough that random phases cancel, and shorter than
#: most changes of tempo.
_HALF_WINDOW = 8
#: Beats of the local coherence: a bar.
_LOCAL_BEATS = 4
#: Divisions of the beat that onsets may follow: beats, eighths, triplets, sixteenths.
_DIVISIONS = (1, 2, 3, 4)
#: Least number of onsets in the window; with fewer, the correction for chance is too large.
_FEWEST_ONSETS = 4
#: Largest distance (beats) of an onset on the beat: half of the distance to the nearest sixth, so that triplets and
#: sixteenths do not count as on the beat.
_NEAR_BEATS = 1 / 12
#: Least relative deviation of the intervals of an irregular grid, and of its beats from lines through so many beats.
_REGULAR_INTERVALS, _REGULAR_PHASE, _LINE_BEATS = 0.015, 0.02, 32


def phase_coherence(times: FloatArray, onsets: Onsets) -> FloatArray:
    """Compute how well the onsets around each beat fit a regular grid, 0-1, shape=(n,).

    A line is fitted to 16 beats. The phases of the onsets relative to it are averaged as unit vectors, weighted by
    strength, for the beat and for its division in two, three and four. The result is the length of the longest mean
    vector, corrected for its expected value with random phases. Steady music has 0.7-1; random onsets, speech and
    rubato stay below 0.5.

    Parameters
    ----------
    times : float64 array, shape=(n,)
        Beats in seconds, ascending.
    onsets : Onsets

    Returns
    -------
    array, shape=(n,)
        0 where fewer than four onsets are nearby.
    """
    out = np.zeros(len(times))
    for i in range(len(times)):
        low, high = max(0, i - _HALF_WINDOW), min(len(times), i + _HALF_WINDOW + 1)
        if high - low < 3:
            continue
        x = np.arange(low, high) - i
        slope, offset = np.polyfit(x, times[low:high], 1)
        a, b = np.searchsorted(onsets.times, (times[low], times[high - 1]))
        if b - a < _FEWEST_ONSETS or slope <= 0:
            continue
        out[i] = _coherence((onsets.times[a:b] - offset) / slope, onsets.strengths[a:b])
    return out


def local_coherence(times: FloatArray, onsets: Onsets) -> float:
    """Compute the mean coherence of the onsets within four beats, relative to these beats, 0-1.

    Unlike ``phase_coherence``, which compares with a straight line through 16 beats, it is high for music whose tempo
    follows the player.

    Parameters
    ----------
    times : float64 array, shape=(n,)
        Beats in seconds, ascending.
    onsets : Onsets

    Returns
    -------
    float
        0 if there are few onsets.
    """
    inside = (onsets.times >= times[0]) & (onsets.times < times[-1])
    at = np.interp(onsets.times[inside], times, np.arange(len(times)))
    strengths = onsets.strengths[inside]
    found = []
    for first in range(0, len(times) - _LOCAL_BEATS, _LOCAL_BEATS // 2):
        low, high = np.searchsorted(at, (first, first + _LOCAL_BEATS))
        if high - low >= _FEWEST_ONSETS:
            found.append(_coherence(at[low:high], strengths[low:high]))
    return float(np.mean(found)) if found else 0.0


def _coherence(at: FloatArray, strengths: FloatArray) -> float:
    """Length of the longest mean vector of phases in beats, over all divisions, corrected for chance."""
    weight = strengths / strengths.sum()
    chance = float(np.square(weight).sum())
    power = max(float(abs((weight * np.exp(2j * np.pi * m * at)).sum())) ** 2 for m in _DIVISIONS)
    return float(np.sqrt(max(0.0, (power - chance) / (1 - chance))))


def share_played(times: FloatArray, onsets: Onsets) -> float:
    """Share of the beats with an onset within a twelfth of a beat: near 1 in music, 0.1-0.3 in rubato.

    Parameters
    ----------
    times : float64 array, shape=(n,)
        Beats in seconds, ascending; at least two.
    onsets : Onsets
        At least two.

    Returns
    -------
    float
        0-1.

    Examples
    --------
    >>> share_played(np.arange(8.0), Onsets(np.arange(0, 8, 2.0), np.ones(4)))
    0.5
    """
    after = np.clip(np.searchsorted(onsets.times, times), 1, len(onsets.times) - 1)
    apart = np.minimum(np.abs(onsets.times[after] - times), np.abs(onsets.times[after - 1] - times))
    return float(np.mean(apart < np.gradient(times) * _NEAR_BEATS))


def is_regular(times: FloatArray) -> bool:
    """Whether a grid is as regular as music with a plain tempo.

    Its intervals deviate by less than 1.5 %, and its beats by less than 2 % of a beat from lines through 32 beats: a
    grid on noise or speech is locally smooth, but its phase wanders.

    Parameters
    ----------
    times : float64 array, shape=(n,)
        Beats in seconds, ascending.

    Returns
    -------
    bool
        False below 16 beats.
    """
    if len(times) < _LINE_BEATS // 2:
        return False
    intervals = np.diff(times)
    if intervals.std() >= _REGULAR_INTERVALS * np.median(intervals):
        return False
    wander = []
    for start in range(0, max(1, len(times) - _LINE_BEATS + 1), _LINE_BEATS // 2):
        run = times[start : start + _LINE_BEATS]
        x = np.arange(len(run))
        slope, offset = np.polyfit(x, run, 1)
        wander.append(float(np.std(run - offset - slope * x)) / slope)
    return float(np.median(wander)) < _REGULAR_PHASE
