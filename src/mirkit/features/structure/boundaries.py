"""Where sections begin: evidence at every bar, and the best division of the piece.

*Measured*: at the start of each bar, how much the bars after it differ from the bars before it, in five respects over
two, four and eight bars; whether what follows is repeated elsewhere in another way than what came before (J. Serrà et
al., "Unsupervised music structure annotation by time series structure features and segment similarity", IEEE Trans.
Multimedia 16, 2014); whether a fill, a gap or a cymbal marks the bar. A logistic function with fitted weights turns
this into the log odds of a boundary, and dynamic programming finds the division with the highest odds, in which
sections of four, eight and sixteen bars are more likely than others.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d
from scipy.special import logsumexp

from mirkit.features.structure.bars import Bars, Matrix

#: Bars that are compared on either side.
REACHES = (2, 4, 8)
#: Bars over which a repetition is followed, and on either side of which the repetitions are compared.
_PATH, _SIDE = 5, 4
#: Repetitions are sought at most this many bars away.
_LONGEST_LAG = 256
#: Similarity of chroma that counts as none.
_UNLIKE = 0.6
STREAMS = ("chroma", "tone", "level", "stems", "rhythm")


def evidence(bars: Bars) -> Matrix:
    """Return the evidence for a boundary at the start of each bar but the first.

    Parameters
    ----------
    bars : Bars

    Returns
    -------
    float64 array, shape=(bars - 1, inputs)
    """
    count = len(bars.decibel)
    columns = []
    for stream in _streams(bars):
        by_reach = [_contrast(stream, reach) for reach in REACHES]
        columns += [np.minimum(contrast, 3.0) for contrast in by_reach]
        columns.append(np.clip(_peak(by_reach[1]), -1.0, 1.0))
    for stream in (bars.chroma, bars.rhythm):
        change = _contrast(repetitions(stream.reshape(count, -1)), _SIDE)
        columns += [np.minimum(change, 3.0), np.clip(_peak(change), -1.0, 1.0)]
    columns += [_fill(bars), np.clip(bars.accent[1:] / 6, -1, 2), np.clip(bars.gap[:-1] / 6, 0, 2)]
    return np.stack(columns, axis=1)


def _streams(bars: Bars) -> tuple[Matrix, ...]:
    count = len(bars.decibel)
    harmony = bars.chroma.mean(axis=1)
    return (2.0 * harmony, bars.tone, bars.level, bars.stems, 0.5 * bars.rhythm.reshape(count, -1))


def _contrast(rows: Matrix, reach: int) -> Matrix:
    """Distance between the means of up to ``reach`` rows before and after each inner edge."""
    sums = np.concatenate((np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0)))
    count = len(rows)
    at = np.arange(1, count)
    left, right = np.maximum(at - reach, 0), np.minimum(at + reach, count)
    before = (sums[at] - sums[left]) / (at - left)[:, np.newaxis]
    after = (sums[right] - sums[at]) / (right - at)[:, np.newaxis]
    distance: Matrix = np.sqrt(np.square(after - before).sum(axis=1))
    # With fewer rows, means differ more by chance.
    return distance * np.sqrt(np.minimum(np.minimum(at - left, right - at), reach) / reach)


def _peak(values: Matrix) -> Matrix:
    """How much each value exceeds the mean of its two neighbors on either side."""
    padded = np.pad(values, 2, mode="edge")
    around = (padded[:-4] + padded[1:-3] + padded[3:-1] + padded[4:]) / 4
    return values - around


def repetitions(rows: Matrix) -> Matrix:
    """Return how much the passage around each bar resembles the passages some bars later and earlier, 0 to 1.

    Parameters
    ----------
    rows : array, shape=(bars, dimensions)

    Returns
    -------
    float64 array, shape=(bars, 2 * lags)
    """
    length = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    unit = np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
    count = len(rows)
    lags = min(count - 1, _LONGEST_LAG)
    later, earlier = np.zeros((count, lags)), np.zeros((count, lags))
    for lag in range(1, lags + 1):
        products = np.einsum("ij,ij->i", unit[:-lag], unit[lag:])
        alike = uniform_filter1d(np.clip((products - _UNLIKE) / (1 - _UNLIKE), 0.0, 1.0), _PATH, mode="nearest")
        later[:-lag, lag - 1] = earlier[lag:, lag - 1] = alike
    return np.concatenate((later, earlier), axis=1)


def _fill(bars: Bars) -> Matrix:
    """How much the rhythm of the bar before each inner edge differs from that of the bars before it."""
    rhythm = bars.rhythm.reshape(len(bars.rhythm), -1)
    change = np.zeros(len(rhythm) - 1)
    for i in range(1, len(rhythm)):
        before = rhythm[max(0, i - 4) : i - 1]
        if len(before):
            change[i - 1] = np.sqrt(np.square(rhythm[i - 1] - before.mean(axis=0)).sum())
    usual = float(np.median(change)) if len(change) else 0.0
    return np.clip((change - usual) / 2, -1.0, 2.0)


@dataclass(frozen=True)
class Division:
    """The most likely division of a piece.

    Attributes
    ----------
    marks : tuple of int
        Boundaries in bars, without 0 and the end.
    probability : float64 array, shape=(bars - 1,)
        Probability of a boundary at the start of each bar but the first, over all divisions.
    """

    marks: tuple[int, ...]
    probability: Matrix


def divide(odds: Matrix, lengths: Matrix) -> Division:
    """Find the most likely division of a piece into sections.

    Parameters
    ----------
    odds : array, shape=(bars - 1,)
        Log odds of a boundary at the start of each bar but the first.
    lengths : array, shape=(n,)
        Log weight of a section of 1, 2, ... n bars; longer ones have that of ``n``. The first and the last section may
        be cut off, and are at least as likely as the mean if they have two bars.

    Returns
    -------
    Division

    Examples
    --------
    >>> odds = np.full(15, -4.0)
    >>> odds[7] = 4.0
    >>> divide(odds, np.zeros(16)).marks
    (8,)
    """
    count = len(odds) + 1
    gain = np.concatenate(([0.0], odds, [0.0]))
    mean = float(lengths.mean())
    best, total = np.full(count + 1, -np.inf), np.full(count + 1, -np.inf)
    rest = np.full(count + 1, -np.inf)
    before = np.zeros(count + 1, np.int64)
    best[0] = total[0] = rest[count] = 0.0
    for end in range(1, count + 1):
        weights = _weights(np.arange(end), end, count, lengths, mean)
        score = best[:end] + weights
        before[end] = int(np.argmax(score))
        best[end] = float(score[before[end]]) + gain[end]
        total[end] = float(logsumexp(total[:end] + weights)) + gain[end]
    for start in range(count - 1, -1, -1):
        ends = np.arange(start + 1, count + 1)
        rest[start] = float(logsumexp(rest[ends] + gain[ends] + _weights(start, ends, count, lengths, mean)))
    marks, at = [], int(before[count])
    while at > 0:
        marks.append(at)
        at = int(before[at])
    return Division(tuple(marks[::-1]), np.exp(np.minimum(total[1:count] + rest[1:count] - total[count], 0.0)))


def _weights(
    start: npt.NDArray[np.int64] | int, end: npt.NDArray[np.int64] | int, count: int, lengths: Matrix, mean: float
) -> Matrix:
    """Log weight of sections by their lengths."""
    size = np.asarray(end) - np.asarray(start)
    weights = lengths[np.minimum(size, len(lengths)) - 1]
    # One step at an end is the silence before the first beat, or the last sound that rings.
    at_an_end = ((np.asarray(start) == 0) | (np.asarray(end) == count)) & (size > 1)
    likely: Matrix = np.where(at_an_end, np.maximum(weights, mean), weights)
    return likely
