"""Onset strength of a sound from spectra that the percussive share is told too."""

import numpy as np
import numpy.typing as npt

from mirkit.features.kernel import kernel
from mirkit.features.kernels.batched_fft import LANES, Float32, Spectra
from mirkit.features.kernels.hpss import PercussiveShare
from mirkit.features.mel import MelBank
from mirkit.features.stft import hann
from mirkit.features.timbre.onsets import HOP, N_FFT, N_MELS, band_levels, onset_strength
from mirkit.features.types import FloatArray

_LANES = np.uint64(LANES)


def strength_of(x: Float32, gain: float, percussive: PercussiveShare | None = None) -> FloatArray:
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
    spectra = Spectra(hann(N_FFT), HOP, N_FFT)
    first, offsets, weights = _fours(MelBank(N_MELS, N_FFT))
    count = 1 + len(x) // HOP
    levels = np.empty((N_MELS, -(-count // LANES) * LANES), np.float32)
    for i, power in enumerate(spectra.blocks(x, -N_FFT // 2, count)):
        _bands(power.ravel(), first, offsets, weights, levels[:, i * LANES : (i + 1) * LANES])
        if percussive:
            percussive.push(spectra.rows, spectra.buffer, power)
    return onset_strength(band_levels(levels[:, :count], gain))


def _fours(bank: MelBank) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64], Float32]:
    """First bin of each band, and its weights filled up with zeros to a multiple of four, behind one another.

    Returns
    -------
    first, offsets, weights
        As in ``MelBank``.
    """
    firsts, offsets, weights = [], [0], []
    for m in range(bank.n_mels):
        own = bank.weights[bank.offsets[m] : bank.offsets[m + 1]]
        length = -(-len(own) // 4) * 4
        first = min(int(bank.first[m]), bank.n_bins - length)
        filled = np.zeros(length, np.float32)
        filled[bank.first[m] - first :][: len(own)] = own
        firsts.append(first)
        offsets.append(offsets[-1] + length)
        weights.append(filled)
    return np.array(firsts, np.uint64), np.array(offsets), np.concatenate(weights)


# Indices are unsigned: see lanes.
@kernel(fastmath={"contract"})
def _bands(power, first, offsets, weights, out):  # type: ignore[no-untyped-def]
    total = np.empty(LANES, np.float32)
    second, third = _LANES + _LANES, _LANES + _LANES + _LANES
    for m in range(len(out)):
        for j in range(_LANES):
            total[j] = 0
        o = first[m] * _LANES
        for k in range(offsets[m], offsets[m + 1], 4):
            a, b, c, d = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
            for j in range(_LANES):
                at = o + j
                total[j] += (a * power[at] + b * power[at + _LANES]) + (c * power[at + second] + d * power[at + third])
            o += second + second
        for j in range(LANES):
            out[m, j] = total[j]
