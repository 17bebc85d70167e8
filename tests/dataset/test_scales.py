"""Monotone forms of features, percentiles of a set, and features that repeat others."""

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from mirkit.catalog import FEATURES, feature
from mirkit.dataset.scales import Percentiles, duplicates, from_logit, least_correlation, ranks, to_scale

REVERBERATION, DANCEABILITY, FLATNESS, BPM = (
    feature(name) for name in ("reverberation", "danceability", "spectral_flatness", "bpm")
)


def test_log_odds_of_the_share_of_the_range() -> None:
    values = np.array([20.0, 50.0, 80.0, np.nan])
    assert to_scale(values, REVERBERATION) == pytest.approx(np.log([0.25, 1, 4, np.nan]), nan_ok=True)
    assert to_scale(np.array([0.5, 0.75]), DANCEABILITY) == pytest.approx(np.log([1, 3]))
    assert from_logit(to_scale(values[:3], REVERBERATION), REVERBERATION) == pytest.approx(values[:3])


def test_values_at_the_ends_of_the_range_stay_finite() -> None:
    assert np.isfinite(to_scale(np.array([0.0, 1.0]), DANCEABILITY)).all()
    assert np.isfinite(to_scale(np.array([0.0, 100.0]), REVERBERATION)).all()


@pytest.mark.parametrize("row", FEATURES, ids=lambda row: row.name)
def test_every_scale_is_monotone(row: object) -> None:
    low, high = row.low or 0.001, 100.0 if row.high is None else row.high  # type: ignore[attr-defined]
    values = np.linspace(max(low, 0.001) if row.scale == "log" else low, high, 50)  # type: ignore[attr-defined]
    assert (np.diff(to_scale(values, row)) >= 0).all()  # type: ignore[arg-type]


def test_other_scales() -> None:
    assert to_scale(np.array([0.0, 0.01]), FLATNESS) == pytest.approx([np.nan, -2], nan_ok=True)
    assert to_scale(np.array([120.0]), BPM) == [120]


def test_percentiles_are_the_ranks_of_the_set(rng: np.random.Generator) -> None:
    values = np.concatenate((rng.uniform(80, 86, 90), rng.uniform(30, 80, 10)))
    percentile = Percentiles.of(values)
    expected = (rankdata(values) - 1) / (len(values) - 1)
    assert [percentile(v) for v in values] == pytest.approx(expected, abs=0.011)
    assert (percentile(0), percentile(100)) == (0, 1)


def test_equal_values_share_the_middle_of_their_ranks() -> None:
    percentile = Percentiles.of(np.array([1.0] * 50 + [2.0] * 50 + [3.0]))
    assert percentile(1.0) == pytest.approx(0.245, abs=0.01)
    assert percentile(2.0) == pytest.approx(0.745, abs=0.01)
    assert percentile(1.0) < percentile(1.5) < percentile(2.0)


def test_ranks_agree_with_scipy(rng: np.random.Generator) -> None:
    values = rng.integers(0, 8, (40, 3)).astype(float)
    assert ranks(values) == pytest.approx(rankdata(values, axis=0))
    values[3, 1] = np.nan
    assert np.isnan(ranks(values)[3, 1])


def test_duplicates_by_rank_correlation(rng: np.random.Generator) -> None:
    """``ioi_mean`` is 1 / density: the relation is not a line, and the earlier feature is kept."""
    density = rng.uniform(1, 10, 60)
    values = np.stack((density, 1 / density, rng.uniform(0, 1, 60)), axis=1)
    names = ("onset_density", "ioi_mean", "lra")
    assert spearmanr(density, 1 / density).statistic == -1
    assert duplicates(names, values, 60) == {"ioi_mean": "onset_density (rank correlation -1.00)"}
    assert duplicates(names, values, 0) == {}


def test_counts_repeat_rates_in_any_set() -> None:
    values = np.array([[400.0, 4.0]])
    assert duplicates(("onset_count", "onset_density"), values, 1) == {"onset_count": "onset_density, times the length"}
    assert duplicates(("onset_count",), values[:, :1], 1) == {}
    values[:, 1] = np.nan
    assert duplicates(("onset_count", "onset_density"), values, 1) == {}


@pytest.mark.parametrize(("tracks", "least"), [(7, np.inf), (8, 0.97), (29, 0.97), (30, 0.9), (1000, 0.9)])
def test_small_sets_need_a_higher_correlation(tracks: int, least: float) -> None:
    assert least_correlation(tracks) == least
