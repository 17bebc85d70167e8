"""How much of the spectrum a sound fills, every 128 samples."""

import numpy as np

from mirkit.features.kernel import kernel
from mirkit.features.kernels.batched_fft import LANES, Spectra
from mirkit.features.types import ANALYSIS_RATE, FloatArray

SIZE, HOP = 4096, 128

# Magnitudes are scaled as scipy.signal.spectrogram(mode="magnitude", scaling="density") scales them with a rectangular
# window; a bin counts from -75 dB.
_SCALE = 1 / (ANALYSIS_RATE * SIZE) ** 0.5
_LEAST = 10 ** (-75 / 20) / _SCALE
_ROLL_ON = np.float32(0.05)
_QUIET_SHARE = 0.1
_LANES = np.uint64(LANES)


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
    level = np.empty(-(-count // LANES) * LANES)
    band = np.empty_like(level)
    for i, power in enumerate(Spectra(np.ones(SIZE), HOP, SIZE).blocks(padded, 0, count)):
        here = slice(i * LANES, (i + 1) * LANES)
        _measure(power.ravel(), np.float32(_LEAST / gain), _ROLL_ON, level[here], band[here])
    level, band = level[:count], band[:count]
    low, high = level.min(), level.max()
    band[level <= low + _QUIET_SHARE * (high - low)] = 0
    return band * (ANALYSIS_RATE / SIZE)


# Indices are unsigned: see lanes.
@kernel()
def _measure(power, least, roll_on, level, band):  # type: ignore[no-untyped-def]
    # The bin at 0 Hz is left out: upstream takes the mean off.
    total = np.zeros(LANES, np.float32)
    top = np.zeros(LANES, np.float32)
    for k in range(np.uint64(1), np.uint64(len(power)) // _LANES):
        bin_number = np.float32(k)
        o = k * _LANES
        for j in range(_LANES):
            magnitude = np.sqrt(power[o + j])
            power[o + j] = magnitude
            total[j] += magnitude
            top[j] = bin_number if magnitude >= least else top[j]
    below = np.zeros(LANES, np.float32)
    bottom = np.zeros(LANES, np.int32)
    share = roll_on * total
    o = _LANES
    waiting = np.int32(1)
    while waiting:
        waiting = np.int32(0)
        for j in range(_LANES):
            below[j] += power[o + j]
            still = np.int32(1) if below[j] < share[j] else np.int32(0)
            bottom[j] += still
            waiting += still
        o += _LANES
    for j in range(LANES):
        level[j] = total[j]
        band[j] = top[j] - bottom[j] - 1 if top[j] > 0 else 0
