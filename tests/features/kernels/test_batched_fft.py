"""Transforms of 32 frames side by side against NumPy's."""

import numpy as np
import pytest

from mirkit.features.kernels.batched_fft import Spectra


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
    found = np.concatenate(
        [power.copy() for power in Spectra(window, hop, nfft, remove_mean=remove_mean).blocks(x, first, count)], axis=1
    )
    assert found.shape == (1 + nfft // 2, 96)
    padded = np.concatenate((np.zeros(-first), x, np.zeros(count * hop + size)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop][:count]
    if remove_mean:
        frames = frames - frames.mean(axis=1, keepdims=True)
    expected = np.abs(np.fft.rfft(frames * window, nfft, axis=1).T) ** 2
    np.testing.assert_allclose(found[:, :count], expected, atol=2e-6 * expected.max())


def test_a_sine_is_one_bin():
    x = np.sin(2 * np.pi * 100 * np.arange(2048 * 4) / 2048).astype(np.float32)
    power = next(Spectra(np.ones(2048), 2048, 2048).blocks(x, 0, 1))[:, 0]
    assert power.argmax() == 100
    assert power[100] == pytest.approx(1024**2, rel=1e-5)
    assert np.delete(power, 100).max() < 1e-3
