"""The percussive share against masks and inverse transforms by SciPy."""

import numpy as np
import pytest

import signals
from features.kernels import scipy_twins
from mirkit.features.kernels.batched_fft import Spectra
from mirkit.features.kernels.hpss import PercussiveShare
from mirkit.features.stft import HOP, N_FFT, hann


def share_of(x: np.ndarray) -> float:
    percussive, spectra = PercussiveShare(len(x)), Spectra(hann(N_FFT), HOP, N_FFT)
    for power in spectra.blocks(x, -N_FFT // 2, 1 + len(x) // HOP):
        percussive.push(spectra.rows, spectra.buffer, power)
    return percussive.share()


@pytest.mark.parametrize("seed", range(10))
def test_random_sounds(seed: int) -> None:
    """Noise, tones and clicks in random shares, of lengths with every remainder of frames and blocks."""
    rng = np.random.default_rng(seed)
    seconds = float(rng.uniform(0.1, 3.0))
    x = 10.0 ** rng.uniform(-3, -0.5) * signals.noise(seconds, 0, seed)
    x += signals.chord(rng.uniform(80, 3000, 4), seconds, rng.uniform(-50, -10))
    x += signals.clicks(rng.uniform(0, seconds, 5), seconds)
    assert share_of(x) == pytest.approx(scipy_twins.percussive_share(x.astype(np.float64)), rel=2e-4)


def test_clicks_are_percussive_and_tones_are_not() -> None:
    assert share_of(signals.clicks([0.5, 1.0, 1.5], 2.0)) > 0.9
    assert share_of(signals.sine(1000, 2.0)) < 0.1


def test_the_level_changes_nothing() -> None:
    x = signals.band(2.0)
    assert share_of(x * np.float32(0.01)) == pytest.approx(share_of(x), rel=1e-4)


@pytest.mark.parametrize("samples", [0, 1, 511])
def test_less_than_a_hop_has_no_share(samples: int) -> None:
    assert np.isnan(share_of(np.ones(samples, np.float32)))
