"""The amplitude envelope that detrended fluctuation analysis reads: one value per 10 ms."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirkit.features.types import ANALYSIS_RATE, FloatArray

#: Samples per envelope value: 10 ms.
HOP = ANALYSIS_RATE // 100
HOPS_PER_SECOND = 100
#: Envelope values per step; the samples of a step fit in the processor's cache.
_BLOCK = 256


@dataclass(frozen=True)
class EnvelopeCurve:
    """Amplitude envelope of a mono signal.

    Attributes
    ----------
    deviation : float32 array, shape=(hops,)
        Standard deviation (n - 1 in the denominator) of the samples of each 10 ms; the rest at the end is left out.
    """

    deviation: FloatArray


class EnvelopeExtractor:
    """Measure the envelope of a mono signal that arrives in blocks at 44.1 kHz."""

    def __init__(self) -> None:
        self._rest = np.empty(0, np.float32)
        self._values: list[npt.NDArray[np.float32]] = []

    def push(self, mono: FloatArray) -> None:
        """Take the next samples, shape=(n,), float32."""
        signal = np.concatenate((self._rest, mono))
        count = len(signal) // HOP
        frames = signal[: count * HOP].reshape(count, HOP)
        for i in range(0, count, _BLOCK):
            self._values.append(frames[i : i + _BLOCK].std(axis=1, ddof=1))
        self._rest = signal[count * HOP :].copy()

    def finish(self) -> EnvelopeCurve:
        """Return the curve of all samples pushed."""
        return EnvelopeCurve(np.concatenate(self._values or [np.empty(0, np.float32)]))
