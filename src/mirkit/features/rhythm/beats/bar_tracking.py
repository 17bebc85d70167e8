"""Bars over given beats: where they begin and how many beats they have, from log-odds of a downbeat."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirkit.features.rhythm.onsets import Onsets
from mirkit.features.types import FloatArray

_LENGTHS = (2, 3, 4)  # beats in a bar
_MOST = 4.0  # logit beyond which a downbeat is sure, or sure to be none
_NEW_METER, _CUT_SHORT = 8.0, 14.0  # cost of another meter after a full bar, of a bar that ends early
_FEWEST = 2
#: Positions of onsets within a beat that speak for its division in three, and in two or four; how near they must be.
_THIRDS, _HALVES, _NEAR = (1 / 3, 2 / 3), (1 / 4, 1 / 2, 3 / 4), 0.06


@dataclass(frozen=True)
class Bars:
    """Bars over beats.

    Attributes
    ----------
    first : bool, shape=(beats,)
        Whether a beat begins a bar.
    length : int
        Beats in most bars; 0 when nothing tells.
    sure : float
        Belief in it, 0-1.
    """

    first: npt.NDArray[np.bool_]
    length: int
    sure: float


def find_bars(logits: FloatArray) -> Bars:
    """Count the beats into bars, by a Viterbi search over meter and position in the bar.

    Parameters
    ----------
    logits : float array, shape=(beats,)
        Log-odds of a downbeat at each beat.
    """
    if np.count_nonzero(logits > 0) < _FEWEST:
        return Bars(np.zeros(len(logits), np.bool_), 0, 0.0)
    states = [(length, position) for length in _LENGTHS for position in range(length)]
    cost = np.array([[_step(a, b) for b in states] for a in states])
    begins = np.array([position == 0 for _, position in states])
    gain = np.where(begins, 0.5, -0.5) * np.clip(logits, -_MOST, _MOST)[:, None]
    score = gain[0]
    origins = np.zeros(gain.shape, np.int64)
    for i in range(1, len(gain)):
        ways = score[:, None] - cost
        origins[i] = ways.argmax(axis=0)
        score = ways.max(axis=0) + gain[i]
    path = [int(score.argmax())]
    for i in range(len(gain) - 1, 0, -1):
        path.append(int(origins[i, path[-1]]))
    chosen = np.array(path[::-1])
    first = begins[chosen]
    lengths = np.array([length for length, _ in states])[chosen]
    length = int(np.bincount(lengths).argmax())
    odds = np.exp(np.minimum(logits[first], _MOST))
    return Bars(first, length, float(np.mean(lengths == length) * np.mean(odds / (1 + odds))))


def time_signature_of(bars: Bars, times: FloatArray, onsets: Onsets) -> str | None:
    """Name the meter; two beats that divide in three are 6/8."""
    if not bars.length:
        return None
    return "6/8" if bars.length == 2 and _in_three(times, onsets) else f"{bars.length}/4"


def _in_three(times: FloatArray, onsets: Onsets) -> bool:
    at = np.interp(onsets.times, times, np.arange(len(times)), left=np.nan, right=np.nan) % 1

    def weight(places: tuple[float, ...]) -> float:
        near = np.any([np.abs(at - place) < _NEAR for place in places], axis=0)
        return float(onsets.strengths[near].sum())

    return weight(_THIRDS) > weight(_HALVES)


def _step(before: tuple[int, int], after: tuple[int, int]) -> float:
    """Cost of one beat after another, each (beats in its bar, position)."""
    length, position = before
    if after == (length, (position + 1) % length):
        return 0.0
    if after[1] != 0:
        return float("inf")
    return _NEW_METER if position == length - 1 else _CUT_SHORT
