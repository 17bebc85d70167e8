"""Number conditioners: their names, their ranges, and the value that a trainer gets for an unknown number."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Literal

import numpy as np

from mirkit.catalog import FEATURES, FeatureSpec, feature
from mirkit.dataset.scales import Percentiles, duplicates, to_scale
from mirkit.dataset.statistics import Range, conditioner_range
from mirkit.errors import SettingsError
from mirkit.export.options import Policy
from mirkit.store import round6

#: What a trainer gets where a number is unknown.
POLICIES: dict[Policy, str] = {
    "flag": "its range's minimum, and <key>_known is 0",
    "fill": "its range's minimum",
    "drop": "the clip is left out",
}
#: Scale of a conditioner -> beginning of its name.
_PREFIXES = {"linear": "", "log": "log10_", "logit": "logodds_", "percentile": "percentile_"}
#: Least number of tracks with which a high correlation of two features is meaningful.
_MIN_TRACKS_FOR_CORRELATION = 30


@dataclass(frozen=True)
class Conditioner:
    """A number that a trainer gets with every sample.

    Attributes
    ----------
    key : str
        Name of the feature in ``.INFO``.
    name : str
        Name for the trainer: the feature's, or ``log10_<key>``, ``logodds_<key>`` or ``percentile_<key>`` where the
        trainer gets the value on another scale.
    min_val, max_val : float
        Range of the values that the trainer gets.
    flagged : bool
        Whether a second conditioner ``<name>_known`` is 1 where the value is known, else 0.
    scale : str
        ``linear``, ``log``, ``logit`` or ``percentile``.
    percentiles : Percentiles or None
        Those of the samples for training, for the scale ``percentile``.
    """

    key: str
    name: str
    min_val: float
    max_val: float
    flagged: bool = False
    scale: Literal["linear", "log", "logit", "percentile"] = "linear"
    percentiles: Percentiles | None = None

    def value(self, features: Mapping[str, float]) -> float | None:
        """Compute the value for the trainer from a sample's features; None where it is unknown."""
        value = features.get(self.key)
        if value is None or not math.isfinite(value):
            return None
        if self.scale == "linear":
            return float(value)
        if self.percentiles:
            return self.percentiles(value)
        converted = float(to_scale(np.array([value]), feature(self.key))[0])
        return converted if math.isfinite(converted) else None

    @property
    def names(self) -> tuple[str, ...]:
        """Name of the conditioner, and of its flag if it has one."""
        return (self.name, f"{self.name}_known") if self.flagged else (self.name,)


