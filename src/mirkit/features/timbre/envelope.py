"""Envelopes of a sound: sample and hold with a linear decay, and root mean square."""

import numpy as np
import numpy.typing as npt

from mirkit.features.kernel import kernel
from mirkit.features.timbre.normalize import peak
from mirkit.features.types import ANALYSIS_RATE, FloatArray

_HOLD_SAMPLES = 441.0  # 10 ms
RMS_STEP = 256


def hold_envelope(x: FloatArray, decay_seconds: float, out: npt.NDArray[np.float32]) -> None:
    """Follow the rectified signal up at once, hold a peak for 10 ms, then fall on a straight line.

    The slope takes ``decay_seconds`` from the loudest sample of the whole sound to zero. Unlike a low-pass filter it
    leaves attacks as steep as they are.

    Parameters
    ----------
    x : float32 array, shape=(n,)
    decay_seconds : float
    out : float32 array, shape=(n,)
        Receives the envelope.
    """
    _hold(x, peak(x) / (decay_seconds * ANALYSIS_RATE), _HOLD_SAMPLES, out)


@kernel()
def _hold(x, decay, hold, out):  # type: ignore[no-untyped-def]
    level = 0.0
    held = 0
    for i in range(len(x)):
        sample = abs(float(x[i]))
        if sample >= level:
            level = sample
            held = 0
        elif held < hold:
            held += 1
        else:
            level = max(level - decay, sample)
        out[i] = level


def rms_envelope(x: FloatArray) -> FloatArray:
    """Root mean square of each 256 samples (at the end of what is left), relative to the largest.

    Returns
    -------
    float64 array, shape=(steps,)
    """
    whole = len(x) // RMS_STEP
    steps = x[: whole * RMS_STEP].reshape(whole, RMS_STEP)
    square = np.einsum("ij,ij->i", steps, steps).astype(np.float64) / RMS_STEP
    if whole * RMS_STEP < len(x):
        square = np.append(square, np.square(x[whole * RMS_STEP :], dtype=np.float64).mean())
    rms: FloatArray = np.sqrt(square)
    rms /= rms.max()
    return rms
