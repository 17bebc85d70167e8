"""Specific loudness after Zwicker, and ``booming`` and ``sharpness``, two features that are computed from it alone.

Specific loudness is that of DIN 45631 / ISO 532 B, free field, of windows of 4096 samples.

Third-octave levels come first: every window is filtered with a zero initial state, and the sampling rate is halved for
each octave. The tables are those of the standard, as printed in Zwicker et al., "Program for calculating loudness
according to DIN 45631 (ISO 532 B)", J. Acoust. Soc. Jpn. (E) 12, 1991; full scale is taken to be 100 dB.

``booming``, 0 to 100: resonance of low frequencies. *Measured*: the booming index of S. Hatano and T. Hashimoto,
"Booming index as a measure for evaluating booming sensation", Inter-Noise 2000, and the level of the lowest 7 Bark,
combined by the regression of D5.8.

``sharpness``, 0 to 100: high frequencies that hurt. *Measured*: the weighted first moment of specific loudness, after
H. Fastl and E. Zwicker, "Psychoacoustics", by the regression of D5.8.
"""

import cmath
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirkit.features.kernels.kernel import kernel, kernel_part
from mirkit.features.timbre.normalize import log10, score
from mirkit.features.types import ANALYSIS_RATE, FloatArray, Value

#: Samples per window.
WINDOW = 4096
#: Bands of 25 Hz to 12.5 kHz (exactly 1000 * 2 ** (k / 3), k = -16...11).
BANDS = 28

_ORDER = 4
_TOP_EXPONENTS = (8, 9, 10, 11)  # 6.3, 8, 10, 12.5 kHz: at the full rate, the first three again after each halving
_OCTAVES = 8
# Number of windows that are filtered in parallel, one or more vectors; a compile-time constant.
_LANES = 64
_SECTIONS = 4


def third_octave_levels(windows: FloatArray) -> FloatArray:
    """Mean-square level of each band in dB (full scale 1: 0 dB).

    Fourth-order Butterworth band-passes; below 6 kHz, the filters of the top octave are applied to the signal after a
    second-order Chebyshev low-pass (0.1 dB, 0.4 of the Nyquist frequency) and decimation by two, once per octave.

    Parameters
    ----------
    windows : float32 array, shape=(n, 4096)

    Returns
    -------
    float64 array, shape=(n, 28)
        -inf if the power after a filter is not positive.
    """
    poles, gains = _band_passes()
    energy = np.empty((len(windows), BANDS))
    lanes = np.zeros((WINDOW, _LANES), np.float32)
    work = np.empty(2 * (_SECTIONS + 1) * _LANES, np.float32)
    for i in range(0, len(windows), _LANES):
        here = windows[i : i + _LANES]
        lanes[:, : len(here)] = here.T
        lanes[:, len(here) :] = 0
        out = np.empty((BANDS, _LANES), np.float32)
        _filter(lanes, poles, _anti_alias(), work, out)
        energy[i : i + _LANES] = out.T[: len(here)]
    samples = np.array([WINDOW >> octave for octave in range(_OCTAVES + 1)])
    per_band = np.repeat(samples[::-1], [3] * _OCTAVES + [4])
    gain = np.concatenate([np.tile(gains[:3], _OCTAVES), gains])
    with np.errstate(divide="ignore"):
        levels: FloatArray = 10 * np.log10(energy * np.square(gain) / per_band)
    return levels


