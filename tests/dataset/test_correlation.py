"""Correlation over the rows that have both, and variance inflation, against NumPy and least squares."""

import numpy as np
import pytest

from mirkit.dataset.scales import MIN_TRACKS, correlations
from mirkit.dataset.statistics import inflation


@pytest.fixture
def values(rng: np.random.Generator) -> np.ndarray:
    """Six columns; 2 follows 0 and 1, 3 is 0 upside down, 4 does not vary; some are missing here and there."""
    x = rng.standard_normal((400, 6))
    x[:, 2] = x[:, 0] + 0.5 * x[:, 1] + 0.1 * x[:, 2]
    x[:, 3] = 7 - 3 * x[:, 0] + 0.01 * x[:, 3]
    x[:, 4] = 5
    return x


def test_correlation_of_each_pair_over_their_own_rows(values: np.ndarray, rng: np.random.Generator) -> None:
    holes = values.copy()
    holes[rng.random(holes.shape) < 0.3] = np.nan
    found = correlations(holes)
    for i in (0, 1, 2, 3, 5):
        for j in (0, 1, 2, 3, 5):
            both = np.isfinite(holes[:, i]) & np.isfinite(holes[:, j])
            assert found[i, j] == pytest.approx(np.corrcoef(holes[both, i], holes[both, j])[0, 1], abs=1e-9)
    assert np.isnan(found[4]).all(), "what does not vary correlates with nothing"


def test_too_few_in_common_say_nothing() -> None:
    values = np.full((20, 2), np.nan)
    values[:12, 0] = np.arange(12)
    values[12 - MIN_TRACKS + 1 :, 1] = np.arange(20 - 12 + MIN_TRACKS - 1)
    assert np.isnan(correlations(values)[0, 1])
    values[12 - MIN_TRACKS, 1] = 3
    assert np.isfinite(correlations(values)[0, 1])


def test_large_offsets_do_not_hurt(values: np.ndarray) -> None:
    moved = values + np.array([1e7, -1e6, 0, 1e5, 0, 3e4])
    assert correlations(moved)[:4, :4] == pytest.approx(correlations(values)[:4, :4], abs=1e-7)


def test_inflation_is_that_of_a_regression(values: np.ndarray) -> None:
    found = inflation(values)
    used = [0, 1, 2, 3, 5]
    for j in used:
        others = np.column_stack([np.ones(len(values)), values[:, [k for k in used if k != j]]])
        rest = values[:, j] - others @ np.linalg.lstsq(others, values[:, j], rcond=None)[0]
        assert found[j] == pytest.approx(values[:, j].var() / rest.var(), rel=1e-6)
    assert found[2] > 10
    assert found[5] < 1.2
    assert np.isnan(found[4])


def test_an_exact_sum_is_infinitely_inflated(values: np.ndarray) -> None:
    values[:, 2] = values[:, 0] + values[:, 1]
    found = inflation(values[:, [0, 1, 2, 5]])
    assert np.isinf(found[:3]).all()
    assert found[3] == pytest.approx(1, abs=0.1)


def test_inflation_needs_tracks(values: np.ndarray) -> None:
    assert np.isnan(inflation(values[:10])).all()
    assert np.isnan(inflation(np.empty((0, 4)))).all()
    holes = values.copy()
    holes[:300, 0] = np.nan
    assert np.isnan(inflation(holes)[0])
