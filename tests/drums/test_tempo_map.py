"""Seconds to ticks, and the MIDI file, read back by another library."""

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirkit.drums.drum_hits import DrumInstrument, Hits
from mirkit.drums.tempo_map import QUARTER, TempoMap, tempo_map
from mirkit.store.midi import format_midi

pretty_midi = pytest.importorskip("pretty_midi")
KICK, SNARE = DrumInstrument("kick", 36), DrumInstrument("snare", 38)


def read(hits: Hits, tempo: TempoMap, steps: int = 0) -> Any:
    return pretty_midi.PrettyMIDI(io.BytesIO(format_midi(hits, tempo, steps)))


def starts(midi: Any, voice: int = 0) -> np.ndarray:
    return np.array([note.start for note in midi.instruments[voice].notes])


def hits(*times: np.ndarray, levels: tuple[np.ndarray, ...] | None = None) -> Hits:
    return Hits((KICK, SNARE)[: len(times)], times, levels or tuple(np.zeros(len(t)) for t in times))


@given(
    st.lists(st.floats(0.2, 12.0), min_size=1, max_size=60),
    st.floats(0, 20),
    st.lists(st.floats(0, 300), min_size=1, max_size=30, unique=True),
    st.integers(1, 7),
)
def test_every_stroke_sounds_when_it_was_played(gaps: list[float], first: float, played: list[float], bar: int) -> None:
    beats = first + np.concatenate(([0], np.cumsum(gaps)))
    times = np.sort(played)
    tempo = tempo_map(beats, beats[::bar])
    longest = max(note / 1e6 for _, note in tempo.tempos)
    heard = starts(read(hits(times), tempo))
    # Half a tick; of strokes that fall on one tick one is left.
    assert np.abs(times[:, None] - heard).min(axis=1).max() <= 1.01 * longest / QUARTER + 1e-4
    assert all(0 < note < 2**24 for _, note in tempo.tempos)
    grid = tempo.at(beats[beats > min(gaps[0], 8) / 2])
    assert (grid % QUARTER == 0).all()


def test_beats_are_quarter_notes_and_downbeats_begin_bars(rng: np.random.Generator) -> None:
    beats = 1.13 + np.concatenate(([0], np.cumsum(rng.uniform(0.45, 0.55, 400))))
    midi = read(hits(beats), tempo_map(beats, beats[2::3]))
    assert np.abs(starts(midi) - beats).max() < 1e-5, "nothing drifts in 400 beats"
    assert midi.get_beats()[3:21] == pytest.approx(beats[:18], abs=1e-5)
    assert np.abs(midi.get_downbeats()[:, None] - beats[2::3]).min(axis=0).max() < 1e-5
    assert [(s.numerator, s.denominator) for s in midi.time_signature_changes] == [(2, 4), (3, 4)]


def test_a_change_of_meter() -> None:
    beats = np.arange(0, 12.5, 0.5)
    downbeats = np.array([0, 2, 4, 5.5, 7, 8.5, 10.5, 12.0])
    changes = read(hits(beats), tempo_map(beats, downbeats)).time_signature_changes
    assert [(s.numerator, s.time) for s in changes] == [(4, 0), (3, 4), (4, 8.5), (3, 10.5)]


def test_a_first_beat_within_half_a_beat_of_the_start_is_the_start() -> None:
    beats = 0.009 + np.arange(20) * 0.5
    tempo = tempo_map(beats, beats[::4])
    assert all(480_000 < pace < 520_000 for _, pace in tempo.tempos)
    assert tempo.signatures == ((0, 4),)
    assert tempo.at(beats[1:]).tolist() == [QUARTER * i for i in range(1, 20)]


def test_without_beats_the_clock_is_midis_own() -> None:
    for beats in (np.zeros(0), np.array([3.0])):
        tempo = tempo_map(beats, beats)
        assert tempo.tempos == ((0, 500_000),)
        assert starts(read(hits(np.array([0.0, 1.0, 33.3])), tempo)) == pytest.approx([0, 1, 33.3], abs=0.001)


def test_quantized() -> None:
    beats = np.arange(0, 10.1, 0.5)
    played = np.array([0.02, 0.13, 0.26, 0.51, 0.66, 5.5])
    tempo = tempo_map(beats, beats[::4])
    assert starts(read(hits(played), tempo, 4)) == pytest.approx([0, 0.125, 0.25, 0.5, 0.625, 5.5])
    assert starts(read(hits(played), tempo, 1)) == pytest.approx([0, 0.5, 5.5]), "strokes on one tick are one"
    assert starts(read(hits(np.array([0.5 / 3 + 0.01])), tempo, 3)) == pytest.approx([0.5 / 3], abs=1e-4)


def test_tracks_notes_and_velocities() -> None:
    kick, snare = np.array([0.5, 0.52, 2.0]), np.array([1.0])
    levels = (np.array([0.0, 0.0, -12.04]), np.array([-3.0]))
    midi = read(hits(kick, snare, levels=levels), tempo_map(np.arange(0, 4, 0.5), np.zeros(0)))
    assert [(i.name, i.is_drum) for i in midi.instruments] == [("kick", True), ("snare", True)]
    first, second, third = midi.instruments[0].notes
    assert [note.pitch for note in (first, second, third)] == [36, 36, 36]
    assert [note.velocity for note in (first, second, third)] == [112, 112, 56]
    assert first.end <= second.start + 1e-9, "a stroke ends before the next of the same drum"
    assert midi.instruments[1].notes[0].pitch == 38


def test_the_loudest_of_strokes_on_one_tick() -> None:
    given = hits(np.array([1.0, 1.1, 2.0]), levels=(np.array([-12.04, 0.0, 0.0]),))
    midi = read(given, tempo_map(np.arange(0, 4, 0.5), np.zeros(0)), 1)
    assert [note.velocity for note in midi.instruments[0].notes] == [112, 112]


def test_no_strokes_is_a_file_without_voices() -> None:
    assert read(hits(np.zeros(0)), tempo_map(np.arange(0, 4, 0.5), np.zeros(0))).instruments == []