def _band_passes() -> tuple[npt.NDArray[np.float32], FloatArray]:
    """Denominators a1, a2 of the sections of the top bands, shape=(4, 4, 2), and the gains of the bands, shape=(4,).

    The numerator of every section is 1 - z^-2, without the gain.
    """
    poles = np.empty((len(_TOP_EXPONENTS), _SECTIONS, 2), np.float32)
    gains = np.empty(len(_TOP_EXPONENTS))
    for band, exponent in enumerate(_TOP_EXPONENTS):
        center = 1000 * 2 ** (exponent / 3)
        low, high = (4 * math.tan(math.pi * center * 2 ** (side / 6) / ANALYSIS_RATE) for side in (-1, 1))
        width = high - low
        product = 1.0
        prototypes = [cmath.exp(1j * math.pi * (2 * k + _ORDER + 1) / (2 * _ORDER)) for k in range(_ORDER)]
        analog = []
        for p in prototypes:
            half = p * width / 2
            root = cmath.sqrt(half * half - low * high)
            analog += [half + root, half - root]
        section = 0
        for s in analog:
            if s.imag > 0:
                z = (4 + s) / (4 - s)
                poles[band, section] = -2 * z.real, abs(z) ** 2
                product *= 4 * width / abs(4 - s) ** 2
                section += 1
        gains[band] = product
    return poles, gains


def _anti_alias() -> tuple[np.float32, np.float32, np.float32]:
    """Chebyshev low-pass: gain of 1 + 2 z^-1 + z^-2, then a1, a2."""
    ripple = math.sqrt(10 ** (0.1 / 10) - 1)
    warped = 4 * math.tan(math.pi * 0.4 / 2)
    s = -warped * cmath.sinh(math.asinh(1 / ripple) / 2 + 1j * math.pi / 4)
    gain = abs(s) ** 2 / math.sqrt(1 + ripple**2) / abs(4 - s) ** 2
    z = (4 + s) / (4 - s)
    return np.float32(gain), np.float32(-2 * z.real), np.float32(abs(z) ** 2)


