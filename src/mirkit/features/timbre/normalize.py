"""What the models share: the sum of the channels with the gain to -24 LUFS, filters, and the scale of the result."""

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from mirkit.features.kernels.kernel import kernel
from mirkit.features.loudness import to_energy
from mirkit.features.types import ANALYSIS_RATE, FloatArray, Unknown, Value

UNDEFINED = Unknown("the model is undefined for this sound")


def score(x: float) -> Value:
    """Convert the result of a regression to a feature.

    Parameters
    ----------
    x : float
        Result of a regression.

    Returns
    -------
    Value
        Clipped to 0-100, the scale of the models; NaN becomes unknown.
    """
    return UNDEFINED if math.isnan(x) else min(100.0, max(0.0, float(x)))


def log10(x: float) -> float:
    """Decimal logarithm as in NumPy.

    Parameters
    ----------
    x : float

    Returns
    -------
    float
        -inf for zero, NaN for negative numbers.
    """
    if x > 0:
        return math.log10(x)
    return -math.inf if x == 0 else math.nan


#: Samples between two checks of the state, which in silence would decay to slow denormal numbers.
_BLOCK = 4096

#: One section: numerator b0 b1 b2, then denominator a1 a2.
Section = tuple[float, float, float, float, float]
PASS_THROUGH: Section = (1.0, 0.0, 0.0, 0.0, 0.0)


def low_pass(hz: float) -> Section:
    """Butterworth low-pass of second order (bilinear transform, -3 dB at ``hz``).

    Parameters
    ----------
    hz : float
        Corner frequency.

    Returns
    -------
    Section
        Numerator and denominator.
    """
    k, norm, a1, a2 = _butterworth(hz)
    return k * k / norm, 2 * k * k / norm, k * k / norm, a1, a2


def high_pass(hz: float) -> Section:
    """Butterworth high-pass of second order (bilinear transform, -3 dB at ``hz``).

    Parameters
    ----------
    hz : float
        Corner frequency.

    Returns
    -------
    Section
        Numerator and denominator.
    """
    _, norm, a1, a2 = _butterworth(hz)
    return 1 / norm, -2 / norm, 1 / norm, a1, a2


def _butterworth(hz: float) -> tuple[float, float, float, float]:
    k = math.tan(math.pi * hz / ANALYSIS_RATE)
    norm = 1 + math.sqrt(2) * k + k * k
    return k, norm, 2 * (k * k - 1) / norm, (1 - math.sqrt(2) * k + k * k) / norm


class Cascade:
    """Three sections in series, for a signal that may arrive in blocks, computed in double precision.

    Parameters
    ----------
    *sections : Section
        Three sections, or one that is applied three times.
    """

    def __init__(self, *sections: Section) -> None:
        self._sections = np.array(sections * 3 if len(sections) == 1 else sections)
        self._state = np.zeros(8)

    def __call__(self, x: FloatArray, out: FloatArray) -> FloatArray:
        """Filter the next samples, float32, shape=(n,), into ``out``, and return ``out``."""
        _cascade(x, self._sections, self._state, out)
        return out


# Direct form 1: between two outputs, the critical path is only one fused multiplication and addition.
@kernel(fastmath={"contract"})
def _cascade(x, sections, state, out):  # type: ignore[no-untyped-def]
    # Indexed one by one, because unpacking arrays makes numba compile checks of their lengths, which takes seconds.
    p, q, r = sections[0], sections[1], sections[2]
    p0, p1, p2, p3, p4 = p[0], p[1], p[2], p[3], p[4]
    q0, q1, q2, q3, q4 = q[0], q[1], q[2], q[3], q[4]
    r0, r1, r2, r3, r4 = r[0], r[1], r[2], r[3], r[4]
    v1, v2, y1, y2 = state[0], state[1], state[2], state[3]
    z1, z2, w1, w2 = state[4], state[5], state[6], state[7]
    for start in range(0, len(x), _BLOCK):
        for i in range(start, min(len(x), start + _BLOCK)):
            v = float(x[i])
            y = (p0 * v + p1 * v1 + p2 * v2 - p4 * y2) - p3 * y1
            z = (q0 * y + q1 * y1 + q2 * y2 - q4 * z2) - q3 * z1
            w = (r0 * z + r1 * z1 + r2 * z2 - r4 * w2) - r3 * w1
            out[i] = w
            v2 = v1
            v1 = v
            y2 = y1
            y1 = y
            z2 = z1
            z1 = z
            w2 = w1
            w1 = w
        if abs(v1) + abs(v2) + abs(y1) + abs(y2) + abs(z1) + abs(z2) + abs(w1) + abs(w2) < 1e-25:
            v1 = v2 = y1 = y2 = z1 = z2 = w1 = w2 = 0.0
    state[0], state[1], state[2], state[3] = v1, v2, y1, y2
    state[4], state[5], state[6], state[7] = z1, z2, w1, w2


