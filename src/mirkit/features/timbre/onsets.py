"""Onset strength and onsets as librosa finds them, which is what upstream builds on."""

import numpy as np
import numpy.typing as npt

from mirkit.features.types import FloatArray

N_FFT, HOP = 2048, 512
N_MELS = 128

_LEAST_POWER = 1e-10
_RANGE_DB = 80.0
# librosa's defaults at 44.1 kHz, in frames: a peak is the largest of itself and 2 before, exceeds the mean of the 8
# before and after by 0.07 of the largest strength, and comes at least 3 after the last one.
_PEAK_BEFORE = 2
_MEAN_REACH = 8
_MARGIN = 0.07
_WAIT = 2
# Differences of frames that far apart are put where the later frame ends its first half (librosa's centring).
_SHIFT = 1 + N_FFT // (2 * HOP)

Indices = npt.NDArray[np.intp]


def band_levels(mel_power: FloatArray, gain: float) -> FloatArray:
    """Power of mel bands times the square of a gain in dB, floored at -100 dB (and 80 dB below the top, later)."""
    levels = np.maximum(mel_power, np.float32(_LEAST_POWER / gain**2))
    np.log10(levels, out=levels)
    levels *= 10
    return levels


def onset_strength(levels: FloatArray) -> FloatArray:
    """Mean over bands of the rise in dB from frame to frame.

    Parameters
    ----------
    levels : float32 array, shape=(frames, N_MELS)
        Band levels of the whole sound; raised in place to 80 dB below the highest.

    Returns
    -------
    float64 array, shape=(frames,)
    """
    np.maximum(levels, levels.max() - np.float32(_RANGE_DB), out=levels)
    strength = np.zeros(len(levels))
    rises = strength[_SHIFT:]
    for i in range(0, len(rises), 256):
        pairs = levels[i : i + min(257, len(rises) - i + 1)]
        rises[i : i + 256] = np.maximum(pairs[1:] - pairs[:-1], 0).mean(axis=1, dtype=np.float64)
    return strength


def detect_onsets(strength: FloatArray) -> Indices:
    """Frames of the onsets, each moved back to the low point before it."""
    shifted = strength - strength.min()
    if not shifted.any():
        return np.empty(0, np.intp)
    shifted /= shifted.max()
    peaks = _pick(shifted)
    middle = shifted[1:-1]
    lows = 1 + np.flatnonzero((middle <= shifted[:-2]) & (middle < shifted[2:]))
    lows = np.concatenate(([0], lows))
    return lows[np.searchsorted(lows, peaks, side="right") - 1]


def _pick(x: FloatArray) -> Indices:
    picked = []
    i = 0
    while i < len(x):
        around = x[max(0, i - _MEAN_REACH) : i + _MEAN_REACH + 1]
        if x[i] == x[max(0, i - _PEAK_BEFORE) : i + 1].max() and x[i] >= around.mean() + _MARGIN:
            picked.append(i)
            i += _WAIT
        i += 1
    return np.array(picked, np.intp)
