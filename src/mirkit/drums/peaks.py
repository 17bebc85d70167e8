"""Pick peaks of activations (the likelihood of a drum hit in each frame)."""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from mirkit.features.parabola import vertex_offset
from mirkit.features.types import FloatArray

# In frames of 10 ms; ADTOF's thresholds were fitted with these values. A running mean is subtracted first, so that
# sustained noise does not count as many hits; a hit is the largest of this many frames before and after it.
_MEAN_BEFORE, _MEAN_AFTER = 10, 1
_LARGEST_BEFORE, _LARGEST_AFTER = 2, 1
_TOGETHER = 2


def pick_peaks(curve: FloatArray, threshold: float, lowest: float = 0.0) -> npt.NDArray[np.int64]:
    """Find the peaks of a curve with 100 frames per second.

    Parameters
    ----------
    curve : float array, shape=(frames,)
    threshold : float
        Least height of a peak above the mean of the 100 ms before it.
    lowest : float
        Least value of a peak.

    Returns
    -------
    int64 array, shape=(n,)
        Ascending, at least 30 ms apart.
    """
    above = np.maximum(0, curve - _before_and_after(uniform_filter1d, curve, _MEAN_BEFORE, _MEAN_AFTER))
    top = _before_and_after(maximum_filter1d, above, _LARGEST_BEFORE, _LARGEST_AFTER)
    peaks = np.flatnonzero((above >= top) & (above >= threshold) & (curve >= lowest))
    if not len(peaks):
        return peaks
    # Of peaks within 20 ms the largest is kept, and of equally large ones the first.
    starts = np.flatnonzero(np.diff(peaks, prepend=peaks[0] - _TOGETHER - 1) > _TOGETHER)
    groups = np.split(peaks, starts[1:])
    return np.array([group[above[group].argmax()] for group in groups])


def parabolic(curve: FloatArray, peaks: npt.NDArray[np.int64]) -> FloatArray:
    """Positions of peaks between the frames, in frames: see ``features.parabola``."""
    return peaks.astype(np.float64) + vertex_offset(curve, peaks)


def _before_and_after(smooth: object, curve: FloatArray, before: int, after: int) -> FloatArray:
    size = before + 1 + after
    # SciPy centers a window of this size on size // 2; the origin moves it to `before`.
    smoothed: FloatArray = smooth(curve, size, mode="nearest", origin=before - size // 2)  # type: ignore[operator]
    return smoothed
