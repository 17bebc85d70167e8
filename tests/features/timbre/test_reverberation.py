"""Reverberation: a long tail votes for a long time, silence and short sounds for the shortest."""

import numpy as np
import pytest

from features.timbre.sounds import RATE, noise
from mirkit.features.timbre.reverberation import half_rate, reverberation

SHORTEST = 100 / (1 + np.exp(1.45082989 - 2.97126461 * 0.2))


def room(seconds: float) -> np.ndarray:
    """Thirty seconds of noise bursts that fall by 60 dB in that time, each a second long."""
    t = np.arange(RATE) / RATE
    return np.concatenate([noise(RATE, i) * 10 ** (-3 * t / seconds) for i in range(30)]).astype(np.float32)[None]


def measured(x: np.ndarray) -> float:
    return reverberation(half_rate(x), x.shape[1])


def test_longer_tails_are_more_reverberant():
    values = [measured(room(seconds)) for seconds in (0.3, 0.6, 1.0)]
    assert values == sorted(values)
    assert values[0] < 50 < values[-1] <= 86.1


def test_nothing_decays():
    assert measured(np.ones((2, RATE), np.float32)) == pytest.approx(SHORTEST)


def test_too_short_to_decay():
    assert measured(room(0.5)[:, :9000]) == pytest.approx(SHORTEST)


def test_mean_over_two_channels():
    left, right = room(0.3), room(1.0)
    times = [(np.log(p / (100 - p)) + 1.45082989) / 2.97126461 for p in (measured(left), measured(right))]
    both = measured(np.concatenate((left, right, noise(left.size, 99)[None].astype(np.float32))))
    assert (np.log(both / (100 - both)) + 1.45082989) / 2.97126461 == pytest.approx(np.mean(times))


def test_blocks_keep_every_second_sample():
    x = room(0.5)[:, :1001]
    pieces = [half_rate(x[:, i : i + 7], i)[0] for i in range(0, 1001, 7)]
    np.testing.assert_array_equal(np.concatenate(pieces), x[0, ::2])


def test_values_reach_from_29_8_to_86_0():
    """The shortest and the longest of the ten times, 0.2 s and 1.1 s."""
    assert pytest.approx(29.8, abs=0.05) == SHORTEST
    longest = 100 / (1 + np.exp(1.45082989 - 2.97126461 * 1.1))
    assert longest == pytest.approx(86.0, abs=0.05)
    # The estimate starts from 0.3 s and is smoothed, so that a long decay comes near to the longest time, not beyond.
    assert 85 < measured(room(4.0)) <= longest
