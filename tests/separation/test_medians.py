import itertools

import numpy as np
import pytest
from scipy.ndimage import median_filter

from mirkit.separation.masks import median_network, running_median


@pytest.mark.parametrize("n", [3, 5, 7, 9])
def test_network_finds_the_median_of_all_zero_one_inputs(n: int) -> None:
    """A network that is right for zeros and ones is right for all numbers (the 0-1 principle)."""
    for lanes in itertools.product((0, 1), repeat=n):
        values = list(lanes)
        for low, high in median_network(n):
            values[low], values[high] = min(values[low], values[high]), max(values[low], values[high])
        assert values[n // 2] == sorted(lanes)[n // 2]


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (40, 700), (300, 33)])
@pytest.mark.parametrize("width", [3, 17, 31])
@pytest.mark.parametrize("axis", [0, 1])
def test_as_scipy(rng: np.random.Generator, shape: tuple[int, int], width: int, axis: int) -> None:
    x = rng.random(shape, np.float32)
    size = (width, 1) if axis == 0 else (1, width)
    np.testing.assert_array_equal(running_median(x, width, axis), median_filter(x, size=size, mode="reflect"))


def test_even_width_is_refused() -> None:
    with pytest.raises(ValueError, match="odd"):
        running_median(np.zeros((4, 4), np.float32), 4, 0)
