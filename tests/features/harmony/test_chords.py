"""Chords of synthesized music whose chords are known."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from mirkit.features.harmony.chord_list import Chord
from mirkit.features.harmony.chord_steps import BEAT, BETWEEN, DOWNBEAT, FIXED, chord_steps
from mirkit.features.harmony.chords import STATES, best_path, chords, probabilities
from mirkit.features.rhythm.beats.grid import NO_BEATS, Beats
from notes import RATE, Mono, curve_of, sequence, song, triad
from signals import noise, silence

NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def grid(seconds: float, interval: float = 0.5, first: float = 0.0, per_bar: int = 4) -> Beats:
    times = np.arange(first, seconds - 0.01, interval)
    return Beats(times, times[::per_bar], np.ones(len(times)), "4/4", 1.0, steady=True)


def found_in(mono: Mono, beats: Beats = NO_BEATS) -> tuple[Chord, ...]:
    return chords(curve_of(mono), None, beats, len(mono) / RATE)


def at(found: tuple[Chord, ...], second: float) -> str:
    return next(chord.symbol for chord in found if chord.start <= second < chord.end)


def share(found: tuple[Chord, ...], symbol: str) -> float:
    return sum(chord.end - chord.start for chord in found if chord.symbol == symbol) / found[-1].end


@pytest.mark.parametrize("minor", [False, True])
@pytest.mark.parametrize("root", range(48, 60))
def test_a_triad_on_every_root(root: int, minor: bool) -> None:
    mono = sequence([[root - 12, *triad(root, minor)]] * 4, 1.0)
    assert share(found_in(mono), f"{NAMES[root % 12]}:{'min' if minor else 'maj'}") > 0.9


@pytest.mark.parametrize(
    ("notes", "symbol"),
    [([36, 60, 64, 67, 70], "C:7"), ([45, 57, 60, 64, 67], "A:min7"), ([41, 57, 60, 64, 65], "F:maj7")],
)
def test_a_seventh(notes: list[int], symbol: str) -> None:
    assert share(found_in(sequence([notes] * 4, 1.0)), symbol) > 0.9


@pytest.mark.parametrize("bass", [40, 43])
def test_an_inversion_is_the_chord_of_its_root(bass: int) -> None:
    assert share(found_in(sequence([[bass, 60, 64, 67]] * 4, 1.0)), "C:maj") > 0.9


def test_changes_are_where_the_beats_are() -> None:
    roots = [48, 45, 53, 55] * 2  # C, Am, F, G, two seconds each, from 0.3 s
    music = sequence([[root - 12, *triad(root, root == 45)] for root in roots], 2.0)
    mono = np.concatenate((np.zeros(round(0.3 * RATE), np.float32), music))
    found = [chord for chord in found_in(mono, grid(16.3, first=0.3)) if chord.symbol != "N"]
    assert [chord.symbol for chord in found] == ["C:maj", "A:min", "F:maj", "G:maj"] * 2
    assert [chord.start for chord in found] == pytest.approx(np.arange(8) * 2 + 0.3)


def test_a_song_of_another_tuning_has_the_same_chords() -> None:
    beats = grid(16)
    plain, detuned = (found_in(song("I vi IV V", 0, cents=cents), beats) for cents in (0, 30))
    for chord, symbol in zip(range(8), ["C:maj", "A:min", "F:maj", "G:maj"] * 2, strict=True):
        assert at(plain, 2 * chord + 1) == at(detuned, 2 * chord + 1) == symbol


def test_a_transposed_song_has_transposed_chords() -> None:
    beats = grid(16)
    low, high = (found_in(song("I V vi IV", tonic), beats) for tonic in (0, 3))
    assert [at(low, t) for t in (1, 3, 5, 7)] == ["C:maj", "G:maj", "A:min", "F:maj"]
    assert [at(high, t) for t in (1, 3, 5, 7)] == ["D#:maj", "A#:maj", "C:min", "G#:maj"]


def test_the_level_does_not_matter() -> None:
    mono, beats = song("i bVI bIII bVII", 9), grid(16)
    loud, quiet = found_in(mono, beats), found_in(mono * np.float32(0.03), beats)
    assert [(c.start, c.symbol) for c in loud] == [(c.start, c.symbol) for c in quiet]
    assert [c.confidence for c in loud] == pytest.approx([c.confidence for c in quiet], abs=0.02)


def test_silence_and_noise_have_no_chord() -> None:
    assert {chord.symbol for chord in found_in(silence(5))} == {"N"}
    assert share(found_in(noise(10, seed=1)), "N") == 1
    assert found_in(np.zeros(0, np.float32)) == ()


def test_a_pause_between_chords_has_none() -> None:
    mono = np.concatenate((sequence([[36, 60, 64, 67]] * 4, 1.0), silence(4), sequence([[41, 60, 65, 69]] * 4, 1.0)))
    found = found_in(mono, grid(12))
    assert (at(found, 2), at(found, 6), at(found, 10)) == ("C:maj", "N", "F:maj")


def test_the_chords_cover_the_track_without_gaps() -> None:
    mono = song("I IV V I", 4)[: int(13.37 * RATE)]
    found = found_in(mono, grid(13.37))
    assert found[0].start == 0
    assert found[-1].end == pytest.approx(13.37, abs=1e-3)
    assert all(a.end == b.start and a.symbol != b.symbol for a, b in itertools.pairwise(found))
    assert all(chord.confidence is not None and 0 <= chord.confidence <= 1 for chord in found)


def test_the_bass_stem_tells_the_root() -> None:
    """C E G A is C6 over C and Am7 over A; the bass is loud in its stem and inaudible in the mix."""
    mix, low = sequence([[60, 64, 67, 69]] * 4, 1.0), [sequence([[root]] * 4, 1.0) for root in (36, 33)]
    found = [chords(curve_of(mix), curve_of(bass), NO_BEATS, 4.0)[0].symbol for bass in low]
    assert found[0].startswith("C:maj")
    assert found[1].startswith("A:min")


def test_steps_are_halves_of_beats_with_their_kinds() -> None:
    steps = chord_steps(grid(4, interval=0.5, first=0.5), 4.0)
    assert steps.edges == pytest.approx(np.arange(0, 4.01, 0.25))
    assert steps.kinds[:7].tolist() == [BEAT, BETWEEN, DOWNBEAT, BETWEEN, BEAT, BETWEEN, BEAT]


def test_fast_beats_are_not_divided_and_compound_ones_are_in_three() -> None:
    fast = chord_steps(grid(3, interval=0.3), 3.0)
    assert np.diff(fast.edges)[1:-1] == pytest.approx(np.full(len(fast.kinds) - 2, 0.3))
    compound = chord_steps(replace(grid(6, interval=0.75, per_bar=2), meter="6/8"), 6.0)
    assert np.diff(compound.edges) == pytest.approx(np.full(24, 0.25))


def test_a_gap_in_the_grid_is_filled() -> None:
    times = np.array([0.0, 0.5, 1.0, 3.0, 3.5, 4.0])
    steps = chord_steps(Beats(times, times[:1], np.ones(6)), 4.5)
    assert steps.edges == pytest.approx(np.arange(0, 4.51, 0.25))


def test_without_beats_steps_last_half_a_second() -> None:
    steps = chord_steps(NO_BEATS, 2.3)
    assert steps.edges.tolist() == [0, 0.5, 1, 1.5, 2.3]
    assert set(steps.kinds) == {FIXED}
    assert chord_steps(NO_BEATS, 0.2).edges.tolist() == [0, 0.2]


def test_path_and_probabilities_agree_with_all_sequences() -> None:
    """Three steps, all 61^3 sequences."""
    rng = np.random.default_rng(3)
    scores, stay = rng.normal(0, 2, (3, STATES)), np.array([0.0, 1.5, 2.5])
    moves = [np.where(np.eye(STATES, dtype=bool), stay[t], -np.log(STATES - 1)) for t in range(3)]
    total = scores[0][:, None, None] + (moves[1] + scores[1])[:, :, None] + (moves[2] + scores[2])[None, :, :]
    assert best_path(scores, stay).tolist() == list(np.unravel_index(total.argmax(), total.shape))
    joint = np.exp(total - total.max())
    expected = [joint.sum(axis=axes) / joint.sum() for axes in ((1, 2), (0, 2), (0, 1))]
    assert probabilities(scores, stay) == pytest.approx(np.array(expected), abs=1e-5)


def test_golden() -> None:
    found = found_in(song("ii7 V7 I vi", 7, bars=4, seed=5), grid(8))
    assert [(chord.symbol, chord.start) for chord in found] == GOLDEN
    assert [chord.confidence for chord in found] == pytest.approx([0.98, 0.97, 0.94, 0.97], abs=0.01)


#: ii7 V7 I vi in G.
GOLDEN = [("A:min7", 0.0), ("D:7", 2.0), ("G:maj", 4.0), ("E:min", 6.0)]
