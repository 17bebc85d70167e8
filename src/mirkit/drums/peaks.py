"""Peaks of a curve that says, frame by frame, how likely it is that something is struck."""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from mirkit.features.types import FloatArray

# In frames of 10 ms, as ADTOF's thresholds were found: a stroke is the largest of this many frames before and after it,
# after the mean of more of them is taken away, so that a long roar is no row of strokes.
_MEAN_BEFORE, _MEAN_AFTER = 10, 1
_LARGEST_BEFORE, _LARGEST_AFTER = 2, 1
_TOGETHER = 2


def pick_peaks(curve: FloatArray, threshold: float, lowest: float = 0.0) -> npt.NDArray[np.int64]:
    """Find the frames where a curve of 100 frames a second stands out.

    Parameters
    ----------
    curve : float array, shape=(frames,)
    threshold : float
        How far a peak stands above the mean of the 100 ms before it, at least.
    lowest : float
        How high a peak is, at least.

    Returns
    -------
    int64 array, shape=(n,)
        Ascending, at least 30 ms apart.
    """
    above = np.maximum(0, curve - _before_and_after(uniform_filter1d, curve, _MEAN_BEFORE, _MEAN_AFTER))
    top = _before_and_after(maximum_filter1d, above, _LARGEST_BEFORE, _LARGEST_AFTER)
    found = np.flatnonzero((above >= top) & (above >= threshold) & (curve >= lowest))
    if not len(found):
        return found
    # Of neighbors that are equally large, or that the window tells apart, the largest: the first of them.
    starts = np.flatnonzero(np.diff(found, prepend=found[0] - _TOGETHER - 1) > _TOGETHER)
    groups = np.split(found, starts[1:])
    return np.array([group[above[group].argmax()] for group in groups])


def parabolic(curve: FloatArray, peaks: npt.NDArray[np.int64]) -> FloatArray:
    """Where between the frames the peaks are: the vertex of the parabola through each and its neighbors, in frames."""
    last = len(curve) - 1
    left, mid, right = (curve[np.clip(peaks + k, 0, last)].astype(np.float64) for k in (-1, 0, 1))
    bend = left - 2 * mid + right
    vertex: FloatArray = peaks.astype(np.float64) + np.clip(
        0.5 * (left - right) / np.where(bend < 0, bend, -np.inf), -0.5, 0.5
    )
    return vertex


def _before_and_after(smooth: object, curve: FloatArray, before: int, after: int) -> FloatArray:
    size = before + 1 + after
    # SciPy centers a window of this size on size // 2; the origin moves it to `before`.
    smoothed: FloatArray = smooth(curve, size, mode="nearest", origin=before - size // 2)  # type: ignore[operator]
    return smoothed
