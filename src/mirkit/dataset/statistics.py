"""The features of a data set as a table, and its statistics: distributions, correlations, ranges for conditioners."""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mirkit.catalog import CATEGORIES, FEATURES, REQUESTED, FeatureSpec, feature
from mirkit.dataset.library import FIELDS, NUMBER_KEYS, Library
from mirkit.dataset.library.row import NOT_MEASURED
from mirkit.dataset.query import Query, fields_in
from mirkit.dataset.ranges import PERCENTILES, Range, conditioner_range, within_range
from mirkit.dataset.scales import (
    Column,
    correlations,
    duplicates,
    least_correlation,
    ranks,
    to_scale,
)
from mirkit.dataset.selection import condition, nothing_found, parse_where, sound
from mirkit.errors import MissingInput, printable
from mirkit.store import round6

#: Descriptors whose values are counted.
CLASSES = tuple(row.name for row in CATEGORIES)


@dataclass
class Table:
    """Features of many tracks.

    Attributes
    ----------
    keys : tuple of str
        Columns: names of features.
    names : list of str
        Rows: paths of tracks, relative to the folder that was read.
    values : float64 array, shape=(tracks, features)
        NaN where unknown.
    nulls : dict
        Feature -> reason why it is unknown -> number of tracks.
    methods : dict
        Stage -> method -> number of tracks.
    classes : dict
        Descriptor that is a category -> value -> number of tracks.
    excluded : dict
        Track -> why the user excluded it; excluded tracks have no row.
    unreadable : list of str
        A line for each track whose sidecars are damaged.
    unusable : dict
        Track or folder that cannot be read, or track that failed in the last run and has no values -> why.
    unmeasured : int
        Number of rows without any feature.
    outdated : list of str
        Tracks that have no row, because their audio was replaced since they were measured.
    sources : set of tuple
        The tracks that the rows come from, by key: of clips, those that they were cut from.
    """

    keys: tuple[str, ...]
    names: list[str] = field(default_factory=list)
    values: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0)))
    nulls: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    methods: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    classes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    excluded: dict[str, str] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    unusable: dict[str, str] = field(default_factory=dict)
    unmeasured: int = 0
    outdated: list[str] = field(default_factory=list)
    sources: set[tuple[bytes, str]] = field(default_factory=set)


def read_table(path: Path, *, crops: bool = False, where: str = "") -> Table:
    """Read the features of every track at or below a folder, or of their clips.

    Parameters
    ----------
    path : Path
        A folder of tracks, a track, or a loose file.
    crops : bool
        Clips instead of tracks.
    where : str
        Query of ``--where``: only the tracks, or the clips, that it finds.

    Raises
    ------
    MissingInput
        There is no track, or no clip.
    SettingsError
        The settings file or the query is wrong.
    """
    query = parse_where(where)
    with Library.open(path) as library:
        table = sound(library, lambda: _read(library, query, crops=crops), table="clips" if crops else "tracks")
    if query.condition and not (table.names or table.outdated):
        raise nothing_found(path, where)
    if not (table.names or table.excluded or table.unreadable or table.unusable or table.outdated):
        which = "clip in this folder; cut clips with: mirkit crop" if crops else "track in this folder"
        raise MissingInput(f"{printable(path)}: there is no {which}")
    never = set()
    numbers = (row.name for row in REQUESTED if row.is_number)
    for name in numbers:  # the library has no reason for a value whose stage has not run
        known = np.isfinite(table.values[:, table.keys.index(name)]).sum() + table.nulls[name].total()
        if not known:
            never.add(name)
        elif known < len(table.names):
            table.nulls[name][NOT_MEASURED] += int(len(table.names) - known)
    return _without(table, never)


def _without(table: Table, names: Collection[str]) -> Table:
    """Leave out columns: those of stages on request that have run on no track."""
    kept = [i for i, name in enumerate(table.keys) if name not in names]
    for name in names:
        table.nulls.pop(name, None)
    return replace(table, keys=tuple(table.keys[i] for i in kept), values=table.values[:, kept])


