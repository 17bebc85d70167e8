"""``sharpness``, 0 to 100: high frequencies that hurt.

*Measured*: the weighted first moment of specific loudness, after H. Fastl and E. Zwicker, "Psychoacoustics", by the
regression of D5.8.
"""

import numpy as np

from mirkit.features.timbre.score import log10, score
from mirkit.features.timbre.zwicker import BARK_STEPS, LoudnessPattern
from mirkit.features.types import FloatArray, Value


def sharpness(pattern: LoudnessPattern) -> Value:
    """Apparent sharpness (D5.8): Fastl's weighted first moment of specific loudness, windows weighted by their power.

    Inaudible windows count as 0.
    """
    weights = _fastl()
    sharp = np.zeros(len(pattern.rms))
    audible = pattern.specific[pattern.audible]
    sharp[pattern.audible] = 0.11 * (audible * weights).sum(axis=1) / audible.sum(axis=1)
    mean = np.average(sharp, weights=np.square(pattern.rms))
    return score(102.50508921364404 * log10(mean) + 34.432655185001735)


def _fastl() -> FloatArray:
    """Bark times Fastl's g(z), which is 1 up to 14 Bark."""
    z = np.arange(1, BARK_STEPS + 1) / 10
    g = np.where(z > 14, 0.00012 * z**4 - 0.0056 * z**3 + 0.1 * z**2 - 0.81 * z + 3.5, 1.0)
    return z * g
