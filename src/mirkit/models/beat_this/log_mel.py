"""Input of Beat This!: logarithmic mel spectra, 128 bands, 50 per second, of a stream."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view

from mirkit.features.stft import hann
from mirkit.features.types import FloatArray

RATE = 22050
HOP = 441
BANDS = 128
_N_FFT = 1024
_LOW, _HIGH = 30.0, 11000.0
_GAIN = 1000.0
_BLOCK = 256  # frames transformed at once

# Slaney's mel scale (Auditory Toolbox, 1998): linear below 1 kHz, logarithmic above.
_HZ_PER_MEL = 200 / 3
_BREAK_HZ = 1000.0
_LOG_STEP = np.log(6.4) / 27


class LogMel:
    """Log-mel frames of a mono signal at 22050 Hz that arrives in blocks.

    Magnitude spectra (Hann window of 1024 samples, step 441, divided by the square root of the length), weighted by
    128 triangles of height 1 on Slaney's mel scale from 30 to 11000 Hz, then ``log(1 + 1000 x)``. Frame ``i`` is
    centered on sample ``441 i``; the signal is mirrored at both ends, so it must have more than 512 samples.
    """

    def __init__(self) -> None:
        self._window = hann(_N_FFT) / np.float32(np.sqrt(_N_FFT))
        self._bank = _triangles().T.copy()
        self._rest = np.zeros(0, np.float32)
        self._begun = False

    def push(self, mono: FloatArray) -> Iterator[npt.NDArray[np.float32]]:
        """Take the next samples, float32, shape=(n,); yield the complete frames, shape=(frames, 128)."""
        signal = np.concatenate((self._rest, mono))
        half = _N_FFT // 2
        if not self._begun:
            if len(signal) <= half:
                self._rest = signal
                return
            signal = np.concatenate((signal[half:0:-1], signal))
            self._begun = True
        # The last samples are kept until the end of the signal, where they are mirrored.
        yield from self._take(signal, keep=half + 1)

    def finish(self) -> Iterator[npt.NDArray[np.float32]]:
        """Yield the frames that the mirrored end completes; none for a signal that is too short."""
        if self._begun:
            half = _N_FFT // 2
            yield from self._take(np.concatenate((self._rest, self._rest[-2 : -half - 2 : -1])), keep=0)

    def _take(self, signal: FloatArray, keep: int) -> Iterator[npt.NDArray[np.float32]]:
        count = max(0, 1 + (len(signal) - keep - _N_FFT) // HOP)
        if count:
            frames = sliding_window_view(signal, _N_FFT)[::HOP][:count]
            for start in range(0, count, _BLOCK):
                yield self._spectra(frames[start : start + _BLOCK])
        self._rest = signal[count * HOP :]

    def _spectra(self, frames: FloatArray) -> npt.NDArray[np.float32]:
        magnitude = np.abs(scipy.fft.rfft(frames * self._window, axis=1))
        mel: npt.NDArray[np.float32] = magnitude @ self._bank
        mel *= np.float32(_GAIN)
        return np.log1p(mel, out=mel)


def _triangles() -> npt.NDArray[np.float32]:
    """Mel filters, shape=(128, 513)."""
    low, high = (hz / _HZ_PER_MEL if hz < _BREAK_HZ else _to_mel(hz) for hz in (_LOW, _HIGH))
    mel = np.linspace(low, high, BANDS + 2)
    broken = _BREAK_HZ / _HZ_PER_MEL
    linear, logarithmic = mel * _HZ_PER_MEL, _BREAK_HZ * np.exp(_LOG_STEP * (mel - broken))
    edges = np.where(mel < broken, linear, logarithmic)[:, None]
    hz = np.linspace(0, RATE // 2, _N_FFT // 2 + 1)
    rising = (hz - edges[:-2]) / np.diff(edges, axis=0)[:-1]
    falling = (edges[2:] - hz) / np.diff(edges, axis=0)[1:]
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def _to_mel(hz: float) -> float:
    return float(_BREAK_HZ / _HZ_PER_MEL + np.log(hz / _BREAK_HZ) / _LOG_STEP)
