"""Which keys say the same: correlation of pairs, and how well all others together predict each."""

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]

#: Least number of tracks that have both keys of a pair.
FEWEST = 8


def correlations(values: Matrix) -> Matrix:
    """Pearson correlation of each pair of columns over the rows that have both.

    Parameters
    ----------
    values : array, shape=(tracks, keys)
        NaN where there is no number.

    Returns
    -------
    array, shape=(keys, keys)
        NaN where fewer than 8 rows have both, or one of the two does not vary there.
    """
    there = np.isfinite(values)
    mask = there.astype(np.float64)
    center = np.array([column[has].mean() if has.any() else 0.0 for column, has in zip(values.T, there.T, strict=True)])
    spread = np.array([column[has].std() if has.any() else 0.0 for column, has in zip(values.T, there.T, strict=True)])
    unit = np.where(there, (values - center) / np.where(spread > 0, spread, 1.0), 0.0)
    count = mask.T @ mask
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (unit.T @ mask) / count  # of the row's key, over the rows that have the column's key too
        variance = np.maximum((np.square(unit).T @ mask) / count - np.square(mean), 0.0)
        covariance = (unit.T @ unit) / count - mean * mean.T
        found: Matrix = covariance / np.sqrt(variance * variance.T)
    varies = (variance > 1e-12) & (variance.T > 1e-12)
    return np.where((count >= FEWEST) & varies, np.clip(found, -1, 1), np.nan)


def inflation(values: Matrix) -> Matrix:
    """Variance inflation factor of each column: 1 / (1 - R²) of its regression on all others. Above 10 is redundant.

    A missing number counts as its column's median.

    Parameters
    ----------
    values : array, shape=(tracks, keys)
        NaN where there is no number.

    Returns
    -------
    array, shape=(keys,)
        1 and more; ``inf`` for a column that the others give exactly. NaN for a column that fewer than half the rows
        have, or that does not vary; all NaN with fewer than three times as many rows as such columns.
    """
    result = np.full(values.shape[1], np.nan)
    there = np.isfinite(values)
    used = np.flatnonzero(there.mean(axis=0) >= 0.5) if len(values) else np.zeros(0, np.int64)
    filled = np.array([np.where(there[:, j], values[:, j], np.median(values[there[:, j], j])) for j in used]).T
    if not len(used) or len(values) < 3 * len(used):
        return result
    spread = filled.std(axis=0)
    varies = spread > 1e-12 * np.maximum(np.abs(filled).max(axis=0), 1e-300)
    used, filled, spread = used[varies], filled[:, varies], spread[varies]
    unit = (filled - filled.mean(axis=0)) / spread
    strengths, directions = np.linalg.eigh(unit.T @ unit / len(unit))
    lost = strengths < 1e-10
    factors = (np.square(directions[:, ~lost]) / strengths[~lost]).sum(axis=1)
    exact = np.square(directions[:, lost]).sum(axis=1) > 1e-6
    result[used] = np.where(exact, np.inf, np.maximum(factors, 1.0))
    return result
