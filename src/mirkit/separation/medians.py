"""Running medians along one axis, by a network of minima and maxima over whole arrays.

A sorting network compares fixed pairs, so each comparison is one vectorized pass over a block that stays in the cache,
and comparisons on which the median does not depend are left out.
"""

from functools import cache

import numpy as np

from mirkit.features.types import FloatArray

_BLOCK_VALUES = 1 << 13


@cache
def median_network(n: int) -> tuple[tuple[int, int], ...]:
    """Pairs (low, high) to compare in turn so that lane ``n // 2`` of ``n`` lanes ends up with the median.

    Batcher's odd-even merge sort for the next power of two, without the pairs that touch the padding (it would hold
    plus infinity and never move), and then without those that the median lane does not need.
    """
    pairs = []
    p = 1
    while p < n:
        k = p
        while k >= 1:
            for j in range(k % p, n - k, 2 * k):
                for i in range(min(k, n - j - k)):
                    if (i + j) // (2 * p) == (i + j + k) // (2 * p):
                        pairs.append((i + j, i + j + k))
            k //= 2
        p *= 2
    needed = {n // 2}
    kept = []
    for low, high in reversed(pairs):
        if low in needed or high in needed:
            needed |= {low, high}
            kept.append((low, high))
    return tuple(reversed(kept))


def running_median(x: FloatArray, width: int, axis: int) -> FloatArray:
    """Median over ``width`` (odd) neighbors along one axis of a matrix; edges see the matrix mirrored."""
    if width % 2 == 0:
        raise ValueError(f"width must be odd, not {width}")
    half = width // 2
    padded = _mirror(x, half, axis)
    out = np.empty_like(x)
    rows, columns = x.shape
    if axis == 0:
        # Columns are independent: narrow stripes keep all lanes of a block in the cache.
        step_r, step_c = 16, min(columns, _BLOCK_VALUES // 16)
    else:
        step_r, step_c = max(1, _BLOCK_VALUES // columns), columns
    network = median_network(width)
    for r in range(0, rows, step_r):
        for c in range(0, columns, step_c):
            height, breadth = min(step_r, rows - r), min(step_c, columns - c)
            lanes = [
                padded[r + i : r + i + height, c : c + breadth].copy()
                if axis == 0
                else padded[r : r + height, c + i : c + i + breadth].copy()
                for i in range(width)
            ]
            spare = np.empty_like(lanes[0])
            for low, high in network:
                a, b = lanes[low], lanes[high]
                np.minimum(a, b, out=spare)
                np.maximum(a, b, out=b)
                lanes[low], spare = spare, a
            out[r : r + height, c : c + breadth] = lanes[half]
    return out


def _mirror(x: FloatArray, half: int, axis: int) -> FloatArray:
    """Extend both ends of an axis by ``half`` mirrored values (repeated mirrors where the axis is short)."""
    widths = [(0, 0), (0, 0)]
    widths[axis] = (half, half)
    return np.pad(x, widths, mode="symmetric")
