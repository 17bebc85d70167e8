"""The short-time power spectrum that most features share, computed once per signal, block by block."""

from collections.abc import Iterator

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view

from mirkit.features.types import FloatArray

N_FFT = 2048
HOP = 512
#: Frames per transform call: a block of this many frames fits in the processor's cache.
FRAMES_PER_BLOCK = 64


def hann(n: int) -> FloatArray:
    """Periodic Hann window, float32, shape=(n,)."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n) / n)).astype(np.float32)


class PowerStft:
    """Power spectra of a mono signal that arrives in blocks.

    Frame ``i`` is centered on sample ``i * hop`` (the signal is extended by ``n_fft / 2`` zeros at both ends, as
    librosa's ``center=True, pad_mode="constant"``), so a signal of ``n`` samples has ``1 + n // hop`` frames.

    Parameters
    ----------
    n_fft, hop : int
        Frame length and step in samples.
    """

    def __init__(self, n_fft: int = N_FFT, hop: int = HOP) -> None:
        self.n_fft, self.hop = n_fft, hop
        self._window = hann(n_fft)
        self._rest = np.zeros(n_fft // 2, np.float32)
        self._work = np.empty((FRAMES_PER_BLOCK, n_fft), np.float32)

    def push(self, mono: FloatArray) -> Iterator[FloatArray]:
        """Take the next samples, shape=(n,); yield power spectra, shape=(frames, 1 + n_fft // 2), float32.

        A yielded array is overwritten by the next one: copy it to keep it.
        """
        signal = np.concatenate((self._rest, mono))
        count = max(0, 1 + (len(signal) - self.n_fft) // self.hop)
        if count:
            yield from self._spectra(sliding_window_view(signal, self.n_fft)[:: self.hop][:count])
        self._rest = signal[count * self.hop :]

    def finish(self) -> Iterator[FloatArray]:
        """Yield the last frames, padded with zeros."""
        yield from self.push(np.zeros(self.n_fft // 2, np.float32))

    def _spectra(self, frames: FloatArray) -> Iterator[FloatArray]:
        for i in range(0, len(frames), FRAMES_PER_BLOCK):
            chunk = frames[i : i + FRAMES_PER_BLOCK]
            work = self._work[: len(chunk)]
            np.multiply(chunk, self._window, out=work)
            z = scipy.fft.rfft(work, axis=1)
            parts = z.view(np.float32)
            np.square(parts, out=parts)
            yield parts[:, ::2] + parts[:, 1::2]
