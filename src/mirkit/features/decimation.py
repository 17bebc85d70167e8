"""Decimation: a low-pass filter whose output is computed at every n-th sample only."""

import numpy as np

from mirkit.features.kernels.kernel import kernel
from mirkit.features.types import FloatArray

_TILE = 2048  # samples of the result


def phases(factor: int, taps: int) -> FloatArray:
    """Work array for ``decimate``, to be used again in each call.

    Parameters
    ----------
    factor : int
        Of decimation.
    taps : int
        Length of the filter.

    Returns
    -------
    float32 array
    """
    return np.zeros((factor, _TILE + taps // factor + 1), np.float32)


def decimate(signal: FloatArray, taps: FloatArray, work: FloatArray) -> FloatArray:
    """Filter a signal, and keep the samples 0, n, 2n, ... of the result.

    Parameters
    ----------
    signal : float32 array, shape=(samples,)
    taps : float32 array
        Sample ``i`` of the result is the sum of ``taps`` times the samples from ``i * factor`` on.
    work : float32 array
        Result of ``phases``.

    Returns
    -------
    float32 array
        The samples for which all taps lie within the signal.

    Examples
    --------
    >>> decimate(np.arange(10, dtype=np.float32), np.ones(3, np.float32), phases(4, 3))
    array([ 3., 15.], dtype=float32)
    """
    out = np.empty(max(0, 1 + (len(signal) - len(taps)) // len(work)), np.float32)
    _decimate(signal, taps, work, out)
    return out


@kernel()
def _decimate(signal: FloatArray, taps: FloatArray, phases: FloatArray, out: FloatArray) -> None:
    # Polyphase order, so that the inner loop reads contiguous samples that are in the cache.
    factor = len(phases)
    reach = len(taps) // factor + 1
    tile = phases.shape[1] - reach
    for start in range(0, len(out), tile):
        count = min(tile, len(out) - start)
        source = signal[factor * start :]
        for p in range(factor):
            for i in range(min(count + reach, (len(source) - p + factor - 1) // factor)):
                phases[p, i] = source[factor * i + p]
        target = out[start : start + count]
        for i in range(count):
            target[i] = 0
        for k in range(len(taps)):
            tap, phase = taps[k], phases[k % factor][k // factor : k // factor + count]
            for i in range(count):
                target[i] += tap * phase[i]
