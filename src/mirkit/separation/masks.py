"""The share of each stem in each time-frequency bin."""

import numpy as np

from mirkit.features.types import FloatArray
from mirkit.separation.percussive import harmonic_percussive
from mirkit.separation.stft import HZ_PER_BIN, Spectra

STEMS = ("drums", "bass", "other", "vocals")
_TINY = np.float32(1e-20)


def estimate(spectra: Spectra) -> FloatArray:
    """Masks of drums, bass and vocals, shape=(3, frames, bins), from spectra of all channels."""
    power = (spectra.real**2 + spectra.imag**2).sum(axis=0)
    magnitude = np.sqrt(power)
    harmonic, percussive = harmonic_percussive(magnitude)
    h2, p2 = harmonic**2, percussive**2
    drums = p2 / (h2 + p2 + _TINY)
    hertz = np.arange(power.shape[1], dtype=np.float32) * HZ_PER_BIN
    low = 1 / (1 + (hertz / 200) ** 6)
    band = (1 - low) / (1 + (hertz / 6000) ** 4)
    bass = (1 - drums) * low
    center = _center(spectra)
    vocals = (1 - drums) * band * center
    return np.stack((drums, bass, vocals)).astype(np.float32)


def _center(spectra: Spectra) -> FloatArray:
    """How much of a bin stands in the middle between left and right; undecided (0.5) for mono."""
    if len(spectra) < 2:
        return np.full(spectra.shape[1:], 0.5, np.float32)
    left, right = spectra[0], spectra[1]
    side = np.abs(left - right) ** 2
    mid = np.abs(left + right) ** 2
    center: FloatArray = np.maximum(0, 1 - 2 * np.sqrt(side / (mid + side + _TINY)))
    return center