@kernel(fastmath={"contract"})
def _filter(x, poles, anti_alias, work, out):  # type: ignore[no-untyped-def]
    # x is overwritten by the decimated signals of lower and lower octaves.
    n = len(x)
    gain, a1, a2 = anti_alias
    bands, first = 4, BANDS - 4
    for octave in range(_OCTAVES + 1):
        if octave > 0:
            for j in range(2 * _LANES):
                work[j] = 0
            for i in range(n):
                row, target = x[i], x[i // 2]
                for j in range(_LANES):
                    v = gain * row[j]
                    y = v + work[j]
                    work[j] = 2 * v - a1 * y + work[_LANES + j]
                    work[_LANES + j] = v - a2 * y
                    target[j] = y  # the odd one comes last and stays
            n //= 2
            bands, first = 3, first - 3
        _bands(x, n, poles, bands, work, out, first)


@kernel_part(fastmath={"contract"})
def _bands(x, n, poles, bands, z, out, first):  # type: ignore[no-untyped-def]
    for band in range(bands):
        p = poles[band]
        a0, b0, a1, b1, a2, b2, a3, b3 = p[0, 0], p[0, 1], p[1, 0], p[1, 1], p[2, 0], p[2, 1], p[3, 0], p[3, 1]
        energy, top = 2 * _SECTIONS * _LANES, (2 * _SECTIONS + 1) * _LANES  # rows of z after the state
        for j in range(len(z)):
            z[j] = 0
        for i in range(n):
            for j in range(_LANES):
                s = x[i, j]
                y = s + z[j]
                z[j] = z[_LANES + j] - a0 * y
                z[_LANES + j] = -s - b0 * y
                s = y + z[2 * _LANES + j]
                z[2 * _LANES + j] = z[3 * _LANES + j] - a1 * s
                z[3 * _LANES + j] = -y - b1 * s
                y = s + z[4 * _LANES + j]
                z[4 * _LANES + j] = z[5 * _LANES + j] - a2 * y
                z[5 * _LANES + j] = -s - b2 * y
                s = y + z[6 * _LANES + j]
                z[6 * _LANES + j] = z[7 * _LANES + j] - a3 * s
                z[7 * _LANES + j] = -y - b3 * s
                z[energy + j] += s * s
                z[top + j] = max(z[top + j], s)
        for j in range(_LANES):
            out[first + band, j] = z[energy + j] if z[top + j] > 0 else 0


#: Number of values of specific loudness per window: 0.1 to 24 Bark.
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
# Per critical band: threshold in quiet (dB), transmission of outer and middle ear (dB), level difference of third
# octave and critical band (dB), and upper limit (Bark; the last one is the end of the scale).
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

    The last window is filled with zeros; as in upstream, a signal that ends with a whole window gets one more, silent
    window.

    Parameters
    ----------
    x : float32 array, shape=(n,)
        Mono signal.
    gain : float
        Factor by which the samples are multiplied.

    Returns
    -------
    LoudnessPattern
        Of ``n // 4096 + 1`` windows.
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
    for window, main in enumerate(_main_loudness(levels)):
        total = _spread(main, specific[window])
        audible[window] = total >= 0.0005
    return LoudnessPattern(specific, audible, rms)


def bark_weights(low: int, high: int) -> FloatArray:
    """Bell-shaped weights over the steps ``low`` to ``high - 1`` of the Bark scale, at most 1; 0 outside.

    Parameters
    ----------
    low, high : int
        Steps of 0.1 Bark.

    Returns
    -------
    float64 array, shape=(240,)
    """
    steps = np.arange(low, high)
    bell = np.exp(-(((steps - (low + high) / 2) * 0.01) ** 2) / 2)
    bell -= bell.min()
    weights = np.zeros(BARK_STEPS)
    weights[low:high] = bell / bell.max()
    return weights


def _main_loudness(levels: FloatArray) -> FloatArray:
    """Specific loudness of the critical bands before masking, of levels of shape=(windows, 28); shape=(windows, 21)."""
    low = levels[:, :11]
    # As many ranges as a level exceeds; the limits ascend.
    ranges = (low[:, None] > _RANGES[:7, None] - _LOW_WEIGHTS[:7]).sum(axis=1)
    power = 10 ** ((low + np.take_along_axis(_LOW_WEIGHTS, ranges, axis=0)) / 10)
    # The three lowest bands combine 11 third octaves: 25-80, 100-160 and 200-250 Hz.
    combined = np.add.reduceat(power, (0, 6, 9), axis=1)
    with np.errstate(divide="ignore"):
        excitation = np.hstack((np.where(combined > 0, 10 * np.log10(combined), 0.0), levels[:, 11:]))
    above = excitation - _EAR - _CRITICAL - _QUIET
    loud = 0.0635 * 10 ** (0.025 * _QUIET) * ((0.75 + 0.25 * 10 ** (0.1 * above)) ** 0.25 - 1)
    main = np.zeros((len(levels), 21))
    main[:, :20] = np.where(excitation > _QUIET, np.maximum(loud, 0.0), 0.0)
    main[:, 0] *= np.minimum(1.0, 0.4 + 0.32 * main[:, 0] ** 0.2)
    return main


@kernel()
def _spread(main, specific):  # type: ignore[no-untyped-def]
    # From low to high Bark: constant within a band, and after a loud band a masking slope into the next ones.
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


_LOW_HZ = 280.0


def booming(pattern: LoudnessPattern) -> Value:
    """Apparent boominess (D5.8): booming index after Hatano & Hashimoto (2000) and the level of the lowest 7 Bark.

    The index is the sum of weighted specific loudness, added as if it were in decibels, times the share of the loudness
    below 280 Hz. Windows are weighted by their power; inaudible windows count as 0. The low level is an unweighted mean
    over windows. The unclipped value may be negative.

    Parameters
    ----------
    pattern : LoudnessPattern

    Returns
    -------
    Value
        0 to 100.
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


def sharpness(pattern: LoudnessPattern) -> Value:
    """Apparent sharpness (D5.8): Fastl's weighted first moment of specific loudness, windows weighted by their power.

    Inaudible windows count as 0.

    Parameters
    ----------
    pattern : LoudnessPattern

    Returns
    -------
    Value
        0 to 100.
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
