"""The sliding median against SciPy's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirkit.features.kernels.sliding_median import REACH, SIZE, sliding_median

ndimage = pytest.importorskip("scipy.ndimage")


@given(st.integers(1, 70), st.integers(1, 5), st.integers(0, 2**32 - 1), st.sampled_from([2, 1000000]))
@settings(max_examples=50, deadline=None)
def test_it_is_the_median(rows, columns, seed, values):
    x = np.random.default_rng(seed).integers(0, values, (rows + 2 * REACH, columns)).astype(np.float32)
    expected = ndimage.median_filter(x, size=(SIZE, 1))[REACH:-REACH]
    np.testing.assert_array_equal(sliding_median(x), expected)


def test_many_columns(rng):
    x = rng.random((50, 1025)).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(x, SIZE, axis=0)
    np.testing.assert_array_equal(sliding_median(x), np.median(windows, axis=-1))
