"""Filters and third-octave levels against SciPy's designs; the loudness of a tone against Zwicker's definition."""

import numpy as np
import pytest

from features.timbre.sounds import RATE, noise
from mirkit.features.timbre.normalize import Cascade, high_pass, low_pass
from mirkit.features.timbre.zwicker import WINDOW, bark_weights, loudness_pattern, third_octave_levels

signal = pytest.importorskip("scipy.signal")


@pytest.mark.parametrize(
    ("design", "kind", "hz"), [(high_pass, "high", 20), (high_pass, "high", 2000), (low_pass, "low", 500)]
)
def test_three_butterworths_in_a_row(design, kind, hz):
    x = noise(20000, 1).astype(np.float32)
    expected = x.astype(float)
    for _ in range(3):
        expected = signal.lfilter(*signal.butter(2, hz / (RATE / 2), kind), expected)
    np.testing.assert_allclose(Cascade(design(hz))(x, np.empty_like(x)), expected, atol=1e-6)
    pieces = Cascade(design(hz))
    parts = [pieces(x[i : i + 777], np.empty_like(x[i : i + 777])) for i in range(0, len(x), 777)]
    np.testing.assert_allclose(np.concatenate(parts), expected, atol=1e-6)


def test_silence_stays_fast_and_silent():
    x = np.zeros(200_000, np.float32)
    x[0] = 1
    out = Cascade(high_pass(20))(x, np.empty_like(x))
    assert np.abs(out[150_000:]).max() == 0


def reference_levels(x: np.ndarray) -> np.ndarray:
    """Levels of one window in dB: direct band-passes from 6.3 kHz up, below with the rate halved per octave."""

    def level(y):
        return 10 * np.log10(np.mean(y**2))

    def band(center, rate):
        edges = center * 2 ** (np.array([-1, 1]) / 6) / (rate / 2)
        return signal.butter(4, edges, "bandpass", output="sos")

    top = [band(1000 * 2 ** (k / 3), RATE) for k in (8, 9, 10, 11)]
    levels = [level(signal.sosfilt(sos, x)) for sos in top]
    for _ in range(8):
        x = signal.lfilter(*signal.cheby1(2, 0.1, 0.4), x)[1::2]
        levels = [level(signal.sosfilt(sos, x)) for sos in top[:3]] + levels
    return np.array(levels)


def test_third_octave_levels():
    t = np.arange(WINDOW) / RATE
    windows = [
        noise(WINDOW, 5) * 0.1,
        np.sin(2 * np.pi * 1000 * t),
        np.sin(2 * np.pi * 60 * t) + 1e-3 * noise(WINDOW, 6),
        (np.arange(WINDOW) == 2000) * 1.0,
    ]
    found = third_octave_levels(np.array(windows * 20, np.float32))
    for i, window in enumerate(windows):
        np.testing.assert_allclose(found[i], reference_levels(window), atol=0.002)
        np.testing.assert_array_equal(found[i], found[i + 76])
    assert np.isneginf(third_octave_levels(np.zeros((1, WINDOW), np.float32))).all()


@pytest.mark.parametrize(("level", "sone"), [(40, 1.0), (60, 4.0), (80, 16.0)])
def test_a_kilohertz_of_40_db_is_one_sone_and_10_db_more_twice_as_loud(level, sone):
    # About: what the filters ring with at the start of each window makes loud tones a little louder.
    t = np.arange(8 * WINDOW) / RATE
    amplitude = np.sqrt(2) * 10 ** ((level - 100) / 20)
    pattern = loudness_pattern((amplitude * np.sin(2 * np.pi * 1000 * t)).astype(np.float32), 1.0)
    total = pattern.specific[3].sum() * 0.1
    assert total == pytest.approx(sone, rel=0.3)
    # 1 kHz lies at 8.5 Bark, in the loudest band.
    assert pattern.specific[3][84] == pattern.specific[3].max()


def test_one_more_silent_window_behind_whole_ones():
    pattern = loudness_pattern(noise(2 * WINDOW, 4).astype(np.float32), 1.0)
    assert len(pattern.rms) == 3
    assert pattern.rms[2] == 0
    assert pattern.audible.tolist() == [True, True, False]


def test_bark_weights_are_a_bell():
    weights = bark_weights(10, 40)
    assert weights[:10].max() == weights[40:].max() == weights[10] == 0
    assert weights.argmax() == 25
    assert weights[25] == 1
