"""Tuning: how far the music lies from A4 = 440 Hz, and the folding of fine pitch classes to twelve."""

import numpy as np

from mirkit.features.harmony.constant_q import BINS_PER_OCTAVE, BINS_PER_SEMITONE
from mirkit.features.types import FloatArray

#: Pitch below C3 is too coarse, and drums too loud, to say anything about cents.
_FIRST_BAND = 2 * BINS_PER_OCTAVE
#: Share of the evidence that must agree; below it (noise, drums) the music counts as tuned to 440 Hz.
_LEAST_AGREEMENT = 0.1


class TuningExtractor:
    """The deviation from equal temperament at 440 Hz, gathered frame by frame.

    With four bands a semitone, the energy of all bands at each quarter of a semitone gives one quadrature pair, whose
    angle is the deviation. Frames whose energy is concentrated (held notes) weigh more than frames of noise.
    """

    def __init__(self) -> None:
        self._sum = 0j
        self._weight = 0.0

    def push(self, magnitudes: FloatArray) -> None:
        """Take constant-Q magnitudes, shape=(bands, frames)."""
        power = np.square(magnitudes[_FIRST_BAND:].astype(np.float64))
        quarter = power.reshape(-1, BINS_PER_SEMITONE, power.shape[1]).sum(axis=0)
        total = quarter.sum(axis=0)
        z = (quarter[0] - quarter[2]) + 1j * (quarter[1] - quarter[3])
        strength = np.abs(z)
        focus = np.divide(strength, total, out=np.zeros_like(total), where=total > 0)
        self._sum += complex((z * focus).sum())
        self._weight += float((strength * focus).sum())

    def finish(self) -> float:
        """Deviation in cents, -50 to 50; 0 when nothing agrees on one."""
        if abs(self._sum) <= _LEAST_AGREEMENT * self._weight:
            return 0.0
        return float(np.angle(self._sum) / (2 * np.pi) * 100)


def class_weights(cents: float) -> FloatArray:
    """Weights that fold 48 fine pitch classes (quarter semitones from C) to C, C#, … B at a tuning.

    Returns
    -------
    weights : array, shape=(12, 48), float32
        A raised cosine a quarter tone to either side of each pitch class moved by ``cents``: its samples sum to 2, and
        are spread alike, wherever between the fine classes it falls.
    """
    fine = np.arange(BINS_PER_OCTAVE) / BINS_PER_SEMITONE
    center = np.arange(12)[:, np.newaxis] + cents / 100
    distance = np.abs((fine - center + 6) % 12 - 6)
    weights: FloatArray = np.where(distance < 0.5, np.cos(np.pi * distance) ** 2, 0).astype(np.float32)
    return weights
