"""Input of VGGish: logarithmic mel spectra, 64 bands, 100 per second, of a stream, cut into patches of 0.96 s."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view

from mirkit.features.types import FloatArray

RATE = 16000
HOP = 160
BANDS = 64
#: Frames of a patch, and hop between patches in frames.
PATCH, PATCH_HOP = 96, 93
_FRAME, _N_FFT = 400, 512
_LOW, _HIGH = 125.0, 7500.0
_OFFSET = 0.01

Frames = npt.NDArray[np.float32]


class LogMel:
    """Log-mel frames of a mono signal at 16 kHz that arrives in blocks, as Essentia's ``TensorflowInputVGGish`` does.

    Magnitude spectra of 512 bins (symmetric Hann window of 400 samples, step 160), weighted by 64 triangles of height
    1, linear on the HTK mel scale, from 125 to 7500 Hz, then ``log(x + 0.01)``. Frame ``i`` is centered on sample
    ``160 i``; the signal is padded with silence at both ends.
    """

    def __init__(self) -> None:
        self._window = np.hanning(_FRAME).astype(np.float32)
        self._bank = _triangles().T.copy()
        self._rest: FloatArray = np.zeros(_FRAME // 2, np.float32)
        self._taken = self._given = 0

    def push(self, mono: FloatArray) -> Frames:
        """Take the next samples, float32, shape=(n,); return the frames that are ready, shape=(frames, 64)."""
        self._taken += len(mono)
        self._rest = np.concatenate((self._rest, mono))
        return self._frames((len(self._rest) - _FRAME) // HOP + 1)

    def finish(self) -> Frames:
        """Return the last frames, which the silence after the end completes."""
        count = -(-self._taken // HOP) + 1 if self._taken else 0
        self._rest = np.concatenate((self._rest, np.zeros(_FRAME, np.float32)))
        return self._frames(count - self._given)

    def _frames(self, count: int) -> Frames:
        if count <= 0:
            return np.zeros((0, BANDS), np.float32)
        frames = sliding_window_view(self._rest, _FRAME)[::HOP][:count]
        self._rest = self._rest[count * HOP :]
        self._given += count
        magnitude = np.abs(scipy.fft.rfft(frames * self._window, _N_FFT, axis=1))
        mel: Frames = (magnitude @ self._bank).astype(np.float32, copy=False)
        mel += np.float32(_OFFSET)
        return np.log(mel, out=mel)


class Patcher:
    """Cuts a stream of frames into patches of 96 that begin every 93; an incomplete last patch is dropped."""

    def __init__(self) -> None:
        self._held = np.zeros((0, BANDS), np.float32)

    def push(self, frames: Frames) -> Iterator[Frames]:
        """Take the next frames, shape=(n, 64); yield the patches that are complete, shape=(96, 64)."""
        self._held = np.concatenate((self._held, frames))
        while len(self._held) >= PATCH:
            yield self._held[:PATCH]
            self._held = self._held[PATCH_HOP:]


def _triangles() -> Frames:
    """Mel filters, shape=(64, 257)."""
    edges = np.linspace(_to_mel(_LOW), _to_mel(_HIGH), BANDS + 2)[:, None]
    bins = _to_mel(np.arange(_N_FFT // 2 + 1) * RATE / _N_FFT)
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def _to_mel(hz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return 1127.0 * np.log1p(np.asarray(hz, np.float64) / 700.0)
