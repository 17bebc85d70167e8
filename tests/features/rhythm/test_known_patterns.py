"""Rhythm features on patterns whose values follow from the definitions."""

import numpy as np
import pytest

from mirkit.features.rhythm.beats import NO_BEATS, Beats
from mirkit.features.rhythm.complexity import complexity
from mirkit.features.rhythm.onset_statistics import onset_density, onset_statistics
from mirkit.features.rhythm.onsets import Onsets
from mirkit.features.rhythm.syncopation import on_beat_ratio, syncopation
from mirkit.features.types import Unknown, Window

BEAT = 0.5
BARS = 8


def grid(beats: int = 4 * BARS, per_bar: int = 4, meter: str = "4/4", beat: float = BEAT) -> Beats:
    times = np.arange(beats) * beat
    return Beats(times, times[::per_bar], np.ones(beats), meter, 1.0, True)


def pattern(positions: list[float], bars: int = BARS, per_bar: int = 4, beat: float = BEAT) -> Onsets:
    """Onsets at the positions (in beats) of every bar, of equal strength."""
    times = np.concatenate([(bar * per_bar + np.array(positions)) * beat for bar in range(bars)])
    return Onsets(times, np.full(len(times), 3.0))


TRACK = Window(0, BARS * 4 * BEAT)


def test_no_pulse_and_too_few_onsets_are_unknown():
    clave = pattern([0, 0.75, 1.5, 2.5, 3])
    assert syncopation(clave.times, NO_BEATS, TRACK) == Unknown("no pulse")
    assert isinstance(on_beat_ratio(clave.times, grid(), Window(0, 0.8)), Unknown)
    assert isinstance(complexity(clave, grid(), Window(0, 1.0)).rhythmic_complexity, Unknown)
    assert isinstance(onset_statistics(clave, Window(0, 0.4)).ioi_mean, Unknown)


def test_complexity_is_zero_for_one_interval_and_one_for_all():
    assert complexity(pattern([0, 1, 2, 3]), grid(), TRACK).rhythmic_complexity == 0
    intervals = 2.0 ** (np.arange(-15, 9) / 3)
    uniform = Onsets(np.concatenate(([0], np.cumsum(intervals))), np.ones(25))
    long_grid = grid(80, beat=1.0)
    assert complexity(uniform, long_grid, Window(0, 80)).rhythmic_complexity == pytest.approx(1)
    assert complexity(uniform, NO_BEATS, Window(0, 80)).rhythmic_complexity == pytest.approx(1)


def test_complexity_does_not_depend_on_tempo():
    positions = [0, 0.75, 1.5, 2.5, 3]
    slow = complexity(pattern(positions, beat=0.9), grid(beat=0.9), Window(0, 60)).rhythmic_complexity
    quick = complexity(pattern(positions, beat=0.35), grid(beat=0.35), Window(0, 60)).rhythmic_complexity
    assert slow == pytest.approx(quick)


def test_shuffled_hats_lie_between_even_and_random(rng):
    track = Window(0, 60)
    even = complexity(pattern([0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5]), grid(), TRACK)
    shuffled = complexity(pattern([0, 2 / 3, 1, 5 / 3, 2, 8 / 3, 3, 11 / 3]), grid(), TRACK)
    times = np.sort(rng.uniform(0, 60, 240))
    random = complexity(Onsets(times, np.ones(240)), grid(120), track)
    assert even.rhythmic_evenness == pytest.approx(1)
    # Intervals 2/3 and 1/3 in turn: |d1 - d2| / mean = 2/3, nPVI = 66.7
    assert shuffled.rhythmic_evenness == pytest.approx(2 / 3)
    assert shuffled.rhythmic_complexity == pytest.approx(np.log(2) / np.log(24), rel=1e-3)
    # Poisson intervals: E|a - b| / ((a + b) / 2) = 1
    assert random.rhythmic_evenness == pytest.approx(0.5, abs=0.05)
    assert random.rhythmic_complexity > 0.7


