"""Parabolic interpolation of the peaks of a curve."""

import numpy as np
import numpy.typing as npt

from mirkit.features.types import FloatArray


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
