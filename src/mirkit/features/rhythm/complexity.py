"""Variety and evenness of the inter-onset intervals, ``rhythmic_complexity`` and ``rhythmic_evenness``, 0 to 1.

*Measured*: the normalized entropy of the intervals in beats, and 1 - nPVI / 200 of the intervals in seconds.
*Reading*: complexity is 0 where all intervals are alike and 1 where all 24 lengths are equally frequent; evenness is 1
for a steady pulse, 0.67 for swing, 0.5 for random onsets. *Sources*: C. E. Shannon 1948; E. Grabe and E. L. Low,
"Durational variability in speech and the rhythm class hypothesis", Laboratory Phonology 7, 2002.
"""

from dataclasses import dataclass

import numpy as np

from mirkit.features.rhythm.beats.grid import Beats
from mirkit.features.rhythm.onset_statistics import TOO_FEW_ONSETS
from mirkit.features.rhythm.onsets import Onsets
from mirkit.features.types import FloatArray, Value, Window

_MIN_ENTROPY_ONSETS = 9
_MIN_EVENNESS_ONSETS = 3
_BINS_PER_OCTAVE = 3
_LOWEST, _HIGHEST = -15, 8  # bins centered on 2**(k / 3) beats


@dataclass(frozen=True)
class ComplexityFeatures:
    """Variety and evenness of the intervals, named as in ``.INFO``; features of stems end with the name of the stem.

    Attributes
    ----------
    rhythmic_complexity : 0 to 1, or Unknown
        Normalized entropy of the intervals: 0 if all are equal, 1 if all lengths are equally frequent.
    rhythmic_evenness : 0 to 1, or Unknown
        1 - nPVI / 200: 1 if neighboring intervals are equal.
    """

    rhythmic_complexity: Value
    rhythmic_evenness: Value


def complexity(onsets: Onsets, beats: Beats, window: Window) -> ComplexityFeatures:
    """Measure how varied and how even the rhythm of a window is.

    ``rhythmic_complexity``: normalized Shannon entropy of the intervals in 24 third-octave bins centered on 2^(k/3)
    beats, k = -15...8 (seconds when the track has no beats): 0 = one interval only, 1 = all lengths alike. Needs 9
    onsets.
    ``rhythmic_evenness``: 1 - nPVI / 200 (Grabe & Low 2002): 1 = perfectly even. Needs 3 onsets.

    Parameters
    ----------
    onsets : Onsets
    beats : Beats
        Empty where there is no pulse: intervals then count in seconds.
    window : Window
        Seconds.

    Returns
    -------
    ComplexityFeatures
        ``too few onsets`` below 9 (complexity) and 3 (evenness).

    Examples
    --------
    Swung eighths alternate between two thirds and one third of a beat:

    >>> from mirkit.features.rhythm.beats import NO_BEATS
    >>> times = np.cumsum(np.tile([2 / 3, 1 / 3], 20))
    >>> features = complexity(Onsets(times, np.ones(40)), NO_BEATS, Window(0, 30))
    >>> round(features.rhythmic_complexity, 2), round(features.rhythmic_evenness, 2)
    (0.22, 0.67)
    """
    times = onsets.within(window).times
    variety: Value = TOO_FEW_ONSETS
    evenness: Value = TOO_FEW_ONSETS
    if len(times) >= _MIN_ENTROPY_ONSETS:
        variety = _entropy(np.diff(beat_time(times, beats.times) if len(beats.times) > 1 else times))
    if len(times) >= _MIN_EVENNESS_ONSETS:
        intervals = np.diff(times)
        change = np.abs(np.diff(intervals)) / ((intervals[:-1] + intervals[1:]) / 2)
        evenness = float(1 - change.mean() / 2)
    return ComplexityFeatures(variety, evenness)


def beat_time(times: FloatArray, beats: FloatArray) -> FloatArray:
    """Map seconds to beats (beat ``i`` is at ``i``), with the first and last interval continued outside the grid.

    Parameters
    ----------
    times : array, shape=(n,)
        Seconds.
    beats : array, shape=(m,)
        Beats in seconds, ascending, two at least.

    Returns
    -------
    array, shape=(n,)
    """
    index = np.clip(np.searchsorted(beats, times, side="right") - 1, 0, len(beats) - 2)
    return index + (times - beats[index]) / (beats[index + 1] - beats[index])


def _entropy(intervals: FloatArray) -> float:
    bins = np.rint(_BINS_PER_OCTAVE * np.log2(np.maximum(intervals, 1e-9))).astype(np.int64)
    counts = np.bincount(np.clip(bins, _LOWEST, _HIGHEST) - _LOWEST)
    share = counts[counts > 0] / len(intervals)
    return float(max(0.0, -(share * np.log(share)).sum()) / np.log(_HIGHEST - _LOWEST + 1))
