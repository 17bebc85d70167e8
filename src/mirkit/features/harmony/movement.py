"""Harmonic movement and variance, 0 to 1: how much, and how widely, the harmony changes between eighth notes.

*Measured*: cosine distances between the chroma vectors of consecutive eighth notes, and the spread of all of them.
*Reading*: 0 for a held chord; movement is 0.05 for a new chord every bar, 0.2 to 0.3 for one every beat, up to 0.8 for
melodies of single notes; variance is 1 where all twelve classes occur equally often. *Source*: the distance is that of
C. Harte, M. Sandler and M. Gasser, "Detecting harmonic change in musical audio", AMCMM 2006, on chroma.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from mirkit.features.harmony.chroma import FRAME_RATE, ChromaCurve
from mirkit.features.types import SILENT, TOO_SHORT, FloatArray, Value, Window

#: Length of a step without beats (s).
STEP_WITHOUT_BEAT = 0.25


@dataclass(frozen=True)
class Harmony:
    """Change of harmony in a window, for one stem.

    Attributes
    ----------
    harmonic_movement : Value
        Mean cosine distance between the chroma vectors of consecutive eighth notes, 0 to 1. A held chord 0; a new chord
        every bar 0.05, every beat 0.2 to 0.3, every eighth 0.5; melodies of single notes up to 0.8.
    harmonic_variance : Value
        (1 - length of the mean of the L2-normalized vectors of those steps) / (1 - 1/√12): 0 one static harmony, 1 all
        twelve classes equally often.
    """

    harmonic_movement: Value
    harmonic_variance: Value


def harmony(curve: ChromaCurve, beats: FloatArray, window: Window) -> Harmony:
    """Harmonic movement and variance of a window.

    Parameters
    ----------
    curve : ChromaCurve
    beats : array, shape=(beats,)
        Beat times of the source in seconds, ascending; empty where no beat is defined.
    window : Window
        Seconds.

    Returns
    -------
    Harmony
        ``Unknown`` for a window that is too short or silent.

    Examples
    --------
    One chord for six seconds, and a new one every half second:

    >>> from mirkit.features.harmony.chroma import ChromaExtractor
    >>> times = np.arange(22050) / 44100
    >>> def chord(root):
    ...     return sum(0.2 * np.sin(2 * np.pi * root * ratio * times) for ratio in (1, 1.26, 1.498))
    >>> def movement(roots):
    ...     extractor = ChromaExtractor()
    ...     extractor.push(np.concatenate([chord(root) for root in roots]).astype(np.float32))
    ...     return harmony(extractor.finish(), np.arange(0, 6, 0.5), Window(0, 6)).harmonic_movement
    >>> movement([220.0] * 12) < 0.02, movement([220.0, 293.66, 329.63] * 4) > 0.1
    (True, True)
    """
    edges = eighths(beats, window)
    vectors, active = _steps(curve, edges)
    if len(active) < 2:
        return Harmony(TOO_SHORT, TOO_SHORT)
    if not active.any():
        return Harmony(SILENT, SILENT)
    mean = vectors[active].mean(axis=0)
    spread = (1 - np.sqrt(np.square(mean).sum())) / (1 - 1 / np.sqrt(12))
    pairs = active[1:] & active[:-1]
    distance = 1 - (vectors[1:] * vectors[:-1]).sum(axis=1)[pairs]
    movement: Value = max(0.0, float(distance.mean())) if pairs.any() else TOO_SHORT
    return Harmony(movement, max(0.0, float(spread)))


def eighths(beats: FloatArray, window: Window) -> FloatArray:
    """Return the edges of steps in a window: beats and the midpoints between them, or every 250 ms without beats.

    Gaps in the grid are filled, and the grid is extended to both ends of the window, at the median interval.

    Parameters
    ----------
    beats : array, shape=(beats,)
        Seconds, ascending.
    window : Window
        Seconds.

    Returns
    -------
    array, shape=(steps + 1,)
        Seconds, ascending.
    """
    if len(beats) < 2:
        return window.start + STEP_WITHOUT_BEAT * np.arange(int(window.duration / STEP_WITHOUT_BEAT + 1e-6) + 1)
    interval, inner = _eighths_between(np.asarray(beats, np.float64).tobytes())
    before = max(0, int((beats[0] - window.start) / interval))
    after = max(0, int((window.end - beats[-1]) / interval))
    first, last = np.searchsorted(inner, (window.start - 1e-6, window.end + 1e-6))
    edges = np.concatenate(
        (
            beats[0] - interval / 2 * np.arange(2 * before + 1, 0, -1),
            inner[first : last + 1],
            beats[-1] + interval / 2 * np.arange(2 * after + 2),
        )
    )
    return edges[(edges >= window.start - 1e-6) & (edges <= window.end + 1e-6)]


@lru_cache(maxsize=8)  # all windows of a track have its beats
def _eighths_between(grid: bytes) -> tuple[float, FloatArray]:
    """Median interval of a grid of beats, and the edges of the steps from its first beat to before the last one."""
    beats = np.frombuffer(grid)
    interval = float(np.median(np.diff(beats)))
    parts = []
    for left, right in pairwise(beats):
        count = 2 * max(1, round((right - left) / interval))
        parts.append(left + (right - left) / count * np.arange(count))
    return interval, np.concatenate(parts)


def _steps(curve: ChromaCurve, edges: FloatArray) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """L2-normalized chroma of each step, shape=(steps, 12), and whether the step is active, shape=(steps,).

    Frames are weighted by their amplitude and by a Hann window over the step, because chroma frames near an edge also
    contain audio of the neighboring step.
    """
    steps = max(0, len(edges) - 1)
    vectors, active = np.zeros((steps, 12)), np.zeros(steps, np.bool_)
    sounding = curve.active
    # Step i has the frames first[i] to first[i + 1].
    first = np.ceil(edges * FRAME_RATE).astype(np.int64)
    have = np.minimum(first, len(sounding))
    frames = slice(have[0], have[-1]) if steps else slice(0, 0)
    filled = np.flatnonzero(np.diff(have) > 0)
    if not len(filled):
        return vectors, active
    starts = have[filled] - frames.start
    step = np.repeat(filled, np.diff(have)[filled])
    phase = (np.arange(frames.start, frames.stop) / FRAME_RATE - edges[step]) / np.diff(edges)[step]
    amplitude = 10 ** (curve.level_db[frames].astype(np.float64) / 20)
    weight = np.sin(np.pi * phase) ** 2 * amplitude + 1e-30
    sums = np.add.reduceat(curve.chroma[frames] * weight[:, np.newaxis], starts, axis=0)
    length = np.sqrt(np.square(sums).sum(axis=1))
    count = np.add.reduceat(sounding[frames].astype(np.int64), starts)
    votes = (count > 0) & (2 * count >= np.diff(first)[filled]) & (length > 0)
    vectors[filled[votes]] = sums[votes] / length[votes, np.newaxis]
    active[filled[votes]] = True
    return vectors, active
