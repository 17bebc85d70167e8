"""Ranges for conditioners."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mirkit.catalog import FEATURES, feature
from mirkit.dataset.ranges import Range, conditioner_range

BPM, FLATNESS, LUFS, DEFINED = (feature(name) for name in ("bpm", "spectral_flatness", "lufs", "bpm_is_defined"))


def test_percentiles_rounded_outwards() -> None:
    values = np.linspace(60.123, 180.456, 10001)
    found = conditioner_range(values, BPM)
    assert found == Range(60.7, 180.0)
    low, high = np.percentile(values, (0.5, 99.5))
    assert found.min_val <= low
    assert found.max_val >= high


def test_outliers_do_not_stretch_it() -> None:
    values = np.append(np.full(1000, 120.0) + np.arange(1000) / 100, 299.0)
    assert conditioner_range(values, BPM) == Range(120.0, 130.0)


def test_a_flag_is_nought_to_one() -> None:
    assert conditioner_range(np.ones(50), DEFINED) == Range(0.0, 1.0)


@pytest.mark.parametrize("value", [120.0, 40.0, 300.0])
def test_what_does_not_vary_gets_a_range_about_it(value: float) -> None:
    found = conditioner_range(np.full(10, value), BPM)
    assert found is not None
    assert 40 <= found.min_val < found.max_val <= 300
    assert found.min_val <= value <= found.max_val


def test_negative_values() -> None:
    assert conditioner_range(np.linspace(-30.26, -8.14, 999), LUFS) == Range(-30.2, -8.25)


def test_a_logarithmic_key_stays_positive() -> None:
    values = np.append(np.geomspace(1e-4, 0.05, 2000), [0.0, 0.0])
    found = conditioner_range(values, FLATNESS)
    assert found is not None
    assert found.scale == "log"
    assert 0 < found.min_val < 1.2e-4
    assert conditioner_range(np.zeros(9), FLATNESS) is None


def test_without_data_there_is_none() -> None:
    assert conditioner_range(np.empty(0), BPM) is None


@given(
    values=arrays(np.float64, st.integers(1, 40), elements=st.floats(-1e6, 1e6, allow_subnormal=False)),
    row=st.sampled_from(FEATURES),
)
def test_any_range(values: np.ndarray, row: object) -> None:
    found = conditioner_range(values, row)  # type: ignore[arg-type]
    if found is not None:
        assert math.isfinite(found.min_val)
        assert found.min_val < found.max_val, "min = max gives a conditioner NaN"
        assert row.low is None or found.min_val >= row.low  # type: ignore[attr-defined]
        assert row.high is None or found.max_val <= row.high  # type: ignore[attr-defined]
        assert found.scale == "linear" or found.min_val > 0
