"""Choosing few tracks that cover a data set, by the k-center method (Gonzalez, 1985).

Each feature is put on its scale and standardized by median and quartiles; values are limited to three deviations, so
that one extreme value decides nothing. Features of one stage count together as much as those of another. The distance
of two tracks is the root mean square of the differences in the features that are known of both.

The first track is the one nearest to the middle of the set. Each further one is the track that is farthest from all
that were chosen, so rare kinds of music are chosen early, and dense regions are thinned out.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirkit.catalog import feature
from mirkit.dataset.scales import Column, to_scale

#: Limit of standardized values.
_LIMIT = 3.0
#: Interquartile range of a normal distribution, in standard deviations.
_IQR = 1.349
#: Random choices with which a choice is compared.
_DRAWS = 5
#: Most tracks of which the distances to random choices are computed.
_SAMPLE = 2000
#: Largest weight.
MAX_WEIGHT = 8


@dataclass(frozen=True)
class Choice:
    """A chosen track.

    Attributes
    ----------
    index : int
    distance : float
        Distance to the nearest track that was chosen before; infinite for the first.
    nearest : int
        That track; -1 for the first.
    feature : str
        Feature in which the two differ most; "" for the first.
    count : int
        Tracks of the set to which it is the nearest chosen one, itself included.
    """

    index: int
    distance: float
    nearest: int
    feature: str
    count: int


@dataclass(frozen=True)
class Coverage:
    """How near the tracks of a set are to the chosen ones.

    Attributes
    ----------
    mean, p95, largest : float
        Distance of a track to the nearest chosen one: its mean, 95th percentile and maximum.
    """

    mean: float
    p95: float
    largest: float


@dataclass(frozen=True)
class Chosen:
    """The result of :func:`choose`.

    Attributes
    ----------
    choices : list of Choice
        In the order in which they were chosen.
    owner : int array, shape=(tracks,)
        Number of the choice that is nearest to each track.
    coverage, random : Coverage
        Of this choice, and the average of random choices of the same size.
    capped : dict
        Name of a cap -> number of tracks that it kept out.
    """

    choices: list[Choice]
    owner: npt.NDArray[np.int64]
    coverage: Coverage
    random: Coverage
    capped: Mapping[str, int]

    def weights(self) -> npt.NDArray[np.int64]:
        """Weights from 1 to 8 that let each region of the set be drawn about equally often, shape=(tracks,).

        A region is all tracks to which the same chosen one is nearest. A track in a small region gets the ratio of the
        largest region's size to that of its own, limited to 8.
        """
        sizes = np.array([choice.count for choice in self.choices], np.float64)
        ratios = np.clip(np.rint(sizes.max() / sizes), 1, MAX_WEIGHT).astype(np.int64)
        weights: npt.NDArray[np.int64] = ratios[self.owner]
        return weights


def standardize(values: Column, keys: Sequence[str]) -> tuple[Column, tuple[str, ...]]:
    """Standardize features for distances; constant ones are left out.

    Parameters
    ----------
    values : array, shape=(tracks, features)
        NaN where unknown.
    keys : sequence of str
        Names of the features.

    Returns
    -------
    array, shape=(tracks, kept)
    tuple of str
        Names of the kept features.
    """
    columns, kept = [], []
    for column, key in zip(values.T, keys, strict=True):
        scaled = to_scale(column, feature(key))
        known = scaled[np.isfinite(scaled)]
        if not len(known) or known.min() == known.max():
            continue
        low, middle, high = np.percentile(known, (25, 50, 75))
        spread = (high - low) / _IQR or known.std()
        columns.append(np.clip((scaled - middle) / spread, -_LIMIT, _LIMIT))
        kept.append(key)
    stages = Counter(feature(key).stage for key in kept)
    weighted = [column / np.sqrt(stages[feature(key).stage]) for column, key in zip(columns, kept, strict=True)]
    return np.stack(weighted, axis=1) if weighted else np.zeros((len(values), 0)), tuple(kept)


def choose(
    points: Column,
    keys: Sequence[str],
    count: int,
    *,
    groups: Mapping[str, Sequence[str | None]] | None = None,
    caps: Mapping[str, int] | None = None,
    seed: int = 0,
) -> Chosen:
    """Choose tracks that cover a set.

    Parameters
    ----------
    points : array, shape=(tracks, features)
        Result of :func:`standardize`.
    keys : sequence of str
        Names of the features.
    count : int
        Number of tracks to choose; fewer are chosen if the caps leave no more.
    groups : mapping, optional
        Name of a cap -> group of each track, for example its artist; None where unknown, which no cap limits.
    caps : mapping, optional
        Name of a cap -> largest number of chosen tracks of one group.
    seed : int
        Decides between tracks at the same distance, and draws the random choices of the comparison.

    Returns
    -------
    Chosen
    """
    n = len(points)
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)  # the first of equal distances is drawn
    space = _Space(points[order])
    limits = dict(caps or {})
    labels = {name: np.array((groups or {})[name], object)[order] for name in limits}
    taken = {name: Counter[str]() for name in limits}
    allowed = np.asarray(np.isfinite(space.points).any(axis=1))  # of others nothing is known
    capped = dict.fromkeys(limits, 0)
    distance = np.full(n, np.inf)
    owner = np.zeros(n, np.int64)
    steps: list[tuple[int, float, int]] = []
    to_middle = space.distances(np.zeros(points.shape[1]))  # the middle of the set is 0 in each feature
    while len(steps) < min(count, n):
        score = np.where(allowed, distance, -1.0) if steps else np.where(allowed, -to_middle, -np.inf)
        at = int(np.argmax(score))
        if not allowed[at]:
            break
        steps.append((at, float(distance[at]), int(owner[at]) if steps else -1))
        allowed[at] = False
        new = space.distances(space.points[at])
        nearer = new < distance
        nearer[at] = True
        owner[nearer], distance = len(steps) - 1, np.where(nearer, new, distance)
        distance[at] = 0.0
        for name, limit in limits.items():
            group = labels[name][at]
            if group is not None:
                taken[name][group] += 1
                if taken[name][group] >= limit:
                    same = (labels[name] == group) & allowed
                    capped[name] += int(same.sum())
                    allowed &= ~same
    counts = np.bincount(owner, minlength=len(steps))
    choices = [
        Choice(
            int(order[at]),
            gap,
            int(order[steps[before][0]]) if before >= 0 else -1,
            space.most_different(at, steps[before][0], keys) if before >= 0 else "",
            int(counts[number]),
        )
        for number, (at, gap, before) in enumerate(steps)
    ]
    original = np.empty(n, np.int64)
    original[order] = owner
    return Chosen(choices, original, _coverage(distance), _random(space.points, len(steps), rng), capped)


class _Space:
    """Distances of points, over the features that are known of both; as if all were known."""

    def __init__(self, points: Column) -> None:
        self.points = points
        known = np.isfinite(points)
        filled = np.where(known, points, 0.0)
        # Squared differences from their parts, so that one product per step gives all distances.
        self._parts = np.concatenate([np.square(filled), filled, known.astype(np.float64)], axis=1)
        self._complete = bool(known.all())

    def distances(self, point: Column) -> Column:
        """Distances of all points to one."""
        known = np.isfinite(point).astype(np.float64)
        filled = np.nan_to_num(point)
        squares = np.maximum(self._parts @ np.concatenate([known, -2 * filled, np.square(filled)]), 0.0)
        distances: Column = np.sqrt(squares)
        if not (self._complete and known.all()):
            shared = self._parts[:, -len(point) :] @ known
            distances *= np.sqrt(len(point) / np.maximum(shared, 1.0))  # 0 where nothing is known of both
        return distances

    def most_different(self, one: int, other: int, keys: Sequence[str]) -> str:
        """Return the feature in which two points differ most."""
        differences = np.abs(self.points[one] - self.points[other])
        return keys[int(np.nanargmax(differences))] if np.isfinite(differences).any() else ""


def _coverage(distance: Column) -> Coverage:
    return Coverage(float(distance.mean()), float(np.percentile(distance, 95)), float(distance.max()))


def _random(points: Column, count: int, rng: np.random.Generator) -> Coverage:
    """Average coverage of random choices; of at most some thousand tracks, which is exact enough."""
    space = _Space(points[rng.permutation(len(points))[:_SAMPLE]])
    found = []
    for _ in range(_DRAWS):
        distance = np.full(len(space.points), np.inf)
        for at in rng.permutation(len(points))[:count]:
            distance = np.minimum(distance, space.distances(points[at]))
        found.append(_coverage(distance))
    return Coverage(*(float(np.mean([getattr(each, name) for each in found])) for name in ("mean", "p95", "largest")))