#: Columns of the library that a table is made of.
_COLUMNS = (
    "_key",
    "excluded",
    "problem",
    "failed",
    "outdated",
    "_cut",
    "_unmeasured",
    "_numbers",
    "reasons",
    "methods",
)


def _read(library: Library, query: Query, *, crops: bool) -> Table:
    """Read the rows of the tracks, or of the clips of tracks that are not excluded."""
    keys = tuple(name for name in NUMBER_KEYS if crops or feature(name).stage != "crop")
    table = Table(keys, unreadable=list(library.problems))
    table.unusable = {os.path.relpath(one.path, library.scope): one.line for one in library.unread}
    sources = library.clip_sources() if crops else None
    parts: list[bytes] = []
    # Most tracks lack the same values for the same reasons, and were computed by the same methods.
    reasons: Counter[str] = Counter()
    methods: Counter[str] = Counter()
    columns = [*_COLUMNS, *(FIELDS[name].column for name in CLASSES)]
    found = condition(query) if query.condition else ("", ())
    wanted = bool(fields_in(query) & {"state", "outdated"})
    for key, why, problem, failed, replaced, cut, unmeasured, numbers, missing, used, *texts in library.rows(
        columns, *found, table="clips" if crops else "tracks"
    ):
        allowed = {""} if sources is None else sources.get(key.rpartition(b"/")[0])
        if allowed is None:
            continue
        name = library.name_of(key)
        if why is not None:
            table.excluded[name] = why
        elif problem is not None and failed is not None:
            table.unusable[name] = library.problem(problem)
        elif problem is not None:
            table.unreadable.append(library.problem(problem))
        elif replaced is not None and cut in allowed and not wanted:
            table.outdated.append(name)
        elif cut in allowed:
            table.names.append(name)
            table.sources.add((key if sources is None else key.rpartition(b"/")[0], cut))
            table.unmeasured += unmeasured and failed is None
            if unmeasured and failed is not None:
                table.unusable[name] = f"{printable(name)}: {next(iter(json.loads(failed).values()))}"
            parts.append(numbers)
            reasons[missing] += 1
            methods[used] += 1
            for category, value in zip(CLASSES, texts, strict=True):
                if value is not None:
                    table.classes[category][value] += 1
    table.values = np.frombuffer(b"".join(parts), "<f8").reshape(-1, len(NUMBER_KEYS))
    if len(table.keys) < len(NUMBER_KEYS):
        table.values = table.values[:, [NUMBER_KEYS.index(key) for key in table.keys]]
    for text, count in reasons.items():
        for key, reason in json.loads(text).items():
            if key in table.keys:
                table.nulls[key][reason] += count
    for text, count in methods.items():
        for stage, method in json.loads(text).items():
            table.methods[stage][method] += count
    return table


LARGEST_VIF = 1e6
_BINS = 24
#: An outlier is further than this many interquartile ranges beyond the quartiles.
_FENCE = 3.0
_NAMED_OUTLIERS = 10
_MIN_FOR_OUTLIERS = 8
#: Stages whose features can be compared between tracks only if the same method computed them.
METHOD_STAGES = ("separate", "beats", "danceability", "aesthetics")


