"""How hard a drum is struck: the growth of power in the range where its voice lies."""

import numpy as np
import numpy.typing as npt

from mirkit.features.types import FloatArray

#: Voice -> lowest and highest frequency (Hz) of the range that its strokes are told by, with others at the same time.
RANGES = {
    "kick": (30.0, 130.0),
    "snare": (150.0, 6000.0),
    "tom": (60.0, 400.0),
    "hi-hat": (6000.0, 16000.0),
    "cymbal": (3000.0, 16000.0),
}

# In frames of 10 ms about a stroke: when it is loudest, and when what sounded before is measured.
_LOUDEST = (-1, 6)
_BEFORE = (-6, -1)
#: Growth (power ratio to the voice's highest) below which a stroke is as soft as strokes get: -60 dB.
_SOFTEST = 1e-6


def stroke_levels(power: FloatArray, frames: npt.NDArray[np.int64]) -> FloatArray:
    """Levels of strokes in dB.

    Parameters
    ----------
    power : float array, shape=(frames,)
        Power in the range of the voice, 100 values a second.
    frames : int64 array, shape=(n,)
        Where it is struck.

    Returns
    -------
    float64 array, shape=(n,)
        10 log10 of the growth of power, against the highest power.
    """
    if not len(frames):
        return np.zeros(0)
    highest = max(float(power.max()), np.finfo(np.float32).tiny)
    loudest = _gathered(power, frames, _LOUDEST).max(axis=1)
    before = _gathered(power, frames, _BEFORE).min(axis=1)
    levels: FloatArray = 10 * np.log10(np.maximum((loudest - before) / highest, _SOFTEST))
    return levels


def _gathered(power: FloatArray, frames: npt.NDArray[np.int64], about: tuple[int, int]) -> FloatArray:
    at = frames[:, None] + np.arange(*about)
    gathered: FloatArray = power[np.clip(at, 0, len(power) - 1)].astype(np.float64)
    return gathered
