"""``booming``, 0 to 100: resonance of low frequencies.

*Measured*: the booming index of S. Hatano and T. Hashimoto, "Booming index as a measure for evaluating booming
sensation", Inter-Noise 2000, and the level of the lowest 7 Bark, combined by the regression of D5.8.
"""

import numpy as np

from mirkit.features.timbre.score import log10, score
from mirkit.features.timbre.zwicker import BARK_STEPS, LoudnessPattern, bark_weights
from mirkit.features.types import FloatArray, Value

_LOW_HZ = 280.0


def booming(pattern: LoudnessPattern) -> Value:
    """Apparent boominess (D5.8): booming index after Hatano & Hashimoto (2000) and the level of the lowest 7 Bark.

    The index is the sum of weighted specific loudness, added as if it were in decibels, times the share of the loudness
    below 280 Hz. Windows are weighted by their power; inaudible windows count as 0. The low level is an unweighted mean
    over windows. The unclipped value may be negative.
    """
    weights, low = _hatano()
    index = np.zeros(len(pattern.rms))
    audible = pattern.specific[pattern.audible]
    band_sum = 10 * np.log10((10 ** (audible * weights / 10)).sum(axis=1))
    index[pattern.audible] = band_sum * audible[:, :low].sum(axis=1) / audible.sum(axis=1)
    mean = np.average(index, weights=np.square(pattern.rms))
    level = (pattern.specific * bark_weights(0, 70)).sum(axis=1).mean()
    return score(43.67402696195865 * log10(mean) - 10.90054738389845 * log10(level) + 26.836530575185435)


def _hatano() -> tuple[FloatArray, int]:
    """Weight of each Bark step, which decreases with frequency in third octaves, and number of steps below 280 Hz."""
    hz = 600 * np.sinh(np.arange(1, BARK_STEPS + 1) / 10 / 6)
    third = np.log10(hz / 25) / np.log10(31.5 / 25) + 1
    weights = 2.13 * np.exp(-0.151 * third)
    weights[:4] = 0.8, 1.05, 1.10, 1.18
    return weights, int((hz >= _LOW_HZ).argmax())
