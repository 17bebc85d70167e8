"""A quarter of the sampling rate, for what happens below 4.4 kHz."""

import numpy as np

from mirkit.features.kernel import kernel
from mirkit.features.types import ANALYSIS_RATE, FloatArray

FACTOR = 4
RATE = ANALYSIS_RATE / FACTOR
"""Rate of the decimated signal, Hz."""

# A Kaiser window of 41 taps: -1.6 dB at 4.3 kHz, and below -50 dB from 6.7 kHz on, which is what folds onto 4.3 kHz.
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
    """Every fourth sample of a low-passed mono signal that arrives in blocks, without delay.

    Sample ``i`` of the result is centered on sample ``4 * i``; the signal is extended by zeros.
    """

    def __init__(self) -> None:
        self._rest = np.zeros(_TAPS // 2, np.float32)

    def push(self, mono: FloatArray) -> FloatArray:
        """Take the next samples, float32, shape=(n,); return what they complete."""
        signal = np.concatenate((self._rest, mono))
        out = np.empty(max(0, 1 + (len(signal) - _TAPS) // FACTOR), np.float32)
        _filter(signal, _FILTER, out)
        self._rest = signal[FACTOR * len(out) :]
        return out

    def finish(self) -> FloatArray:
        """Return the samples that the closing zeros complete."""
        return self.push(np.zeros(_TAPS // 2, np.float32))


def gain(frequency: FloatArray) -> FloatArray:
    """Gain of the low-pass at frequencies in Hz, to be divided out where it matters."""
    offset = np.arange(_TAPS) - _TAPS // 2
    waves = np.cos(2 * np.pi / ANALYSIS_RATE * np.outer(frequency, offset))
    response: FloatArray = (waves * _FILTER).sum(axis=1)
    return response


@kernel()
def _filter(signal: FloatArray, taps: FloatArray, out: FloatArray) -> None:
    # By phase, so that the inner loop runs along contiguous samples and stays in the cache.
    tile, reach = 2048, len(taps) // 4 + 1
    phases = np.zeros((4, tile + reach), np.float32)
    for start in range(0, len(out), tile):
        count = min(tile, len(out) - start)
        source = signal[4 * start : 4 * (start + count + reach)]
        for i in range(len(source)):
            phases[i % 4, i // 4] = source[i]
        target = out[start : start + count]
        target[:] = 0
        for k in range(len(taps)):
            tap, phase = taps[k], phases[k % 4][k // 4 : k // 4 + count]
            for i in range(count):
                target[i] += tap * phase[i]
