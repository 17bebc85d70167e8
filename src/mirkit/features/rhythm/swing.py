"""Swing: how the eighths divide the beat.

*Measured*: where the second eighth of a beat begins, as a share of the beat. *Reading*: 0.5 is straight, 0.67 is a
triplet shuffle; 0.75 would be a dotted eighth. Unknown where few beats have eighths, and in 6/8 and 12/8, whose beats
have three.
"""

import numpy as np

from mirkit.features.rhythm.beats.grid import Beats
from mirkit.features.rhythm.complexity import beat_time
from mirkit.features.rhythm.onsets import Onsets
from mirkit.features.types import FloatArray, Unknown, Value, Window

NO_PULSE = Unknown("no pulse")
TOO_FEW_EIGHTHS = Unknown("too few eighths")
THREE_EIGHTHS = Unknown("the beat has three eighths")

#: Where the second eighth may begin, in beats. A little beyond the range of the result, for human timing.
_FIRST, _LAST = 0.46, 0.78
_RANGE = (0.5, 0.75)
#: Least number of beats with a second eighth, and least share of the beats.
_FEWEST, _LEAST_SHARE = 6, 0.2
#: Beats with an onset in the second quarter have sixteenths: their last sixteenth is no second eighth. Where the beats
#: have more of these than this share of the eighths, only onsets before 0.6 are eighths.
_SIXTEENTH, _SIXTEENTH_SHARE, _STRAIGHT = (0.18, 0.30), 0.25, 0.6
_WIDTH = 0.03  # beats: deviation of the played eighths
_GRID = np.linspace(_FIRST, _LAST, 161)
#: An earlier peak counts as the eighth if it has this share of the highest one: the later one is a sixteenth.
_EARLIER_SHARE = 0.5


def swing(onsets: Onsets, beats: Beats, window: Window) -> Value:
    """Measure the swing of a window.

    The phases of the onsets in the middle of each beat are collected, and the most frequent one is returned; where
    sixteenths follow the second eighth, the earlier of the two.

    Parameters
    ----------
    onsets : Onsets
    beats : Beats
        Grid of the whole track.
    window : Window

    Returns
    -------
    float or Unknown
        0.5 to 0.75.

    Examples
    --------
    >>> times = np.arange(32) * 0.5
    >>> beats = Beats(times, times[::4], np.ones(32), "4/4", 1.0, steady=True)
    >>> shuffled = np.sort(np.concatenate((times, times + 0.33)))
    >>> round(swing(Onsets(shuffled, np.ones(64)), beats, Window(0, 16)), 2)
    0.66
    """
    if not beats.steady or len(beats.times) < 2:
        return NO_PULSE
    if beats.compound:
        return THREE_EIGHTHS
    inside = onsets.within(window).times
    inside = inside[(inside >= beats.times[0]) & (inside < beats.times[-1])]
    position = beat_time(inside, beats.times)
    beat = np.floor(position + 0.1)  # an early onset belongs to the beat that it anticipates
    phase = position - beat
    first, last = np.searchsorted(beats.times, (window.start, window.end))
    sixteenths = np.unique(beat[(phase > _SIXTEENTH[0]) & (phase < _SIXTEENTH[1])])
    middle = (phase >= _FIRST) & (phase <= _LAST)
    if len(sixteenths) > _SIXTEENTH_SHARE * len(np.unique(beat[middle])):
        middle &= phase <= _STRAIGHT
    count = len(np.unique(beat[middle]))
    if count < max(_FEWEST, _LEAST_SHARE * (last - first)):
        return TOO_FEW_EIGHTHS
    return float(np.clip(_mode(phase[middle]), *_RANGE))


def _mode(phases: FloatArray) -> float:
    """Most frequent phase, or an earlier one that is nearly as frequent; then the median of those near to it."""
    density = np.exp(-0.5 * np.square((_GRID[:, None] - phases) / _WIDTH)).sum(axis=1)
    peaks = np.flatnonzero(
        (density >= np.concatenate(([-1], density[:-1]))) & (density >= np.concatenate((density[1:], [-1])))
    )
    top = next(peak for peak in peaks if density[peak] >= _EARLIER_SHARE * density.max())
    return float(np.median(phases[np.abs(phases - _GRID[top]) <= 2 * _WIDTH]))
