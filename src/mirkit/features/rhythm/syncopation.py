"""Syncopation and share of the onsets on the beat, ``syncopation`` and ``on_beat_ratio``, 0 to 1.

*Measured*: how many notes per beat anticipate a beat, or a main part of one, that their layer then leaves empty.
*Reading*: 0 for four on the floor, straight eighths, swing, a backbeat and a one drop; 0.1 to 0.2 for rock with a
pushed kick; 0.3 to 0.5 for drum'n'bass breaks, samba and reggae; 0.5 for a son clave alone; 0.75 for the Amen break; 1
for off-beat eighths alone. The value follows the octave of the tempo: the same music with half as many beats has other
beats to anticipate. *Sources*: layers after M. A. G. Witek et al., "Syncopation, body-movement and pleasure in groove
music", PLoS ONE 9, 2014; weights only within the beat, because F. Hoesl and O. Senn, "Modelling perceived syncopation
in popular music drum patterns", Music & Science 1, 2018, found that weak positions count too much otherwise.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirkit.features.rhythm.beats.grid import Beats
from mirkit.features.rhythm.complexity import beat_time
from mirkit.features.rhythm.layers import Layers
from mirkit.features.rhythm.onset_statistics import TOO_FEW_ONSETS
from mirkit.features.types import FloatArray, Unknown, Value, Window

NO_PULSE = Unknown("no pulse")

_MIN_ONSETS = 4
_ON_BEAT_SECONDS = 0.07
_ON_BEAT_SHARE = 1 / 8
# Positions are counted in twelfths of a beat, which holds sixteenths and triplets alike.
_PARTS = 12
_QUARTERS, _THIRDS, _SIXTHS = range(3)
#: Twelfths between the positions of each grid.
_STEPS = (3, 4, 2)
#: For each grid and position, the next position of greater weight. Weights: the beat 0, halves or thirds -1, quarters
#: or sixths -2; 0 where the position has the greatest weight or is not in the grid.
_NEXT = np.zeros((3, _PARTS), np.int64)
_NEXT[_QUARTERS, [3, 6, 9]] = 6, 12, 12
_NEXT[_THIRDS, [4, 8]] = 12
_NEXT[_SIXTHS, [2, 4, 6, 8, 10]] = 4, 12, 8, 12, 12
# Number of beats on either side whose onsets determine the division of a beat, and how much better than quarters a
# ternary grid must fit.
_FIT_REACH = 8
_TERNARY_GAIN = 0.4
_MARGIN_BEATS = 8  # the grid is extended by this many beats at its ends, for pick-ups and last notes
_UNKNOWN_BAR = 4  # beats


@dataclass(frozen=True)
class RatedOnsets:
    """Onsets of a track, each with what it counts for syncopation.

    Attributes
    ----------
    layers : tuple of arrays
        Times of the onsets of each layer (s).
    times, positions, weights : tuples of arrays
        For each layer: time, position (twelfths of a beat) and weight of the onsets that lie on the grid. Onsets with
        the same position count once.
    """

    layers: tuple[FloatArray, ...]
    times: tuple[FloatArray, ...]
    positions: tuple[npt.NDArray[np.int64], ...]
    weights: tuple[FloatArray, ...]

    def events(self, window: Window) -> float:
        """Add up the weights of the onsets in a window.

        Parameters
        ----------
        window : Window

        Returns
        -------
        float
        """
        total = 0.0
        for times, positions, weights in zip(self.times, self.positions, self.weights, strict=True):
            here = slice(*np.searchsorted(times, (window.start, window.end)))
            if here.start < here.stop:
                first = np.diff(positions[here], prepend=-1) > 0
                total += float(weights[here][first].sum())
        return total


def syncopation(onsets: FloatArray | Layers | RatedOnsets, beats: Beats, window: Window) -> Value:
    """Count the notes of a window that anticipate a position which is then left empty, per beat.

    Onsets snap to the grid of their beat: quarters; thirds or sixths where the onsets fit those better; sixths in
    compound meters. Positions weigh 0 (the beat), -1 (halves, thirds) and -2 (quarters, sixths). An onset off the beat
    is an event if its layer does not play the next position of greater weight: it counts 1 if no layer plays there, and
    0.5 if another layer does; in the high layer 0.5 and 0. The value is the sum over the number of beats, 1 at most.

    Parameters
    ----------
    onsets : array, Layers or RatedOnsets
        Times in seconds, ascending, of a single line or of three layers; of the whole track, because the notes after
        the window are needed. For many windows of a track, what :func:`rated` returns for these onsets and beats.
    beats : Beats
        Of the whole track.
    window : Window

    Returns
    -------
    float or Unknown
        ``no pulse``, or ``too few onsets`` with fewer than four in the window.

    Examples
    --------
    Quarter notes on the beat, and the eighth notes between them:

    >>> times = np.arange(32) * 0.5
    >>> beats = Beats(times, times[::4], np.ones(32), "4/4", 1.0, steady=True)
    >>> syncopation(times, beats, Window(0, 16))
    0.0
    >>> syncopation(times + 0.25, beats, Window(0, 16))
    1.0
    """
    if len(beats.times) < 2 or not beats.steady:
        return NO_PULSE
    found = onsets if isinstance(onsets, RatedOnsets) else rated(onsets, beats)
    if sum(len(_within(layer, window)) for layer in found.layers) < _MIN_ONSETS:
        return TOO_FEW_ONSETS
    count = len(_within(beats.times, window))
    if not count:
        return NO_PULSE
    return min(1.0, found.events(window) / count)


def on_beat_ratio(onsets: FloatArray, beats: Beats, window: Window) -> Value:
    """Share of the onsets of a window within min(70 ms, 1/8 beat) of a beat.

    Parameters
    ----------
    onsets : array
        Times in seconds, ascending.
    beats : Beats
    window : Window

    Returns
    -------
    float or Unknown
        ``no pulse``, or ``too few onsets`` with fewer than four.

    Examples
    --------
    >>> times = np.arange(32) * 0.5
    >>> beats = Beats(times, times[::4], np.ones(32), "4/4", 1.0, steady=True)
    >>> eighths = np.arange(64) * 0.25
    >>> on_beat_ratio(eighths, beats, Window(0, 16))
    0.5
    """
    if len(beats.times) < 2 or not beats.steady:
        return NO_PULSE
    times = _within(onsets, window)
    if len(times) < _MIN_ONSETS:
        return TOO_FEW_ONSETS
    position = beat_time(times, beats.times)
    nearest = np.clip(np.rint(position), 0, len(beats.times) - 1).astype(np.int64)
    length = np.diff(beats.times)[np.clip(np.floor(position), 0, len(beats.times) - 2).astype(np.int64)]
    near = np.abs(times - beats.times[nearest]) <= np.minimum(_ON_BEAT_SECONDS, _ON_BEAT_SHARE * length)
    return float(near.mean())


def _within(times: FloatArray, window: Window) -> FloatArray:
    return times[slice(*np.searchsorted(times, (window.start, window.end)))]


def rated(onsets: FloatArray | Layers, beats: Beats) -> RatedOnsets:
    """Find what each onset of a track counts for syncopation, which is the same in every window.

    Parameters
    ----------
    onsets : array or Layers
        Times in seconds, ascending.
    beats : Beats

    Returns
    -------
    RatedOnsets
    """
    layers = (onsets.low, onsets.middle, onsets.high) if isinstance(onsets, Layers) else (onsets,)
    if len(beats.times) < 2:
        return RatedOnsets(layers, (), (), ())
    positions = [beat_time(layer, beats.times) + _MARGIN_BEATS for layer in layers]
    whole = len(beats.times) + 2 * _MARGIN_BEATS
    kinds = _divisions(np.concatenate(positions), whole, compound=beats.compound)
    played = np.zeros((len(layers), _PARTS * whole), np.bool_)
    times, on_grid = [], []
    for row, (layer, position) in enumerate(zip(layers, positions, strict=True)):
        inside = (position >= 0) & (position < whole - 1)
        times.append(layer[inside])
        on_grid.append(_snap(position[inside], kinds))
        played[row, on_grid[-1]] = True
    last = int(np.flatnonzero(played.any(axis=0)).max(initial=0))
    bar = _PARTS * (beats.beats_per_bar or _UNKNOWN_BAR)
    weights = []
    for row, at in enumerate(on_grid):
        step = _NEXT[kinds[at // _PARTS], at % _PARTS]
        target = at - at % _PARTS + step
        # Nothing follows the last onset of the music, so what was played one bar earlier stands for it.
        target = np.where(target > last, np.maximum(target - bar, 0), target)
        alone = ~played[:, target].any(axis=0)
        high = len(layers) > 1 and row == len(layers) - 1
        weight = np.where(alone, 1.0, 0.5) - (0.5 if high else 0.0)
        weights.append(np.where((step > 0) & ~played[row, target], weight, 0.0))
    return RatedOnsets(layers, tuple(times), tuple(on_grid), tuple(weights))


def _snap(position: FloatArray, kinds: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Nearest grid position of each onset, in twelfths of a beat."""
    beat = np.floor(position).astype(np.int64)
    step = np.array(_STEPS)[kinds[beat]]
    at: npt.NDArray[np.int64] = beat * _PARTS + np.rint((position - beat) * _PARTS / step).astype(np.int64) * step
    return at


