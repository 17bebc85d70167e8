"""The convolution against SciPy, and by hand."""

import numpy as np
import pytest

from features.kernels.scipy_twins import convolution
from mirkit.features.kernels.convolution import convolve


def test_by_hand() -> None:
    values = np.zeros((4, 3, 1), np.float32)
    values[1, 1] = 2
    weights = np.arange(9, dtype=np.float32).reshape(3, 3, 1, 1)
    out = convolve(values, weights, np.array([-3], np.float32), (1, 1))
    # A correlation: the value reaches the frame before it by the last row of the weights.
    assert out[..., 0].tolist() == [[13, 11, 9], [7, 5, 3], [1, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("pool", [(1, 1), (2, 2), (2, 3), (3, 2)])
@pytest.mark.parametrize("shape", [(5, 3), (3, 3), (1, 5)])
@pytest.mark.parametrize("size", [(13, 11), (6, 6), (3, 2), (1, 1), (0, 4)])
def test_as_scipy(pool: tuple[int, int], shape: tuple[int, int], size: tuple[int, int]) -> None:
    rng = np.random.default_rng([*pool, *shape, *size])
    values = np.maximum(rng.normal(0, 1, (*size, 3)), 0).astype(np.float32)
    weights, bias = rng.normal(0, 1, (*shape, 3, 4)).astype(np.float32), rng.normal(0, 1, 4).astype(np.float32)
    expected = convolution(values.astype(np.float64), weights, bias, pool)
    np.testing.assert_allclose(convolve(values, weights, bias, pool), expected, atol=2e-5)
