"""The share of each stem in each time-frequency bin, by median filtering and position between left and right."""

import numpy as np

from mirkit.features.kernels.sliding_median import sliding_median
from mirkit.features.types import FloatArray
from mirkit.separation.stft import HZ_PER_BIN, Spectra

#: Width of the medians in frames (0.4 s: longer than a hit, shorter than most notes) and in bins (330 Hz: wider than a
#: partial, narrower than the spectrum of a hit).
TIME_WIDTH = 17
FREQUENCY_WIDTH = 31
#: Width of the median in frames that only lasting notes survive (1.5 s).
SUSTAINED_WIDTH = 65


def harmonic_percussive(magnitude: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Split magnitudes into a harmonic and a percussive part.

    Medians along time and along frequency: D. Fitzgerald, "Harmonic/percussive separation using median filtering", DAFx
    2010. The magnitudes are mirrored at their edges (several times where an axis is short).

    Parameters
    ----------
    magnitude : float32 array, shape=(frames, bins)

    Returns
    -------
    harmonic, percussive : float32 arrays, shape=(frames, bins)
    """
    return _median(magnitude, TIME_WIDTH), np.ascontiguousarray(_median(magnitude.T, FREQUENCY_WIDTH).T)


def _median(rows: FloatArray, size: int) -> FloatArray:
    mirrored = np.pad(rows, ((size // 2, size // 2), (0, 0)), mode="symmetric")
    return sliding_median(np.ascontiguousarray(mirrored), size)


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


def bass_share(bins: int) -> FloatArray:
    """Share of the harmonic part of each bin that is bass, shape=(bins,)."""
    share: FloatArray = 1 / (1 + (_hertz(bins) / _BASS_HZ) ** _BASS_ORDER)
    return share


def vocals_share(bins: int) -> FloatArray:
    """Share of the harmonic part in the center that is vocals, shape=(bins,)."""
    share: FloatArray = (1 - bass_share(bins)) / (1 + (_hertz(bins) / _VOCALS_HZ) ** _VOCALS_ORDER)
    return share


def _hertz(bins: int) -> FloatArray:
    return np.arange(bins, dtype=np.float32) * HZ_PER_BIN


def percussive_share(harmonic: FloatArray, percussive: FloatArray) -> FloatArray:
    """Share of the percussive part in the power of both."""
    h2, p2 = harmonic**2, percussive**2
    share: FloatArray = p2 / (h2 + p2 + _TINY)
    return share


def sustained_share(magnitude: FloatArray, harmonic: FloatArray) -> FloatArray:
    """Share of the harmonic part that lasts longer than 1.5 s, 0 to 1."""
    share: FloatArray = np.minimum(1, _median(magnitude, SUSTAINED_WIDTH) ** 2 / (harmonic**2 + _TINY))
    return share


def center_share(spectra: Spectra) -> FloatArray:
    """Share of a bin that is in the center of the stereo image, 0 to 1; 0.5 for mono, where it is unknown."""
    if len(spectra) < 2:
        return np.full(spectra.shape[1:], 0.5, np.float32)
    left, right = spectra[0], spectra[1]
    side = np.abs(left - right) ** 2
    mid = np.abs(left + right) ** 2
    center: FloatArray = np.maximum(0, 1 - 2 * np.sqrt(side / (mid + side + _TINY)))
    return center


def estimate(spectra: Spectra) -> FloatArray:
    """Masks of drums, bass and vocals, shape=(3, frames, bins), from spectra of all channels."""
    magnitude = np.sqrt((spectra.real**2 + spectra.imag**2).sum(axis=0))
    drums = percussive_share(*harmonic_percussive(magnitude))
    bins = spectra.shape[2]
    bass = (1 - drums) * bass_share(bins)
    vocals = (1 - drums) * vocals_share(bins) * center_share(spectra)
    return np.stack((drums, bass, vocals)).astype(np.float32)