@dataclass(frozen=True)
class FeatureStatistics:
    """Statistics of one feature over all tracks.

    Attributes
    ----------
    key : str
        Name of the feature.
    count : int
        Tracks with a known value.
    coverage : float
        Share of the tracks with a known value.
    nulls : dict
        Reason why the value is unknown -> number of tracks.
    mean, std, low, high : float or None
        Mean, standard deviation, minimum and maximum; None without known values.
    percentiles : dict
        ``"0.5"`` ... ``"99.5"`` -> value.
    outside : float
        Share of the values outside the catalog's range.
    constant : bool
        Whether P0.5 equals P99.5, which makes the feature useless as a conditioner.
    counts : dict
        For a flag: value -> number of tracks.
    edges, histogram : tuple
        24 bins of equal width between P0.5 and P99.5 (in the logarithm for ``scale=log``).
    outliers : int
        Number of tracks that are more than three interquartile ranges beyond the quartiles.
    extreme : tuple of (str, float)
        The ten most extreme outliers: track and value.
    alike : tuple of (str, float)
        Features whose rank correlation with this one is 0.9 or more (0.97 below 30 tracks), and the correlation.
    vif : float or None
        Variance inflation factor; a million means that the other features determine it exactly. None where it is
        undefined.
    range : Range or None
        Proposed range of a conditioner.
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
    """Statistics of a data set.

    Attributes
    ----------
    tracks : int
        Tracks (or clips) that were read.
    keys : tuple of FeatureStatistics
    mixed : dict
        Stage -> method -> number of tracks, for stages with more than one method.
    classes : dict
        Descriptor that is a category -> value -> number of tracks.
    excluded : dict
        Track -> why the user excluded it.
    unreadable : tuple of str
        A line for each track whose sidecars are damaged.
    unmeasured : int
        Number of tracks without any feature, that did not fail.
    outdated : tuple of str
        Tracks that were left out, because their audio was replaced since they were measured.
    duplicates : dict
        Feature's name -> the feature that it repeats, with the reason; conditioners leave it out by default.
    unusable : dict
        Track or folder that cannot be read, or track that failed in the last run and has no values -> why.
    """

    tracks: int
    keys: tuple[FeatureStatistics, ...]
    mixed: Mapping[str, Mapping[str, int]]
    classes: Mapping[str, Mapping[str, int]]
    excluded: Mapping[str, str]
    unreadable: tuple[str, ...]
    unmeasured: int
    outdated: tuple[str, ...] = ()
    duplicates: Mapping[str, str] = field(default_factory=dict)
    unusable: Mapping[str, str] = field(default_factory=dict)


def statistics(table: Table) -> Statistics:
    """Compute the statistics of a table.

    Parameters
    ----------
    table : Table

    Returns
    -------
    Statistics
    """
    rows = [feature(name) for name in table.keys]
    columns = scaled(table)
    alike, vif = correlations(ranks(table.values)), np.full(len(rows), np.nan)
    # Descriptors such as plr, a difference of two others, would inflate the variance of features.
    of_features = [i for i, row in enumerate(rows) if row in FEATURES]
    vif[of_features] = inflation(columns[:, of_features])
    return Statistics(
        len(table.names),
        tuple(_of_feature(table, i, rows[i], alike[i], vif[i]) for i in range(len(rows))),
        {stage: dict(table.methods[stage]) for stage in METHOD_STAGES if len(table.methods.get(stage, ())) > 1},
        {name: dict(counts.most_common()) for name, counts in table.classes.items()},
        table.excluded,
        tuple(table.unreadable),
        table.unmeasured,
        tuple(table.outdated),
        duplicates(table.keys, table.values, len(table.sources)),
        table.unusable,
    )


def _finite(value: float) -> float | None:
    """Return None for a statistic that overflows, as the spread of a number of 300 digits does."""
    return float(value) if np.isfinite(value) else None


def scaled(table: Table) -> Column:
    """Values of a table on the scales of their features, shape=(tracks, features)."""
    columns = zip(table.values.T, map(feature, table.keys), strict=True)
    return np.stack([to_scale(column, row) for column, row in columns], axis=1)


def as_json(result: Statistics) -> dict[str, Any]:
    """Convert statistics to JSON: features by name, numbers with six digits."""
    content: dict[str, Any] = _plain(asdict(result))
    return content | {"keys": {row.pop("key"): row for row in content["keys"]}}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return round6(value) if isinstance(value, float) else value


def _of_feature(table: Table, index: int, row: FeatureSpec, related: Column, vif: float) -> FeatureStatistics:
    column = table.values[:, index]
    numbers = column[np.isfinite(column)]
    nulls = dict(table.nulls[row.name].most_common()) if row.name in table.nulls else {}
    if not len(numbers):
        return FeatureStatistics(row.name, 0, 0.0, nulls)
    percentiles = [float(value) for value in np.percentile(numbers, PERCENTILES)]
    edges, histogram = _histogram(numbers, percentiles[0], percentiles[-1], row)
    outliers = _outliers(column, row)
    least = least_correlation(len(table.sources))
    # Rounded, because equal correlations differ in their last bits with the order of the tracks.
    order = np.argsort(-np.nan_to_num(np.abs(related)).round(9), kind="stable")
    alike = [j for j in order if abs(related[j]) >= least]
    return FeatureStatistics(
        row.name,
        len(numbers),
        len(numbers) / len(column),
        nulls,
        _finite(numbers.mean()),
        _finite(numbers.std()),
        float(numbers.min()),
        float(numbers.max()),
        {f"{p:g}": value for p, value in zip(PERCENTILES, percentiles, strict=True)},
        float(np.mean(~in_range(numbers, row))),
        percentiles[0] == percentiles[-1],
        {f"{value:g}": int(np.sum(numbers == value)) for value in np.unique(numbers)} if row.kind == "flag" else {},
        edges,
        histogram,
        len(outliers),
        tuple((table.names[i], float(column[i])) for i in outliers[:_NAMED_OUTLIERS]),
        tuple((table.keys[j], float(related[j])) for j in alike if j != index),
        None if np.isnan(vif) else min(float(vif), LARGEST_VIF),
        conditioner_range(numbers[in_range(numbers, row)], row, len(table.sources)),
    )


def in_range(numbers: Column, row: FeatureSpec) -> npt.NDArray[np.bool_]:
    """Return which numbers are within the catalog's range."""
    within: npt.NDArray[np.bool_] = np.equal(within_range(numbers, row), numbers)
    return within


