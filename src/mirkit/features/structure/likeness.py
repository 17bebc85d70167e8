"""Which sections are alike: the same music again, perhaps in another key or with other instruments.

*Measured*: two sections are compared bar by bar from their starts, shifted by up to one bar, in harmony at all twelve
transpositions, and by their mean tone, level, stems and rhythm. A logistic function with fitted weights turns this
into the log odds that a listener gives both the same letter. Sections are then joined, the most alike first, as long
as the mean odds between two groups favor it.
"""

import itertools
from collections.abc import Sequence

import numpy as np

from mirkit.features.structure.bars import Bars, Matrix

#: Shifts, in bars, by which two sections are compared, because a boundary may be wrong by one.
_SHIFTS = (0, -1, 1)
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
    harmony = np.max([_harmony(bars.chroma, one, other, shift) for shift in _SHIFTS], axis=0)
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
            _distance(0.5 * bars.rhythm.reshape(len(bars.rhythm), -1), a, b),
            abs(float(np.log2(lengths[0] / lengths[1]))),
            float(lengths[0] == lengths[1]),
        ]
    )


def _harmony(chroma: Matrix, one: tuple[int, int], other: tuple[int, int], shift: int) -> Matrix:
    """Mean similarity of the chroma of two passages at each transposition, shape=(12,)."""
    start, end = max(one[0] + shift, 0), other[0]
    count = min(one[1] - start, other[1] - end, len(chroma) - start, len(chroma) - end)
    if count < 1:
        return np.zeros(12)
    a, b = chroma[start : start + count].reshape(-1, 12), chroma[end : end + count].reshape(-1, 12)
    sounding = max(1, int(np.count_nonzero(a.any(axis=1) | b.any(axis=1))))
    products = a.T @ b / sounding
    classes = np.arange(12)
    return np.array([products[classes, (classes + key) % 12].sum() for key in range(12)])


def _unit(vector: Matrix) -> Matrix:
    return vector / max(float(np.sqrt(np.square(vector).sum())), 1e-9)


def _distance(rows: Matrix, a: slice, b: slice) -> float:
    return float(np.sqrt(np.square(rows[a].mean(axis=0) - rows[b].mean(axis=0)).sum()))


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
