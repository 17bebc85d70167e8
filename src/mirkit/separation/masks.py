"""The share of each stem in each time-frequency bin, by median filtering and position between left and right.

Running medians are computed by a sorting network of minima and maxima over whole arrays. The network compares fixed
pairs, so each comparison is one vectorized operation on a block that fits in the cache. Comparisons that do not affect
the median are left out.
"""

from functools import cache

import numpy as np

from mirkit.features.types import FloatArray
from mirkit.separation.stft import HZ_PER_BIN, Spectra

_BLOCK_VALUES = 1 << 13


@cache
def median_network(n: int) -> tuple[tuple[int, int], ...]:
    """Return pairs (low, high) to compare in order; after them, lane ``n // 2`` of ``n`` holds the median.

    Batcher's odd-even merge sort for the next power of two, without the pairs that include padding (plus infinity,
    which never moves), and without those on which the median lane does not depend.
    """
    pairs = []
    p = 1
    while p < n:
        k = p
        while k >= 1:
            for j in range(k % p, n - k, 2 * k):
                for i in range(min(k, n - j - k)):
                    if (i + j) // (2 * p) == (i + j + k) // (2 * p):
                        pairs.append((i + j, i + j + k))
            k //= 2
        p *= 2
    needed = {n // 2}
    kept = []
    for low, high in reversed(pairs):
        if low in needed or high in needed:
            needed |= {low, high}
            kept.append((low, high))
    return tuple(reversed(kept))


def running_median(x: FloatArray, width: int, axis: int) -> FloatArray:
    """Median over ``width`` (odd) neighbors along one axis of a matrix; the matrix is mirrored at its edges.

    Parameters
    ----------
    x : array, shape=(rows, columns)
    width : int
        Number of neighbors, odd.
    axis : int
        0: along rows of a column; 1: along columns of a row.
    """
    if width % 2 == 0:
        raise ValueError(f"width must be odd, not {width}")
    half = width // 2
    padded = _mirror(x, half, axis)
    out = np.empty_like(x)
    rows, columns = x.shape
    if axis == 0:
        # Columns are independent; they are processed in narrow blocks so that all lanes fit in the cache.
        step_r, step_c = 16, min(columns, _BLOCK_VALUES // 16)
    else:
        step_r, step_c = max(1, _BLOCK_VALUES // columns), columns
    network = median_network(width)
    for r in range(0, rows, step_r):
        for c in range(0, columns, step_c):
            height, breadth = min(step_r, rows - r), min(step_c, columns - c)
            lanes = [
                padded[r + i : r + i + height, c : c + breadth].copy()
                if axis == 0
                else padded[r : r + height, c + i : c + i + breadth].copy()
                for i in range(width)
            ]
            spare = np.empty_like(lanes[0])
            for low, high in network:
                a, b = lanes[low], lanes[high]
                np.minimum(a, b, out=spare)
                np.maximum(a, b, out=b)
                lanes[low], spare = spare, a
            out[r : r + height, c : c + breadth] = lanes[half]
    return out


def _mirror(x: FloatArray, half: int, axis: int) -> FloatArray:
    """Extend both ends of an axis by ``half`` mirrored values (repeated mirrors where the axis is short)."""
    widths = [(0, 0), (0, 0)]
    widths[axis] = (half, half)
    return np.pad(x, widths, mode="symmetric")


#: Width of the medians in frames (0.4 s: longer than a hit, shorter than most notes) and in bins (330 Hz: wider than a
#: partial, narrower than the spectrum of a hit).
TIME_WIDTH = 17
FREQUENCY_WIDTH = 31


def harmonic_percussive(magnitude: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Split magnitudes, shape=(frames, bins), into a harmonic and a percussive part.

    Medians along time and along frequency: D. Fitzgerald, "Harmonic/percussive separation using median filtering", DAFx
    2010.
    """
    return running_median(magnitude, TIME_WIDTH, 0), running_median(magnitude, FREQUENCY_WIDTH, 1)


STEMS = ("drums", "bass", "other", "vocals")
_TINY = np.float32(1e-20)
#: Crossover from bass to the rest, where each has half of the amplitude. The fundamentals of a bass guitar are between
#: 41 Hz (E1) and about 200 Hz (G3), those of most voices above 100 Hz, where the bass still gets 98 %: the bass keeps
#: its fundamentals, and vocals lose their lowest ones. The share falls like the power of a Butterworth low-pass of
#: third order (exponent 6): an octave higher it is 1.5 %, and there is no discontinuity that would cause ringing.
_BASS_HZ, _BASS_ORDER = 200.0, 6
#: Upper frequency of vocals. Formants end near 4 kHz; above 6 kHz, the center of the stereo image holds cymbals, noise
#: and sibilants, of which the gentler slope (exponent 4) keeps a part.
_VOCALS_HZ, _VOCALS_ORDER = 6000.0, 4


def estimate(spectra: Spectra) -> FloatArray:
    """Masks of drums, bass and vocals, shape=(3, frames, bins), from spectra of all channels."""
    power = (spectra.real**2 + spectra.imag**2).sum(axis=0)
    magnitude = np.sqrt(power)
    harmonic, percussive = harmonic_percussive(magnitude)
    h2, p2 = harmonic**2, percussive**2
    drums = p2 / (h2 + p2 + _TINY)
    hertz = np.arange(power.shape[1], dtype=np.float32) * HZ_PER_BIN
    low = 1 / (1 + (hertz / _BASS_HZ) ** _BASS_ORDER)
    band = (1 - low) / (1 + (hertz / _VOCALS_HZ) ** _VOCALS_ORDER)
    bass = (1 - drums) * low
    center = _center(spectra)
    vocals = (1 - drums) * band * center
    return np.stack((drums, bass, vocals)).astype(np.float32)


def _center(spectra: Spectra) -> FloatArray:
    """Share of a bin that is in the center of the stereo image, 0 to 1; 0.5 for mono, where it is unknown."""
    if len(spectra) < 2:
        return np.full(spectra.shape[1:], 0.5, np.float32)
    left, right = spectra[0], spectra[1]
    side = np.abs(left - right) ** 2
    mid = np.abs(left + right) ** 2
    center: FloatArray = np.maximum(0, 1 - 2 * np.sqrt(side / (mid + side + _TINY)))
    return center
