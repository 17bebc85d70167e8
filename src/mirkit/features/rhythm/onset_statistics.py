"""Statistics of onsets: ``onset_count``, ``onset_density``, ``onset_strength_*``, ``ioi_*`` and ``onset_density_*``.

*Measured*: onsets, and onsets per second; mean and standard deviation of their strengths (dB per hop) and of their
intervals (s); mean and variance of the density over windows of 4 s. *Reading*: quarter notes at 120 BPM have a density
of 2; a variance near 0 is an even texture.
"""

from dataclasses import dataclass

import numpy as np

from mirkit.features.rhythm.onsets import Onsets
from mirkit.features.types import TOO_SHORT, Unknown, Value, Window

TOO_FEW_ONSETS = Unknown("too few onsets")
_WINDOW_SECONDS = 4.0
_STEP_SECONDS = 2.0
_MIN_IOI_ONSETS = 3


@dataclass(frozen=True)
class OnsetFeatures:
    """Onset statistics of a window, named as in ``.INFO``.

    Attributes
    ----------
    onset_count : int, 0 or more
        Number of onsets.
    onset_density : 0 to 50 per second, or Unknown
        Onsets per second.
    onset_strength_mean, onset_strength_std : 0 to 40 dB per hop, or Unknown
        Mean and standard deviation of the strengths.
    ioi_mean, ioi_std : 0 to 10 s, or Unknown
        Mean and population standard deviation of the intervals between onsets.
    """

    onset_count: Value
    onset_density: Value
    onset_strength_mean: Value
    onset_strength_std: Value
    ioi_mean: Value
    ioi_std: Value


@dataclass(frozen=True)
class DensityFeatures:
    """Onset density over a window; the names in ``.INFO`` end with the stem, e.g. ``onset_density_average_drums``.

    Attributes
    ----------
    onset_density_average : 0 to 50 per second, or Unknown
        Mean over windows of 4 s.
    onset_density_variance : 0 to 100 per second squared, or Unknown
        Variance over the same windows.
    """

    onset_density_average: Value
    onset_density_variance: Value


def onset_statistics(onsets: Onsets, window: Window) -> OnsetFeatures:
    """Count and summarize the onsets of a window.

    Count, count per second, mean and population standard deviation of the onset strengths (dB per hop at the peaks) and
    of the inter-onset intervals (s). Strengths need one onset, intervals three.

    Parameters
    ----------
    onsets : Onsets
    window : Window
        Seconds.

    Returns
    -------
    OnsetFeatures
        ``too few onsets`` where there are not enough, ``too short`` for an empty window.

    Examples
    --------
    >>> onsets = Onsets(np.arange(16) * 0.5, np.full(16, 3.0))
    >>> features = onset_statistics(onsets, Window(0, 8))
    >>> features.onset_count, features.onset_density, features.onset_strength_mean, features.ioi_mean
    (16, 2.0, 3.0, 0.5)
    """
    here = onsets.within(window)
    count = len(here.times)
    density: Value = count / window.duration if window.duration > 0 else TOO_SHORT
    strengths: tuple[Value, Value] = (TOO_FEW_ONSETS, TOO_FEW_ONSETS)
    intervals: tuple[Value, Value] = (TOO_FEW_ONSETS, TOO_FEW_ONSETS)
    if count:
        strengths = float(here.strengths.mean()), float(here.strengths.std())
    if count >= _MIN_IOI_ONSETS:
        gaps = np.diff(here.times)
        intervals = float(gaps.mean()), float(gaps.std())
    return OnsetFeatures(count, density, *strengths, *intervals)


def onset_density(onsets: Onsets, window: Window) -> DensityFeatures:
    """Mean and variance of the onsets per second over full 4 s windows, 2 s apart (one window if there is less).

    Parameters
    ----------
    onsets : Onsets
        Of one stem.
    window : Window
        Seconds.

    Returns
    -------
    DensityFeatures
        ``too short`` for an empty window.

    Examples
    --------
    Two onsets per second in the first half, none in the second:

    >>> onset_density(Onsets(np.arange(16) * 0.5, np.ones(16)), Window(0, 16))  # doctest: +ELLIPSIS
    DensityFeatures(onset_density_average=1.0, onset_density_variance=0.85...)
    """
    if window.duration <= 0:
        return DensityFeatures(TOO_SHORT, TOO_SHORT)
    length = min(_WINDOW_SECONDS, window.duration)
    starts = window.start + np.arange(0, window.duration - length + 1e-9, _STEP_SECONDS)
    counts = np.searchsorted(onsets.times, starts + length) - np.searchsorted(onsets.times, starts)
    density = counts / length
    return DensityFeatures(float(density.mean()), float(density.var()))
