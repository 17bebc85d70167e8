"""The range that a conditioner should use for a feature, from its values."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mirkit.catalog import FeatureSpec
from mirkit.dataset.scales import MIN_TRACKS_PERCENTILE, Column, from_logit, to_scale

PERCENTILES = (0.5, 5.0, 25.0, 50.0, 75.0, 95.0, 99.5)
#: Significant digits of a range, and half width of the range of a constant feature, as a share of its value.
_DIGITS, _MIN_MARGIN = 3, 0.05


@dataclass(frozen=True)
class Range:
    """The range of a conditioner.

    Attributes
    ----------
    min_val, max_val : float
        In the feature's unit, for percentiles 0 and 1; ``min_val`` is smaller.
    scale : str
        What the conditioner should use, of the values and of the range: ``log`` decimal logarithms, ``logit`` log odds,
        ``percentile`` percentiles of the set's own values.
    """

    min_val: float
    max_val: float
    scale: Literal["linear", "log", "logit", "percentile"] = "linear"


def conditioner_range(values: Column, row: FeatureSpec, tracks: int = 0) -> Range | None:
    """Propose a range for a conditioner: P0.5 to P99.5, rounded outwards to three digits, within the catalog's bounds.

    Parameters
    ----------
    values : array, shape=(tracks,)
        Known values of one feature.
    row : FeatureSpec
        Its row of the catalog.
    tracks : int
        Number of tracks of the set; from 50 on, a feature whose scale is log odds gets percentiles, with the range 0 to
        1.

    Returns
    -------
    Range or None
        None without values. A constant feature gets a range around its value, a flag always 0 to 1.
    """
    if row.kind == "flag":
        return Range(0.0, 1.0)
    log = row.scale == "log"
    usable = values[values > 0] if log else values
    if not len(usable):
        return None
    if row.scale == "logit" and tracks >= MIN_TRACKS_PERCENTILE and usable.min() < usable.max():
        return Range(0.0, 1.0, "percentile")
    low, high = (float(value) for value in np.percentile(usable, (PERCENTILES[0], PERCENTILES[-1])))
    if low == high:
        margin = abs(low) * _MIN_MARGIN or _MIN_MARGIN
        low, high = low - margin, high + margin
    low, high = (float(within_range(end, row)) for end in (_rounded(low, math.floor), _rounded(high, math.ceil)))
    if low >= high:  # all values are outside the valid range
        return None
    if log and low <= 0:
        low = high / 10
    if row.scale == "logit":
        low, high = (float(end) for end in from_logit(to_scale(np.array([low, high]), row), row))
        if low >= high:  # both beyond the odds that are told apart
            return None
    return Range(low, high, row.scale)


def _rounded(value: float, direction: Callable[[float], int]) -> float:
    """Round to three significant digits, up or down."""
    if value == 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(abs(value))) - _DIGITS + 1)
    steps = value / step
    nearest = round(steps)
    # A value with at most three digits is kept.
    rounded = nearest if abs(steps - nearest) < 1e-9 else direction(steps)
    return float(f"{rounded * step:.{_DIGITS}g}")


def within_range(numbers: Any, row: FeatureSpec) -> Any:
    """Limit numbers to the catalog's range."""
    return np.clip(numbers, row.low, row.high) if (row.low, row.high) != (None, None) else numbers


def is_within_range(number: float, row: FeatureSpec) -> bool:
    """Return whether a number is in the catalog's range."""
    return (row.low is None or number >= row.low) and (row.high is None or number <= row.high)
