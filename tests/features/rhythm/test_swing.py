"""Swing of patterns whose eighths are known."""

import numpy as np
import pytest

from mirkit.features.rhythm.beats import NO_BEATS, Beats
from mirkit.features.rhythm.onsets import Onsets
from mirkit.features.rhythm.swing import swing
from mirkit.features.types import Unknown, Window

BEAT, COUNT = 0.5, 64
TIMES = np.arange(COUNT) * BEAT
GRID = Beats(TIMES, TIMES[::4], np.ones(COUNT), "4/4", 1.0, steady=True)
WHOLE = Window(0, COUNT * BEAT)


def onsets(*phases: float, jitter: float = 0.0, every: int = 1) -> Onsets:
    """Onsets at these phases of every beat (or every so many beats)."""
    rng = np.random.default_rng(0)
    times = np.sort(np.concatenate([TIMES[::every] + phase * BEAT for phase in phases]))
    times = np.sort(np.maximum(times + rng.normal(0, 1, len(times)) * jitter, 0))
    return Onsets(times, np.ones(len(times)))


@pytest.mark.parametrize("jitter", [0.0, 0.006])
@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        ((0, 0.5), 0.5),
        ((0, 0.55), 0.55),
        ((0, 0.6), 0.6),
        ((0, 2 / 3), 2 / 3),
        ((0, 0.7), 0.7),
        ((2 / 3,), 2 / 3),
        ((0, 0.25, 0.5, 0.75), 0.5),
        ((0, 0.5, 0.75), 0.5),
        ((0, 1 / 3, 2 / 3), 2 / 3),
        ((0, 0.3, 0.5, 0.8), 0.5),
    ],
)
def test_known_swing(phases, expected, jitter):
    assert swing(onsets(*phases, jitter=jitter), GRID, WHOLE) == pytest.approx(expected, abs=0.012)


def test_straight_eighths_with_some_syncopated_sixteenths():
    times = np.sort(np.concatenate((TIMES, TIMES + 0.5 * BEAT, TIMES[::2] + 0.75 * BEAT)))
    assert swing(Onsets(times, np.ones(len(times))), GRID, WHOLE) == pytest.approx(0.5, abs=0.01)


def test_few_eighths_are_unknown():
    assert swing(onsets(0), GRID, WHOLE) == Unknown("too few eighths")
    assert swing(onsets(0.5, every=8), GRID, WHOLE) == Unknown("too few eighths")
    assert swing(onsets(0, 0.25, 0.75), GRID, WHOLE) == Unknown("too few eighths")


@pytest.mark.parametrize(("every", "known"), [(5, True), (6, False)])
def test_a_fifth_of_the_beats_must_have_eighths(every, known):
    assert isinstance(swing(onsets(0.6, every=every), GRID, WHOLE), Unknown) is not known


def test_no_pulse_and_compound_beats_are_unknown():
    assert swing(onsets(0, 0.5), NO_BEATS, WHOLE) == Unknown("no pulse")
    rubato = Beats(TIMES, TIMES[::4], np.ones(COUNT), "4/4", 0.3, steady=False)
    assert swing(onsets(0, 0.5), rubato, WHOLE) == Unknown("no pulse")
    compound = Beats(TIMES, TIMES[::2], np.ones(COUNT), "6/8", 1.0, steady=True)
    assert swing(onsets(0, 1 / 3, 2 / 3), compound, WHOLE) == Unknown("the beat has three eighths")


def test_a_window_has_the_swing_of_its_own_onsets():
    half = COUNT // 2
    times = np.sort(np.concatenate((TIMES, TIMES[:half] + 0.5 * BEAT, TIMES[half:] + 0.66 * BEAT)))
    played = Onsets(times, np.ones(len(times)))
    assert swing(played, GRID, Window(0, half * BEAT)) == pytest.approx(0.5, abs=0.01)
    assert swing(played, GRID, Window(half * BEAT, COUNT * BEAT)) == pytest.approx(0.66, abs=0.01)
