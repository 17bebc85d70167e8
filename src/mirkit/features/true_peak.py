"""True peak: the highest level between the samples, which a converter or a codec would reach."""

from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from mirkit.features.types import FloatArray

#: Oversampling factor (ITU-R BS.1770-4, annex 2).
_TIMES = 4
#: Number of samples on each side of an interpolated sample that the filter uses.
_REACH = 12


@cache
def _phases() -> FloatArray:
    """Filters of the four interpolated samples of a step, shape=(25, 4): weights of 25 samples, the oldest first."""
    # As scipy.signal.firwin computes them; that module takes half a second to load.
    taps = np.sinc(np.arange(-_REACH * _TIMES, _REACH * _TIMES + 1) / _TIMES) * np.kaiser(2 * _REACH * _TIMES + 1, 5.0)
    taps *= _TIMES / taps.sum()
    padded = np.zeros((2 * _REACH + 1) * _TIMES)
    padded[: len(taps)] = taps
    return np.asarray(padded.reshape(-1, _TIMES)[::-1], np.float32)


class Oversampler:
    """Interpolate a signal that arrives in blocks at four times its rate (ITU-R BS.1770-4, annex 2).

    The result begins with twelve samples of silence before the signal, and ends with it.
    """

    def __init__(self) -> None:
        self._before: FloatArray | None = None

    def push(self, block: FloatArray) -> FloatArray:
        """Take samples, shape=(channels, n); return the next interpolated ones, shape=(channels, 4 n)."""
        if self._before is None:
            self._before = np.zeros((len(block), 2 * _REACH), np.float32)
        samples = np.concatenate((self._before, block), axis=1)
        self._before = samples[:, -2 * _REACH :]
        # A product of matrices is twice as fast as scipy.signal.upfirdn.
        between: FloatArray = sliding_window_view(samples, 2 * _REACH + 1, axis=1) @ _phases()
        return between.reshape(len(samples), -1)

    def finish(self) -> FloatArray:
        """Return the rest, shape=(channels, 48); empty without samples."""
        if self._before is None:
            return np.zeros((1, 0), np.float32)
        return self.push(np.zeros((len(self._before), _REACH), np.float32))


class TruePeakExtractor:
    """Measure the true peak of audio that arrives in blocks.

    The result is right to 0.2 dB for what lies below 20 kHz at 44.1 kHz.

    Examples
    --------
    The samples of a sine at a quarter of the rate may all lie 3 dB below its peaks:

    >>> sine = np.sin(np.pi / 2 * np.arange(44100) + np.pi / 4).astype(np.float32)
    >>> extractor = TruePeakExtractor()
    >>> extractor.push(sine[None])
    >>> round(float(np.abs(sine).max()), 2), round(extractor.finish(), 1)
    (0.71, 1.0)
    """

    def __init__(self) -> None:
        self._peak = 0.0
        self._oversampler = Oversampler()

    def push(self, block: FloatArray) -> None:
        """Take samples, shape=(channels, n), full scale 1."""
        self._find(block, self._oversampler.push(block))

    def finish(self) -> float:
        """Return the highest level, full scale 1."""
        self._find(self._oversampler.finish())
        return self._peak

    def _find(self, *signals: FloatArray) -> None:
        self._peak = max(self._peak, *(float(np.abs(signal).max(initial=0.0)) for signal in signals))
