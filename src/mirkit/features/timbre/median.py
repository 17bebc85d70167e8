"""Sliding median of 31 rows by a comparison network: no branches, so whole vectors of columns go through at once."""

from functools import cache

import numpy as np
import numpy.typing as npt
from numba import njit

from mirkit.features.types import FloatArray

SIZE = 31
REACH = SIZE // 2

#: Windows that share one network. They have 16 rows in common, which are sorted once.
_GROUP = 16
#: Columns that go through the network together.
_COLUMNS = 192

_MIN, _MAX = 0, 1
# Wires of the network: an input row, or the smaller or larger of two wires.
_Wire = int


def sliding_median(rows: FloatArray) -> npt.NDArray[np.float32]:
    """Median over every 31 consecutive rows.

    Parameters
    ----------
    rows : float32 array, shape=(n + 30, m)
        Without NaN.

    Returns
    -------
    float32 array, shape=(n, m)
    """
    steps, outputs, slots = _network()
    n = len(rows) - 2 * REACH
    out = np.empty((n, rows.shape[1]), np.float32)
    _run(rows, steps, outputs, np.empty((slots, _COLUMNS), np.float32), out)
    return out


class _Builder:
    """Network under construction: wire ``i`` is input row ``i``, or what step ``i - inputs`` gives."""

    def __init__(self, inputs: int) -> None:
        self.inputs = inputs
        self.steps: list[tuple[int, _Wire, _Wire]] = []

    def exchange(self, a: _Wire, b: _Wire) -> tuple[_Wire, _Wire]:
        first = self.inputs + len(self.steps)
        self.steps += [(_MIN, a, b), (_MAX, a, b)]
        return first, first + 1

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
        """Medians of the windows ``first``...``first + count - 1``, which begin at those rows.

        ``kept`` is sorted: of the rows that all these windows share, those that can still be a median, which is the
        one of that ``rank`` among them and the ``count - 1`` rows that each window has to itself.
        """
        missing = count - 1
        low = max(0, rank - missing)
        kept, rank = kept[low : rank + 1], rank - low
        if count == 1:
            return kept
        half = count // 2
        below = self.sort(list(range(first + half - 1, first + count - 1)))
        above = self.sort(list(range(first + SIZE, first + SIZE + half)))
        return self.medians(self.merge(kept, below), rank, first, half) + self.medians(
            self.merge(kept, above), rank, first + half, half
        )


@cache
def _network() -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], int]:
    """Steps (kind, target, a, b) over slots, the slots of the outputs, and how many slots there are.

    A wire's slot is free for another one after its last use, so that all slots stay in the processor's first cache.
    """
    builder = _Builder(_GROUP + SIZE - 1)
    shared = builder.sort(list(range(_GROUP - 1, SIZE)))
    outputs = builder.medians(shared, REACH, 0, _GROUP)
    inputs, steps = builder.inputs, builder.steps

    last_use = dict.fromkeys(outputs, len(steps))
    for i in range(len(steps) - 1, -1, -1):
        if inputs + i in last_use:
            for wire in steps[i][1:]:
                last_use.setdefault(wire, i)
    slot = {wire: wire for wire in range(inputs)}
    free = [wire for wire in range(inputs) if wire not in last_use]
    size = inputs
    program = []
    for i, (kind, a, b) in enumerate(steps):
        if inputs + i not in last_use:
            continue
        # Never onto an operand: arrays that overlap are not vectorised.
        if not free:
            free, size = [size], size + 1
        slot[inputs + i] = free.pop()
        program.append((kind, slot[inputs + i], slot[a], slot[b]))
        free += [slot[wire] for wire in (a, b) if last_use[wire] == i]
    return np.array(program, np.int32), np.array([slot[wire] for wire in outputs], np.int32), size


@njit(cache=True)
def _run(rows, steps, outputs, slots, out):  # type: ignore[no-untyped-def]
    n, m = out.shape
    parts = -(-m // slots.shape[1])
    for part in range(parts):
        left, right = m * part // parts, m * (part + 1) // parts
        width = right - left
        for first in range(0, n, len(outputs)):
            # Behind the end the last row is repeated; what it leads to is not kept.
            for i in range(len(outputs) + 30):
                source = rows[min(first + i, len(rows) - 1), left:right]
                for j in range(width):
                    slots[i, j] = source[j]
            for k in range(len(steps)):
                kind, target, left_in, right_in = steps[k]
                a, b, c = slots[left_in], slots[right_in], slots[target]
                if kind == 0:
                    for j in range(width):
                        c[j] = a[j] if a[j] < b[j] else b[j]
                else:
                    for j in range(width):
                        c[j] = a[j] if a[j] > b[j] else b[j]
            for i in range(min(len(outputs), n - first)):
                source = slots[outputs[i]]
                for j in range(width):
                    out[first + i, left + j] = source[j]
