"""Which sections are alike: the same music again, perhaps in another key or with other instruments.

*Measured*: two sections are compared quarter by quarter of their bars, aligned at their starts or at their ends and
shifted by up to one bar, in harmony at all twelve transpositions; and by their median tone, level and stems and their
mean rhythm. A logistic function with fitted weights turns this into the log odds that a listener gives both the same
letter. Sections are then joined, the most alike first, as long as the mean odds between two groups favor it.
"""

import itertools
from collections.abc import Sequence

import numpy as np

from mirkit.features.structure.bars import PARTS, SLOTS, Bars, Matrix

#: Shifts, in quarters of a bar, by which two sections are compared: a boundary may be wrong by a bar, and music that is
#: repeated after a pause or a cut may begin on another beat of the grid.
_SHIFTS = range(-PARTS, PARTS + 1)
#: For each transposition: where the products of classes that it brings together lie in a matrix of 12 by 12.
_TRANSPOSED = np.array([[12 * c + (c + key) % 12 for c in range(12)] for key in range(12)])
INPUTS = 9


def comparison(bars: Bars, one: tuple[int, int], other: tuple[int, int]) -> Matrix:
    """Compare two sections.

    Parameters
    ----------
    bars : Bars
    one, other : (int, int)
        First bar, and the bar after the last one.

    Returns
    -------
    float64 array, shape=(INPUTS,)
    """
    harmony = _harmony(bars.chroma.reshape(-1, 12), one, other)
    a, b = slice(*one), slice(*other)
    lengths = one[1] - one[0], other[1] - other[0]
    return np.array(
        [
            harmony[0],
            harmony.max(),
            float(_unit(bars.chroma[a].mean(axis=(0, 1))) @ _unit(bars.chroma[b].mean(axis=(0, 1)))),
            _distance(bars.tone, a, b),
            _distance(bars.level, a, b),
            _distance(bars.stems, a, b),
            _rhythms(bars.rhythm, a, b),
            abs(float(np.log2(lengths[0] / lengths[1]))),
            float(lengths[0] == lengths[1]),
        ]
    )


def _harmony(quarters: Matrix, one: tuple[int, int], other: tuple[int, int]) -> Matrix:
    """Largest mean similarity of the chroma of two passages at each transposition, shape=(12,)."""
    a, b = (PARTS * np.array(span) for span in (one, other))
    count = int(min(a[1] - a[0], b[1] - b[0]))
    best = np.zeros(12)
    for start, end in {(int(a[0]), int(b[0])), (int(a[1]) - count, int(b[1]) - count)}:
        for shift in _SHIFTS:
            left = max(start + shift, 0)
            right = end + left - start - shift
            size = min(start + shift + count, len(quarters)) - left
            if 2 * size >= count:
                best = np.maximum(best, _similarity(quarters[left : left + size], quarters[right : right + size]))
    return best


def _similarity(a: Matrix, b: Matrix) -> Matrix:
    sounding = max(1, int(np.count_nonzero(a.any(axis=1) | b.any(axis=1))))
    similarity: Matrix = (a.T @ b).ravel()[_TRANSPOSED].sum(axis=1) / sounding
    return similarity


def _rhythms(rhythm: Matrix, a: slice, b: slice) -> float:
    """Distance of the mean rhythms, at the shift by quarters of a bar that brings them closest."""
    one, other = 0.5 * rhythm[a].mean(axis=0), 0.5 * rhythm[b].mean(axis=0)
    shifted = (np.roll(other, quarter * SLOTS // PARTS, axis=1) for quarter in range(PARTS))
    return min(float(np.sqrt(np.square(one - moved).sum())) for moved in shifted)


def _unit(vector: Matrix) -> Matrix:
    return vector / max(float(np.sqrt(np.square(vector).sum())), 1e-9)


def _distance(rows: Matrix, a: slice, b: slice) -> float:
    """Distance of the medians: the bar that fades out or is filled is not typical of its section."""
    return float(np.sqrt(np.square(np.median(rows[a], axis=0) - np.median(rows[b], axis=0)).sum()))


def letters(odds: Matrix) -> list[str]:
    """Give each section a letter: A for the first, the same letter for sections that are alike.

    Parameters
    ----------
    odds : array, shape=(sections, sections)
        Log odds that two sections are alike, symmetric.

    Returns
    -------
    list of str

    Examples
    --------
    >>> letters(np.array([[0, -2, 3], [-2, 0, -1], [3, -1, 0]]))
    ['A', 'B', 'A']
    """
    count = len(odds)
    group = np.arange(count)
    total, size = odds - np.diag(np.diag(odds)), np.ones(count)
    alive = np.ones(count, np.bool_)
    for _ in range(count - 1):
        mean = np.where(alive[:, np.newaxis] & alive, total / np.outer(size, size), -np.inf)
        np.fill_diagonal(mean, -np.inf)
        i, j = sorted(divmod(int(np.argmax(mean)), count))
        if mean[i, j] <= 0:
            break
        total[i] += total[j]
        total[:, i] += total[:, j]
        size[i] += size[j]
        alive[j] = False
        group[group == j] = i
    order = list(dict.fromkeys(group.tolist()))
    return [_letter(order.index(one)) for one in group.tolist()]


def _letter(number: int) -> str:
    """A to Z, then AA, AB, ..."""
    return (_letter(number // 26 - 1) if number >= 26 else "") + chr(ord("A") + number % 26)


def spans(marks: Sequence[int], count: int) -> list[tuple[int, int]]:
    """Return the parts that boundaries divide a piece into.

    Parameters
    ----------
    marks : sequence of int
        Boundaries in bars.
    count : int
        Number of bars.

    Returns
    -------
    list of (int, int)
        First bar of each part, and the bar after its last one.
    """
    edges = [0, *marks, count]
    return list(itertools.pairwise(edges))
