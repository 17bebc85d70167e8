"""Sliding median of rows, by a branch-free comparison network that is vectorized over columns.

Derivation: docs/development/kernels.md.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

from mirkit.features.kernels.kernel import kernel
from mirkit.features.types import FloatArray

#: Number of windows that share one network. The rows that they have in common are sorted once.
_GROUP = 16
#: Number of columns that are processed together.
_COLUMNS = 192

# A wire of the network: an input row, or the lower or higher of two wires.
_Wire = int


def sliding_median(rows: FloatArray, size: int) -> npt.NDArray[np.float32]:
    """Median over every ``size`` consecutive rows.

    Parameters
    ----------
    rows : float32 array, shape=(n + size - 1, m)
        Without NaN.
    size : int
        Odd, at least 17.

    Returns
    -------
    float32 array, shape=(n, m)
    """
    steps, outputs, slots = _network(size)
    out = np.empty((len(rows) - size + 1, rows.shape[1]), np.float32)
    _run(rows, size, steps, outputs, np.empty(slots * _COLUMNS, np.float32), out)
    return out


class _Builder:
    """Builds the network: wire ``i`` is input row ``i``, and each exchange adds two wires, lower and higher."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.inputs = _GROUP + size - 1
        self.exchanges: list[tuple[_Wire, _Wire]] = []

    def exchange(self, a: _Wire, b: _Wire) -> tuple[_Wire, _Wire]:
        low = self.inputs + 2 * len(self.exchanges)
        self.exchanges.append((a, b))
        return low, low + 1

    def sort(self, wires: list[_Wire]) -> list[_Wire]:
        if len(wires) < 2:
            return wires
        half = len(wires) // 2
        return self.merge(self.sort(wires[:half]), self.sort(wires[half:]))

    def merge(self, a: list[_Wire], b: list[_Wire]) -> list[_Wire]:
        """Batcher's odd-even merge of two sorted lists of any lengths."""
        if not a or not b:
            return a + b
        if len(a) == len(b) == 1:
            return list(self.exchange(a[0], b[0]))
        even, odd = self.merge(a[::2], b[::2]), self.merge(a[1::2], b[1::2])
        merged = even[:1]
        for i, low in enumerate(odd):
            merged += self.exchange(low, even[i + 1]) if i + 1 < len(even) else (low,)
        return merged + even[len(odd) + 1 :]

    def medians(self, kept: list[_Wire], rank: int, first: int, count: int) -> list[_Wire]:
        """Return the medians of the windows that begin at the rows ``first``...``first + count - 1``.

        ``kept`` holds, in sorted order, the rows that all these windows share and that can still be a median. The
        median of a window has this ``rank`` among ``kept`` and the ``count - 1`` rows of the window that are not
        shared.
        """
        low = max(0, rank - (count - 1))
        kept, rank = kept[low : rank + 1], rank - low
        if count == 1:
            return kept
        half = count // 2
        below = self.sort(list(range(first + half - 1, first + count - 1)))
        above = self.sort(list(range(first + self.size, first + self.size + half)))
        return self.medians(self.merge(kept, below), rank, first, half) + self.medians(
            self.merge(kept, above), rank, first + half, half
        )


@cache
def _network(size: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64], int]:
    """Steps (kind, low, high, a, b) over slots, the slots of the outputs, and how many slots there are.

    Kind 0 writes the smaller of a and b to low and the larger to high; kind 1 writes only the smaller, kind 2 only the
    larger. A slot is reused after its last use, so that all slots fit in the L1 cache.
    """
    if size % 2 == 0 or size <= _GROUP:
        raise ValueError(f"size must be odd and more than {_GROUP}, not {size}")
    builder = _Builder(size)
    shared = builder.sort(list(range(_GROUP - 1, size)))
    outputs = builder.medians(shared, size // 2, 0, _GROUP)
    inputs, exchanges = builder.inputs, builder.exchanges

    last_use = dict.fromkeys(outputs, len(exchanges))
    for e in range(len(exchanges) - 1, -1, -1):
        low = inputs + 2 * e
        if low in last_use or low + 1 in last_use:
            for wire in exchanges[e]:
                last_use.setdefault(wire, e)
    slot = {wire: wire for wire in range(inputs)}
    free = [wire for wire in range(inputs) if wire not in last_use]
    slots = inputs
    steps = []
    for e, (a, b) in enumerate(exchanges):
        low = inputs + 2 * e
        made = [wire for wire in (low, low + 1) if wire in last_use]
        if not made:
            continue
        # The result never overwrites an operand, because overlapping arrays are not vectorized.
        for wire in made:
            if not free:
                free, slots = [slots], slots + 1
            slot[wire] = free.pop()
        kind = 0 if len(made) == 2 else made[0] - low + 1
        steps.append((kind, slot.get(low, 0), slot.get(low + 1, 0), slot[a], slot[b]))
        free += [slot[wire] for wire in (a, b) if last_use[wire] == e]
    return np.array(steps, np.uint64), np.array([slot[wire] for wire in outputs], np.uint64), slots


# Indices are unsigned: for signed ones, numba adds a branch for negative indices, which prevents vectorization.
@kernel()
def _run(rows, size, steps, outputs, slots, out):  # type: ignore[no-untyped-def]
    n, m = out.shape
    parts = -(-m // _COLUMNS)
    stride = np.uint64(_COLUMNS)
    for part in range(parts):
        left, right = m * part // parts, m * (part + 1) // parts
        width = np.uint64(right - left)
        for first in range(0, n, len(outputs)):
            # The last row is repeated after the end; the results of these rows are discarded.
            for i in range(len(outputs) + size - 1):
                row = rows[min(first + i, len(rows) - 1)]
                for j in range(right - left):
                    slots[i * _COLUMNS + j] = row[left + j]
            for k in range(len(steps)):
                kind = steps[k, 0]
                low, high = steps[k, 1] * stride, steps[k, 2] * stride
                a, b = steps[k, 3] * stride, steps[k, 4] * stride
                if kind == 0:
                    for j in range(width):
                        x, y = slots[a + j], slots[b + j]
                        slots[low + j] = x if x < y else y
                        slots[high + j] = y if x < y else x
                elif kind == 1:
                    for j in range(width):
                        x, y = slots[a + j], slots[b + j]
                        slots[low + j] = x if x < y else y
                else:
                    for j in range(width):
                        x, y = slots[a + j], slots[b + j]
                        slots[high + j] = y if x < y else x
            for i in range(min(len(outputs), n - first)):
                at = outputs[i] * stride
                row = out[first + i]
                for j in range(right - left):
                    row[left + j] = slots[at + np.uint64(j)]
