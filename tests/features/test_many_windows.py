"""Values of windows from what is computed once a track, against the same computed directly."""

from itertools import pairwise

import numpy as np
import pytest

from mirkit.features.danceability import _SCALES, _fluctuation
from mirkit.features.harmony.movement import eighths
from mirkit.features.loudness import LoudnessCurve, hops_in, loudness, vocals_share
from mirkit.features.rhythm.beats.grid import Beats
from mirkit.features.rhythm.layers import Layers
from mirkit.features.rhythm.syncopation import rated, syncopation
from mirkit.features.types import Window

WINDOWS = [Window(start, start + length) for start in (0.0, 0.31, 7.77, 31.0) for length in (0.2, 2.9, 3.0, 11.3, 47.6)]


def energies(seed: int) -> LoudnessCurve:
    rng = np.random.default_rng(seed)
    return LoudnessCurve((10 ** rng.uniform(-9, -1, 800)).astype(np.float32))


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_loudness_is_that_of_the_steps_cut_out(window: Window) -> None:
    curve, vocals = energies(0), energies(1)
    cut, sung = (LoudnessCurve(hops_in(each, window).copy()) for each in (curve, vocals))
    whole = Window(0, len(cut.energy) / 10)
    assert loudness(curve, window) == loudness(cut, whole)
    assert vocals_share(vocals, curve, window) == vocals_share(sung, cut, whole)


def test_vocals_that_end_before_the_mix_are_silent_from_there() -> None:
    curve, vocals = energies(0), energies(1)
    padded = LoudnessCurve(np.concatenate((vocals.energy[:300], np.zeros(500, np.float32))))
    short = LoudnessCurve(vocals.energy[:300])
    for window in WINDOWS:
        assert vocals_share(short, curve, window) == vocals_share(padded, curve, window)


@pytest.mark.parametrize("length", [int(_SCALES[0]), 100, int(_SCALES[-1])])
def test_fluctuation_is_the_distance_from_fitted_lines(length: int) -> None:
    rng = np.random.default_rng(length)
    relative = rng.uniform(0, 2, 5200) * (np.arange(5200) % 1300 > 600)  # with pauses
    profile = np.cumsum(relative / relative.mean() - 1)
    step = max(1, length // 50)
    x = np.arange(length) - (length - 1) / 2
    squares = []
    for first in range(0, len(profile) - length, step):
        y = profile[first : first + length] - profile[first : first + length].mean()
        squares.append(np.square(y - x * (x @ y) / (x @ x)).mean())
    expected = np.sqrt(np.sum(squares) / ((len(profile) - length) / step))
    assert _fluctuation(profile, length, step) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_eighths_of_a_window_are_those_of_the_whole_grid(window: Window) -> None:
    rng = np.random.default_rng(5)
    beats = 3.0 + np.cumsum(rng.uniform(0.45, 0.55, 40))
    beats = np.delete(beats, [11, 12])  # a gap
    interval = float(np.median(np.diff(beats)))
    steps = [beats[0] - interval / 2 * k for k in range(1000, 0, -1)]
    for a, b in pairwise(beats):
        count = 2 * max(1, round((b - a) / interval))
        steps += [a + (b - a) / count * k for k in range(count)]
    steps += [beats[-1] + interval / 2 * k for k in range(1000)]
    expected = [step for step in steps if window.start - 1e-6 <= step <= window.end + 1e-6]
    # The grid is extended by whole beats, so that a half step at each end may be missing.
    found = eighths(beats, window)
    np.testing.assert_allclose(found, expected[: len(found)] if window.start >= beats[0] else expected[-len(found) :])
    assert len(expected) - len(found) <= 1


def test_syncopation_adds_up_over_windows_and_counts_a_position_once() -> None:
    rng = np.random.default_rng(9)
    times = np.arange(64) * 0.5
    beats = Beats(times, times[::4], np.ones(64), "4/4", 1.0, steady=True)
    lines = [np.sort(rng.choice(np.arange(256) * 0.125, 90, replace=False)) for _ in range(3)]
    onsets = rated(Layers(*lines), beats)
    parts = [Window(a, a + 4.0) for a in np.arange(0, 32, 4.0)]
    total = sum(onsets.events(part) for part in parts)
    assert total > 5
    assert onsets.events(Window(0, 32)) == total
    assert syncopation(onsets, beats, Window(0, 32)) == syncopation(Layers(*lines), beats, Window(0, 32))
    double = np.array([0.5, 1.0, 1.24, 1.26, 2.0, 3.0])  # two onsets on one position, and nothing on the next beat
    line = rated(double, beats)
    counts = [line.events(Window(a, b)) for a, b in ((0, 8), (1.2, 1.25), (1.25, 1.3), (1.2, 1.3))]
    assert counts == [1.0, 1.0, 1.0, 1.0]
