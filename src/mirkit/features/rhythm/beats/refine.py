"""Exact beat times: beats are moved from frames to the onsets near them."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from mirkit.features.rhythm.onsets import Onsets
from mirkit.features.types import FloatArray

_REACH_SECONDS, _REACH_SHARE = 0.06, 1 / 6  # largest distance of a beat from its onset
_NEAR_SECONDS = 0.03
_SPAN_BEATS = 2.0  # width of the Gaussian weights of the local line
_TRUST = 0.3  # dB per hop: weight of the frame's time, relative to the strength of the onset


def refine(times: FloatArray, onsets: Onsets, span: float = _SPAN_BEATS) -> FloatArray:
    """Move beats to the onsets that support them, smoothly.

    For each beat, the strongest onset nearby is found. Its time is then that of a local line through the onsets of the
    neighboring beats (or their frames, if they have no onset), so that single late notes and gaps do not distort the
    grid.

    Parameters
    ----------
    times : float64, shape=(n,)
        Beat times with the precision of a frame, ascending.
    onsets : Onsets
    span : float
        Standard deviation of the Gaussian weights of the line, in beats: small where the tempo follows a player.

    Returns
    -------
    float64 array, shape=(n,)
        Ascending.
    """
    if len(times) < 3 or not len(onsets.times):
        return times
    reach = np.minimum(_REACH_SECONDS, np.gradient(times) * _REACH_SHARE)
    target, weight = times.copy(), np.full(len(times), _TRUST)
    for i, (low, high) in enumerate(zip(*np.searchsorted(onsets.times, (times - reach, times + reach)), strict=True)):
        if low < high:
            near = onsets.times[low:high]
            pull = onsets.strengths[low:high] * np.exp(-0.5 * np.square((near - times[i]) / _NEAR_SECONDS))
            best = int(pull.argmax())
            target[i], weight[i] = near[best], weight[i] + pull[best]
    line = _local_line(np.arange(len(times), dtype=np.float64), target, weight, span)
    return np.maximum.accumulate(line)


def _local_line(x: FloatArray, y: FloatArray, weight: FloatArray, span: float) -> FloatArray:
    """Fit a weighted line to the neighborhood of each point, and return its value there."""

    def blur(values: FloatArray) -> FloatArray:
        smooth: FloatArray = gaussian_filter1d(values, span, mode="constant", truncate=3.0)
        return smooth

    total = blur(weight)
    mean_x, mean_y = blur(weight * x) / total, blur(weight * y) / total
    var = blur(weight * x * x) / total - mean_x**2
    cov = blur(weight * x * y) / total - mean_x * mean_y
    line: FloatArray = mean_y + cov / np.maximum(var, 1e-3) * (x - mean_x)
    return line
