"""Monotone forms of features, for statistics and conditioners, and which features repeat others.

Some features crowd into a small part of their range: half of all music has a ``reverberation`` of 80 to 86. Their
values stay as their definitions say; statistics and conditioners use the log odds, which spread such values, and
conditioners of larger sets the percentile among the set's own values.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from mirkit.catalog import FeatureSpec, feature

#: Least number of tracks for percentiles of the set's own values.
MIN_TRACKS_PERCENTILE = 50
#: Least number of tracks with both features of a pair, for a correlation.
MIN_TRACKS = 8
#: Features are duplicates if their rank correlation reaches the second value in a set of at least so many tracks.
ALIKE = ((30, 0.9), (MIN_TRACKS, 0.97))
#: Log odds are those of a share limited to this and 1 minus this.
_LEAST_SHARE = 0.01
_KNOTS = 101

Column = npt.NDArray[np.float64]


def to_scale(values: Column, row: FeatureSpec) -> Column:
    """Convert values of a feature to its scale: unchanged, decimal logarithms, or log odds.

    Parameters
    ----------
    values : array
        NaN where unknown.
    row : FeatureSpec

    Returns
    -------
    array
        NaN also for values without a logarithm.

    Examples
    --------
    >>> to_scale(np.array([50.0, 86.0]), feature("reverberation")).round(2)
    array([0.  , 1.82])
    """
    if row.scale == "log":
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(values > 0, np.log10(values), np.nan)
    if row.scale == "logit" and row.low is not None and row.high is not None:
        share = np.clip((values - row.low) / (row.high - row.low), _LEAST_SHARE, 1 - _LEAST_SHARE)
        odds: Column = np.log(share / (1 - share))
        return odds
    return values


def from_logit(odds: Column, row: FeatureSpec) -> Column:
    """Convert log odds back to values of a feature."""
    low, high = row.low or 0.0, row.high or 1.0
    values: Column = low + (high - low) / (1 + np.exp(-np.asarray(odds)))
    return values


@dataclass(frozen=True)
class Percentiles:
    """The percentiles of a set's own values, 0 to 1, as a monotone function of the value.

    Attributes
    ----------
    values, shares : tuple of float
        Ascending values, and the share of the set that is at or below each; linear between them.
    """

    values: tuple[float, ...]
    shares: tuple[float, ...]

    @classmethod
    def of(cls, values: Column) -> Self:
        """Compute the percentiles of known values; equal values get the middle of their ranks."""
        knots = np.quantile(values, np.linspace(0, 1, _KNOTS))
        distinct, place, count = np.unique(knots, return_index=True, return_counts=True)
        shares = (place + (count - 1) / 2) / (_KNOTS - 1)
        return cls(tuple(distinct.tolist()), tuple(shares.tolist()))

    def __call__(self, value: float) -> float:
        """Return the percentile of a value, 0 to 1."""
        return float(np.interp(value, self.values, self.shares))


def ranks(values: Column) -> Column:
    """Ranks of the known values in each column, equal values sharing theirs; NaN stays."""
    out = np.full(values.shape, np.nan)
    for j, column in enumerate(values.T):
        known = np.flatnonzero(np.isfinite(column))
        _, inverse, count = np.unique(column[known], return_inverse=True, return_counts=True)
        last = np.cumsum(count)
        out[known, j] = (last - (count - 1) / 2)[inverse]
    return out


def correlations(values: Column) -> Column:
    """Compute the Pearson correlation of each pair of columns, over the rows that have both.

    Parameters
    ----------
    values : array, shape=(tracks, features)
        NaN where unknown.

    Returns
    -------
    array, shape=(features, features)
        NaN if fewer than 8 rows have both features, or one of them is constant in those rows.
    """
    known = np.isfinite(values)
    mask = known.astype(np.float64)
    center = np.array([column[has].mean() if has.any() else 0.0 for column, has in zip(values.T, known.T, strict=True)])
    spread = np.array([column[has].std() if has.any() else 0.0 for column, has in zip(values.T, known.T, strict=True)])
    unit = np.where(known, (values - center) / np.where(spread > 0, spread, 1.0), 0.0)
    count = mask.T @ mask
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (unit.T @ mask) / count  # mean of the row's feature over tracks that also have the column's feature
        variance = np.maximum((np.square(unit).T @ mask) / count - np.square(mean), 0.0)
        covariance = (unit.T @ unit) / count - mean * mean.T
        correlation: Column = covariance / np.sqrt(variance * variance.T)
    varies = (variance > 1e-12) & (variance.T > 1e-12)
    return np.where((count >= MIN_TRACKS) & varies, np.clip(correlation, -1, 1), np.nan)


def least_correlation(tracks: int) -> float:
    """Rank correlation from which two features of a set are duplicates; more than 1 for a set that is too small."""
    return next((least for count, least in ALIKE if tracks >= count), math.inf)


def duplicates(names: Sequence[str], values: Column, tracks: int) -> dict[str, str]:
    """Find the features that repeat another one.

    Parameters
    ----------
    names : sequence of str
        Columns: names of features, in the order of the catalog.
    values : array, shape=(rows, features)
        NaN where unknown.
    tracks : int
        Number of tracks that the rows describe.

    Returns
    -------
    dict
        Feature's name -> the feature that it repeats and that is kept, with the reason: ``onset_density, times the
        length`` or ``onset_density (rank correlation -0.99)``.
    """
    known = {name for name, column in zip(names, values.T, strict=True) if np.isfinite(column).any()}
    found = {name: f"{feature(name).repeats}, times the length" for name in names if feature(name).repeats in known}
    least = least_correlation(tracks)
    if least > 1:
        return found
    related = correlations(ranks(values))
    for i, name in enumerate(names):
        if name in found:
            continue
        kept = (j for j in range(i) if names[j] not in found and abs(related[i, j]) >= least)
        if (twin := next(kept, None)) is not None:
            found[name] = f"{names[twin]} (rank correlation {related[i, twin]:.2f})"
    return found
