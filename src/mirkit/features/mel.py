"""Mel filter banks (Slaney's scale) as banded weights, and their product with power spectra."""

import numpy as np
import numpy.typing as npt

from mirkit.features.kernels.kernel import kernel
from mirkit.features.stft import N_FFT
from mirkit.features.types import ANALYSIS_RATE, FloatArray

# Slaney's mel scale (Auditory Toolbox, 1998): linear below 1 kHz, logarithmic above.
_HZ_PER_MEL = 200 / 3
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27


class MelBank:
    """Triangular mel filters of unit area from 0 Hz to the Nyquist frequency.

    The weights are those of ``librosa.filters.mel`` (``htk=False, norm="slaney"``). A filter is zero outside a short
    range of bins, and only this range is stored. The product needs two multiplications per bin and no BLAS; its result
    does not depend on the number of threads or the grouping of frames.

    Parameters
    ----------
    n_mels : int
        Number of bands.
    n_fft : int
        Frame length of the spectra in samples.
    rate : int
        Sampling rate in Hz.

    Attributes
    ----------
    first : int64 array, shape=(n_mels,)
        First bin of each filter.
    offsets : int64 array, shape=(n_mels + 1,)
        Filter ``m`` has the weights ``weights[offsets[m]:offsets[m + 1]]``.
    weights : float32 array
        The weights of all filters, one after the other, in 1/Hz.
    """

    def __init__(self, n_mels: int, n_fft: int = N_FFT, rate: int = ANALYSIS_RATE) -> None:
        self.n_mels = n_mels
        self.n_bins = 1 + n_fft // 2
        dense = _triangles(n_mels, n_fft, rate)
        runs = [np.flatnonzero(row) for row in dense]
        self.first = np.array([run[0] if len(run) else 0 for run in runs], np.int64)
        self.offsets = np.concatenate(([0], np.cumsum([len(run) for run in runs]))).astype(np.int64)
        self.weights = np.concatenate([row[run] for row, run in zip(dense, runs, strict=True)])

    def apply(self, power: FloatArray) -> npt.NDArray[np.float32]:
        """Compute band powers from power spectra.

        Parameters
        ----------
        power : float32 array, shape=(frames, n_bins)
            Power spectra, for instance from ``PowerStft``.

        Returns
        -------
        float32 array, shape=(frames, n_mels)
            Band powers; a new array.
        """
        if power.ndim != 2 or power.shape[1] != self.n_bins:
            raise ValueError(f"power spectra of shape {power.shape}, expected (frames, {self.n_bins})")
        out = np.empty((len(power), self.n_mels), np.float32)
        _banded_product(np.ascontiguousarray(power, np.float32), self.first, self.offsets, self.weights, out)
        return out


def _mel_to_hz(mel: FloatArray) -> FloatArray:
    return np.where(mel < _BREAK_MEL, mel * _HZ_PER_MEL, _BREAK_HZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL)))


def _triangles(n_mels: int, n_fft: int, rate: int) -> npt.NDArray[np.float32]:
    """Dense filters, shape=(n_mels, bins)."""
    top = _BREAK_MEL + np.log(rate / 2 / _BREAK_HZ) / _LOG_STEP
    edges = _mel_to_hz(np.linspace(0, top, n_mels + 2))[:, None]
    hz = np.fft.rfftfreq(n_fft, 1 / rate)
    low, center, high = edges[:-2], edges[1:-1], edges[2:]
    triangle = np.maximum(0, np.minimum((hz - low) / (center - low), (high - hz) / (high - center)))
    return (triangle * (2 / (high - low))).astype(np.float32)


@kernel()
def _banded_product(power, first, offsets, weights, out):  # type: ignore[no-untyped-def]
    # Four frames at once: four independent sums hide the latency of the additions, and keep their own order.
    frames, bands = out.shape
    i = 0
    while i + 4 <= frames:
        p0, p1, p2, p3 = power[i], power[i + 1], power[i + 2], power[i + 3]
        for m in range(bands):
            a0 = a1 = a2 = a3 = np.float32(0)
            shift = first[m] - offsets[m]
            for j in range(offsets[m], offsets[m + 1]):
                w = weights[j]
                a0 += w * p0[j + shift]
                a1 += w * p1[j + shift]
                a2 += w * p2[j + shift]
                a3 += w * p3[j + shift]
            out[i, m], out[i + 1, m], out[i + 2, m], out[i + 3, m] = a0, a1, a2, a3
        i += 4
    for k in range(i, frames):
        for m in range(bands):
            a0 = np.float32(0)
            for j in range(offsets[m], offsets[m + 1]):
                a0 += weights[j] * power[k, first[m] + j - offsets[m]]
            out[k, m] = a0
