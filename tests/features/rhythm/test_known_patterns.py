"""Rhythm features on patterns whose values follow from the definitions."""

import numpy as np
import pytest

from mirkit.features.rhythm.beats import NO_BEATS, Beats
from mirkit.features.rhythm.complexity import complexity
from mirkit.features.rhythm.onset_statistics import onset_density, onset_statistics
from mirkit.features.rhythm.onsets import Onsets
from mirkit.features.rhythm.syncopation import syncopation
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


@pytest.mark.parametrize(
    ("positions", "expected"),
    [
        pytest.param([0, 1, 2, 3], 0, id="four on the floor"),
        pytest.param([0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5], 0, id="straight eighths"),
        pytest.param([0, 2 / 3, 1, 5 / 3, 2, 8 / 3, 3, 11 / 3], 0, id="swing"),
        pytest.param([0, 0.75, 1.5, 2.5, 3], 0.4, id="son clave"),
        pytest.param([0.5, 1.5, 2.5, 3.5], 0.75, id="off-beat eighths"),
        pytest.param([0.75, 1.75, 2.75, 3.75], 1, id="last sixteenths"),
    ],
)
def test_syncopation_of_known_patterns(positions, expected):
    result = syncopation(pattern(positions), grid(), TRACK)
    assert result.syncopation == pytest.approx(expected)


@pytest.mark.parametrize("jitter", [0.002, 0.008])
@pytest.mark.parametrize(
    ("positions", "expected"), [([0, 2 / 3, 1, 5 / 3, 2, 8 / 3, 3, 11 / 3], 0), ([0, 0.75, 1.5, 2.5, 3], 0.4)]
)
def test_syncopation_survives_human_timing(positions, expected, jitter, rng):
    played = pattern(positions)
    loose = Onsets(np.sort(np.abs(played.times + rng.normal(0, jitter, len(played.times)))), played.strengths)
    assert syncopation(loose, grid(), TRACK).syncopation == pytest.approx(expected, abs=0.05)


def test_syncopation_weighs_notes_by_strength():
    times = np.arange(32) * BEAT / 2  # eighths
    strengths = np.where(np.arange(32) % 2, 1.0, 3.0)
    keep = np.arange(32) % 4 != 2  # no note on beats 2 and 4: the off-beats before them are syncopated by one
    value = syncopation(Onsets(times[keep], strengths[keep]), grid(16), Window(0, 8)).syncopation
    # Per bar: 3 (beat 1) + 1 (held over beat 2, g = 1/2) + 1 (eighth) + 3 (beat 3) + 1 (held over 4) + 1 (eighth)
    assert value == pytest.approx(2 * 0.5 / 10)


def test_compound_meter_counts_six_sixteenths_a_beat():
    beats = grid(16, 2, "6/8")
    all_eighths = pattern([0, 1 / 3, 2 / 3, 1, 4 / 3, 5 / 3], 8, 2)
    assert syncopation(all_eighths, beats, Window(0, 8)).syncopation == 0
    # Only the note before the second beat is held over a stronger position: -3 against -2
    tied = pattern([0, 2 / 3, 5 / 3], 8, 2)
    assert syncopation(tied, beats, Window(0, 8)).syncopation == pytest.approx(0.5 / 3)


def test_on_beat_ratio_is_not_one_less_syncopation():
    eighths = syncopation(pattern([0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5]), grid(), TRACK)
    assert eighths.on_beat_ratio == pytest.approx(0.5)
    assert eighths.syncopation == 0


def test_on_beat_tolerance_is_an_eighth_of_a_beat_at_most_70_ms():
    slow, quick = grid(beat=1.0), grid(beat=0.3)
    late = np.arange(4.0, 12.0)
    assert syncopation(Onsets(late + 0.069, late), slow, Window(0, 32)).on_beat_ratio == 1
    assert syncopation(Onsets(late + 0.071, late), slow, Window(0, 32)).on_beat_ratio == 0
    near = np.arange(8, 16) * 0.3
    assert syncopation(Onsets(near + 0.037, near), quick, Window(0, 9)).on_beat_ratio == 1
    assert syncopation(Onsets(near + 0.038, near), quick, Window(0, 9)).on_beat_ratio == 0


def test_crop_of_a_periodic_pattern_measures_as_the_whole():
    clave = pattern([0, 0.75, 1.5, 2.5, 3])
    assert syncopation(clave, grid(), Window(4.0, 12.0)).syncopation == pytest.approx(0.4)


def test_no_pulse_and_too_few_onsets_are_unknown():
    clave = pattern([0, 0.75, 1.5, 2.5, 3])
    assert syncopation(clave, NO_BEATS, TRACK).syncopation == Unknown("no pulse")
    assert isinstance(syncopation(clave, grid(), Window(0, 0.8)).on_beat_ratio, Unknown)
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
    assert isinstance(syncopation(none, grid(), TRACK).syncopation, Unknown)
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
    found = syncopation(every_half_second(count), grid(), TRACK)
    assert isinstance(found.syncopation, Unknown) is not known
    assert isinstance(found.on_beat_ratio, Unknown) is not known


def test_density_windows_last_4_s_and_are_2_s_apart():
    one = Onsets(np.array([5.0]), np.ones(1))  # in two of five windows, from 2 s and from 4 s
    assert onset_density(one, Window(0, 12)).onset_density_average == pytest.approx(2 * 0.25 / 5)
    assert onset_density(Onsets(np.array([3.999]), np.ones(1)), Window(0, 4)).onset_density_average == 0.25
    assert onset_density(Onsets(np.array([4.0]), np.ones(1)), Window(0, 4)).onset_density_average == 0
