"""The most likely division against all divisions, and the evidence for it."""

from itertools import combinations

import numpy as np
import pytest

from form_music import sources
from mirkit.features.structure.bars import bars_of, grid_of
from mirkit.features.structure.boundaries import divide, evidence, repetitions
from mirkit.features.structure.likeness import comparison, letters, spans


def weight(marks: tuple[int, ...], odds: np.ndarray, lengths: np.ndarray) -> float:
    """Log weight of a division, by the definition."""
    count = len(odds) + 1
    total = sum(float(odds[mark - 1]) for mark in marks)
    for start, end in spans(marks, count):
        length = float(lengths[min(end - start, len(lengths)) - 1])
        at_an_end = (start == 0 or end == count) and end - start > 1
        total += max(length, float(lengths.mean())) if at_an_end else length
    return total


@pytest.mark.parametrize("seed", range(6))
def test_division_and_probabilities_against_all_divisions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    odds, lengths = rng.normal(-0.5, 1.5, 9), rng.normal(0, 1, 6)
    every = [marks for size in range(10) for marks in combinations(range(1, 10), size)]
    weights = np.array([weight(marks, odds, lengths) for marks in every])
    found = divide(odds, lengths)
    assert found.marks == every[int(np.argmax(weights))]
    shares = np.exp(weights - weights.max())
    shares /= shares.sum()
    expected = [sum(s for marks, s in zip(every, shares, strict=True) if mark in marks) for mark in range(1, 10)]
    assert found.probability == pytest.approx(np.array(expected), abs=1e-9)


def test_one_bar_is_not_divided() -> None:
    assert divide(np.zeros(0), np.zeros(4)).marks == ()


def test_repetitions_of_a_loop() -> None:
    rows = np.tile(np.eye(4), (6, 1))
    found = repetitions(rows)
    later = found[:, : len(rows) - 1]
    assert later[2:-10, 3].min() > 0.9, "four bars later it sounds the same"
    assert later[2:-10, [0, 1, 2]].max() < 0.1
    assert found.shape == (24, 46)


def test_evidence_is_highest_at_the_boundaries() -> None:
    given = sources("ABA")
    inputs = evidence(bars_of(given, grid_of(given.beats, given.duration)))
    assert inputs.shape[0] == 23
    assert np.isfinite(inputs).all()
    for column in (1, 5, 9):  # contrast of chroma, tone and level over four bars
        assert set(np.argsort(inputs[:, column])[-2:] + 1) == {8, 16}


@pytest.mark.parametrize("seed", range(4))
def test_letters_follow_the_groups(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 4, 12)
    odds = np.where(groups[:, np.newaxis] == groups, 2.0, -2.0) + rng.normal(0, 0.3, (12, 12))
    found = letters((odds + odds.T) / 2)
    assert found[0] == "A"
    assert {(a, b) for a, b in zip(groups.tolist(), found, strict=True)} == set(
        zip(groups.tolist(), found, strict=True)
    )
    assert len(set(found)) == len(set(groups.tolist()))
    assert len(set(zip(groups.tolist(), found, strict=True))) == len(set(found))


def test_more_than_26_letters() -> None:
    assert letters(np.full((28, 28), -1.0))[-3:] == ["Z", "AA", "AB"]


def test_a_section_is_like_itself_transposed_too() -> None:
    given = sources("ABA")
    bars = bars_of(given, grid_of(given.beats, given.duration))
    same, other = comparison(bars, (0, 8), (16, 24)), comparison(bars, (0, 8), (8, 16))
    assert same[0] > 0.98
    assert other[0] < 0.8
    assert same[3:7] == pytest.approx(0, abs=0.3)
