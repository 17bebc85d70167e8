"""Peaks of activation curves, and how loud strokes become velocities."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirkit.drums.drum_hits import hit_levels, velocities
from mirkit.features.peaks import parabolic, pick_peaks


def bumps(at: list[int], frames: int = 200) -> np.ndarray:
    curve = np.zeros(frames)
    for frame in at:
        curve[frame - 1 : frame + 2] += np.array([0.4, 1.0, 0.4])
    return curve


def test_bumps_are_found_where_they_are() -> None:
    assert pick_peaks(bumps([20, 50, 54, 120]), 0.3).tolist() == [20, 50, 54, 120]


def test_a_long_roar_is_one_stroke() -> None:
    curve = np.zeros(200)
    curve[50:150] = 0.9
    assert pick_peaks(curve, 0.3).tolist() == [50]


def test_peaks_20_ms_apart_are_one_the_larger() -> None:
    curve = np.zeros(100)
    curve[[40, 42]] = 0.6, 0.9
    assert pick_peaks(curve, 0.2).tolist() == [42]


def test_thresholds() -> None:
    curve = bumps([30]) * 0.5 + bumps([80]) * 0.9
    assert pick_peaks(curve, 0.6).tolist() == [80]
    assert pick_peaks(curve, 0.2, lowest=0.6).tolist() == [80]
    assert pick_peaks(np.zeros(50), 0.1).tolist() == []
    assert pick_peaks(np.zeros(0), 0.1).tolist() == []


@given(st.lists(st.integers(0, 64), min_size=1, max_size=150))
def test_as_written_out(values: list[int]) -> None:
    """The same by loops over frames: mean of the 10 before and 1 after, largest of 2 before and 1 after."""
    curve = np.array(values) / 64  # their sums are exact in any order
    padded = np.pad(curve, (10, 1), mode="edge")
    above = np.maximum(0, [x - padded[i : i + 12].sum() / 12 for i, x in enumerate(curve)])
    around = np.pad(above, (2, 1), mode="edge")
    peaks = [i for i, x in enumerate(above) if x >= 0.2 and x >= around[i : i + 4].max()]
    kept: list[list[int]] = []
    for peak in peaks:
        if kept and peak - kept[-1][-1] <= 2:
            kept[-1].append(peak)
        else:
            kept.append([peak])
    assert pick_peaks(curve, 0.2).tolist() == [max(group, key=lambda i: above[i]) for group in kept]


def test_between_the_frames() -> None:
    frames = np.arange(100)
    curve = 1 - ((frames - 40.3) / 5) ** 2
    assert parabolic(curve, np.array([40]))[0] == pytest.approx(40.3)
    assert parabolic(np.ones(5), np.array([0, 4])).tolist() == [0, 4]


def test_12_db_less_is_half_the_velocity() -> None:
    levels = np.array([0.0] * 40 + [-12.04, -40.0, -200.0])
    found = velocities(levels)
    assert found[[0, 40, 41, 42]].tolist() == [112, 56, 11, 1]
    assert velocities(levels + 30).tolist() == found.tolist(), "a gain changes nothing"
    assert velocities(np.zeros(0)).tolist() == []


def test_levels_are_growth_of_power() -> None:
    power = np.full(300, 0.01)
    for frame, height in ((50, 1.0), (100, 0.25), (200, 0.01)):
        power[frame : frame + 20] += height * 0.8 ** np.arange(20)
    levels = hit_levels(power, np.array([50, 100, 200]))
    assert levels - levels[0] == pytest.approx([0, -6.02, -20], abs=0.05)
    assert hit_levels(np.zeros(10), np.array([5])) == pytest.approx([-60])
    assert hit_levels(power, np.zeros(0, np.int64)).tolist() == []