def _divisions(position: FloatArray, beats: int, *, compound: bool) -> npt.NDArray[np.int64]:
    """Which grid each beat has, from the onsets of all layers.

    In a compound meter all beats have sixths, unless onsets are on halves and not on thirds: the meter is then wrong.
    """
    beat = np.clip(np.floor(position), 0, beats - 1).astype(np.int64)
    misfit = np.empty((3, beats))
    reach = np.ones(2 * _FIT_REACH + 1)
    for k, step in enumerate(_STEPS):
        off = position * _PARTS / step
        # Squared distance to the grid, relative to that of random onsets (1/12 step^2), to compare grids of any
        # density.
        error = 12 * np.square(off - np.rint(off))
        misfit[k] = np.convolve(np.bincount(beat, error, beats), reach, "same")
    quarters, all_thirds, all_sixths = misfit.sum(axis=1)
    if compound and not (quarters < _TERNARY_GAIN * all_thirds and quarters <= all_sixths + 0.05 * len(position)):
        return np.full(beats, _SIXTHS, np.int64)
    notes = np.convolve(np.bincount(beat, minlength=beats), reach, "same")
    misfit = (misfit + 0.05) / np.maximum(notes, 1)[None]
    thirds, sixths = misfit[1] < _TERNARY_GAIN * misfit[0], misfit[2] < _TERNARY_GAIN * misfit[0]
    kinds: npt.NDArray[np.int64] = np.where(
        thirds & (misfit[1] <= 2 * misfit[2]), _THIRDS, np.where(sixths, _SIXTHS, _QUARTERS)
    )
    return kinds
