"""Which range a trainer's conditioner should be given for a key: from the data, never empty, within what is valid."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from mirkit.catalog import FeatureSpec

#: Percentiles of the data that become the range.
LOW, HIGH = 0.5, 99.5
_DIGITS = 3
#: Half the width, as a share of the value, of a range about data that do not vary.
_NARROWEST = 0.05


@dataclass(frozen=True)
class Range:
    """A conditioner's range.

    Attributes
    ----------
    min_val, max_val : float
        In the key's own unit; ``min_val`` is smaller.
    scale : str
        ``log``: give the conditioner the decimal logarithm, and the logarithms of these two.
    """

    min_val: float
    max_val: float
    scale: Literal["linear", "log"] = "linear"


def conditioner_range(values: npt.NDArray[np.float64], key: FeatureSpec) -> Range | None:
    """Propose a range: P0.5 to P99.5 of the data, rounded outwards to three digits, within the catalog's bounds.

    Parameters
    ----------
    values : array, shape=(tracks,)
        Numbers of one key, none missing.
    key : Key
        Its row of the catalog.

    Returns
    -------
    Range or None
        None without any data. Data that do not vary get a range about them; flags always 0 to 1.
    """
    if key.kind == "flag":
        return Range(0.0, 1.0)
    log = key.scale == "log"
    usable = values[values > 0] if log else values
    if not len(usable):
        return None
    low, high = (float(value) for value in np.percentile(usable, (LOW, HIGH)))
    if low == high:
        about = abs(low) * _NARROWEST or _NARROWEST
        low, high = low - about, high + about
    low, high = _within(_rounded(low, math.floor), key), _within(_rounded(high, math.ceil), key)
    if low >= high:  # all of it lies outside what is valid
        return None
    if log and low <= 0:
        low = high / 10
    return Range(low, high, key.scale)


def _rounded(value: float, direction: Callable[[float], int]) -> float:
    """Round to three significant digits, up or down."""
    if value == 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(abs(value))) - _DIGITS + 1)
    steps = value / step
    nearest = round(steps)
    # A value that has three digits already stays.
    whole = nearest if abs(steps - nearest) < 1e-9 else direction(steps)
    return float(f"{whole * step:.{_DIGITS}g}")


def _within(value: float, key: FeatureSpec) -> float:
    low = -math.inf if key.low is None else float(key.low)
    high = math.inf if key.high is None else float(key.high)
    return min(max(value, low), high)
