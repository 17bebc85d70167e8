"""Logarithmic spectra in bands, of a signal that arrives in blocks: the input of several networks."""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view

from mirkit.features.types import FloatArray

Frames = npt.NDArray[np.float32]


class LogSpectrogram:
    """Magnitude spectra of a mono signal, weighted by filters, then a logarithm.

    Frame ``i`` is centered on sample ``i * hop``. The signal is padded with zeros at both ends.

    Parameters
    ----------
    window : float32 array, shape=(n,)
    filters : float32 array, shape=(bands, bins)
        Weights of the first bins of a spectrum.
    hop : int
        Samples between two frames.
    logarithm : callable
        Receives and returns an array of bands, float32.
    n_fft : int, optional
        Length to which a frame is padded with zeros; by default that of the window.
    block : int, optional
        Frames that are transformed at once, by default all that are ready.
    """

    def __init__(
        self,
        window: Frames,
        filters: Frames,
        hop: int,
        logarithm: Callable[[Frames], Frames],
        n_fft: int | None = None,
        block: int | None = None,
    ) -> None:
        self._window, self._filters, self._hop = window, filters.T.copy(), hop
        self._logarithm, self._n_fft, self._block = logarithm, n_fft, block
        self._rest: FloatArray = np.zeros(len(window) // 2, np.float32)

    def push(self, mono: FloatArray) -> Iterator[Frames]:
        """Take the next samples, float32, shape=(n,); yield the frames that are complete, shape=(frames, bands)."""
        yield from self._take(np.concatenate((self._rest, mono)))

    def finish(self) -> Iterator[Frames]:
        """Yield the last frames, which the padding completes."""
        yield from self.push(np.zeros(len(self._window) // 2, np.float32))

    def _take(self, signal: FloatArray, keep: int = 0) -> Iterator[Frames]:
        """Yield the frames that are complete without the last ``keep`` samples."""
        size = len(self._window)
        count = max(0, 1 + (len(signal) - keep - size) // self._hop)
        if count:
            frames = sliding_window_view(signal, size)[:: self._hop][:count]
            block = self._block or count
            for start in range(0, count, block):
                yield self._spectra(frames[start : start + block])
        self._rest = signal[count * self._hop :]

    def _spectra(self, frames: FloatArray) -> Frames:
        magnitude = np.abs(scipy.fft.rfft(frames * self._window, self._n_fft, axis=1))[:, : len(self._filters)]
        return self._logarithm(magnitude @ self._filters)
