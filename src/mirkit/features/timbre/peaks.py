"""Peaks of a spectrum after the MIR toolbox (mirpeaks): local maxima that stand out on both sides."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirkit.features.kernels.kernel import kernel
from mirkit.features.types import FloatArray


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
    count = find_peaks(spectrum, floor + contrast, contrast, hz_per_bin, index, level, hz)
    return Peaks(index[:count], hz[:count])


@kernel()
def find_peaks(row, least, contrast, hz_per_bin, index, level, hz):  # type: ignore[no-untyped-def]
    """Find the peaks of ``row`` and write them to ``index``, ``level`` and ``hz``; return their number.

    A candidate is a local maximum of at least ``least``. It is a peak if it is at least ``contrast`` above the lowest
    point on each side, before the next stronger candidate. As in upstream, the spectrum is taken to be infinitely low
    beyond its ends, and the bin just before a candidate does not count as a low point.
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
