"""True peak: the highest level between the samples, which a converter or a codec would reach."""

from functools import cache

import numpy as np
import scipy.signal

from mirkit.features.types import FloatArray

#: Oversampling factor (ITU-R BS.1770-4, annex 2).
_TIMES = 4
#: Number of samples on each side of an interpolated sample that the filter uses.
_REACH = 12


@cache
def _filter() -> FloatArray:
    return np.asarray(
        _TIMES * scipy.signal.firwin(2 * _REACH * _TIMES + 1, 1 / _TIMES, window=("kaiser", 5.0)), np.float32
    )


class TruePeakExtractor:
    """Measure the true peak of audio that arrives in blocks (ITU-R BS.1770-4, annex 2: four times the rate).

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
        self._before: FloatArray | None = None

    def push(self, block: FloatArray) -> None:
        """Take samples, shape=(channels, n), full scale 1."""
        if self._before is None:
            self._before = np.zeros((len(block), 2 * _REACH), np.float32)
        self._find(np.concatenate((self._before, block), axis=1))

    def finish(self) -> float:
        """Return the highest level, full scale 1."""
        if self._before is not None:
            self._find(np.concatenate((self._before, np.zeros((len(self._before), _REACH), np.float32)), axis=1))
        return self._peak

    def _find(self, samples: FloatArray) -> None:
        between = scipy.signal.upfirdn(_filter(), samples, up=_TIMES, axis=1)
        # Only samples for which the filter has all its inputs; the others follow with the next block.
        whole = between[:, 2 * _REACH * _TIMES : samples.shape[1] * _TIMES]
        self._peak = max(self._peak, float(np.abs(whole).max(initial=0.0)), float(np.abs(samples).max(initial=0.0)))
        self._before = samples[:, -2 * _REACH :]
