"""Peaks of activations and of spectra, and their positions between the samples.

Peaks of activations (the likelihood of a drum hit in each frame) are those of ADTOF; peaks of spectra are those of the
MIR toolbox (mirpeaks), local maxima that stand out on both sides.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d, uniform_filter1d

from mirkit.features.kernels.kernel import kernel
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
    """Positions of peaks between the frames, see ``vertex_offset``.

    Parameters
    ----------
    curve : float array, shape=(frames,)
    peaks : int array, shape=(n,)
        Frames of the peaks.

    Returns
    -------
    float64 array, shape=(n,)
        Frames.
    """
    return peaks.astype(np.float64) + vertex_offset(curve, peaks)


def _before_and_after(smooth: object, curve: FloatArray, before: int, after: int) -> FloatArray:
    size = before + 1 + after
    # SciPy centers a window of this size on size // 2; the origin moves it to `before`.
    smoothed: FloatArray = smooth(curve, size, mode="nearest", origin=before - size // 2)  # type: ignore[operator]
    return smoothed


def vertex_offset(curve: FloatArray, peaks: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """Offset of the vertex of the parabola through each peak and its two neighbors.

    Parameters
    ----------
    curve : float array, shape=(samples,)
        Beyond its ends the outer values are repeated.
    peaks : int array, shape=(n,)
        Indices of the peaks.

    Returns
    -------
    float64 array, shape=(n,)
        In samples, -0.5 to 0.5; 0 if the three values have no peak.

    Examples
    --------
    >>> times = np.arange(10)
    >>> vertex_offset(1 - (times - 4.25) ** 2, np.array([4]))
    array([0.25])
    """
    last = len(curve) - 1
    left, mid, right = (curve[np.clip(peaks + step, 0, last)].astype(np.float64) for step in (-1, 0, 1))
    bend = left - 2 * mid + right
    offset: npt.NDArray[np.float64] = np.clip(0.5 * (left - right) / np.where(bend < 0, bend, -np.inf), -0.5, 0.5)
    return offset


@dataclass(frozen=True)
class Peaks:
    """Peaks of a spectrum.

    Attributes
    ----------
    index : int64 array, shape=(peaks,)
        Bins.
    hz : float64 array, shape=(peaks,)
        Frequencies between the bins, from a parabola.
    """

    index: npt.NDArray[np.int64]
    hz: FloatArray


def peaks(spectrum: FloatArray, share: float, hz_per_bin: float, floor: float = 0.0) -> Peaks:
    """Find the peaks of one spectrum.

    Parameters
    ----------
    spectrum : array, shape=(bins,)
    share : float
        Least height of a peak, and least rise on both sides, as a share of the maximum.
    hz_per_bin : float
    floor : float
        Value that counts as zero.

    Returns
    -------
    Peaks
        In order of frequency.
    """
    size = len(spectrum) // 2 + 1
    index, level, hz = np.empty(size, np.int64), np.empty(size), np.empty(size)
    contrast = share * (float(spectrum.max()) - floor)
    row = np.ascontiguousarray(spectrum, np.float64)
    count = find_peaks(row, floor + contrast, contrast, hz_per_bin, index, level, hz)
    return Peaks(index[:count], hz[:count])


@kernel()
def find_peaks(row, least, contrast, hz_per_bin, index, level, hz):  # type: ignore[no-untyped-def]
    """Find the peaks of a spectrum.

    A candidate is a local maximum of at least ``least``. It is a peak if it is at least ``contrast`` above the lowest
    point on each side, before the next stronger candidate. As in upstream, the spectrum is taken to be infinitely low
    beyond its ends, and the bin just before a candidate does not count as a low point.

    Parameters
    ----------
    row : float64 array, shape=(bins,)
    least, contrast, hz_per_bin : float
    index, level, hz : int64 and float64 arrays
        Receive the bins, heights and frequencies of the peaks.

    Returns
    -------
    int
        Number of peaks.
    """
    last = len(row) - 1
    count = 0
    held = previous = -1  # the current candidate, and the one before it
    before, since = -np.inf, np.inf  # lowest points before and after the current candidate
    for i in range(last + 1):
        if row[i] < least or (i > 0 and row[i] <= row[i - 1]) or (i < last and row[i] < row[i + 1]):
            continue
        if held < 0:
            held = i
        else:
            for j in range(previous, i - 1):
                since = min(since, row[j])
            notch = row[held] - since >= contrast
            if notch and row[held] - before >= contrast:
                index[count] = held
                count += 1
                before = since
            else:
                before = min(before, since)
            if notch or row[i] > row[held]:
                held = i
                since = np.inf
        previous = i
    if held >= 0 and row[held] - before >= contrast:
        index[count] = held
        count += 1
    for k in range(count):
        i = index[k]
        level[k] = row[i]
        hz[k] = i * hz_per_bin
        if 0 < i < last:
            left, mid, right = row[i - 1], row[i], row[i + 1]
            shift = (right - left) / (2 * (2 * mid - right - left))
            level[k] = mid - 0.25 * (left - right) * shift
            hz[k] += shift * hz_per_bin
    return count
