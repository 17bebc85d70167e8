"""Syncopation and share of the onsets on the beat, ``syncopation`` and ``on_beat_ratio``, 0 to 1.

*Measured*: notes on weak metrical positions that are held over a stronger one, weighed by their strength. *Reading*: 0
for four on the floor, straight eighths and swing, 0.4 for a 3-2 son clave, 0.75 for off-beat eighths alone. *Source*:
H. C. Longuet-Higgins and C. S. Lee, "The rhythmic interpretation of monophonic music", Music Perception 1, 1984.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirkit.features.rhythm.beats.grid import Beats
from mirkit.features.rhythm.complexity import beat_time
from mirkit.features.rhythm.onset_statistics import TOO_FEW_ONSETS
from mirkit.features.rhythm.onsets import Onsets
from mirkit.features.types import FloatArray, Unknown, Value, Window

NO_PULSE = Unknown("no pulse")

_MIN_ONSETS = 4
_ON_BEAT_SECONDS = 0.07
_ON_BEAT_SHARE = 1 / 8
# Positions are counted in twelfths of a beat, which holds sixteenths and triplets alike.
_PARTS = 12
_ABSENT = -9
_QUARTERS = np.full(_PARTS, _ABSENT)
_QUARTERS[[0, 3, 6, 9]] = -2, -4, -3, -4
_THIRDS = np.full(_PARTS, _ABSENT)
_THIRDS[[0, 4, 8]] = -2, -3, -3
_SIXTHS = np.full(_PARTS, _ABSENT)
_SIXTHS[[0, 2, 4, 6, 8, 10]] = -2, -4, -3, -4, -3, -4
_GRIDS = (_QUARTERS, _THIRDS, _SIXTHS)
_STEPS = (3, 4, 2)
# Number of beats on either side whose onsets determine the division of a beat, and how much better than quarters a
# ternary grid must fit.
_FIT_REACH = 2
_TERNARY_GAIN = 0.4
_MARGIN_BEATS = 8  # the grid is extended by this many beats at its ends, for pick-ups and last notes


@dataclass(frozen=True)
class SyncopationFeatures:
    """Position of the onsets relative to the beat; features of stems end with the name of the stem."""

    syncopation: Value
    on_beat_ratio: Value


def syncopation(onsets: Onsets, beats: Beats, window: Window) -> SyncopationFeatures:
    """Measure syncopation and the share of onsets on the beat in a window.

    ``syncopation`` after Longuet-Higgins & Lee (1984): every onset snaps to its beat's grid (quarters; thirds or sixths
    where the onsets fit those better; sixths in 6/8). Positions weigh 0 (bar), -1 (half bar of 4/4), -2 (beat), -3
    (eighth, or inner third), -4 (sixteenth, or sixth). An onset that is followed by a stronger position before the next
    onset is syncopated by d, the difference of the weights, and counts min(1, d / 2); the value is the mean over
    onsets, weighted by strength: 0 for four on the floor, straight eighths and swing, 0.4 for a 3-2 son clave, 0.75
    for off-beat eighths alone. ``on_beat_ratio``: share of onsets within min(70 ms, 1/8 beat) of a beat.

    Parameters
    ----------
    onsets, beats : Onsets, Beats
        Of the whole track, because the note after the last one of the window is needed.
    window : Window

    Returns
    -------
    SyncopationFeatures
        Both unknown without a pulse or with fewer than 4 onsets.

    Examples
    --------
    Quarter notes on the beat, and the eighth notes between them:

    >>> times = np.arange(32) * 0.5
    >>> beats = Beats(times, times[::4], np.ones(32), "4/4", 1.0, steady=True)
    >>> syncopation(Onsets(times, np.ones(32)), beats, Window(0, 16))
    SyncopationFeatures(syncopation=0.0, on_beat_ratio=1.0)
    >>> syncopation(Onsets(times + 0.25, np.ones(32)), beats, Window(0, 16))
    SyncopationFeatures(syncopation=0.75, on_beat_ratio=0.0)
    """
    if len(beats.times) < 2:
        return SyncopationFeatures(NO_PULSE, NO_PULSE)
    here = onsets.within(window)
    if len(here.times) < _MIN_ONSETS:
        return SyncopationFeatures(TOO_FEW_ONSETS, TOO_FEW_ONSETS)
    return SyncopationFeatures(_syncopation(onsets, beats, window), _on_beat_ratio(here.times, beats.times))


def _on_beat_ratio(times: FloatArray, beats: FloatArray) -> float:
    position = beat_time(times, beats)
    nearest = np.clip(np.rint(position), 0, len(beats) - 1).astype(np.int64)
    length = np.diff(beats)[np.clip(np.floor(position), 0, len(beats) - 2).astype(np.int64)]
    near = np.abs(times - beats[nearest]) <= np.minimum(_ON_BEAT_SECONDS, _ON_BEAT_SHARE * length)
    return float(near.mean())


def _syncopation(onsets: Onsets, beats: Beats, window: Window) -> Value:
    grid = _Grid(beats)
    position = beat_time(onsets.times, beats.times) + _MARGIN_BEATS
    inside = (position >= -0.5 / _PARTS) & (position < grid.beats - _MARGIN_BEATS / 2)
    position, times, strengths = position[inside], onsets.times[inside], onsets.strengths[inside]
    if not len(position):
        return TOO_FEW_ONSETS
    at = grid.snap(position)
    # Onsets at the same position are one note, with the strength of the strongest.
    at, first = np.unique(at, return_index=True)
    strengths = np.maximum.reduceat(strengths, first)
    times = times[first]
    # The last note has no next note; the note that follows one bar earlier is assumed, moved by a bar.
    bar = _PARTS * (beats.beats_per_bar or 4)
    after = int(at[np.searchsorted(at, at[-1] - bar, side="right")]) + bar
    until = np.append(at[1:], after)
    weights = np.append(grid.weights, np.full(bar + 2, _ABSENT))
    strongest = np.maximum.reduceat(weights, np.stack((at + 1, np.maximum(until, at + 2)), axis=1).ravel())[::2]
    strongest[until <= at + 1] = _ABSENT
    held = np.clip((strongest - weights[at]) / 2, 0, 1)
    chosen = (times >= window.start) & (times < window.end)
    total = float(strengths[chosen].sum())
    if np.count_nonzero(chosen) < _MIN_ONSETS or total <= 0:
        return TOO_FEW_ONSETS
    return float((held * strengths)[chosen].sum() / total)


class _Grid:
    """Metric weights of every twelfth of every beat, from ``_MARGIN_BEATS`` before the first beat on."""

    def __init__(self, beats: Beats) -> None:
        per_bar = beats.beats_per_bar
        known = beats.bar_positions()
        self.beats = len(known) + 2 * _MARGIN_BEATS
        self._compound = beats.compound
        bar = np.full(self.beats, -1, np.int64)
        bar[_MARGIN_BEATS:-_MARGIN_BEATS] = known
        if per_bar and known[0] >= 0:
            before, after = np.arange(-_MARGIN_BEATS, 0), np.arange(1, _MARGIN_BEATS + 1)
            bar[:_MARGIN_BEATS] = (known[0] + before) % per_bar
            bar[-_MARGIN_BEATS:] = (known[-1] + after) % per_bar
        self._on_beat = np.where(bar == 0, 0, np.where((bar == 2) & (per_bar == 4) & (not self._compound), -1, -2))
        self.weights = np.zeros(0, np.int64)

    def snap(self, position: FloatArray) -> npt.NDArray[np.int64]:
        """Nearest grid position of each onset, in twelfths; this also chooses the grid of each beat."""
        kinds = self._divisions(position)
        table = np.stack(_GRIDS)[kinds]
        table[:, 0] = self._on_beat
        self.weights = table.ravel()
        step = np.array(_STEPS)[kinds[np.clip(np.floor(position), 0, self.beats - 1).astype(np.int64)]]
        whole = np.floor(position).astype(np.int64)
        inner = np.rint((position - whole) * _PARTS / step).astype(np.int64) * step
        at: npt.NDArray[np.int64] = np.clip(whole * _PARTS + inner, 0, len(self.weights) - 1)
        return at

    def _divisions(self, position: FloatArray) -> npt.NDArray[np.int64]:
        """Which grid each beat has: 0 quarters, 1 thirds, 2 sixths."""
        if self._compound:
            return np.full(self.beats, 2, np.int64)
        beat = np.clip(np.floor(position), 0, self.beats - 1).astype(np.int64)
        misfit = np.empty((3, self.beats))
        reach = np.ones(2 * _FIT_REACH + 1)
        for k, step in enumerate(_STEPS):
            off = position * _PARTS / step
            # Squared distance to the grid, relative to that of random onsets (1/12 step^2), to compare grids of any
            # density.
            error = 12 * np.square(off - np.rint(off))
            misfit[k] = np.convolve(np.bincount(beat, error, self.beats), reach, "same")
        notes = np.convolve(np.bincount(beat, minlength=self.beats), reach, "same")
        misfit = (misfit + 0.05) / np.maximum(notes, 1)[None]
        thirds, sixths = misfit[1] < _TERNARY_GAIN * misfit[0], misfit[2] < _TERNARY_GAIN * misfit[0]
        kinds: npt.NDArray[np.int64] = np.where(thirds & (misfit[1] <= 2 * misfit[2]), 1, np.where(sixths, 2, 0))
        return kinds
