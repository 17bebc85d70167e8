"""Input of every model except reverberation: the sum of the channels, with the gain to -24 LUFS."""

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from mirkit.features.loudness import to_energy
from mirkit.features.timbre.filters import PASS_THROUGH, Cascade, Section
from mirkit.features.types import ANALYSIS_RATE, FloatArray

#: Zeros before the sound: hardness includes them, the other models start after them.
LEAD = 4097

_TARGET_LUFS = -24.0
_GATE_LUFS = -70.0
_RELATIVE_GATE_LU = -10.0
_STEP = ANALYSIS_RATE // 10
_STEPS_PER_BLOCK = 4
_CHUNK = 20 * _STEP


def channel_sum(samples: FloatArray) -> FloatArray:
    """Add up the channels, shape=(channels, n), as upstream does: the sum, not the mean, of the first three."""
    total: FloatArray = samples[:3].sum(axis=0)
    return total


def loudness_gain(x: FloatArray) -> float | None:
    """Gain factor of a mono signal, shape=(n,), to -24 LUFS, or to a peak of 1 if it would clip.

    The samples are not changed; models that depend on the level use the factor.
    The loudness is that of BS.1770-4 as computed by pyloudnorm, which upstream uses: with its K-weighting, its rounded
    number of blocks, and its zero padding of sounds that are shorter than a block.

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
    """Largest absolute sample."""
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
