"""Constant-Q magnitudes of a signal that arrives in blocks, by one long transform and many short ones.

The signal is decimated to a quarter of its rate, because only frequencies below 4.4 kHz are used. A long block goes
through one real FFT. Each band is a Hann lobe around its center in that spectrum; folded modulo the number of hops in
the block and transformed back, it *is* the band's complex signal sampled at the hop, exactly, however narrow or wide
the band. So a frame costs a share of one FFT and some products, with no decimation by octaves.

Reference: Velasco, Holighaus, Dörfler, Grill, "Constructing an invertible constant-Q transform with nonstationary Gabor
frames", DAFx 2011; Brown & Puckette, "An efficient algorithm for the calculation of a constant Q transform", 1992.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import scipy.fft

from mirkit.features.decimation import decimate, phases
from mirkit.features.kernels.kernel import kernel
from mirkit.features.types import ANALYSIS_RATE, FloatArray

FACTOR = 4
RATE = ANALYSIS_RATE / FACTOR
"""Rate of the decimated signal, Hz."""

# A Kaiser window of 41 taps: -1.6 dB at 4.3 kHz, and below -50 dB from 6.7 kHz on, which aliases to 4.3 kHz.
_TAPS = 41
_CUTOFF = 4950.0
_BETA = 4.6


def _low_pass() -> FloatArray:
    offset = np.arange(_TAPS) - _TAPS // 2
    taps = np.sinc(2 * _CUTOFF / ANALYSIS_RATE * offset) * np.kaiser(_TAPS, _BETA)
    low_pass: FloatArray = (taps / taps.sum()).astype(np.float32)
    return low_pass


_FILTER = _low_pass()


class Decimator:
    """Decimates a mono signal that arrives in blocks by four, after a low-pass, without delay.

    Sample ``i`` of the result is centered on sample ``4 * i``; the signal is extended by zeros.
    """

    def __init__(self) -> None:
        self._rest = np.zeros(_TAPS // 2, np.float32)
        self._phases = phases(FACTOR, _TAPS)

    def push(self, mono: FloatArray) -> FloatArray:
        """Take the next samples, float32, shape=(n,); return what they complete."""
        signal = np.concatenate((self._rest, mono))
        out = decimate(signal, _FILTER, self._phases)
        self._rest = signal[FACTOR * len(out) :]
        return out

    def finish(self) -> FloatArray:
        """Return the samples that the closing zeros complete."""
        return self.push(np.zeros(_TAPS // 2, np.float32))


def gain(frequency: FloatArray) -> FloatArray:
    """Gain of the low-pass before decimation, by which magnitudes are divided.

    Parameters
    ----------
    frequency : array, shape=(n,)
        Hz.

    Returns
    -------
    response : array, shape=(n,)
        Ratio of amplitudes: about 1 below the cutoff, about 0 far above it.

    Examples
    --------
    >>> bool(abs(gain(np.array([0.0]))[0] - 1) < 1e-6)
    True
    """
    offset = np.arange(_TAPS) - _TAPS // 2
    waves = np.cos(2 * np.pi / ANALYSIS_RATE * np.outer(frequency, offset))
    response: FloatArray = (waves * _FILTER).sum(axis=1)
    return response


HOP = 2048
"""Samples at 44.1 kHz from frame to frame."""
BINS_PER_SEMITONE = 4
BINS_PER_OCTAVE = 12 * BINS_PER_SEMITONE
OCTAVES = 7
LOWEST = 440.0 * 2.0 ** (-45 / 12)
"""C1, Hz."""

_Q = 42.0  # center frequency x window length: a Hann lobe that ends 0.8 semitones from its center
_LONGEST = 0.5  # s; a constant Q would take 1.3 s at C1 and smear the steps of a bass line

_HOP = HOP // FACTOR
_HOPS = 128
_EDGE = 7  # hops at each end of a block that the longest window exceeds; the neighboring blocks have them
_STEP = _HOPS - 2 * _EDGE


class ConstantQ:
    """Magnitudes in 7 octaves from C1, 48 bands an octave, one frame every 2048 samples.

    Frame ``i`` is centered on sample ``i * HOP``; the signal is extended by zeros. Band ``b`` lies ``b / 4`` semitones
    above C1. A sine of amplitude ``A`` gives ``A / 2 * sqrt(window length)``, so that white noise is flat, as in
    librosa's ``cqt(scale=True)``.
    """

    def __init__(self) -> None:
        self._decimator = Decimator()
        self._buffer = np.zeros(_HOPS * _HOP, np.float32)
        self._filled = _EDGE * _HOP
        self._samples = 0
        self._frames = 0

    def push(self, mono: FloatArray) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Take the next samples, float32, shape=(n,); yield what they complete.

        Yields
        ------
        magnitudes : array, shape=(336, frames), float32
        power : array, shape=(frames,), float32
            Mean square around the center of each frame, below 4.4 kHz.
        """
        self._samples += len(mono)
        yield from self._take(self._decimator.push(mono))

    def finish(self) -> Iterator[tuple[FloatArray, FloatArray]]:
        """Yield the frames that the closing zeros complete: ``1 + samples // HOP`` in all (none of no samples)."""
        yield from self._take(self._decimator.finish())
        frames = 1 + self._samples // HOP if self._samples else 0
        while (left := frames - self._frames) > 0:
            for magnitudes, power in self._take(np.zeros(len(self._buffer) - self._filled, np.float32)):
                yield magnitudes[:, :left], power[:left]

    def _take(self, samples: FloatArray) -> Iterator[tuple[FloatArray, FloatArray]]:
        start = 0
        while start < len(samples):
            count = min(len(samples) - start, len(self._buffer) - self._filled)
            self._buffer[self._filled : self._filled + count] = samples[start : start + count]
            self._filled += count
            start += count
            if self._filled == len(self._buffer):
                yield self._block()
                keep = self._buffer[_STEP * _HOP :].copy()
                self._buffer[: len(keep)] = keep
                self._filled = len(keep)
                self._frames += _STEP

    def _block(self) -> tuple[FloatArray, FloatArray]:
        lobes = _lobes()
        folded = np.empty((len(lobes.first), _HOPS), np.complex64)
        spectrum = scipy.fft.rfft(self._buffer).view(np.float32)
        _fold(spectrum, lobes.first, lobes.offsets, lobes.weights, folded.view(np.float32))
        bands = scipy.fft.ifft(folded, axis=1, overwrite_x=True)[:, _EDGE : _EDGE + _STEP]
        first = _EDGE * _HOP - _HOP // 2
        around = self._buffer[first : first + _STEP * _HOP].reshape(_STEP, _HOP)
        return np.abs(bands), np.einsum("ij,ij->i", around, around) / np.float32(_HOP)


