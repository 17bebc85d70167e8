import numpy as np
import pytest
from scipy.ndimage import median_filter

from mirkit.separation.masks import FREQUENCY_WIDTH, TIME_WIDTH, harmonic_percussive


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (40, 700), (300, 33)])
def test_as_scipy(rng: np.random.Generator, shape: tuple[int, int]) -> None:
    x = rng.random(shape, np.float32)
    harmonic, percussive = harmonic_percussive(x)
    np.testing.assert_array_equal(harmonic, median_filter(x, size=(TIME_WIDTH, 1), mode="reflect"))
    np.testing.assert_array_equal(percussive, median_filter(x, size=(1, FREQUENCY_WIDTH), mode="reflect"))
