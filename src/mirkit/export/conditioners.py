"""Which numbers a trainer is given, under which names and in which ranges; and what stands where one is unknown."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

import numpy as np

from mirkit.catalog import FEATURES, feature
from mirkit.dataset.correlation import correlations
from mirkit.dataset.ranges import conditioner_range
from mirkit.dataset.statistics import ALIKE
from mirkit.errors import SettingsError
from mirkit.export.options import Policy
from mirkit.store import round6

POLICIES: dict[Policy, str] = {
    "flag": "its range's minimum, and <key>_known says 0",
    "fill": "its range's minimum",
    "drop": "the clip is left out",
}


@dataclass(frozen=True)
class Conditioner:
    """A number that a trainer is given.

    Attributes
    ----------
    key : str
        Key of ``.INFO``.
    name : str
        What the trainer calls it: the key, or ``log10_<key>`` where it is the decimal logarithm.
    min_val, max_val : float
        Its range, in what the trainer is given.
    flagged : bool
        Whether ``<name>_known`` stands beside it, 1 or 0.
    """

    key: str
    name: str
    min_val: float
    max_val: float
    flagged: bool = False

    def of(self, numbers: Mapping[str, float]) -> float | None:
        """Give what the trainer is given, or None where it is unknown."""
        value = numbers.get(self.key)
        if value is None or not math.isfinite(value):
            return None
        if self.name == self.key:
            return float(value)
        return math.log10(value) if value > 0 else None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its conditioners."""
        return (self.name, f"{self.name}_known") if self.flagged else (self.name,)


@dataclass
class Conditioners:
    """All that a trainer is given beside sound and prompt.

    Attributes
    ----------
    rows : list of Conditioner
        In the order of the catalog.
    policy : str
        What stands where a number is unknown.
    left_out : dict
        Key -> why it is none of them.
    unknown : Counter
        Key -> samples in which it is unknown.
    """

    rows: list[Conditioner]
    policy: Policy
    left_out: dict[str, str] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)

    @property
    def names(self) -> list[str]:
        """Names of all conditioners."""
        return [name for row in self.rows for name in row.names]

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Conditioner -> its range."""
        known = {row.name: (row.min_val, row.max_val) for row in self.rows}
        return {name: known.get(name, (0.0, 1.0)) for name in self.names}

    def for_all(self, samples: Sequence[Mapping[str, float]]) -> "Conditioners":
        """The same for further samples, which had no part in choosing them: what they lack gets a flag, too."""
        rows, unknown = [], self.unknown.copy()
        for row in self.rows:
            missing = sum(row.of(numbers) is None for numbers in samples)
            unknown[row.key] += missing
            rows.append(replace(row, flagged=row.flagged or bool(missing and self.policy == "flag")))
        return Conditioners(rows, self.policy, self.left_out, +unknown)

    def given(self, numbers: Mapping[str, float]) -> dict[str, float] | None:
        """Give what a trainer is given of a sample, or None where the policy leaves it out."""
        found: dict[str, float] = {}
        for row in self.rows:
            value = row.of(numbers)
            if value is None and self.policy == "drop":
                return None
            found[row.name] = row.min_val if value is None else round6(value)
            if row.flagged:
                found[f"{row.name}_known"] = 0.0 if value is None else 1.0
        return found


def choose(
    samples: Sequence[Mapping[str, float]], patterns: Sequence[str], policy: Policy, *, twins: bool = False
) -> Conditioners:
    """Choose conditioners and their ranges from the samples that will be trained on.

    Parameters
    ----------
    samples : sequence of mapping
        Key -> number, of each.
    patterns : sequence of str
        Keys, or patterns such as ``chroma_*``; ``*`` is every key that says something of its own. A key that does not
        vary is taken only when it is named itself.
    policy : str
        ``flag``, ``fill`` or ``drop``.
    twins : bool
        Whether there are tracks enough to tell keys that say nearly what one before them says: they, too, are taken
        only when they are named.

    Raises
    ------
    SettingsError
        A pattern that fits no key.
    """
    for pattern in patterns:
        if not any(fnmatchcase(row.name, pattern) for row in FEATURES):
            raise SettingsError(f"--keys {pattern}: no such key; mirkit features prints them")
    chosen = Conditioners([], policy)
    wanted = [row for row in FEATURES if any(fnmatchcase(row.name, pattern) for pattern in patterns)]
    alike = _twins(samples, [row.name for row in wanted]) if twins else {}
    for row in wanted:
        log = row.scale == "log"
        values = np.array([s[row.name] for s in samples if row.name in s and (s[row.name] > 0 or not log)], np.float64)
        named = row.name in patterns
        if why := _useless(values, named, alike.get(row.name)):
            chosen.left_out[row.name] = why
            continue
        found = conditioner_range(values, row)
        if found is None:
            chosen.left_out[row.name] = "all of it lies outside its valid range"
            continue
        low, high = (math.log10(v) for v in (found.min_val, found.max_val)) if log else (found.min_val, found.max_val)
        unknown = len(samples) - len(values)
        if unknown:
            chosen.unknown[row.name] = unknown
        name = f"log10_{row.name}" if log else row.name
        chosen.rows.append(Conditioner(row.name, name, round6(low), round6(high), bool(unknown) and policy == "flag"))
    return chosen


def _useless(values: np.ndarray, named: bool, twin: str | None) -> str:
    if not len(values):
        return "never known"
    if named:
        return ""
    if values.min() == values.max():
        return f"always {values[0]:g}"
    return f"says nearly what {twin} says" if twin else ""


def _twins(samples: Sequence[Mapping[str, float]], names: list[str]) -> dict[str, str]:
    """Key -> an earlier one that says nearly the same and is kept."""
    table = np.array([[s.get(name, np.nan) for name in names] for s in samples], np.float64).reshape(-1, len(names))
    for column, name in enumerate(names):
        if feature(name).scale == "log":
            with np.errstate(divide="ignore", invalid="ignore"):
                table[:, column] = np.where(table[:, column] > 0, np.log10(table[:, column]), np.nan)
    related = np.abs(correlations(table))
    found: dict[str, str] = {}
    for i, name in enumerate(names):
        twin = next((names[j] for j in range(i) if names[j] not in found and related[i, j] >= ALIKE), None)
        if twin:
            found[name] = twin
    return found


def clamped(samples: Sequence[Mapping[str, float]], conditions: Conditioners) -> dict[str, float]:
    """Share of the samples that the trainer will clamp to a conditioner's range, of those that have any."""
    shares = {}
    for row in conditions.rows:
        values = [value for numbers in samples if (value := row.of(numbers)) is not None]
        share = sum(not row.min_val <= value <= row.max_val for value in values) / max(len(values), 1)
        if share:
            shares[row.name] = round6(share)
    return shares
