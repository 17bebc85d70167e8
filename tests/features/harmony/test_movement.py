"""Harmonic movement and variance of progressions with known steps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirkit.features.harmony.movement import Harmony, eighths, harmony
from mirkit.features.types import SILENT, TOO_SHORT, Window
from notes import RATE, Mono, curve_of, note, sequence, triad
from signals import noise, silence

NO_BEATS = np.zeros(0)
POP = [triad(60), triad(67), triad(57, minor=True), triad(65)]


def measure(mono: Mono, beats: np.ndarray = NO_BEATS) -> Harmony:
    return harmony(curve_of(mono), beats, Window(0, len(mono) / RATE))


def numbers(found: Harmony) -> tuple[float, float]:
    assert isinstance(found.harmonic_movement, float)
    assert isinstance(found.harmonic_variance, float)
    return found.harmonic_movement, found.harmonic_variance


@pytest.mark.parametrize("attack", [0.0, 0.5])
@pytest.mark.parametrize(
    "mono",
    [
        lambda attack: sequence([triad(60)], 8, decay=4, attack=attack),
        lambda attack: sequence([triad(60)] * 32, 0.25, attack=attack),
        lambda attack: sequence([triad(57, minor=True)] * 16, 0.5, attack=attack, decay=0.3),
        lambda attack: sequence([[28]] * 32, 0.25, attack=attack),
    ],
    ids=["held", "eighths", "beats", "low bass"],
)
def test_one_chord_does_not_move(mono: object, attack: float) -> None:
    movement, variance = numbers(measure(mono(attack)))  # type: ignore[operator]
    assert 0 <= movement < 0.02
    assert 0 <= variance < 0.02


def test_the_faster_the_chords_the_more_movement() -> None:
    bars, beats, eighth = (
        numbers(measure(sequence(POP * n, step, attack=0.3, decay=2)))[0]
        for n, step in ((3, 2.0), (8, 0.5), (16, 0.25))
    )
    assert 0.04 < bars < 0.09
    assert 0.22 < beats < 0.33
    assert eighth > 0.45


def test_steps_follow_the_beats() -> None:
    mono = sequence(POP * 16, 0.125, attack=0.3)  # a chord every eighth at 240 BPM
    by_beat = numbers(measure(mono, np.arange(0, 8.01, 0.25)))[0]
    assert by_beat > 0.35
    # At a quarter of that tempo a step holds all four chords.
    assert numbers(measure(mono, np.arange(0, 8.01, 1.0)))[0] < 0.1


def test_all_twelve_classes_equally_is_variance_one() -> None:
    row = [[60 + 5 * i % 12] for i in range(12)]
    movement, variance = numbers(measure(sequence(row * 2, 1.0, overtones=1, decay=20), np.arange(0, 24.1, 2.0)))
    assert variance > 0.95
    assert movement > 0.95
    faster = numbers(measure(sequence(row * 4, 0.25, overtones=1)))
    assert min(faster) > 0.9


def test_a_bass_line_moves() -> None:
    line = [[28 + x] for x in (0, 3, 5, 7, 8, 7, 5, 3)] * 4
    movement, variance = numbers(measure(sequence(line, 0.25, attack=0.3)))
    assert movement > 0.4
    assert variance > 0.3


def test_level_and_silence_around_do_not_matter() -> None:
    mono = sequence(POP * 4, 0.5)
    expected = numbers(measure(mono))
    np.testing.assert_allclose(numbers(measure(mono * np.float32(0.1))), expected, atol=2e-3)
    padded = np.concatenate((silence(3), mono, silence(5)))
    np.testing.assert_allclose(numbers(measure(padded)), expected, atol=0.02)


def test_notes_with_rests_between() -> None:
    """Silent steps, and steps after them, do not count as movement."""
    mono = sequence([[40]] * 12, 1.0, sounding=0.4, attack=0.3)
    movement, variance = numbers(measure(mono))
    assert movement < 0.05
    assert variance < 0.05


def test_a_window_is_the_cut_file() -> None:
    mono = sequence(POP * 8, 0.5, attack=0.3)
    beats = np.arange(0, 16.01, 0.5)
    window = Window(4.2, 11.7)
    inside = harmony(curve_of(mono), beats, window)
    cut = mono[round(4.2 * RATE) : round(11.7 * RATE)]
    alone = harmony(curve_of(cut), beats[(beats >= 4.2) & (beats < 11.7)] - 4.2, Window(0, 7.5))
    np.testing.assert_allclose(numbers(inside), numbers(alone), atol=0.02)


def test_nothing_to_measure() -> None:
    assert measure(silence(4)) == Harmony(SILENT, SILENT)
    assert measure(noise(0.3)) == Harmony(TOO_SHORT, TOO_SHORT)
    assert measure(silence(0)) == Harmony(TOO_SHORT, TOO_SHORT)
    lonely = np.concatenate((silence(2), note(60, 0.25), silence(2)))
    assert measure(lonely).harmonic_movement == TOO_SHORT


def test_eighths_fill_holes_and_reach_both_ends() -> None:
    beats = np.array([1.0, 1.5, 2.0, 4.0, 4.5])
    np.testing.assert_allclose(eighths(beats, Window(0, 6)), np.arange(0, 6.01, 0.25))
    np.testing.assert_allclose(eighths(beats, Window(1.1, 2.1)), [1.25, 1.5, 1.75, 2.0])
    np.testing.assert_allclose(eighths(np.array([1.0]), Window(2, 3)), [2, 2.25, 2.5, 2.75, 3])


@given(
    st.lists(st.floats(0.01, 3), max_size=40),
    st.floats(0, 50),
    st.floats(0, 20),
)
def test_eighths_rise_and_stay_in_the_window(intervals: list[float], start: float, length: float) -> None:
    window = Window(start, start + length)
    edges = eighths(np.cumsum(intervals), window)
    assert (np.diff(edges) > 0).all()
    if len(edges):
        assert window.start - 1e-5 <= edges[0] <= edges[-1] <= window.end + 1e-5


def test_steps_without_beats_last_250_ms() -> None:
    assert eighths(np.zeros(0), Window(1.0, 2.1)).tolist() == [1.0, 1.25, 1.5, 1.75, 2.0]
