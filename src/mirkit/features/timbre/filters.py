"""Cascades of three second-order recursive filters, as in the models; designed without ``scipy.signal``."""

import math

import numpy as np

from mirkit.features.kernels.kernel import kernel
from mirkit.features.types import ANALYSIS_RATE, FloatArray

#: Samples between two checks of the state, which in silence would decay to slow denormal numbers.
_BLOCK = 4096

#: One section: numerator b0 b1 b2, then denominator a1 a2.
Section = tuple[float, float, float, float, float]
PASS_THROUGH: Section = (1.0, 0.0, 0.0, 0.0, 0.0)


def low_pass(hz: float, rate: float = ANALYSIS_RATE) -> Section:
    """Butterworth low-pass of second order (bilinear transform, -3 dB at ``hz``).

    Parameters
    ----------
    hz : float
        Corner frequency.
    rate : float
        Sampling rate in Hz.
    """
    k, norm, a1, a2 = _butterworth(hz, rate)
    return k * k / norm, 2 * k * k / norm, k * k / norm, a1, a2


def high_pass(hz: float, rate: float = ANALYSIS_RATE) -> Section:
    """Butterworth high-pass of second order (bilinear transform, -3 dB at ``hz``).

    Parameters
    ----------
    hz : float
        Corner frequency.
    rate : float
        Sampling rate in Hz.
    """
    _, norm, a1, a2 = _butterworth(hz, rate)
    return 1 / norm, -2 / norm, 1 / norm, a1, a2


def _butterworth(hz: float, rate: float) -> tuple[float, float, float, float]:
    k = math.tan(math.pi * hz / rate)
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
