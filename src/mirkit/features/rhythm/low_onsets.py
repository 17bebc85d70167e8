"""Peaks of the flux of low and middle notes: candidates for onsets, except in noise and at ends of notes.

*Measured*: the rise of the amplitude of bins 11 Hz apart (:class:`~mirkit.features.rhythm.low_flux.LowFlux`), relative
to the highest amplitude nearby. *Reading*: a new note rises by 0.2 to 1, a legato step or a note that is played again
before it has died by 0.1. Noise rises as much, so that it must be told from tones: wide noise by its deviation from
what earlier frames predict, a band of 20 Hz by its level, which never keeps still.
"""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d, median_filter, percentile_filter, uniform_filter1d

from mirkit.features.rhythm.low_flux import AMPLITUDE, DEVIATION, ENERGY, PHASE, RISE
from mirkit.features.types import FloatArray

# A peak is the largest of +-3 frames, above a step and a share of the local height. A turn of the phase is evidence of
# a new low note, its absence of a tremolo. Where few bands are active (a bass through a low-pass), attacks have lost
# their upper partials: less is enough, and a note that is cut may fall further.
_REACH, _NARROW_REACH = 3, 4
_STEPS, _NARROW_STEPS = (0.1, 0.14), (0.09, 0.1)
_SHARE, _NARROW_SHARE = 0.2, 0.15
_MEDIANS = 0.7
_LEAST = 0.06
_LOCAL_REACH = 30
_PHASE_WEIGHTS, _PHASE_NEUTRAL, _PHASE_MOST = (0.1, 0.0), 0.25, 0.5
# Wide noise never follows its own extrapolation: where the 35th percentile and the mean of the deviation over +-1.5 s
# add up to more than tones have, the step grows.
_NOISE_REACH = 130
_NOISE_PERCENT = 35
_NOISE_LEAST = 0.31, 0.35
_NOISE_WEIGHT = 25.0
# Noise in a band of 20 Hz nearly follows it: where the 35th percentile of the second difference of the level (dB,
# frames 35 ms apart) is larger than that of tones, the step grows too.
_BEND = 3
_BEND_MOST, _BEND_WEIGHT = 2.1, 2.0
# Short notes with pauses look like noise to both, but most of their rises are larger than those of noise: share of the
# rises (of at least a share of the highest one) that are higher than this from the lowest level of the 93 ms before to
# the highest of the 93 ms after.
_RISE_SHARE, _RISE_REACH = 0.3, 8
_NOTE_RISE_DB, _NOTES_SHARE = 13.0, 0.7
# The end of a note: the low energy 80 ms after is this far below that 80 ms before.
_END_REACH = 7
_END_DB, _NARROW_END_DB = 6.0, 20.0
_LAST = 8  # frames that contain the cut at the end
#: Frames around a peak that decide about it.
NEIGHBORHOOD = 2 * _NOISE_REACH + _RISE_REACH + _REACH