#: Zeros before the sound: hardness includes them, the other models start after them.
LEAD = 4097

_TARGET_LUFS = -24.0
_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0
_STEP = ANALYSIS_RATE // 10
_STEPS_PER_BLOCK = 4
_CHUNK = 20 * _STEP


def channel_sum(samples: FloatArray) -> FloatArray:
    """Add up the channels as upstream does: the sum, not the mean, of the first three.

    Parameters
    ----------
    samples : float32 array, shape=(channels, n)

    Returns
    -------
    float32 array, shape=(n,)
    """
    total: FloatArray = samples[:3].sum(axis=0)
    return total


def loudness_gain(x: FloatArray) -> float | None:
    """Gain factor of a mono signal, shape=(n,), to -24 LUFS, or to a peak of 1 if it would clip.

    The samples are not changed; models that depend on the level use the factor.
    The loudness is that of BS.1770-4 as computed by pyloudnorm, which upstream uses: with its K-weighting, its rounded
    number of blocks, and its zero padding of sounds that are shorter than a block.

    Parameters
    ----------
    x : float32 array, shape=(n,)
        Mono signal.

    Returns
    -------
    float or None
        None if nothing is above the absolute gate of -70 LUFS.
    """
    energy = _gated_energy(_step_energies(x), len(x))
    if not energy:
        return None
    return float(min(math.sqrt(to_energy(_TARGET_LUFS) / energy), 1 / peak(x)))


def peak(x: FloatArray) -> float:
    """Largest absolute sample.

    Parameters
    ----------
    x : float array, shape=(n,), n > 0

    Returns
    -------
    float
    """
    return float(max(x.max(), -x.min()))


def _step_energies(mono: FloatArray) -> FloatArray:
    """K-weighted energy of each 100 ms; an incomplete step at the end counts as a step."""
    weighting = Cascade(_shelf(), _rumble(), PASS_THROUGH)
    steps = np.zeros(-(-len(mono) // _STEP))
    work = np.empty(_CHUNK, np.float32)
    for start in range(0, len(mono), _CHUNK):
        chunk = mono[start : start + _CHUNK]
        square = np.square(weighting(chunk, work[: len(chunk)]))
        edges = np.arange(0, len(square), _STEP)
        first = start // _STEP
        steps[first : first + len(edges)] = np.add.reduceat(square, edges, dtype=np.float64)
    return steps


def _gated_energy(steps: FloatArray, samples: int) -> float:
    """Mean energy of the 400 ms blocks above both gates, 0 if there are none."""
    count = 1 + max(0, round(samples / _STEP - _STEPS_PER_BLOCK))
    padded = np.zeros(count + _STEPS_PER_BLOCK - 1)
    padded[: len(steps)] = steps[: len(padded)]
    blocks = sliding_window_view(padded, _STEPS_PER_BLOCK).sum(axis=1) / (_STEPS_PER_BLOCK * _STEP)
    loud = blocks[blocks >= to_energy(_GATE_LUFS)]
    loud = loud[loud > loud.mean() * 10 ** (_RELATIVE_GATE_LU / 10)] if len(loud) else loud
    return float(loud.mean()) if len(loud) else 0.0


def _shelf() -> Section:
    """High shelf of +4 dB at 1500 Hz, Q 1/sqrt(2) (R. Bristow-Johnson's cookbook)."""
    a = 10 ** (4.0 / 40)
    w = 2 * math.pi * 1500 / ANALYSIS_RATE
    cos, slope = math.cos(w), math.sqrt(a) * math.sin(w) * math.sqrt(2)
    norm = (a + 1) - (a - 1) * cos + slope
    return (
        a * ((a + 1) + (a - 1) * cos + slope) / norm,
        -2 * a * ((a - 1) + (a + 1) * cos) / norm,
        a * ((a + 1) + (a - 1) * cos - slope) / norm,
        2 * ((a - 1) - (a + 1) * cos) / norm,
        ((a + 1) - (a - 1) * cos - slope) / norm,
    )


def _rumble() -> Section:
    """High-pass at 38 Hz, Q 1/2 (same source)."""
    w = 2 * math.pi * 38 / ANALYSIS_RATE
    cos, alpha = math.cos(w), math.sin(w)
    norm = 1 + alpha
    return (1 + cos) / 2 / norm, -(1 + cos) / norm, (1 + cos) / 2 / norm, -2 * cos / norm, (1 - alpha) / norm
