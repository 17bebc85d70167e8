"""What the numbers of a data set look like, key by key, and what is wrong with them as conditioning."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mirkit.catalog import FeatureSpec, feature
from mirkit.dataset.correlation import correlations, inflation
from mirkit.dataset.ranges import Range, conditioner_range
from mirkit.dataset.table import Table
from mirkit.store import round6

PERCENTILES = (0.5, 5.0, 25.0, 50.0, 75.0, 95.0, 99.5)
#: Keys that correlate by at least this much are nearly the same.
ALIKE = 0.97
LARGEST_VIF = 1e6
_BINS = 24
#: An outlier lies further than this many interquartile ranges beyond the quartiles.
_FENCE = 3.0
_NAMED_OUTLIERS = 10
_FEWEST_FOR_OUTLIERS = 8
#: Stages whose numbers are comparable only when one method made all of them.
METHOD_STAGES = ("separate", "beats", "danceability", "aesthetics")

Column = npt.NDArray[np.float64]


@dataclass(frozen=True)
class KeyStatistics:
    """One key over all tracks.

    Attributes
    ----------
    key : str
    count : int
        Tracks that have a number.
    coverage : float
        Share of the tracks that have one.
    nulls : dict
        Why there is none -> number of tracks.
    mean, std, low, high : float or None
        Of the numbers; None without any.
    percentiles : dict
        ``"0.5"`` ... ``"99.5"`` -> value.
    outside : float
        Share of the numbers outside the catalog's range.
    constant : bool
        P0.5 and P99.5 are the same: as conditioning it says nothing.
    counts : dict
        Of a flag: value -> number of tracks.
    edges, histogram : tuple
        24 bins between P0.5 and P99.5, evenly wide (in the logarithm for ``scale=log``).
    outliers : int
        Tracks further than three interquartile ranges beyond the quartiles.
    extreme : tuple of (str, float)
        The ten most extreme of them: track and value.
    alike : tuple of (str, float)
        Keys that correlate with it by 0.97 or more, and by how much.
    vif : float or None
        Variance inflation factor, at most a million: the other keys give it exactly. None where it cannot be told.
    range : Range or None
        Proposal for a conditioner.
    """

    key: str
    count: int
    coverage: float
    nulls: Mapping[str, int]
    mean: float | None = None
    std: float | None = None
    low: float | None = None
    high: float | None = None
    percentiles: Mapping[str, float] = field(default_factory=dict)
    outside: float = 0.0
    constant: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)
    edges: tuple[float, ...] = ()
    histogram: tuple[int, ...] = ()
    outliers: int = 0
    extreme: tuple[tuple[str, float], ...] = ()
    alike: tuple[tuple[str, float], ...] = ()
    vif: float | None = None
    range: Range | None = None


@dataclass(frozen=True)
class Statistics:
    """All keys, and what concerns the data set as a whole.

    Attributes
    ----------
    tracks : int
        Tracks (or clips) that were read.
    keys : tuple of KeyStatistics
    mixed : dict
        Stage -> method -> number of tracks, where there is more than one method.
    classes : dict
        Fact (key, mode, meter) -> value -> number of tracks.
    excluded : dict
        Track -> why it is left out.
    unreadable : tuple of str
    unmeasured : int
        Tracks among them without any key.
    """

    tracks: int
    keys: tuple[KeyStatistics, ...]
    mixed: Mapping[str, Mapping[str, int]]
    classes: Mapping[str, Mapping[str, int]]
    excluded: Mapping[str, str]
    unreadable: tuple[str, ...]
    unmeasured: int


def statistics(table: Table) -> Statistics:
    """Summarize a table."""
    rows = [feature(name) for name in table.keys]
    columns = scaled(table)
    alike, vif = correlations(columns), inflation(columns)
    return Statistics(
        len(table.names),
        tuple(_of_key(table, i, rows[i], alike[i], vif[i]) for i in range(len(rows))),
        {stage: dict(table.methods[stage]) for stage in METHOD_STAGES if len(table.methods.get(stage, ())) > 1},
        {name: dict(counts.most_common()) for name, counts in table.classes.items()},
        table.excluded,
        tuple(table.unreadable),
        table.unmeasured,
    )


def scaled(table: Table) -> Column:
    """Numbers of a table, the logarithms of those keys whose scale is logarithmic; shape=(tracks, keys)."""
    rows = [feature(name) for name in table.keys]
    return np.stack([_scaled(column, row) for column, row in zip(table.values.T, rows, strict=True)], axis=1)


def as_json(found: Statistics) -> dict[str, Any]:
    """The same as plain JSON, the keys by name, numbers of six digits."""
    told: dict[str, Any] = _plain(asdict(found))
    return told | {"keys": {row.pop("key"): row for row in told["keys"]}}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return round6(value) if isinstance(value, float) else value


def _scaled(column: Column, row: FeatureSpec) -> Column:
    """Logarithm of a key whose scale is logarithmic; what has none is missing."""
    if row.scale != "log":
        return column
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(column > 0, np.log10(column), np.nan)


def _of_key(table: Table, index: int, row: FeatureSpec, related: Column, vif: float) -> KeyStatistics:
    column = table.values[:, index]
    there = np.isfinite(column)
    numbers = column[there]
    nulls = dict(table.nulls[row.name].most_common()) if row.name in table.nulls else {}
    if not len(numbers):
        return KeyStatistics(row.name, 0, 0.0, nulls)
    percentiles = [float(value) for value in np.percentile(numbers, PERCENTILES)]
    edges, histogram = _histogram(numbers, percentiles[0], percentiles[-1], row)
    far = _far(column, row)
    alike = [j for j in np.argsort(-np.nan_to_num(np.abs(related)), kind="stable") if abs(related[j]) >= ALIKE]
    return KeyStatistics(
        row.name,
        len(numbers),
        len(numbers) / len(column),
        nulls,
        float(numbers.mean()),
        float(numbers.std()),
        float(numbers.min()),
        float(numbers.max()),
        {f"{p:g}": value for p, value in zip(PERCENTILES, percentiles, strict=True)},
        float(np.mean(~_valid(numbers, row))),
        percentiles[0] == percentiles[-1],
        {f"{value:g}": int(np.sum(numbers == value)) for value in np.unique(numbers)} if row.kind == "flag" else {},
        edges,
        histogram,
        len(far),
        tuple((table.names[i], float(column[i])) for i in far[:_NAMED_OUTLIERS]),
        tuple((table.keys[j], float(related[j])) for j in alike if j != index),
        None if np.isnan(vif) else min(float(vif), LARGEST_VIF),
        conditioner_range(numbers[_valid(numbers, row)], row),
    )


def _valid(numbers: Column, row: FeatureSpec) -> npt.NDArray[np.bool_]:
    """Whether numbers lie within the catalog's range."""
    low = -np.inf if row.low is None else row.low
    high = np.inf if row.high is None else row.high
    within: npt.NDArray[np.bool_] = (numbers >= low) & (numbers <= high)
    return within


def _histogram(numbers: Column, low: float, high: float, row: FeatureSpec) -> tuple[tuple[float, ...], tuple[int, ...]]:
    if low == high:
        return (), ()
    log = row.scale == "log" and low > 0
    edges = np.geomspace(low, high, _BINS + 1) if log else np.linspace(low, high, _BINS + 1)
    edges[0], edges[-1] = low, high
    counts, _ = np.histogram(numbers, edges)
    return tuple(edges.tolist()), tuple(counts.tolist())


def _far(column: Column, row: FeatureSpec) -> npt.NDArray[np.int64]:
    """Rows of the outliers, the most extreme first."""
    scaled = _scaled(column, row)
    there = np.isfinite(scaled)
    if row.kind == "flag" or np.count_nonzero(there) < _FEWEST_FOR_OUTLIERS:
        return np.zeros(0, np.int64)
    low, high = np.percentile(scaled[there], (25, 75))
    beyond = np.where(there, np.maximum(low - scaled, scaled - high), -np.inf)
    far = np.flatnonzero(beyond > _FENCE * (high - low)) if high > low else np.zeros(0, np.int64)
    order: npt.NDArray[np.int64] = far[np.argsort(-beyond[far], kind="stable")]
    return order
