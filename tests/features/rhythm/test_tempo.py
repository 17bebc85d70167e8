"""Tempo from beat grids with known answers."""

import numpy as np
import pytest

from mirkit.features.rhythm.beats import NO_BEATS, Beats
from mirkit.features.rhythm.tempo import (
    TEMPO_CHANGES,
    beat_period,
    has_one_tempo,
    octave_of,
    steady_runs,
    tempo,
    tempo_map,
)
from mirkit.features.types import Unknown, Window


def steady(times: np.ndarray) -> Beats:
    return Beats(times, times[::4], np.ones(len(times)), "4/4", 1.0, True)


@pytest.mark.parametrize("bpm", [40, 60, 97.3, 142.19, 200, 240])
def test_constant_tempo_within_a_twentieth_despite_jitter(bpm, rng):
    times = np.sort(1.3 + np.arange(64) * 60 / bpm + rng.normal(0, 0.003, 64))
    assert tempo(steady(times), Window(0, 300)).bpm == pytest.approx(bpm, abs=0.05)


def test_gaps_do_not_move_the_tempo():
    grid = np.arange(100) * 0.5
    holes = np.concatenate((grid[:30], grid[55:] + 0.17))
    result = tempo(steady(holes), Window(0, 60))
    assert result.bpm == pytest.approx(120, abs=0.01)
    assert result.beat_count == 75


def grid_of(*parts: tuple[int, float]) -> np.ndarray:
    """Beats of parts with a number of intervals at a tempo each."""
    return np.concatenate(([0], np.cumsum(np.concatenate([np.full(count, 60 / bpm) for count, bpm in parts]))))


def test_two_tempi_are_none_and_a_map_tells_them():
    grid = steady(grid_of((40, 100), (20, 120)))
    found = tempo(grid, Window(0, 40))
    assert (found.bpm, found.bpm_is_defined, found.beat_count) == (TEMPO_CHANGES, 0, 61)
    slow, quick = tempo_map(grid)
    assert slow == pytest.approx((0, 24, 100))
    assert quick == pytest.approx((24, 34, 120))


def test_windows_have_the_tempo_of_their_part():
    grid = steady(grid_of((40, 100), (40, 120)))
    assert tempo(grid, Window(0, 24)).bpm == pytest.approx(100)
    assert tempo(grid, Window(24.1, 44)).bpm == pytest.approx(120)
    assert tempo(grid, Window(20, 28)).bpm == TEMPO_CHANGES
    # A short window next to the change has neighbors on its own side alone.
    assert tempo(grid, Window(21.9, 24.1)).bpm == pytest.approx(100)
    assert tempo(grid, Window(24.1, 26)).bpm == pytest.approx(120)


def test_accelerando_is_no_tempo_and_its_map_follows_it():
    times = np.concatenate(([0], np.cumsum(60 / np.linspace(90, 140, 200))))
    assert steady_runs(times) == [(0, 200)]
    assert tempo(steady(times), Window(0, 200)).bpm == TEMPO_CHANGES
    parts = tempo_map(steady(times))
    assert len(parts) > 3
    assert [part.end for part in parts[:-1]] == [part.start for part in parts[1:]]
    assert np.all(np.diff([part.bpm for part in parts]) > 0)


def test_slight_drift_has_the_weighted_median():
    intervals = 60 / np.linspace(100, 105, 200)
    times = np.concatenate(([0], np.cumsum(intervals)))
    half = np.searchsorted(np.cumsum(intervals), intervals.sum() / 2)
    assert tempo(steady(times), Window(0, 200)).bpm == pytest.approx(60 / intervals[half], rel=1e-3)
    assert tempo_map(steady(times)) == ()


@pytest.mark.parametrize(("last", "one"), [(105.5, True), (107, False), (116, False)])
def test_a_drift_of_6_per_cent_is_one_tempo(last, one):
    times = np.concatenate(([0], np.cumsum(60 / np.linspace(100, last, 300))))
    assert has_one_tempo(times) is one
    assert isinstance(tempo(steady(times), Window(0, 200)).bpm, float) is one


@pytest.mark.parametrize(("other", "one"), [(18, True), (24, False)])
def test_a_fifth_of_the_beats_may_leave_the_tempo(other, one):
    times = grid_of((100 - other, 120), (other, 90))
    assert has_one_tempo(times) is one
    assert (tempo_map(steady(times)) == ()) is one


@pytest.mark.parametrize(
    ("known", "octave"), [(60, -1), (120, 0), (240, 1), (480, 2), (124.7, 0), (124.9, None), (180, None), (40, None)]
)
def test_a_known_tempo_is_an_octave_within_4_per_cent(known, octave):
    assert octave_of(known, 120) == octave


def test_short_window_borrows_neighbors(rng):
    times = np.arange(200) * 0.5 + rng.normal(0, 0.004, 200)
    result = tempo(steady(times), Window(30, 32))
    assert result.beat_count == 4
    assert result.bpm == pytest.approx(120, abs=1.0)


