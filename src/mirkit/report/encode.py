"""Curves made small enough for a page: as many values as a wide screen has, a byte each, as base64."""

import base64
import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: Values along time that a page keeps of a curve: a screen is not wider, and one may look closer by a factor of two.
MOST = 3000


def grouped(rows: Array, most: int = MOST) -> tuple[Array, int]:
    """Mean of as many consecutive rows as it takes to have at most ``most``; and how many that is.

    Parameters
    ----------
    rows : array, shape=(n, ...)
        NaN does not count; a group of nothing else is NaN.
    """
    size = max(1, math.ceil(len(rows) / most))
    if size == 1:
        return rows.astype(np.float64), 1
    starts = np.arange(0, len(rows), size)
    there = np.isfinite(rows)
    count = np.add.reduceat(there, starts, axis=0, dtype=np.int64)
    total = np.add.reduceat(np.where(there, rows, 0).astype(np.float64), starts, axis=0)
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, total / count, np.nan), size


def steps(values: Array, low: float, high: float) -> str:
    """Values as bytes 1 to 255 from ``low`` to ``high``, 0 where there is none; in base64, row after row."""
    with np.errstate(invalid="ignore"):
        scaled = 1 + np.rint(254 * np.clip((values - low) / (high - low), 0, 1))
    return text(np.where(np.isfinite(scaled), scaled, 0).astype(np.uint8))


def text(array: Array) -> str:
    """Bytes of an array as base64."""
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
