"""How bright a sound is."""

import numpy as np

from mirkit.features.timbre.filters import Cascade, high_pass
from mirkit.features.timbre.frames import energies, hamming_frames, one_sided_power
from mirkit.features.timbre.score import UNDEFINED, log10, score
from mirkit.features.types import ANALYSIS_RATE, FloatArray, Value

_SIZE, _HOP = 2048, 512
_RATIO_HZ = 2000.0
_CENTROID_HZ = 100.0


def brightness(rumble_free: FloatArray) -> Value:
    """Apparent brightness (D5.8): share of the energy above 2 kHz, and centroid of what lies above 100 Hz.

    Both are means over frames weighted by the frames' power, that is ratios of sums over the whole sound. The sums of
    power spectra that need no frequency are taken in the time domain.

    Parameters
    ----------
    rumble_free : float32 array, shape=(n,)
        Mono signal after the 20 Hz high-pass; its level does not matter.
    """
    everything = energies(rumble_free, _SIZE, _HOP)
    if not everything.any():
        return UNDEFINED
    high = energies(Cascade(high_pass(_RATIO_HZ))(rumble_free), _SIZE, _HOP)
    ratio = high[everything > 0].sum(dtype=np.float64) / everything.sum(dtype=np.float64)

    audible = Cascade(high_pass(_CENTROID_HZ))(rumble_free)
    spectrum = sum(
        one_sided_power(work, _SIZE).sum(axis=0, dtype=np.float64) for work in hamming_frames(audible, _SIZE, _HOP)
    )
    hz = np.arange(1 + _SIZE // 2) * (ANALYSIS_RATE / _SIZE)
    centroid = (spectrum * hz).sum() / spectrum.sum()
    return score(4.613128018020465 * log10(ratio) + 17.378889309312974 * log10(centroid) + 17.434733750553022)
