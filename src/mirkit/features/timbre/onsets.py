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
    """Powers of mel bands in dB, floored at -100 dB of what they are with a gain, and 80 dB below the highest.

    Parameters
    ----------
    mel_power : float32 array, shape=(N_MELS, frames)
        All of the sound; overwritten by the result.
    gain : float
    """
    np.maximum(mel_power, np.float32(_LEAST_POWER / gain**2), out=mel_power)
    np.maximum(mel_power, mel_power.max() * np.float32(10 ** (-_RANGE_DB / 10)), out=mel_power)
    np.log10(mel_power, out=mel_power)
    mel_power *= 10
    return mel_power


def onset_strength(levels: FloatArray) -> FloatArray:
    """Mean over bands of the rise in dB from frame to frame.

    Parameters
    ----------
    levels : float32 array, shape=(N_MELS, frames)

    Returns
    -------
    float64 array, shape=(frames,)
    """
    frames = levels.shape[1]
    strength = np.zeros(frames)
    rises = strength[_SHIFT:]
    for i in range(0, len(rises), 1024):
        pairs = levels[:, i : min(i + 1024, len(rises)) + 1]
        rises[i : i + 1024] = np.maximum(pairs[:, 1:] - pairs[:, :-1], 0).mean(axis=0, dtype=np.float64)
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
    frame = np.arange(len(x))
    total = np.concatenate(([0.0], np.cumsum(x)))
    low, high = np.maximum(frame - _MEAN_REACH, 0), np.minimum(frame + _MEAN_REACH + 1, len(x))
    stands_out = x >= (total[high] - total[low]) / (high - low) + _MARGIN
    for back in range(1, _PEAK_BEFORE + 1):
        stands_out[back:] &= x[back:] >= x[:-back]
    picked: list[int] = []
    for i in np.flatnonzero(stands_out):
        if not picked or i > picked[-1] + _WAIT:
            picked.append(int(i))
    return np.array(picked, np.intp)
