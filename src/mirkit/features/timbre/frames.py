"""Frames of a signal, a cache-sized block at a time, and the power of what a Hamming window shows of them."""

from collections.abc import Iterator

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view

from mirkit.features.types import FloatArray

#: Frames per block.
BLOCK = 64


def frames(x: FloatArray, size: int, hop: int, first: int, count: int, block: int = BLOCK) -> Iterator[FloatArray]:
    """Yield ``count`` frames, the first beginning at sample ``first``; outside the signal there are zeros.

    Yields
    ------
    array, shape=(at most block, size)
        A view that is overlapping and must not be written to.
    """
    for i in range(0, count, block):
        here = min(block, count - i)
        start = first + i * hop
        stop = start + (here - 1) * hop + size
        if start >= 0 and stop <= len(x):
            stretch = x[start:stop]
        else:
            stretch = np.zeros(stop - start, x.dtype)
            inside = slice(max(start, 0), min(stop, len(x)))
            if inside.stop > inside.start:
                stretch[inside.start - start : inside.stop - start] = x[inside]
        yield sliding_window_view(stretch, size)[::hop]


def hamming_frames(x: FloatArray, size: int, hop: int) -> Iterator[FloatArray]:
    """Yield blocks of frames, mean removed, under a periodic Hamming window; no frame reaches beyond the signal.

    A signal shorter than ``size`` makes one frame of its own length. These are the frames that
    ``scipy.signal.spectrogram`` transforms.
    """
    size = min(size, len(x))
    window = (0.54 - 0.46 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)
    for block in frames(x, size, hop, 0, 1 + (len(x) - size) // hop):
        # Summed in double: the mean of a frame is small beside its samples.
        work = block - block.mean(axis=1, keepdims=True, dtype=np.float64).astype(np.float32)
        work *= window
        yield work


def energies(x: FloatArray, size: int, hop: int) -> FloatArray:
    """Energy of each Hamming frame, shape=(frames,): by Parseval the sum of its two-sided power spectrum over nfft."""
    return np.concatenate([np.einsum("ij,ij->i", work, work) for work in hamming_frames(x, size, hop)])


def one_sided_power(work: FloatArray, nfft: int) -> FloatArray:
    """Power spectra of a block of frames, shape=(frames, 1 + nfft // 2): all bins but the outer two count double."""
    z = scipy.fft.rfft(work, nfft, axis=1)
    parts = z.view(z.real.dtype)
    np.square(parts, out=parts)
    power: FloatArray = parts[:, ::2] + parts[:, 1::2]
    power[:, 1:-1] *= 2
    return power
