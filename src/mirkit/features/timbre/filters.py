"""Recursive filters of second order, three in a row, as the models use them; designs without ``scipy.signal``."""

import math

import numpy as np
from numba import njit

from mirkit.features.types import ANALYSIS_RATE, FloatArray

#: Samples between two looks at the state, which silence would else let decay into (slow) denormal numbers.
_BLOCK = 4096

#: One section: numerator b0 b1 b2, then denominator a1 a2.
Section = tuple[float, float, float, float, float]
PASS_THROUGH: Section = (1.0, 0.0, 0.0, 0.0, 0.0)


def low_pass(hz: float, rate: float = ANALYSIS_RATE) -> Section:
    """Butterworth low-pass of second order (bilinear transform, -3 dB at ``hz``)."""
    k, norm, a1, a2 = _butterworth(hz, rate)
    return k * k / norm, 2 * k * k / norm, k * k / norm, a1, a2


def high_pass(hz: float, rate: float = ANALYSIS_RATE) -> Section:
    """Butterworth high-pass of second order (bilinear transform, -3 dB at ``hz``)."""
    _, norm, a1, a2 = _butterworth(hz, rate)
    return 1 / norm, -2 / norm, 1 / norm, a1, a2


def _butterworth(hz: float, rate: float) -> tuple[float, float, float, float]:
    k = math.tan(math.pi * hz / rate)
    norm = 1 + math.sqrt(2) * k + k * k
    return k, norm, 2 * (k * k - 1) / norm, (1 - math.sqrt(2) * k + k * k) / norm


class Cascade:
    """Three sections in a row over a signal that may arrive in blocks, in double precision within.

    Parameters
    ----------
    *sections : Section
        Three of them; one given alone runs three times.
    keep_every : int
        Keep only every n-th output sample, beginning with the first of each block.
    """

    def __init__(self, *sections: Section, keep_every: int = 1) -> None:
        self._sections = np.array(sections * 3 if len(sections) == 1 else sections)
        self._state = np.zeros((3, 2))
        self._step = keep_every

    def __call__(self, x: FloatArray, out: FloatArray | None = None) -> FloatArray:
        """Filter the next samples, float32, shape=(n,), into ``out`` (may be ``x`` itself) or a new array."""
        if out is None:
            out = np.empty(-(-len(x) // self._step), np.float32)
        _cascade(x, self._sections, self._state, self._step, out)
        return out


@njit(cache=True)
def _cascade(x, sections, state, step, out):  # type: ignore[no-untyped-def]
    p0, p1, p2, p3, p4 = sections[0]
    q0, q1, q2, q3, q4 = sections[1]
    r0, r1, r2, r3, r4 = sections[2]
    n = len(x)
    for start in range(0, n, _BLOCK):
        (s1, s2), (t1, t2), (u1, u2) = state[0], state[1], state[2]
        for i in range(start, min(n, start + _BLOCK)):
            v = x[i]
            y = p0 * v + s1
            s1 = p1 * v - p3 * y + s2
            s2 = p2 * v - p4 * y
            z = q0 * y + t1
            t1 = q1 * y - q3 * z + t2
            t2 = q2 * y - q4 * z
            w = r0 * z + u1
            u1 = r1 * z - r3 * w + u2
            u2 = r2 * z - r4 * w
            if i % step == 0:
                out[i // step] = w
        state[0, 0], state[0, 1], state[1, 0], state[1, 1], state[2, 0], state[2, 1] = s1, s2, t1, t2, u1, u2
        if abs(s1) + abs(s2) + abs(t1) + abs(t2) + abs(u1) + abs(u2) < 1e-25:
            state[:] = 0