@dataclass(frozen=True)
class _Lobes:
    """Band ``b`` has the weights ``weights[offsets[b]:offsets[b + 1]]``, the first one for bin ``first[b]``."""

    first: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    weights: FloatArray


@cache
def _lobes() -> _Lobes:
    firsts, lobes = [], []
    hz_per_bin = RATE / (_HOPS * _HOP)
    low_pass = gain(np.arange(_HOPS * _HOP // 2) * hz_per_bin)
    for band in range(OCTAVES * BINS_PER_OCTAVE):
        frequency = LOWEST * 2.0 ** (band / BINS_PER_OCTAVE)
        length = min(_Q / frequency, _LONGEST)
        width = 1 / (length * hz_per_bin)  # FFT bins from the center to a Hann lobe's half height
        center = frequency / hz_per_bin
        bins = np.arange(np.ceil(center - 2 * width), np.floor(center + 2 * width) + 1, dtype=np.int64)
        offset = (bins - center) / width
        # Transform of the Hann window up to its first zeros; at an offset of 1 the quotient's limit is 1/2.
        pole = np.abs(np.abs(offset) - 1) < 1e-6
        lobe = np.where(pole, 0.5, np.sinc(offset) / np.where(pole, 1, 1 - offset**2))
        firsts.append(bins[0])
        lobes.append(lobe * np.sqrt(length) / _HOP / low_pass[bins])
    offsets = np.cumsum([0] + [len(lobe) for lobe in lobes])
    return _Lobes(np.array(firsts, np.int64), offsets.astype(np.int64), np.concatenate(lobes).astype(np.float32))


@kernel()
def _fold(
    spectrum: FloatArray,
    first: npt.NDArray[np.int64],
    offsets: npt.NDArray[np.int64],
    weights: FloatArray,
    out: FloatArray,
) -> None:
    """Add the weighted bins of each band: bin ``k`` is added to ``out[band, k % hops]``. Complex numbers are pairs."""
    hops = out.shape[1] // 2
    for band in range(len(first)):
        for i in range(2 * hops):
            out[band, i] = 0
        start, stop, bin_ = offsets[band], offsets[band + 1], first[band]
        while start < stop:
            # Loop over runs of consecutive bins, so that the inner loop needs no modulo operation.
            place = bin_ % hops
            count = min(hops - place, stop - start)
            o, s = 2 * place, 2 * bin_
            for i in range(count):
                out[band, o + 2 * i] += weights[start + i] * spectrum[s + 2 * i]
                out[band, o + 2 * i + 1] += weights[start + i] * spectrum[s + 2 * i + 1]
            start += count
            bin_ += count
