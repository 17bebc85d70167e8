"""Conditioners: their names, ranges and options, and what a trainer gets where a value is unknown."""

import difflib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Literal

import numpy as np

from mirkit.catalog import CATEGORIES, NUMBERS, REQUESTED, FeatureSpec, feature
from mirkit.dataset.ranges import Range, conditioner_range
from mirkit.dataset.scales import Percentiles, duplicates, to_scale
from mirkit.errors import SettingsError, printable
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


#: What a trainer gets where a category is unknown: it is none of the options, for which stable-audio-tools has an
#: embedding of its own.
UNKNOWN = "unknown"
#: Numbers and categories of a sample.
Values = Mapping[str, float | str]


@dataclass(frozen=True)
class Conditioner:
    """A number or a category that a trainer gets with every sample.

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
    options : tuple of str
        The values of a category, which has no range; empty for a number.
    """

    key: str
    name: str
    min_val: float = 0.0
    max_val: float = 1.0
    flagged: bool = False
    scale: Literal["linear", "log", "logit", "percentile"] = "linear"
    percentiles: Percentiles | None = None
    options: tuple[str, ...] = ()

    def value(self, values: Values) -> float | None:
        """Compute the number for the trainer from a sample's values; None where it is unknown."""
        value = values.get(self.key)
        if not isinstance(value, int | float) or not math.isfinite(value):
            return None
        if self.scale == "linear":
            return float(value)
        if self.percentiles:
            return self.percentiles(value)
        converted = float(to_scale(np.array([value]), feature(self.key))[0])
        return converted if math.isfinite(converted) else None

    def category(self, values: Values) -> str:
        """Return the category of a sample, ``unknown`` where it is unknown."""
        value = values.get(self.key)
        return value if isinstance(value, str) and value in self.options else UNKNOWN

    @property
    def names(self) -> tuple[str, ...]:
        """Name of the conditioner, and of its flag if it has one."""
        return (self.name, f"{self.name}_known") if self.flagged else (self.name,)


@dataclass
class Conditioners:
    """All conditioners of a bundle.

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
        """Name of each conditioner that is a number -> its range; a flag has 0 to 1."""
        known = {row.name: (row.min_val, row.max_val) for row in self.rows}
        return {name: known.get(name, (0.0, 1.0)) for name in self.names if name not in self.options}

    @property
    def options(self) -> dict[str, tuple[str, ...]]:
        """Name of each conditioner that is a category -> its options."""
        return {row.name: row.options for row in self.rows if row.options}

    def with_flags_for(self, samples: Sequence[Values]) -> "Conditioners":
        """Add flags for conditioners that are unknown in other samples, such as those for validation.

        Parameters
        ----------
        samples : sequence of mapping
            Features of samples from which the conditioners were not chosen.
        """
        rows, unknown = [], self.unknown.copy()
        for row in self.rows:
            missing = sum(_is_unknown(row, values) for values in samples)
            unknown[row.key] += missing
            is_flagged = bool(missing and self.policy == "flag" and not row.options)
            rows.append(replace(row, flagged=row.flagged or is_flagged))
        return Conditioners(rows, self.policy, self.left_out, +unknown)

    def values(self, known: Values) -> dict[str, float | str] | None:
        """Compute the values of all conditioners for a sample.

        Parameters
        ----------
        known : mapping
            Name of a feature or descriptor -> value.

        Returns
        -------
        dict or None
            Conditioner's name -> value; None where the policy ``drop`` leaves the sample out.
        """
        values: dict[str, float | str] = {}
        for row in self.rows:
            if row.options:
                values[row.name] = row.category(known)
                continue
            value = row.value(known)
            if value is None and self.policy == "drop":
                return None
            values[row.name] = row.min_val if value is None else round6(value)
            if row.flagged:
                values[f"{row.name}_known"] = 0.0 if value is None else 1.0
        return values


def _is_unknown(row: Conditioner, values: Values) -> bool:
    return row.category(values) == UNKNOWN if row.options else row.value(values) is None


def choose_conditioners(
    samples: Sequence[Values],
    patterns: Sequence[str],
    policy: Policy,
    *,
    tracks: int = 0,
) -> Conditioners:
    """Choose conditioners and their ranges from the samples for training.

    Parameters
    ----------
    samples : sequence of mapping
        Name of a feature or descriptor -> value, for each sample.
    patterns : sequence of str
        Names of features and descriptors, or patterns such as ``chroma_*`` and ``*``. One that is constant, that
        repeats an earlier one, or that the catalog marks as ``by_name`` is used only if its full name is given.
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
    check_keys(patterns)
    chosen = Conditioners([], policy)
    candidates = [row for row in NUMBERS if _is_wanted(row, patterns) and _may_be_known(row, samples, patterns)]
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
    for row in CATEGORIES:
        if _is_wanted(row, patterns) and _may_be_known(row, samples, patterns):
            _add_category(row, samples, chosen, named=row.name in patterns)
    return chosen


