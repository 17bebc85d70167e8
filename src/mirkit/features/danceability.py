"""Danceability, ``danceability``, 0 to 1, and the amplitude envelope (one value per 10 ms) from which it is computed.

*Measured*: how regular the loudness pattern is on scales from 310 ms to 8.8 s, by detrended fluctuation analysis.
*Reading*: near 1 for a strict pulse, 0.67 for a random envelope, 0.3 and less for slow swells. *Source*: S. Streich and
P. Herrera, "Detrended Fluctuation Analysis of Music Signals: Danceability Estimation and further Semantic
Characterization", AES 118, 2005.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirkit.features.kernels.kernel import kernel
from mirkit.features.stft import SILENCE_DBFS
from mirkit.features.types import ANALYSIS_RATE, SILENT, TOO_SHORT, FloatArray, Unknown, Value, Window

#: Samples per envelope value: 10 ms.
HOP = ANALYSIS_RATE // 100
HOPS_PER_SECOND = 100
#: Envelope values per step; the samples of a step fit in the processor's cache.
_BLOCK = 256


@dataclass(frozen=True)
class EnvelopeCurve:
    """Amplitude envelope of a mono signal.

    Attributes
    ----------
    deviation : float32 array, shape=(hops,)
        Standard deviation (n - 1 in the denominator) of the samples of each 10 ms; the rest at the end is left out.
    """

    deviation: FloatArray


class EnvelopeExtractor:
    """Measure the envelope of a mono signal that arrives in blocks at 44.1 kHz."""

    def __init__(self) -> None:
        self._rest = np.empty(0, np.float32)
        self._values: list[npt.NDArray[np.float32]] = []

    def push(self, mono: FloatArray) -> None:
        """Take the next samples, shape=(n,), float32."""
        signal = np.concatenate((self._rest, mono))
        count = len(signal) // HOP
        frames = signal[: count * HOP].reshape(count, HOP)
        for i in range(0, count, _BLOCK):
            self._values.append(frames[i : i + _BLOCK].std(axis=1, ddof=1))
        self._rest = signal[count * HOP :].copy()

    def finish(self) -> EnvelopeCurve:
        """Return the series of all samples pushed."""
        return EnvelopeCurve(np.concatenate(self._values or [np.empty(0, np.float32)]))


#: Shortest window (s); a shorter one holds too few of the longest segments.
MIN_SECONDS = 10.0
#: Value of D for the most danceable music; the feature is D / 3.
_D_MAX = 3.0

# Least relative variation of the envelope: white noise has 3.4 % (441 samples per step), music far more.
_STEADY = 0.02

# Segment lengths in steps of 10 ms: 310 ms to 8.8 s, each 1.1 times the previous one, truncated to whole steps.
_SCALES = np.floor(31.0 * 1.1 ** np.arange(1 + math.floor(math.log(8800 / 310, 1.1)))).astype(np.int64)
# A line fits short segments too well; Streich and Herrera correct the slope by adding three steps.
_SHORT_SCALE_STEPS = 3
#: Segments of n steps begin every n / 50 steps (at least one).
_SEGMENTS_PER_LENGTH = 50


def danceability(curve: EnvelopeCurve, window: Window) -> Value:
    """Measure how regular the loudness pattern is, from 0 to 1, without tracking beats.

    The envelope is summed up into a profile like a random walk; in segments of each length from 310 ms to 8.8 s, the
    distance (RMS) of the profile from its line of best fit is averaged. alpha, the mean slope of that distance against
    length on logarithmic axes, is near 0 for a strict pulse, 0.5 for a random envelope, 1 and more for slow swells.
    D = 1 / alpha, and the value is D / 3 clipped to 0 to 1. Silence within the window counts like any other level.

    The definition is that of S. Streich and P. Herrera, "Detrended Fluctuation Analysis of Music Signals: Danceability
    Estimation and further Semantic Characterization", AES 118 (2005), with the settings of Essentia's ``Danceability``.

    Parameters
    ----------
    curve : EnvelopeCurve
        Of the mono signal.
    window : Window
        Seconds; its steps are those that begin nearest to its bounds.

    Returns
    -------
    float
        0 to 1. ``too short`` below 10 s; ``silent`` where nothing is above -70 dBFS; ``steady level`` where the
        envelope moves by less than 2 % of its mean (a held tone).

    Examples
    --------
    Bursts of noise twice a second are a strict pulse:

    >>> from mirkit.features.danceability import EnvelopeExtractor
    >>> times = np.arange(12 * 44100) / 44100
    >>> noise = np.random.default_rng(0).normal(0, 0.1, len(times))
    >>> extractor = EnvelopeExtractor()
    >>> extractor.push(np.where(times % 0.5 < 0.1, noise, 0).astype(np.float32))
    >>> danceability(extractor.finish(), Window(0, 12))
    1.0
    """
    count = math.floor(window.duration * HOPS_PER_SECOND + 1e-6)
    first = max(0, min(round(window.start * HOPS_PER_SECOND), len(curve.deviation) - count))
    envelope = curve.deviation[first : first + count]
    if len(envelope) < MIN_SECONDS * HOPS_PER_SECOND:
        return TOO_SHORT
    if envelope.max() <= 10 ** (SILENCE_DBFS / 20):
        return SILENT
    relative = envelope.astype(np.float64) / envelope.mean(dtype=np.float64)
    if relative.std() < _STEADY:
        return Unknown("steady level")
    alpha = _mean_slope(relative)
    # A profile without diffusion repeats exactly, so danceability has its maximum.
    return 1.0 if alpha <= 1 / _D_MAX else 1 / (alpha * _D_MAX)


def _mean_slope(relative: npt.NDArray[np.float64]) -> float:
    """Mean local slope of log fluctuation against log length, from an envelope of mean 1."""
    profile = np.cumsum(relative - 1)
    fluctuation = np.array([_fluctuation(profile, n, max(1, n // _SEGMENTS_PER_LENGTH)) for n in _SCALES])
    slopes = np.diff(np.log(fluctuation)) / np.diff(np.log(_SCALES + _SHORT_SCALE_STEPS))
    return float(slopes.mean())


@kernel()
def _fluctuation(profile, length, step):  # type: ignore[no-untyped-def]
    # RMS distance from the line of best fit, over the segments profile[k : k + length], k = 0, step, ...
    # The sums of a segment are differences of sums from the start of a block of segments, which is short enough for
    # them to be exact; a line through the block, which no distance depends on, is taken away first.
    starts = len(profile) - length
    center = (length - 1) / 2
    spread = length * (length * length - 1) / 12
    block = step * (4 * length // step)
    sum_y, sum_yy, sum_xy = np.zeros(block + length), np.zeros(block + length), np.zeros(block + length)
    total = 0.0
    for first in range(0, starts, block):
        count = min(block, starts - first)
        samples = count + length - 1
        origin = profile[first]
        slope = (profile[first + samples - 1] - origin) / (samples - 1)
        y1 = y2 = xy = 0.0
        for i in range(samples):
            y = profile[first + i] - origin - slope * i
            y1 += y
            y2 += y * y
            xy += i * y
            sum_y[i + 1], sum_yy[i + 1], sum_xy[i + 1] = y1, y2, xy
        for k in range(0, count, step):
            y1 = sum_y[k + length] - sum_y[k]
            xy = sum_xy[k + length] - sum_xy[k] - (k + center) * y1
            total += (sum_yy[k + length] - sum_yy[k] - y1 * y1 / length - xy * xy / spread) / length
    # Like the reference, this divides by the exact quotient, not by the number of segments.
    return np.sqrt(max(total, 0.0) / (starts / step))
