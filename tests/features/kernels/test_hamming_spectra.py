"""Spectra under a Hamming window against ``scipy.signal.spectrogram``."""

import numpy as np
import pytest

from features.kernels import scipy_twins
from mirkit.features.kernels.batched_fft import energies, spectra, total_spectrum, window_sum


def signal_of(seed: int, size: int) -> np.ndarray:
    """Random signal with an offset, sometimes shorter than a frame."""
    rng = np.random.default_rng(seed)
    length = int(rng.integers(2, size)) if seed % 4 == 0 else int(rng.integers(size, 90_000))
    return (rng.normal(rng.uniform(-1, 1), 1, length) * 10.0 ** rng.integers(-3, 1)).astype(np.float32)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("size", "hop"), [(2048, 512), (4096, 1024)])
def test_random_signals(seed: int, size: int, hop: int) -> None:
    x = signal_of(seed, size)
    expected = scipy_twins.hamming_spectra(x.astype(np.float64), size, hop)
    found = np.concatenate([power.copy() for power in spectra(x, size, hop)], axis=1)
    assert found.shape == expected.shape
    # Magnitudes. The mean is a sum of up to 4096 values in single precision, wrong by ten or twenty roundings of one
    # value (seen: 14), and what it leaves at 0 Hz is that times the sum of the window.
    rest = 32 * 2.0**-24 * float(np.abs(x).mean()) * window_sum(len(x), size)
    np.testing.assert_allclose(np.sqrt(found), np.sqrt(expected), atol=1e-6 * np.sqrt(expected.max()) + rest)
    one_sided = expected.sum(axis=1)
    one_sided[1:-1] *= 2
    atol = 1e-6 * np.sqrt(one_sided.max()) + rest * np.sqrt(expected.shape[1])
    np.testing.assert_allclose(np.sqrt(total_spectrum(x, size, hop)), np.sqrt(one_sided), atol=atol)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("size", "hop"), [(2048, 512), (4096, 1024)])
def test_energies_of_random_signals(seed: int, size: int, hop: int) -> None:
    x = signal_of(seed, size)
    expected = scipy_twins.energies(x.astype(np.float64), size, hop)
    np.testing.assert_allclose(energies(x, size, hop), expected, atol=1e-5 * expected.max())


@pytest.mark.parametrize("size", [2048, 4096])
def test_energies_are_those_of_the_spectra(size: int) -> None:
    """Parseval: the energy of a windowed frame is the sum over its two-sided power spectrum, over its points."""
    x = signal_of(5, size)
    power = scipy_twins.hamming_spectra(x.astype(np.float64), size, size // 4)
    two_sided = power[0] + power[-1] + 2 * power[1:-1].sum(axis=0)
    np.testing.assert_allclose(energies(x, size, size // 4), two_sided / size, rtol=1e-4)


@pytest.mark.parametrize("length", [100, 2048, 5000])
def test_the_sum_of_the_window(length: int) -> None:
    own = np.hamming(min(length, 2048) + 1)[:-1]  # periodic
    assert window_sum(length, 2048) == pytest.approx(own.sum())
