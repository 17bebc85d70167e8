"""The share of each stem in each time-frequency bin, by median filtering and position between left and right.

Running medians are taken by a sorting network of minima and maxima over whole arrays: it compares fixed pairs, so each
comparison is one vectorized pass over a block that stays in the cache, and comparisons on which the median does not
depend are left out.
"""

from functools import cache

import numpy as np

from mirkit.features.types import FloatArray
from mirkit.separation.stft import HZ_PER_BIN, Spectra

_BLOCK_VALUES = 1 << 13


@cache
def median_network(n: int) -> tuple[tuple[int, int], ...]:
    """Pairs (low, high) to compare in turn, after which lane ``n // 2`` of ``n`` lanes holds the median.

    Batcher's odd-even merge sort for the next power of two, without the pairs that touch the padding (it would hold
    plus infinity and never move), and then without those that the median lane does not need.
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
        # Columns are independent: narrow stripes keep all lanes of a block in the cache.
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


#: Frames and bins of the medians, 0.4 s and 330 Hz: longer than a hit and shorter than most notes; wider than a partial
#: and narrower than the spectrum of a hit.
TIME_WIDTH = 17
FREQUENCY_WIDTH = 31


def harmonic_percussive(magnitude: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Split magnitudes, shape=(frames, bins), into what lasts in time and what spreads over frequency.

    Medians along time and along frequency: D. Fitzgerald, "Harmonic/percussive separation using median filtering", DAFx
    2010.
    """
    return running_median(magnitude, TIME_WIDTH, 0), running_median(magnitude, FREQUENCY_WIDTH, 1)


STEMS = ("drums", "bass", "other", "vocals")
_TINY = np.float32(1e-20)
#: Crossover from bass to the rest, where each has half of the amplitude. The fundamentals of a bass guitar reach from
#: 41 Hz (E1) to about 200 Hz (G3), those of most voices begin at 100 Hz, where the bass still takes 98 %: vocals lose
#: their lowest fundamentals, so that the bass keeps its own. The share falls like the power of a Butterworth low-pass
#: of third order (exponent 6): steep enough that the octave above holds 1.5 %, without a step that would ring.
_BASS_HZ, _BASS_ORDER = 200.0, 6
#: Upper end of what counts as voice. Formants end near 4 kHz; above 6 kHz lie cymbals and noise in the middle of the
#: stereo picture, and sibilants, which the gentler slope (exponent 4) keeps in part.
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
    """How much of a bin lies in the middle between left and right, 0 to 1; 0.5 for mono, where this is unknown."""
    if len(spectra) < 2:
        return np.full(spectra.shape[1:], 0.5, np.float32)
    left, right = spectra[0], spectra[1]
    side = np.abs(left - right) ** 2
    mid = np.abs(left + right) ** 2
    center: FloatArray = np.maximum(0, 1 - 2 * np.sqrt(side / (mid + side + _TINY)))
    return center
