"""Atonality without a neural model: how little the pitch classes fit any key."""

from mirkit.features.harmony.chroma import ChromaCurve, mean_chroma
from mirkit.features.harmony.key import correlations
from mirkit.features.types import TOO_SHORT, Unknown, Value, Window

#: Shorter windows hold too few notes to judge, s.
SHORTEST = 10.0
#: Standard deviation / mean of a chroma that counts as fully pitched.
_FULL_CONTRAST = 0.25


def atonality(curve: ChromaCurve, window: Window) -> Value:
    """Atonality of a window, 0 to 1: 1 - max(r, 0) · min(1, c / 0.25).

    r is the largest correlation of the mean chroma with the 24 key profiles, c the standard deviation of that chroma
    over its mean. Noise and most drums 0.9 and more, a cadence below 0.3. Unknown below 10 s.
    """
    if window.duration < SHORTEST:
        return TOO_SHORT
    mean = mean_chroma(curve, window)
    if isinstance(mean, Unknown):
        return mean
    contrast = float(mean.std() / mean.mean())
    fit = max(0.0, float(correlations(mean).max()))
    return 1 - fit * min(1.0, contrast / _FULL_CONTRAST)
