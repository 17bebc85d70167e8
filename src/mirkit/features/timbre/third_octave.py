"""Third-octave levels of windows of 4096 samples, each filtered from rest, with the sampling rate halved per octave."""

import cmath
import math

import numpy as np
import numpy.typing as npt

from mirkit.features.kernel import kernel
from mirkit.features.types import ANALYSIS_RATE, FloatArray

#: Samples per window.
WINDOW = 4096
#: Bands of 25 Hz to 12.5 kHz (exactly 1000 * 2 ** (k / 3), k = -16...11).
BANDS = 28

_ORDER = 4
_TOP_EXPONENTS = (8, 9, 10, 11)  # 6.3, 8, 10, 12.5 kHz: at the full rate, the first three again after each halving
_OCTAVES = 8
# Windows filtered side by side, a vector's worth or several; the compiler knows the number.
_LANES = 64
_SECTIONS = 4


def third_octave_levels(windows: FloatArray) -> FloatArray:
    """Mean-square level of each band in dB (full scale 1: 0 dB).

    Fourth-order Butterworth band-passes; below 6 kHz the bands of the top octave run on the signal after a
    second-order Chebyshev low-pass (0.1 dB, 0.4 of the Nyquist frequency), of which every second sample is kept.

    Parameters
    ----------
    windows : float32 array, shape=(n, 4096)

    Returns
    -------
    float64 array, shape=(n, 28)
        -inf where nothing positive comes out of a filter.
    """
    poles, gains = _band_passes()
    energy = np.empty((len(windows), BANDS))
    lanes = np.zeros((WINDOW, _LANES), np.float32)
    for i in range(0, len(windows), _LANES):
        here = windows[i : i + _LANES]
        lanes[:, : len(here)] = here.T
        lanes[:, len(here) :] = 0
        out = np.empty((BANDS, _LANES), np.float32)
        _filter(lanes, poles, _anti_alias(), out)
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
def _filter(x, poles, anti_alias, out):  # type: ignore[no-untyped-def]
    # x is overwritten by its lower and lower octaves.
    n = len(x)
    gain, a1, a2 = anti_alias
    bands, first = 4, BANDS - 4
    for octave in range(_OCTAVES + 1):
        if octave > 0:
            s1 = np.zeros(_LANES, np.float32)
            s2 = np.zeros(_LANES, np.float32)
            for i in range(n):
                row, target = x[i], x[i // 2]
                for j in range(_LANES):
                    v = gain * row[j]
                    y = v + s1[j]
                    s1[j] = 2 * v - a1 * y + s2[j]
                    s2[j] = v - a2 * y
                    target[j] = y  # the odd one comes last and stays
            n //= 2
            bands, first = 3, first - 3
        _bands(x, n, poles, bands, out, first)


@kernel(fastmath={"contract"})
def _bands(x, n, poles, bands, out, first):  # type: ignore[no-untyped-def]
    for band in range(bands):
        p = poles[band]
        a0, b0, a1, b1, a2, b2, a3, b3 = p[0, 0], p[0, 1], p[1, 0], p[1, 1], p[2, 0], p[2, 1], p[3, 0], p[3, 1]
        z = np.zeros(2 * _SECTIONS * _LANES, np.float32)
        energy = np.zeros(_LANES, np.float32)
        top = np.zeros(_LANES, np.float32)
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
                energy[j] += s * s
                top[j] = max(top[j], s)
        for j in range(_LANES):
            out[first + band, j] = energy[j] if top[j] > 0 else 0