@dataclass
class Conditioners:
    """All number conditioners of a bundle.

    Attributes
    ----------
    rows : list of Conditioner
        In the order of the catalog.
    policy : str
        What a trainer gets where a number is unknown.
    left_out : dict
        Feature's name -> why it is not used as a conditioner.
    unknown : Counter
        Feature's name -> number of samples in which it is unknown.
    """

    rows: list[Conditioner]
    policy: Policy
    left_out: dict[str, str] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)

    @property
    def names(self) -> list[str]:
        """Names of all conditioners, flags included."""
        return [name for row in self.rows for name in row.names]

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Name of each conditioner -> its range; a flag has 0 to 1."""
        known = {row.name: (row.min_val, row.max_val) for row in self.rows}
        return {name: known.get(name, (0.0, 1.0)) for name in self.names}

    def with_flags_for(self, samples: Sequence[Mapping[str, float]]) -> "Conditioners":
        """Add flags for conditioners that are unknown in other samples, such as those for validation.

        Parameters
        ----------
        samples : sequence of mapping
            Features of samples from which the conditioners were not chosen.
        """
        rows, unknown = [], self.unknown.copy()
        for row in self.rows:
            missing = sum(row.value(features) is None for features in samples)
            unknown[row.key] += missing
            rows.append(replace(row, flagged=row.flagged or bool(missing and self.policy == "flag")))
        return Conditioners(rows, self.policy, self.left_out, +unknown)

    def values(self, features: Mapping[str, float]) -> dict[str, float] | None:
        """Compute the values of all conditioners for a sample.

        Parameters
        ----------
        features : mapping
            Feature's name -> value.

        Returns
        -------
        dict or None
            Conditioner's name -> value; None where the policy ``drop`` leaves the sample out.
        """
        values: dict[str, float] = {}
        for row in self.rows:
            value = row.value(features)
            if value is None and self.policy == "drop":
                return None
            values[row.name] = row.min_val if value is None else round6(value)
            if row.flagged:
                values[f"{row.name}_known"] = 0.0 if value is None else 1.0
        return values


def choose_conditioners(
    samples: Sequence[Mapping[str, float]],
    patterns: Sequence[str],
    policy: Policy,
    *,
    tracks: int = 0,
) -> Conditioners:
    """Choose conditioners and their ranges from the samples for training.

    Parameters
    ----------
    samples : sequence of mapping
        Feature's name -> value, for each sample.
    patterns : sequence of str
        Names of features, or patterns such as ``chroma_*`` and ``*``. A constant feature, and one that repeats an
        earlier one, is used only if its full name is given.
    policy : str
        ``flag``, ``fill`` or ``drop``.
    tracks : int
        Number of tracks that the samples come from: from 30 on, features that correlate with an earlier one are
        duplicates; from 50 on, features whose scale is log odds are given as percentiles.

    Raises
    ------
    SettingsError
        A pattern matches no feature.
    """
    for pattern in patterns:
        if not any(fnmatchcase(row.name, pattern) for row in FEATURES):
            raise SettingsError(f"--keys {pattern}: no feature has this name; mirkit features lists them all")
    chosen = Conditioners([], policy)
    candidates = [row for row in FEATURES if any(fnmatchcase(row.name, pattern) for pattern in patterns)]
    repeated = _repeated(samples, [row.name for row in candidates], tracks)
    for row in candidates:
        values = np.array([s[row.name] for s in samples if row.name in s], np.float64)
        values = values[np.isfinite(to_scale(values, row))]
        if reason := _why_left_out(values, row.name in patterns, repeated.get(row.name)):
            chosen.left_out[row.name] = reason
            continue
        bounds = conditioner_range(values, row, tracks)
        if bounds is None:
            chosen.left_out[row.name] = "all values are outside its valid range"
            continue
        unknown = len(samples) - len(values)
        if unknown:
            chosen.unknown[row.name] = unknown
        chosen.rows.append(_conditioner(row, bounds, values, flagged=bool(unknown) and policy == "flag"))
    return chosen


def _conditioner(row: FeatureSpec, bounds: Range, values: np.ndarray, *, flagged: bool) -> Conditioner:
    low, high = bounds.min_val, bounds.max_val
    if bounds.scale in ("log", "logit"):
        low, high = to_scale(np.array([low, high]), row).tolist()
    percentiles = Percentiles.of(values) if bounds.scale == "percentile" else None
    name = _PREFIXES[bounds.scale] + row.name
    return Conditioner(row.name, name, round6(low), round6(high), flagged, bounds.scale, percentiles)


def _why_left_out(values: np.ndarray, named: bool, repeated: str | None) -> str:
    if not len(values):
        return "never known"
    if named:
        return ""
    if values.min() == values.max():
        return f"always {values[0]:g}"
    return f"repeats {repeated}" if repeated else ""


def _repeated(samples: Sequence[Mapping[str, float]], names: list[str], tracks: int) -> dict[str, str]:
    """Feature's name -> the feature that it repeats and that is kept."""
    values = np.array([[s.get(name, np.nan) for name in names] for s in samples], np.float64).reshape(-1, len(names))
    return duplicates(names, values, tracks if tracks >= _MIN_TRACKS_FOR_CORRELATION else 0)


def clamped(samples: Sequence[Mapping[str, float]], conditioners: Conditioners) -> dict[str, float]:
    """Compute the share of known values that the trainer will clamp to a conditioner's range.

    Returns
    -------
    dict
        Conditioner's name -> share (0..1); conditioners without such values are left out.
    """
    shares = {}
    for row in conditioners.rows:
        values = [value for features in samples if (value := row.value(features)) is not None]
        share = sum(not row.min_val <= value <= row.max_val for value in values) / max(len(values), 1)
        if share:
            shares[row.name] = round6(share)
    return shares
