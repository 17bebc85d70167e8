"""How much of the spectrum a sound fills, every 128 samples."""

import numpy as np
import scipy.fft
from numba import njit

from mirkit.features.timbre.frames import frames
from mirkit.features.types import ANALYSIS_RATE, FloatArray

SIZE, HOP = 4096, 128

# Magnitudes are scaled as scipy.signal.spectrogram(mode="magnitude", scaling="density") scales them with a rectangular
# window; a bin counts from -75 dB.
_SCALE = 1 / (ANALYSIS_RATE * SIZE) ** 0.5
_LEAST = 10 ** (-75 / 20) / _SCALE
_ROLL_ON = 0.05
_QUIET_SHARE = 0.1


def bandwidths(padded: FloatArray, gain: float) -> FloatArray:
    """Bandwidth of each frame of 4096 samples, in Hz; 0 in frames of the quietest tenth of the range of levels.

    From the frequency below which lie 5 % of the frame's magnitudes, to the highest bin of at least -75 dB.

    Parameters
    ----------
    padded : float32 array, shape=(n,), n >= 4096
    gain : float
        Factor that the sound is heard with.

    Returns
    -------
    float64 array, shape=(1 + (n - 4096) // 128,)
    """
    count = 1 + (len(padded) - SIZE) // HOP
    level = np.empty(count)
    band = np.empty(count)
    i = 0
    for block in frames(padded, SIZE, HOP, 0, count):
        spectra = scipy.fft.rfft(block, axis=1).view(np.float32)
        stop = i + len(block)
        _measure(spectra, _LEAST / gain, _ROLL_ON, level[i:stop], band[i:stop])
        i = stop
    low, high = level.min(), level.max()
    band[level <= low + _QUIET_SHARE * (high - low)] = 0
    return band * (ANALYSIS_RATE / SIZE)


# Sums may be taken in any order, so that they are taken in vectors.
@njit(cache=True, fastmath={"reassoc", "contract", "nsz"})
def _measure(spectra, least, roll_on, level, band):  # type: ignore[no-untyped-def]
    bins = spectra.shape[1] // 2
    magnitude = np.empty(bins, np.float32)
    for i in range(len(spectra)):
        row = spectra[i]
        magnitude[0] = 0  # the mean is removed
        total = np.float32(0)
        for k in range(1, bins):
            value = np.sqrt(row[2 * k] * row[2 * k] + row[2 * k + 1] * row[2 * k + 1])
            magnitude[k] = value
            total += value
        level[i] = total
        top = bins - 1
        while top > 0 and magnitude[top] < least:
            top -= 1
        band[i] = 0
        if magnitude[top] >= least:
            below = np.float32(0)
            bottom = 0
            while below + magnitude[bottom] < roll_on * total:
                below += magnitude[bottom]
                bottom += 1
            band[i] = top - bottom