def test_regularity_is_the_deviation_of_the_intervals():
    times = np.cumsum(np.tile([0.5, 0.54], 20))
    assert tempo(steady(times), Window(0, 60)).beat_regularity == pytest.approx(0.02, abs=1e-3)
    assert isinstance(tempo(steady(times), Window(0, 1.05)).beat_regularity, Unknown)


def test_rubato_keeps_its_grid_without_a_tempo(rng):
    times = np.cumsum(rng.uniform(0.3, 1.1, 60))
    grid = Beats(times, times[::4], np.ones(60), "4/4", 0.2, False)
    result = tempo(grid, Window(0, 60))
    assert (result.bpm_is_defined, result.bpm) == (0, Unknown("no steady pulse"))
    assert result.beat_count > 50


def test_no_beats():
    result = tempo(NO_BEATS, Window(0, 10))
    assert (result.beat_count, result.bpm_is_defined) == (0, 0)
    assert isinstance(result.bpm, Unknown)
    assert isinstance(result.beat_regularity, Unknown)
    assert beat_period(np.zeros(0)) is None


def test_bar_positions_count_back_before_the_first_downbeat():
    times = np.arange(10) * 0.5
    grid = Beats(times, times[[2, 6]], np.ones(10), "4/4", 1.0, True)
    assert grid.bar_positions().tolist() == [2, 3, 0, 1, 2, 3, 0, 1, 2, 3]


# Numbers that the documentation states, at their boundaries


def weighted_median_of_local_lines(times: np.ndarray, reach: int) -> float:
    """Period at half of the duration, of lines through ``reach`` beats on either side of each interval's middle."""
    slopes = []
    for i in range(len(times) - 1):
        near = np.arange(max(0, i + 1 - reach), min(len(times), i + 1 + reach))
        slopes.append(np.polyfit(near, times[near], 1)[0])
    order = np.argsort(slopes, kind="stable")
    duration = np.cumsum(np.diff(times)[order])
    return float(np.array(slopes)[order][np.searchsorted(duration, duration[-1] / 2)])


def test_the_local_tempo_reaches_four_beats_to_either_side(rng):
    intervals = np.geomspace(0.4, 0.75, 60) * rng.uniform(0.985, 1.015, 60)
    times = np.concatenate(([0], np.cumsum(intervals)))
    assert steady_runs(times) == [(0, 60)]
    assert beat_period(times) == pytest.approx(weighted_median_of_local_lines(times, 4), rel=1e-9)
    for other in (2, 3, 5, 6):
        assert beat_period(times) != pytest.approx(weighted_median_of_local_lines(times, other), rel=1e-4)


@pytest.mark.parametrize(("change", "runs"), [(1.079, 1), (1.081, 2)])
def test_intervals_within_8_per_cent_are_one_run(change, runs):
    times = np.concatenate(([0], np.cumsum([0.5] * 8 + [0.5 * change] * 8)))
    assert len(steady_runs(times)) == runs


@pytest.mark.parametrize(("bpm", "known"), [(39.9, False), (40.1, True), (299.5, True), (300.5, False)])
def test_tempo_is_known_from_40_to_300(bpm, known):
    found = tempo(steady(np.arange(40) * 60 / bpm), Window(0, 100)).bpm
    assert found == (pytest.approx(bpm) if known else Unknown("tempo out of range"))


@pytest.mark.parametrize(("count", "known"), [(2, False), (3, True)])
def test_regularity_needs_three_beats(count, known):
    found = tempo(steady(np.arange(20) * 0.5), Window(0, 0.5 * count - 0.25)).beat_regularity
    assert isinstance(found, Unknown) is not known


@pytest.mark.parametrize(("quick", "one_tempo"), [(101.9, True), (102.2, False)])
def test_local_tempi_within_2_per_cent_are_one_tempo(quick, one_tempo):
    """One tempo has one slope through all beats; else the tempo is the median, that of the longer part."""
    times = np.concatenate(([0], np.cumsum([0.6] * 60 + [60 / quick] * 20)))
    found = tempo(steady(times), Window(0, 100)).bpm
    assert (100.1 < found < quick - 0.5) is one_tempo
    assert (found == pytest.approx(100, abs=1e-6)) is not one_tempo


@pytest.mark.parametrize(
    ("meter", "per_bar", "compound"),
    [
        ("4/4", 4, False),
        ("6/8", 2, True),
        ("12/8", 4, True),
        ("7/8", 7, False),
        ("other", None, False),
        (None, None, False),
    ],
)
def test_beats_of_a_bar(meter, per_bar, compound):
    grid = Beats(np.arange(10.0), np.zeros(0), np.ones(10), meter, 0.5, True)
    assert (grid.beats_per_bar, grid.compound) == (per_bar, compound)