def low_peaks(
    low: FloatArray, least: FloatArray, narrow: npt.NDArray[np.bool_], kind: int, *, last: bool
) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Find where low or middle notes begin.

    Parameters
    ----------
    low : float32, shape=(frames, 5)
        Columns of :class:`~mirkit.features.rhythm.low_flux.LowFlux` for one range.
    least : array, shape=(frames,)
        The amplitude counts as at least this.
    narrow : bool array, shape=(frames,)
        Where the signal has few active bands.
    kind : int
        0 for the low, 1 for the middle range.
    last : bool
        Whether the signal ends with these frames.

    Returns
    -------
    flux : array, shape=(frames,)
        Rise relative to the highest amplitude within 0.35 s.
    peaks : int64, shape=(n,)
        Frames.
    """
    highest = _highest(low[:, AMPLITUDE], _LOCAL_REACH) + 1e-12
    flux, deviation = low[:, RISE] / np.maximum(highest, least), low[:, DEVIATION] / highest
    size = 2 * _NOISE_REACH + 1
    noise = percentile_filter(deviation, _NOISE_PERCENT, size, mode="mirror")
    noise += uniform_filter1d(deviation, size, mode="mirror")
    above = _NOISE_WEIGHT * np.maximum(0, noise - _NOISE_LEAST[kind])
    above[_notes_begin(low)] = 0
    above += np.where(narrow, _NARROW_STEPS[kind], _STEPS[kind])
    above += _BEND_WEIGHT * np.maximum(0, unsteadiness(low) - _BEND_MOST)
    base = median_filter(flux, 2 * _LOCAL_REACH + 1, mode="mirror")
    height = _highest(flux, _LOCAL_REACH) - base
    threshold = np.maximum(above, np.where(narrow, _NARROW_SHARE, _SHARE) * height) + _MEDIANS * base
    turn = np.minimum(_highest(low[:, PHASE], _REACH), _PHASE_MOST) - _PHASE_NEUTRAL
    level = np.pad(_level(low), _END_REACH, mode="edge")
    sounds = level[: -2 * _END_REACH] - level[2 * _END_REACH :] < np.where(narrow, _NARROW_END_DB, _END_DB)
    if last:
        threshold[-_LAST:] = np.inf
    largest = np.where(narrow, _highest(flux, _NARROW_REACH), _highest(flux, _REACH))
    large = (flux == largest) & (flux > _LEAST) & (flux + _PHASE_WEIGHTS[kind] * turn > threshold)
    return flux, np.flatnonzero(large & sounds)


def unsteadiness(low: FloatArray) -> FloatArray:
    """How little the level of the low bins keeps still: near 0 dB for tones, above 2 dB for noise in a narrow band.

    Parameters
    ----------
    low : float32, shape=(frames, 5)
        Columns of :class:`~mirkit.features.rhythm.low_flux.LowFlux` for one range.

    Returns
    -------
    array, shape=(frames,)
        35th percentile, over 3 s, of the second difference of the level in dB; 0 where notes with pauses begin.
    """
    level = _level(low)
    padded = np.pad(level, _BEND, mode="edge")
    bend = np.abs(padded[2 * _BEND :] - 2 * level + padded[: -2 * _BEND])
    unsteady: FloatArray = percentile_filter(bend, _NOISE_PERCENT, 2 * _NOISE_REACH + 1, mode="mirror")
    unsteady[_notes_begin(low)] = 0
    return unsteady


def _notes_begin(low: FloatArray) -> npt.NDArray[np.bool_]:
    """Where nearly all rises are as large as those of notes that begin after a pause."""
    rise, level = low[:, RISE], np.pad(_level(low), _RISE_REACH, mode="edge")
    rises = (rise > 0) & (rise >= _RISE_SHARE * _highest(rise, _NOISE_REACH)) & (rise == _highest(rise, _REACH))
    after = maximum_filter1d(level, _RISE_REACH + 1, origin=-(_RISE_REACH // 2))[_RISE_REACH : len(low) + _RISE_REACH]
    before = -maximum_filter1d(-level, _RISE_REACH + 1, origin=_RISE_REACH // 2)[_RISE_REACH : len(low) + _RISE_REACH]
    high = rises & (after - before > _NOTE_RISE_DB)
    size = 2 * _NOISE_REACH + 1
    numbers = (uniform_filter1d(r.astype(np.float64), size, mode="constant") for r in (high, rises))
    begin: npt.NDArray[np.bool_] = next(numbers) > _NOTES_SHARE * next(numbers)
    return begin


def _level(low: FloatArray) -> FloatArray:
    """Level of each frame in dB."""
    level: FloatArray = 10 * np.log10(low[:, ENERGY].astype(np.float64) + 1e-20)
    return level


def _highest(series: FloatArray, reach: int) -> FloatArray:
    """Highest value of the frames at most ``reach`` away."""
    highest: FloatArray = maximum_filter1d(series, 2 * reach + 1, mode="mirror")
    return highest
