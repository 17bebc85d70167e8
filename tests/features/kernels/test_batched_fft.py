"""Transforms of 32 frames side by side against SciPy's."""

import numpy as np
import pytest

from features.kernels import scipy_twins
from mirkit.features.kernels.batched_fft import Spectra


def spectra_of(x, window, hop, nfft, first, count, *, remove_mean=False):
    blocks = Spectra(window, hop, nfft, remove_mean=remove_mean).blocks(x, first, count)
    return np.concatenate([power.copy() for power in blocks], axis=1)


@pytest.mark.parametrize(
    ("size", "hop", "nfft", "remove_mean"),
    [
        (2048, 512, 2048, False),
        (2048, 512, 2048, True),
        (4096, 128, 4096, False),
        (4096, 1024, 4096, True),
        (2205, 2205, 4096, False),
        (1000, 1000, 2048, True),
        (1, 1, 4096, False),
    ],
)
def test_power_spectra(size, hop, nfft, remove_mean, rng):
    x = rng.normal(0.1, 1, 30 * hop + 20000).astype(np.float32)
    window = 0.1 + np.hanning(size + 2)[1:-1]
    count, first = 70, -1000
    found = spectra_of(x, window, hop, nfft, first, count, remove_mean=remove_mean)
    assert found.shape == (1 + nfft // 2, 96)
    expected = scipy_twins.power_spectra(x, window, hop, nfft, first, count, remove_mean=remove_mean)
    np.testing.assert_allclose(found[:, :count], expected, atol=2e-6 * expected.max())


@pytest.mark.parametrize("seed", range(12))
def test_random_frames(seed):
    rng = np.random.default_rng(seed)
    nfft = int(rng.choice([2048, 4096]))
    hop = int(rng.integers(1, 1500))
    remove_mean = bool(rng.integers(2))
    size = int(rng.integers(1, nfft + 1))
    if remove_mean:  # the length of the window is then a multiple of the hop
        size = hop * int(rng.integers(1, nfft // hop + 1))
    x = (rng.normal(0, 1, int(rng.integers(1, 60000))) * 10.0 ** rng.integers(-4, 2)).astype(np.float32)
    window = rng.uniform(0, 1, size)
    first, count = int(rng.integers(-5000, 5000)), int(rng.integers(1, 80))
    found = spectra_of(x, window, hop, nfft, first, count, remove_mean=remove_mean)[:, :count]
    expected = scipy_twins.power_spectra(x, window, hop, nfft, first, count, remove_mean=remove_mean)
    np.testing.assert_allclose(found, expected, atol=2e-6 * max(float(expected.max()), 1e-30))


def test_a_sine_is_one_bin():
    x = np.sin(2 * np.pi * 100 * np.arange(2048 * 4) / 2048).astype(np.float32)
    power = next(Spectra(np.ones(2048), 2048, 2048).blocks(x, 0, 1))[:, 0]
    assert power.argmax() == 100
    assert power[100] == pytest.approx(1024**2, rel=1e-5)
    assert np.delete(power, 100).max() < 1e-3
