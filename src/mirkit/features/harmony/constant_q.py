"""Constant-Q magnitudes of a signal that arrives in blocks, by one long transform and many short ones.

A long block goes through one real FFT. Each band is a Hann lobe around its centre in that spectrum; folded modulo the
number of hops in the block and transformed back, it *is* the band's complex signal sampled at the hop, exactly, however
narrow or wide the band. So a frame costs a share of one FFT and some products, with no decimation by octaves.

Reference: Velasco, Holighaus, Dörfler, Grill, "Constructing an invertible constant-Q transform with nonstationary Gabor
frames", DAFx 2011; Brown & Puckette, "An efficient algorithm for the calculation of a constant Q transform", 1992.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
import scipy.fft

from mirkit.features.types import ANALYSIS_RATE, FloatArray

HOP = 2048
BINS_PER_SEMITONE = 4
BINS_PER_OCTAVE = 12 * BINS_PER_SEMITONE
OCTAVES = 7
LOWEST = 440.0 * 2.0 ** (-45 / 12)
"""C1, Hz."""

Q = 42.0
"""Centre frequency x window length: a Hann lobe that ends 0.8 semitones from its centre."""
LONGEST = 0.5
"""Longest window, s. A constant Q would take 1.3 s at C1 and smear the steps of a bass line."""

HOPS_PER_BLOCK = 128
BLOCK = HOPS_PER_BLOCK * HOP
EDGE = 7
"""Hops at either end of a block that the longest window reaches beyond: taken from the neighbouring blocks."""
STEP = HOPS_PER_BLOCK - 2 * EDGE


class ConstantQ:
    """Magnitudes in 7 octaves from C1, 48 bands an octave, one frame every 2048 samples.

    Frame ``i`` is centred on sample ``i * HOP``; the signal is extended by zeros. Band ``b`` lies ``b / 4`` semitones
    above C1. A sine of amplitude ``A`` gives ``A * sqrt(window length)``, so that white noise is flat, as in librosa's
    ``cqt(scale=True)``.
    """

    def __init__(self) -> None:
        self._buffer = np.zeros(BLOCK, np.float32)
        self._filled = EDGE * HOP
        self._samples = 0
        self._frames = 0

    def push(self, mono: FloatArray) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Take the next samples, shape=(n,); yield what they complete.

        Yields
        ------
        magnitudes : array, shape=(336, frames), float32
        power : array, shape=(frames,), float32
            Mean square of the ``HOP`` samples around the centre of each frame.
        """
        self._samples += len(mono)
        yield from self._take(mono)

    def finish(self) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Yield the frames that the closing zeros complete: ``1 + samples // HOP`` in all (none of no samples)."""
        frames = 1 + self._samples // HOP if self._samples else 0
        zeros = np.zeros(BLOCK, np.float32)
        while (left := frames - self._frames) > 0:
            for magnitudes, power in self._take(zeros[: BLOCK - self._filled]):
                yield magnitudes[:, :left], power[:left]

    def _take(self, mono: FloatArray) -> Iterator[tuple[FloatArray, FloatArray]]:
        start = 0
        while start < len(mono):
            count = min(len(mono) - start, BLOCK - self._filled)
            self._buffer[self._filled : self._filled + count] = mono[start : start + count]
            self._filled += count
            start += count
            if self._filled == BLOCK:
                yield self._block()
                keep = self._buffer[STEP * HOP :].copy()
                self._buffer[: len(keep)] = keep
                self._filled = len(keep)
                self._frames += STEP

    def _block(self) -> tuple[FloatArray, FloatArray]:
        lobes = _lobes()
        spectrum = scipy.fft.rfft(self._buffer)[: lobes.shape[1]]
        folded = (lobes @ spectrum.view(np.float32).reshape(-1, 2)).view(np.complex64)
        bands = scipy.fft.ifft(folded.reshape(-1, HOPS_PER_BLOCK), axis=1)[:, EDGE : EDGE + STEP]
        first = EDGE * HOP - HOP // 2
        around = self._buffer[first : first + STEP * HOP].reshape(STEP, HOP)
        return np.abs(bands), np.einsum("ij,ij->i", around, around) / np.float32(HOP)


@cache
def _lobes():  # type: ignore[no-untyped-def]  # scipy.sparse is untyped
    """The bands' Hann lobes as one sparse matrix from a block's spectrum to (band, frequency modulo hops)."""
    from scipy.sparse import csr_array  # slow import

    rows, columns, values = [], [], []
    for band in range(OCTAVES * BINS_PER_OCTAVE):
        frequency = LOWEST * 2.0 ** (band / BINS_PER_OCTAVE)
        length = min(Q / frequency, LONGEST)
        width = BLOCK / (length * ANALYSIS_RATE)  # FFT bins from the centre to a Hann window's half height
        centre = frequency * BLOCK / ANALYSIS_RATE
        bins = np.arange(np.ceil(centre - 2 * width), np.floor(centre + 2 * width) + 1).astype(np.int64)
        offset = (bins - centre) / width
        # Transform of the Hann window, up to its first zeros. The rule of three at |offset| = 1 is its limit, 1/2.
        pole = np.abs(np.abs(offset) - 1) < 1e-6
        lobe = np.where(pole, 0.5, np.sinc(offset) / np.where(pole, 1, 1 - offset**2))
        rows.append(band * HOPS_PER_BLOCK + bins % HOPS_PER_BLOCK)
        columns.append(bins)
        values.append(lobe * (np.sqrt(length) / HOP))
    column = np.concatenate(columns)
    shape = (OCTAVES * BINS_PER_OCTAVE * HOPS_PER_BLOCK, int(column.max()) + 1)
    return csr_array((np.concatenate(values).astype(np.float32), (np.concatenate(rows), column)), shape=shape)
