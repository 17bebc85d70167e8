"""``brightness``, 0 to 100: share of high frequencies, and spectral centroid.

*Measured*: the share of the energy above 2 kHz, and the centroid of the spectrum above 100 Hz, combined by the
regression of D5.8 (A. Pearce, T. Brookes and R. Mason, "Timbral attributes for sound effect library searching", AES
Semantic Audio 2017).
"""

import numpy as np

from mirkit.features.kernels.hamming_spectra import energies, total_spectrum
from mirkit.features.timbre.filters import Cascade, high_pass
from mirkit.features.timbre.score import UNDEFINED, log10, score
from mirkit.features.types import ANALYSIS_RATE, FloatArray, Value

_SIZE, _HOP = 2048, 512
_RATIO_HZ = 2000.0
_CENTROID_HZ = 100.0


def brightness(rumble_free: FloatArray, work: FloatArray) -> Value:
    """Apparent brightness (D5.8): share of the energy above 2 kHz, and centroid of the spectrum above 100 Hz.

    Both are means over frames weighted by their power, which equals ratios of sums over the whole sound. Sums of whole
    power spectra are computed in the time domain.

    Parameters
    ----------
    rumble_free : float32 array, shape=(n,)
        Mono signal after the 20 Hz high-pass; its level does not matter.
    work : float32 array, shape=(n,)
        Overwritten.
    """
    everything = energies(rumble_free, _SIZE, _HOP)
    if not everything.any():
        return UNDEFINED
    high = energies(Cascade(high_pass(_RATIO_HZ))(rumble_free, work), _SIZE, _HOP)
    ratio = high[everything > 0].sum() / everything.sum()
    spectrum = total_spectrum(Cascade(high_pass(_CENTROID_HZ))(rumble_free, work), _SIZE, _HOP)
    centroid = (spectrum * np.arange(len(spectrum))).sum() / spectrum.sum() * (ANALYSIS_RATE / _SIZE)
    return score(4.613128018020465 * log10(ratio) + 17.378889309312974 * log10(centroid) + 17.434733750553022)
