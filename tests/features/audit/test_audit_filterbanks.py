"""The transforms of codecs: against their definitions, and the energy that they keep."""

import numpy as np
import pytest

from mirkit.features.audit.filterbanks import Mdct, Mp3Hybrid, kaiser_bessel_window, sine_window, vorbis_window

WINDOWS = {
    "sine": sine_window(64),
    "Kaiser-Bessel": kaiser_bessel_window(64),
    "Vorbis": vorbis_window(64),
    "short overlap": vorbis_window(64, 8),
}


@pytest.mark.parametrize("window", WINDOWS.values(), ids=list(WINDOWS))
def test_windows_reconstruct(window: np.ndarray) -> None:
    """Princen and Bradley: the squares of both halves add up to one, and the window is symmetric."""
    assert np.allclose(window[:32] ** 2 + window[32:] ** 2, 1, atol=1e-6)
    assert np.allclose(window, window[::-1])


@pytest.mark.parametrize("window", WINDOWS.values(), ids=list(WINDOWS))
def test_mdct_is_that_of_the_definition(window: np.ndarray) -> None:
    samples = np.random.default_rng(0).standard_normal(400).astype(np.float32)
    starts = np.array([0, 7, 300])
    found = np.concatenate(list(Mdct("test", 32, 64, window).frames(samples, starts)))
    n, k = np.arange(64)[:, None], np.arange(32)
    cosines = np.cos(np.pi / 32 * (n + 0.5 + 16) * (k + 0.5)) * np.sqrt(2 / 32)
    expected = np.stack([(samples[s : s + 64] * window) @ cosines for s in starts])
    assert np.allclose(found, expected, atol=1e-5)


def test_pre_emphasis_comes_first() -> None:
    samples = np.random.default_rng(0).standard_normal(200).astype(np.float32)
    emphasized = np.append(samples[:1], samples[1:] - 0.85 * samples[:-1]).astype(np.float32)
    with_it, without = (Mdct("test", 32, 64, WINDOWS["sine"], c) for c in (0.85, 0.0))
    starts = np.array([5, 50])
    assert np.allclose(next(with_it.frames(samples, starts)), next(without.frames(emphasized, starts)), atol=1e-6)


def hybrid() -> Mp3Hybrid:
    return Mp3Hybrid("MP3", 576, 36 * 32 - 32 + 512)


def test_mp3_keeps_the_energy() -> None:
    """Of white noise, each coefficient has the variance of the samples, to the ripple of the filters."""
    samples = np.random.default_rng(0).standard_normal(200_000).astype(np.float32)
    lines = np.concatenate(list(hybrid().frames(samples, np.arange(0, 190_000, 576))))
    assert lines.var() == pytest.approx(1, rel=0.02)
    assert lines.var(axis=0)[2:-2].max() < 1.5


@pytest.mark.parametrize("line", [3, 17, 18, 100, 300, 575])
def test_mp3_lines_are_in_the_order_of_frequency(line: int) -> None:
    times = np.arange(4000)
    tone = np.cos(np.pi / 576 * (line + 0.5) * times + 0.3).astype(np.float32)
    lines = np.concatenate(list(hybrid().frames(tone, np.array([0, 100, 333, 800]))))
    powers = np.square(lines).sum(axis=0)
    assert abs(int(powers.argmax()) - line) <= 1
    assert powers[max(0, line - 4) : line + 5].sum() > 0.98 * powers.sum()
