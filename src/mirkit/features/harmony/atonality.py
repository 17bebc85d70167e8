"""Atonality without a neural model: how little the pitch classes fit any key."""

from mirkit.features.harmony.chroma import ChromaCurve, mean_chroma
from mirkit.features.harmony.key import key_fit
from mirkit.features.types import TOO_SHORT, Unknown, Value, Window

#: Shorter windows hold too few notes to judge, s.
SHORTEST = 10.0


def atonality(curve: ChromaCurve, window: Window) -> Value:
    """Atonality of a window, 0 to 1: 1 - max(r, 0) · min(1, c / 0.25).

    r is the largest correlation of the mean chroma with the 24 key profiles, c the standard deviation of that chroma
    over its mean. White noise and twelve-tone rows above 0.9, drums 0.6 to 0.85, mixes 0.1 to 0.4, a cadence below 0.2.
    Unknown below 10 s.
    """
    if window.duration < SHORTEST:
        return TOO_SHORT
    mean = mean_chroma(curve, window)
    if isinstance(mean, Unknown):
        return mean
    return 1 - max(0.0, float(key_fit(mean).max()))
