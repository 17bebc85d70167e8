"""Input of ADTOF: logarithmic spectra in 84 bands, 100 per second, of a stream."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view

from mirkit.features.types import ANALYSIS_RATE, FloatArray

HOP = 441
BANDS = 84
_N_FFT = 2048
_LOWEST, _HIGHEST, _PER_OCTAVE = 20.0, 20000.0, 12
_BLOCK = 256  # frames transformed at once


class LogBands:
    """Spectra of a mono signal at 44100 Hz that arrives in blocks.

    Magnitudes (symmetric Hann window of 2048 samples, step 441, not scaled), averaged by 84 triangles whose corners lie
    a semitone apart from 20 Hz to 20 kHz (below 400 Hz on neighboring bins), then ``log10(1 + x)``. The network was
    trained on this output of madmom's ``LogarithmicFilterbank``. Frame ``i`` is centered on sample ``441 i``; the
    signal is padded with zeros at both ends.
    """

    def __init__(self) -> None:
        self._window = np.hanning(_N_FFT).astype(np.float32)
        self._bank = triangles().T.copy()
        self._rest = np.zeros(_N_FFT // 2, np.float32)

    def push(self, mono: FloatArray) -> Iterator[npt.NDArray[np.float32]]:
        """Take the next samples, float32, shape=(n,); yield the complete frames, shape=(frames, 84)."""
        signal = np.concatenate((self._rest, mono))
        count = max(0, 1 + (len(signal) - _N_FFT) // HOP)
        if count:
            frames = sliding_window_view(signal, _N_FFT)[::HOP][:count]
            for start in range(0, count, _BLOCK):
                yield self._spectra(frames[start : start + _BLOCK])
        self._rest = signal[count * HOP :]

    def finish(self) -> Iterator[npt.NDArray[np.float32]]:
        """Yield the last frames, which the zero padding completes."""
        yield from self.push(np.zeros(_N_FFT // 2, np.float32))

    def _spectra(self, frames: FloatArray) -> npt.NDArray[np.float32]:
        magnitude = np.abs(scipy.fft.rfft(frames * self._window, axis=1))[:, : _N_FFT // 2]
        bands: npt.NDArray[np.float32] = magnitude @ self._bank
        bands += np.float32(1)
        return np.log10(bands, out=bands)


def triangles() -> npt.NDArray[np.float32]:
    """Weights of the bands, shape=(84, 1024); each row sums to 1."""
    bins, at = _bins()[:, None], np.arange(_N_FFT // 2)
    left, center, right = bins[:-2], bins[1:-1], bins[2:]
    weights = np.maximum(0, np.minimum((at - left) / (center - left), (right - at) / (right - center)))
    unit: npt.NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return unit


def centers() -> FloatArray:
    """Return the center frequencies of the bands in Hz, shape=(84,)."""
    return _bins()[1:-1] * (ANALYSIS_RATE / _N_FFT)


def _bins() -> FloatArray:
    """Return the bins nearest to the corners of the triangles, without duplicates, shape=(86,)."""
    count = int(np.floor(_PER_OCTAVE * np.log2(_HIGHEST / _LOWEST))) + 1
    hz = _LOWEST * 2 ** (np.arange(count) / _PER_OCTAVE)
    return np.unique(np.rint(hz * _N_FFT / ANALYSIS_RATE))