def _histogram(numbers: Column, low: float, high: float, row: FeatureSpec) -> tuple[tuple[float, ...], tuple[int, ...]]:
    if low == high:
        return (), ()
    edges = np.geomspace(low, high, _BINS + 1) if row.scale == "log" and low > 0 else np.linspace(low, high, _BINS + 1)
    edges[0], edges[-1] = low, high
    counts, _ = np.histogram(numbers, edges)
    return tuple(edges.tolist()), tuple(counts.tolist())


def _outliers(column: Column, row: FeatureSpec) -> npt.NDArray[np.int64]:
    """Rows of the outliers, the most extreme first."""
    scaled = to_scale(column, row)
    known = np.isfinite(scaled)
    if row.kind == "flag" or np.count_nonzero(known) < _MIN_FOR_OUTLIERS:
        return np.zeros(0, np.int64)
    low, high = np.percentile(scaled[known], (25, 75))
    beyond = np.where(known, np.maximum(low - scaled, scaled - high), -np.inf)
    far = np.flatnonzero(beyond > _FENCE * (high - low)) if high > low else np.zeros(0, np.int64)
    order: npt.NDArray[np.int64] = far[np.argsort(-beyond[far], kind="stable")]
    return order


def inflation(values: Column) -> Column:
    """Compute the variance inflation factor of each column: 1 / (1 - R²) of its regression on all others.

    A feature with a factor above 10 is redundant. Unknown values are replaced by their column's median.

    Parameters
    ----------
    values : array, shape=(tracks, features)
        NaN where unknown.

    Returns
    -------
    array, shape=(features,)
        1 or more; ``inf`` for a column that the others determine exactly. NaN for a column that is constant or known in
        fewer than half of the rows; all NaN if there are fewer than three rows for each column that is known in half of
        the rows.
    """
    result = np.full(values.shape[1], np.nan)
    known = np.isfinite(values)
    used = np.flatnonzero(known.mean(axis=0) >= 0.5) if len(values) else np.zeros(0, np.int64)
    filled = np.array([np.where(known[:, j], values[:, j], np.median(values[known[:, j], j])) for j in used]).T
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
