"""The sliding median against SciPy's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.kernels import scipy_twins
from mirkit.features.kernels.sliding_median import sliding_median
from properties import tries


@given(
    st.sampled_from([17, 19, 31, 33]),
    st.integers(1, 70),
    st.integers(1, 5),
    st.integers(0, 2**32 - 1),
    st.sampled_from([2, 1000000]),
)
@settings(max_examples=tries(20), deadline=None)
def test_it_is_the_median(size, rows, columns, seed, values):
    x = np.random.default_rng(seed).integers(0, values, (rows + size - 1, columns)).astype(np.float32)
    np.testing.assert_array_equal(sliding_median(x, size), scipy_twins.sliding_median(x, size))


@pytest.mark.parametrize("columns", [191, 192, 193, 1025])
def test_many_columns(columns, rng):
    x = rng.random((50, columns)).astype(np.float32)
    np.testing.assert_array_equal(sliding_median(x, 31), scipy_twins.sliding_median(x, 31))


@pytest.mark.parametrize("size", [15, 16, 32])
def test_other_sizes_are_refused(size):
    with pytest.raises(ValueError, match="odd"):
        sliding_median(np.zeros((40, 4), np.float32), size)
