"""Short-time spectra of a sound, for what is made of them: onset strength, and the percussive share."""

import numpy as np
import numpy.typing as npt
import scipy.fft

from mirkit.features.mel import MelBank
from mirkit.features.stft import hann
from mirkit.features.timbre.frames import frames
from mirkit.features.timbre.onsets import HOP, N_FFT, N_MELS, band_levels, onset_strength
from mirkit.features.timbre.percussive import PercussiveShare
from mirkit.features.types import FloatArray


def strength_of(x: FloatArray, gain: float, percussive: PercussiveShare | None = None) -> FloatArray:
    """Onset strength of a sound.

    Parameters
    ----------
    x : float32 array, shape=(n,)
    gain : float
        Factor that the sound is heard with: it sets the level below which nothing counts.
    percussive : PercussiveShare, optional
        Is given the spectra too.

    Returns
    -------
    float64 array, shape=(1 + n // 512,)
    """
    window = hann(N_FFT)
    bank = MelBank(N_MELS, N_FFT)
    count = 1 + len(x) // HOP
    levels: list[npt.NDArray[np.float32]] = []
    for block in frames(x, N_FFT, HOP, -N_FFT // 2, count):
        spectra = scipy.fft.rfft(block * window, axis=1)
        parts = np.square(spectra.view(np.float32))
        power = parts[:, ::2] + parts[:, 1::2]
        levels.append(band_levels(bank.apply(power), gain))
        if percussive:
            percussive.push(spectra, power)
    return onset_strength(np.concatenate(levels))
