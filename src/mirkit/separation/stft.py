"""Short-time spectra of any number of channels and their exact inverse, block by block.

Frame lengths are defined in seconds, not in samples. At any sample rate, spectra have nearly the same bin spacing and
frame rate, so that the processing between analysis and synthesis can use bins and frames.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view

from mirkit.features.stft import hann
from mirkit.features.types import FloatArray

#: Frame step in seconds, and steps per frame (93 ms frames, 10.77 Hz between bins).
HOP_SECONDS = 1024 / 44100
OVERLAP = 4
HZ_PER_BIN = 1 / (OVERLAP * HOP_SECONDS)
#: The squared Hann window adds up to this constant at this overlap.
_WINDOW_SUM = 0.375 * OVERLAP
_FRAMES_PER_CALL = 32

#: Complex spectra, shape=(channels, frames, bins).
Spectra = npt.NDArray[np.complexfloating[Any, Any]]


@dataclass(frozen=True)
class StftConfig:
    """Frame geometry at one sampling rate (Hz)."""

    rate: int

    @property
    def hop(self) -> int:
        """Samples between frames: the fast transform length nearest to ``HOP_SECONDS``."""
        wanted = max(1, round(self.rate * HOP_SECONDS))
        fast = (scipy.fft.prev_fast_len(wanted, real=True), scipy.fft.next_fast_len(wanted, real=True))
        return int(min(fast, key=lambda n: abs(n - wanted)))

    @property
    def n_fft(self) -> int:
        """Samples per frame."""
        return OVERLAP * self.hop

    @property
    def bins(self) -> int:
        """Number of frequency bins, including 0 Hz and half of the sample rate."""
        return self.n_fft // 2 + 1


class Analysis:
    """Complex spectra of blocks of samples.

    The signal is extended by ``n_fft - hop`` zeros at both ends, so that each sample lies in `OVERLAP` frames.
    """

    def __init__(self, config: StftConfig, channels: int) -> None:
        self._config = config
        self._window = hann(config.n_fft)
        self._rest = np.zeros((channels, config.n_fft - config.hop), np.float32)
        self._taken = 0

    def push(self, block: FloatArray) -> Spectra:
        """Take samples, shape=(channels, n); return the spectra they complete, shape=(channels, frames, bins)."""
        self._taken += block.shape[1]
        return self._spectra(block)

    def finish(self) -> Spectra:
        """Return the last spectra, completed with zeros."""
        config = self._config
        tail = (config.n_fft - config.hop) + (-self._taken) % config.hop
        return self._spectra(np.zeros((len(self._rest), tail), np.float32))

    def _spectra(self, block: FloatArray) -> Spectra:
        n_fft, hop = self._config.n_fft, self._config.hop
        signal = np.concatenate((self._rest, block), axis=1)
        count = max(0, 1 + (signal.shape[1] - n_fft) // hop)
        spectra = np.empty((len(signal), count, self._config.bins), np.complex64)
        if count:
            frames = sliding_window_view(signal, n_fft, axis=1)[:, ::hop]
            for i in range(0, count, _FRAMES_PER_CALL):
                part = slice(i, min(i + _FRAMES_PER_CALL, count))
                spectra[:, part] = scipy.fft.rfft(frames[:, part] * self._window, axis=2)
        self._rest = signal[:, count * hop :].copy()
        return spectra


class Synthesis:
    """Overlap-add synthesis of samples from spectra; the inverse of `Analysis`, without the padding at the start."""

    def __init__(self, config: StftConfig, channels: int) -> None:
        self._config = config
        self._window = hann(config.n_fft) / np.float32(_WINDOW_SUM)
        self._tail = np.zeros((channels, config.n_fft - config.hop), np.float32)
        self._skip = config.n_fft - config.hop

    def push(self, spectra: Spectra) -> FloatArray:
        """Take spectra, shape=(channels, frames, bins); return the samples they complete, shape=(channels, n)."""
        channels, count = spectra.shape[:2]
        n_fft, hop = self._config.n_fft, self._config.hop
        signal = np.zeros((channels, n_fft - hop + count * hop), np.float32)
        signal[:, : n_fft - hop] = self._tail
        for i in range(0, count, _FRAMES_PER_CALL):
            frames = scipy.fft.irfft(spectra[:, i : i + _FRAMES_PER_CALL], n_fft, axis=2) * self._window
            for j in range(frames.shape[1]):
                start = (i + j) * hop
                signal[:, start : start + n_fft] += frames[:, j]
        self._tail = signal[:, count * hop :].copy()
        done = signal[:, min(self._skip, count * hop) : count * hop]
        self._skip -= min(self._skip, count * hop)
        return done
