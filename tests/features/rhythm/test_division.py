"""Division of the beat and coherence of the onsets with beats, on grids and onsets that are given."""

import numpy as np
import pytest

from mirkit.features.rhythm.beats.division import share_with_onset, thirds_log_odds
from mirkit.features.rhythm.beats.phase_coherence import local_coherence, phase_coherence
from mirkit.features.rhythm.beats.pulse import PARTS, FineGrid
from mirkit.features.rhythm.beats.refine import refine
from mirkit.features.rhythm.onsets import Onsets

BEATS = 48


def grid(*places: float, chance: float = 1.0, seed: int = 0) -> FineGrid:
    """Onsets at places of each beat, each left out at random."""
    onsets = (np.arange(BEATS)[:, None] + np.array(places)).ravel() * PARTS
    onsets = np.sort(onsets[np.random.default_rng(seed).random(len(onsets)) < chance])
    frames = np.arange(BEATS * PARTS + 1) * 5.0
    return FineGrid(frames, np.ones((len(frames), 7)), 0.5, 2.0, onsets)


@pytest.mark.parametrize("beat", [PARTS, PARTS // 2, 2 * PARTS])
def test_share_counts_beats_once(beat: int) -> None:
    straight = grid(0, 0.5)
    assert share_with_onset(straight, beat, 0, 0.0) == pytest.approx(1, abs=0.05)
    assert share_with_onset(straight, beat, 0, 0.15) == 0
    assert share_with_onset(grid(0, 0.01, 0.02), PARTS, 0, 0.0) == pytest.approx(1, abs=0.05)
    assert share_with_onset(grid(0.25, chance=0.5), PARTS, 0, 0.25) == pytest.approx(0.5, abs=0.15)


def test_share_follows_the_phase() -> None:
    assert share_with_onset(grid(0.5), PARTS, PARTS // 2, 0.0) == pytest.approx(1, abs=0.05)
    assert share_with_onset(grid(0.5), PARTS, 0, 0.0) == 0


@pytest.mark.parametrize("chance", [1.0, 0.8, 0.5])
def test_both_thirds_divide_the_beat_in_three(chance: float) -> None:
    assert thirds_log_odds(grid(0, 1 / 3, 2 / 3, chance=chance), PARTS, 0) > 1


@pytest.mark.parametrize("places", [(0,), (0, 1 / 2), (0, 1 / 4, 1 / 2, 3 / 4), (0, 1 / 3), (0, 2 / 3), (0, 3 / 4)])
def test_other_patterns_divide_it_in_two(places: tuple[float, ...]) -> None:
    assert thirds_log_odds(grid(*places), PARTS, 0) < 0


def followed(depth: float = 0.15) -> np.ndarray:
    """Beats whose tempo rises and falls within eight beats."""
    return np.concatenate(([0.0], np.cumsum(0.6 * np.exp(depth * np.sin(np.arange(64) * 2 * np.pi / 8)))))


def onsets_of(beats: np.ndarray, parts: int) -> Onsets:
    times = np.interp(np.arange((len(beats) - 1) * parts + 1) / parts, np.arange(len(beats)), beats)
    return Onsets(times, np.ones(len(times)))


@pytest.mark.parametrize("parts", [2, 3, 4])
def test_onsets_that_divide_followed_beats_are_coherent_locally(parts: int) -> None:
    beats = followed()
    onsets = onsets_of(beats, parts)
    assert local_coherence(beats, onsets) > 0.99
    assert np.median(phase_coherence(beats, onsets)) < 0.8  # not with a straight line


@pytest.mark.parametrize("seed", range(5))
def test_random_onsets_are_not_coherent(seed: int) -> None:
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(0, 40, 200))
    assert local_coherence(followed(), Onsets(times, np.ones(200))) < 0.45


def test_a_short_span_keeps_the_beats_of_a_player() -> None:
    beats = followed()
    onsets = onsets_of(beats, 1)
    assert np.abs(refine(beats, onsets, 0.7) - beats)[2:-2].max() < 0.02
    assert np.abs(refine(beats, onsets) - beats)[2:-2].max() > 0.03