def test_density_windows():
    # 8 onsets in each of the first 8 s, none in the last 8 s
    onsets = Onsets(np.arange(64) / 8 + 0.01, np.ones(64))
    series = np.array([8, 8, 8, 4, 0, 0, 0])  # windows at 0, 2, ..., 12
    result = onset_density(onsets, Window(0, 16))
    assert result.onset_density_average == pytest.approx(series.mean())
    assert result.onset_density_variance == pytest.approx(series.var())
    assert onset_density(onsets, Window(1, 3)).onset_density_average == pytest.approx(8)
    assert onset_density(onsets, Window(1, 3)).onset_density_variance == 0


def test_silent_stem_has_density_zero_and_no_syncopation():
    none = Onsets(np.zeros(0), np.zeros(0))
    density = onset_density(none, TRACK)
    assert (density.onset_density_average, density.onset_density_variance) == (0, 0)
    statistics = onset_statistics(none, TRACK)
    assert (statistics.onset_count, statistics.onset_density) == (0, 0)
    assert isinstance(statistics.onset_strength_mean, Unknown)
    assert isinstance(syncopation(none.times, grid(), TRACK), Unknown)
    assert isinstance(complexity(none, grid(), TRACK).rhythmic_evenness, Unknown)


def test_statistics_of_a_window():
    onsets = Onsets(np.array([0.0, 1.0, 1.5, 2.5, 9.0]), np.array([1.0, 2.0, 3.0, 4.0, 50.0]))
    result = onset_statistics(onsets, Window(0, 5))
    assert (result.onset_count, result.onset_density) == (4, 0.8)
    assert (result.onset_strength_mean, result.onset_strength_std) == (2.5, pytest.approx(np.sqrt(1.25)))
    assert (result.ioi_mean, result.ioi_std) == (pytest.approx(2.5 / 3), pytest.approx(np.std([1, 0.5, 1])))


# Numbers that the documentation states, at their boundaries


def every_half_second(count: int) -> Onsets:
    return Onsets(np.arange(count) * 0.5, np.ones(count))


@pytest.mark.parametrize(("count", "known"), [(8, False), (9, True)])
def test_complexity_needs_nine_onsets(count, known):
    found = complexity(every_half_second(count), grid(), TRACK).rhythmic_complexity
    assert isinstance(found, Unknown) is not known


@pytest.mark.parametrize(("count", "known"), [(2, False), (3, True)])
def test_evenness_and_intervals_need_three_onsets(count, known):
    assert isinstance(complexity(every_half_second(count), grid(), TRACK).rhythmic_evenness, Unknown) is not known
    assert isinstance(onset_statistics(every_half_second(count), TRACK).ioi_mean, Unknown) is not known


@pytest.mark.parametrize(("count", "known"), [(0, False), (1, True)])
def test_strength_needs_one_onset(count, known):
    assert isinstance(onset_statistics(every_half_second(count), TRACK).onset_strength_mean, Unknown) is not known


@pytest.mark.parametrize(("count", "known"), [(3, False), (4, True)])
def test_syncopation_needs_four_onsets(count, known):
    times = every_half_second(count).times
    assert isinstance(syncopation(times, grid(), TRACK), Unknown) is not known
    assert isinstance(on_beat_ratio(times, grid(), TRACK), Unknown) is not known


def test_density_windows_last_4_s_and_are_2_s_apart():
    one = Onsets(np.array([5.0]), np.ones(1))  # in two of five windows, from 2 s and from 4 s
    assert onset_density(one, Window(0, 12)).onset_density_average == pytest.approx(2 * 0.25 / 5)
    assert onset_density(Onsets(np.array([3.999]), np.ones(1)), Window(0, 4)).onset_density_average == 0.25
    assert onset_density(Onsets(np.array([4.0]), np.ones(1)), Window(0, 4)).onset_density_average == 0
