"""Specific loudness after Zwicker (DIN 45631 / ISO 532 B, free field), of windows of 4096 samples.

The tables are those of the standard, as printed in Zwicker et al., "Program for calculating loudness according to
DIN 45631 (ISO 532 B)", J. Acoust. Soc. Jpn. (E) 12, 1991; full scale counts as 100 dB.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirkit.features.kernel import kernel
from mirkit.features.timbre.third_octave import WINDOW, third_octave_levels
from mirkit.features.types import FloatArray

#: Values of specific loudness per window: 0.1 to 24 Bark.
BARK_STEPS = 240

_FULL_SCALE_DB = 100.0

# Third-octave levels (dB) that divide the eight ranges of the low-frequency weighting, and the weighting of the bands
# of 25-250 Hz in each range.
_RANGES = np.array([45, 55, 65, 71, 80, 90, 100, 120], np.float64)
_LOW_WEIGHTS = np.array(
    [
        [-32, -24, -16, -10, -5, 0, -7, -3, 0, -2, 0],
        [-29, -22, -15, -10, -4, 0, -7, -2, 0, -2, 0],
        [-27, -19, -14, -9, -4, 0, -6, -2, 0, -2, 0],
        [-25, -17, -12, -9, -3, 0, -5, -2, 0, -2, 0],
        [-23, -16, -11, -7, -3, 0, -4, -1, 0, -1, 0],
        [-20, -14, -10, -6, -3, 0, -4, -1, 0, -1, 0],
        [-18, -12, -9, -6, -2, 0, -3, -1, 0, -1, 0],
        [-15, -10, -8, -4, -2, 0, -3, -1, 0, -1, 0],
    ],
    np.float64,
)
# Per critical band: threshold in quiet (dB), transmission of outer and middle ear (dB), third octave against critical
# band (dB), and its upper limit (Bark; one more, the end of the scale).
_QUIET = np.array([30, 18, 12, 8, 7, 6, 5, 4, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3], np.float64)
_EAR = np.array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -0.5, -1.6, -3.2, -5.4, -5.6, -4, -1.5, 2, 5, 12])
_CRITICAL = np.array(
    [-0.25, -0.6, -0.8, -0.8, -0.5, 0, 0.5, 1.1, 1.5, 1.7, 1.8, 1.8, 1.7, 1.6, 1.4, 1.2, 0.8, 0.5, 0, -0.5]
)
_LIMITS = np.array(
    [0.9, 1.8, 2.8, 3.5, 4.4, 5.4, 6.6, 7.9, 9.2, 10.6, 12.3, 13.8, 15.2, 16.7, 18.1, 19.3, 20.6, 21.8, 22.7, 23.6, 24]
)
# Specific loudness (sone/Bark) where the upper slope of masking changes, and that slope for the bands 2 to 9 and up.
_STEPS = np.array([21.5, 18, 15.1, 11.5, 9, 6.1, 4.4, 3.1, 2.13, 1.36, 0.82, 0.42, 0.30, 0.22, 0.15, 0.10, 0.035, 0])
_SLOPES = np.array(
    [
        [13.0, 8.2, 6.3, 5.5, 5.5, 5.5, 5.5, 5.5],
        [9.0, 7.5, 6.0, 5.1, 4.5, 4.5, 4.5, 4.5],
        [7.8, 6.7, 5.6, 4.9, 4.4, 3.9, 3.9, 3.9],
        [6.2, 5.4, 4.6, 4.0, 3.5, 3.2, 3.2, 3.2],
        [4.5, 3.8, 3.6, 3.2, 2.9, 2.7, 2.7, 2.7],
        [3.7, 3.0, 2.8, 2.35, 2.2, 2.2, 2.2, 2.2],
        [2.9, 2.3, 2.1, 1.9, 1.8, 1.7, 1.7, 1.7],
        [2.4, 1.7, 1.5, 1.35, 1.3, 1.3, 1.3, 1.3],
        [1.95, 1.45, 1.3, 1.15, 1.1, 1.1, 1.1, 1.1],
        [1.5, 1.2, 0.94, 0.86, 0.82, 0.82, 0.82, 0.82],
        [0.72, 0.67, 0.64, 0.63, 0.62, 0.62, 0.62, 0.62],
        [0.59, 0.53, 0.51, 0.50, 0.42, 0.42, 0.42, 0.42],
        [0.40, 0.33, 0.26, 0.24, 0.24, 0.22, 0.22, 0.22],
        [0.27, 0.21, 0.20, 0.18, 0.17, 0.17, 0.17, 0.17],
        [0.16, 0.15, 0.14, 0.12, 0.11, 0.11, 0.11, 0.11],
        [0.12, 0.11, 0.10, 0.08, 0.08, 0.08, 0.08, 0.08],
        [0.09, 0.08, 0.07, 0.06, 0.06, 0.06, 0.06, 0.05],
        [0.06, 0.05, 0.03, 0.02, 0.02, 0.02, 0.02, 0.02],
    ]
)


@dataclass(frozen=True)
class LoudnessPattern:
    """Loudness of consecutive windows.

    Attributes
    ----------
    specific : float64 array, shape=(windows, 240)
        Specific loudness at 0.1, 0.2, ... 24 Bark, sone/Bark.
    audible : bool array, shape=(windows,)
        Whether the total loudness is at least 0.0005 sone.
    rms : float64 array, shape=(windows,)
        Root mean square of the samples, without the gain.
    """

    specific: FloatArray
    audible: npt.NDArray[np.bool_]
    rms: FloatArray


def loudness_pattern(x: FloatArray, gain: float) -> LoudnessPattern:
    """Measure windows of 4096 samples, one after the other, of a mono signal, shape=(n,), times ``gain``.

    The last window is filled with zeros; as in upstream a signal that ends with a whole window has one more, silent.
    """
    whole = len(x) // WINDOW
    last = np.zeros((1, WINDOW), np.float32)
    last[0, : len(x) - whole * WINDOW] = x[whole * WINDOW :]
    parts = (x[: whole * WINDOW].reshape(whole, WINDOW), last)
    levels = np.concatenate([third_octave_levels(windows) for windows in parts])
    levels += _FULL_SCALE_DB + 20 * np.log10(gain)
    rms = np.sqrt(np.concatenate([np.einsum("ij,ij->i", w, w, dtype=np.float64) for w in parts]) / WINDOW)
    specific = np.zeros((len(levels), BARK_STEPS))
    audible = np.empty(len(levels), np.bool_)
    for window, level in enumerate(levels):
        total = _spread(_main_loudness(level), specific[window])
        audible[window] = total >= 0.0005
    return LoudnessPattern(specific, audible, rms)


def bark_weights(low: int, high: int) -> FloatArray:
    """Bell-shaped weights over the steps ``low`` to ``high - 1`` of the Bark scale, 0 at the edge to 1, 0 elsewhere."""
    steps = np.arange(low, high)
    bell = np.exp(-(((steps - (low + high) / 2) * 0.01) ** 2) / 2)
    bell -= bell.min()
    weights = np.zeros(BARK_STEPS)
    weights[low:high] = bell / bell.max()
    return weights


@kernel()
def _main_loudness(level):  # type: ignore[no-untyped-def]
    # Excitation of the critical bands; the three lowest gather 11 third octaves (25-80, 100-160, 200-250 Hz).
    excitation = np.empty(20)
    for i in range(3, 20):
        excitation[i] = level[i + 8]
    intensity = np.zeros(3)
    for i in range(11):
        j = 0
        while j < 7 and level[i] > _RANGES[j] - _LOW_WEIGHTS[j, i]:
            j += 1
        intensity[0 if i < 6 else (1 if i < 9 else 2)] += 10 ** ((level[i] + _LOW_WEIGHTS[j, i]) / 10)
    for i in range(3):
        excitation[i] = 10 * np.log10(intensity[i]) if intensity[i] > 0 else 0.0
    main = np.zeros(21)
    for i in range(20):
        if excitation[i] > _QUIET[i]:
            above = excitation[i] - _EAR[i] - _CRITICAL[i] - _QUIET[i]
            main[i] = 0.0635 * 10 ** (0.025 * _QUIET[i]) * ((0.75 + 0.25 * 10 ** (0.1 * above)) ** 0.25 - 1)
            main[i] = max(main[i], 0.0)
    main[0] *= min(1.0, 0.4 + 0.32 * main[0] ** 0.2)
    return main


@kernel()
def _spread(main, specific):  # type: ignore[no-untyped-def]
    # Walk up the Bark scale: flat within a band, and from a loud band down a slope of masking into the next ones.
    # Positions are tenths of a Bark; the rounding of floating-point positions is upstream's.
    total = 0.0
    z1 = n1 = 0.0
    z = 0.1
    step = 17
    at = 0
    for band in range(21):
        limit = _LIMITS[band]
        slope_of = min(band - 1, 7)
        while True:
            if n1 < main[band]:
                step = 0
                while _STEPS[step] > main[band]:
                    step += 1
            falls = n1 > main[band]
            slope = 0.0
            if falls:
                slope = _SLOPES[step, slope_of]
                n2 = max(_STEPS[step], main[band])
                dz = np.rint((n1 - n2) / slope * 10) * 0.1
                if dz == 0:
                    dz = 0.1
                z2 = z1 + dz
                if z2 > limit:
                    z2 = limit
                    dz = z2 - z1
                    n2 = n1 - dz * slope
                total += dz * (n1 + n2) / 2
            else:
                z2, n2 = limit, main[band]
                total += n2 * (z2 - z1)
            points = int(np.ceil((z2 + 0.01 - z) / 0.1))
            here = z
            for k in range(points):
                here = z + k * 0.1
                if at < len(specific):
                    specific[at] = n1 - (here - z1) * slope
                    if not falls:
                        specific[at] = n2
                if here < z2 - 0.05:
                    at += 1
            z = np.rint(here * 10) * 0.1
            if n2 == _STEPS[step]:
                step = min(step + 1, 17)
            n1 = n2
            z1 = np.rint(z2 * 10) * 0.1
            if z1 >= limit:
                break
    return total
