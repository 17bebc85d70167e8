"""Key and mode: which of the 24 major and minor keys the pitch classes fit best."""

from dataclasses import dataclass

import numpy as np

from mirkit.features.harmony.chroma import ChromaCurve, mean_chroma
from mirkit.features.types import FloatArray, Unknown, Window

PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")

# Probe-tone ratings, Krumhansl & Kessler 1982.
_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


@dataclass(frozen=True)
class Key:
    """A key with the evidence for it.

    Attributes
    ----------
    key : str or Unknown
        Tonic, ``C`` to ``B`` with sharps.
    mode : str or Unknown
        ``major`` or ``minor``.
    confidence : float
        0 to 1.
    """

    key: str | Unknown
    mode: str | Unknown
    confidence: float


def correlations(chroma: FloatArray) -> FloatArray:
    """Correlation of a chroma vector with the 24 key profiles, shape=(2, 12): major and minor, tonics C to B."""
    profiles = np.array([[np.roll(profile, tonic) for tonic in range(12)] for profile in (_MAJOR, _MINOR)])
    profiles -= profiles.mean(axis=2, keepdims=True)
    centred = chroma - chroma.mean()
    scale = np.sqrt(np.square(profiles).sum(axis=2) * np.square(centred).sum())
    fit: FloatArray = (profiles * centred).sum(axis=2) / np.maximum(scale, 1e-12)
    return fit


def key(curve: ChromaCurve, window: Window) -> Key:
    """Key of a window."""
    mean = mean_chroma(curve, window)
    if isinstance(mean, Unknown):
        return Key(mean, mean, 0.0)
    fit = correlations(mean)
    mode, tonic = np.unravel_index(int(fit.argmax()), fit.shape)
    return Key(PITCH_CLASSES[tonic], ("major", "minor")[mode], max(0.0, float(fit.max())))