def check_keys(patterns: Sequence[str]) -> None:
    """Check names and patterns of features.

    Raises
    ------
    SettingsError
        A pattern matches no feature.
    """
    names = [row.name for row in (*NUMBERS, *CATEGORIES)]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            near = difflib.get_close_matches(pattern, names, 1)
            raise SettingsError(
                f"--keys {printable(pattern)}: no feature has this name"
                + (f" (did you mean {near[0]}?)" if near else "; mirkit features lists them all")
            )


def _is_wanted(row: FeatureSpec, patterns: Sequence[str]) -> bool:
    """Whether a pattern matches, or gives the full name, which a row that is used only by name needs."""
    return row.name in patterns or (not row.by_name and any(fnmatchcase(row.name, pattern) for pattern in patterns))


def _may_be_known(row: FeatureSpec, samples: Sequence[Values], patterns: Sequence[str]) -> bool:
    """Whether a row deserves a line: a value on request that no sample has does so only by its full name."""
    return row not in REQUESTED or row.name in patterns or any(row.name in values for values in samples)


def _add_category(row: FeatureSpec, samples: Sequence[Values], chosen: Conditioners, *, named: bool) -> None:
    """Add a category with all of its options, unless it does not vary."""
    conditioner = Conditioner(row.name, row.name, options=row.categories)
    found = [conditioner.category(values) for values in samples]
    known = {value for value in found if value != UNKNOWN}
    if not known:
        chosen.left_out[row.name] = "unknown in all samples"
    elif len(known) == 1 and not named:
        chosen.left_out[row.name] = f"always {next(iter(known))}"
    else:
        chosen.rows.append(conditioner)
        if unknown := found.count(UNKNOWN):
            chosen.unknown[row.name] = unknown


def _conditioner(row: FeatureSpec, bounds: Range, values: np.ndarray, *, flagged: bool) -> Conditioner:
    low, high = bounds.min_val, bounds.max_val
    if bounds.scale in ("log", "logit"):
        low, high = to_scale(np.array([low, high]), row).tolist()
    percentiles = Percentiles.of(values) if bounds.scale == "percentile" else None
    name = _PREFIXES[bounds.scale] + row.name
    return Conditioner(row.name, name, round6(low), round6(high), flagged, bounds.scale, percentiles)


def _why_left_out(values: np.ndarray, named: bool, repeated: str | None) -> str:
    if not len(values):
        return "unknown in all samples"
    if named:
        return ""
    if values.min() == values.max():
        return f"always {values[0]:g}"
    return f"repeats {repeated}" if repeated else ""


def _repeated(samples: Sequence[Values], names: list[str], tracks: int) -> dict[str, str]:
    """Feature's name -> the feature that it repeats and that is kept."""
    if not names:
        return {}
    values = np.array([[s.get(name, np.nan) for name in names] for s in samples], np.float64).reshape(-1, len(names))
    return duplicates(names, values, tracks if tracks >= _MIN_TRACKS_FOR_CORRELATION else 0)


def clamped(samples: Sequence[Values], conditioners: Conditioners) -> dict[str, float]:
    """Compute the share of known values that the trainer will clamp to a conditioner's range.

    Returns
    -------
    dict
        Conditioner's name -> share (0..1); conditioners without such values are left out.
    """
    shares = {}
    for row in conditioners.rows:
        values = [value for known in samples if (value := row.value(known)) is not None]
        share = sum(not row.min_val <= value <= row.max_val for value in values) / max(len(values), 1)
        if share:
            shares[row.name] = round6(share)
    return shares
