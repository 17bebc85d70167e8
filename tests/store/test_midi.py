"""MIDI files of notes, and parts of MIDI files."""

import io
from pathlib import Path

import mido
import numpy as np
import pretty_midi
import pytest

from mirkit.drums.tempo_map import tempo_map
from mirkit.errors import InfoError
from mirkit.features.pitch.note_events import NoteEvents
from mirkit.features.types import Window
from mirkit.store.midi import format_notes, is_our_midi, part_of_midi

BEATS = np.arange(0.25, 12, 0.5)
NOTES = NoteEvents.of(
    [(0.25, 0.7, 40, -3.0), (0.75, 1.2, 40, -9.0), (0.75, 2.0, 47, -3.0), (1.0, 1.001, 52, -3.0), (5.0, 6.5, 45, 0.0)]
)


def read(data: bytes) -> list[tuple[float, float, int]]:
    """Return start, end and pitch of every note, as another reader of MIDI finds them."""
    midi = pretty_midi.PrettyMIDI(io.BytesIO(data))
    return sorted(
        (round(n.start, 3), round(n.end, 3), n.pitch) for instrument in midi.instruments for n in instrument.notes
    )


def test_notes_keep_their_times_and_pitches(tmp_path: Path) -> None:
    data = format_notes(NOTES, "bass", tempo_map(BEATS, BEATS[::4]))
    found = read(data)
    assert [row[2] for row in found] == [40, 40, 47, 52, 45]
    np.testing.assert_allclose([row[:2] for row in found if row[2] != 52], [
        (s, e) for s, e, p in zip(NOTES.starts, NOTES.ends, NOTES.pitches, strict=True) if p != 52
    ], atol=0.002)  # fmt: skip
    midi = pretty_midi.PrettyMIDI(io.BytesIO(data))
    assert [(i.name, i.program, i.is_drum) for i in midi.instruments] == [("bass", 33, False)]
    np.testing.assert_allclose(midi.get_beats()[2:10], BEATS[1:9], atol=0.002)
    path = tmp_path / "bass.mid"
    path.write_bytes(data)
    assert is_our_midi(path)


def test_softer_notes_have_lower_velocities() -> None:
    midi = mido.MidiFile(file=io.BytesIO(format_notes(NOTES, "other", tempo_map(BEATS, BEATS[:0]))))
    loud = [m.velocity for m in midi.tracks[1] if m.type == "note_on" and m.note in (40, 45)]
    assert loud[1] < loud[0] < loud[2]


def test_a_note_ends_before_its_pitch_is_played_again() -> None:
    notes = NoteEvents.of([(1.0, 3.0, 60, 0.0), (2.0, 2.5, 60, 0.0), (2.0, 2.2, 60, 0.0)])
    assert read(format_notes(notes, "vocals", tempo_map(BEATS, BEATS[:0]))) == [(1.0, 2.0, 60), (2.0, 2.5, 60)]


@pytest.mark.parametrize("stem", ["bass", "other", "vocals"])
def test_no_notes_make_a_file_without_notes(stem: str) -> None:
    data = format_notes(NoteEvents.of([]), stem, tempo_map(np.zeros(0), np.zeros(0)))
    assert read(data) == []


def part(path: Path, start: float, end: float, beats: np.ndarray = BEATS) -> bytes:
    inside = beats[(beats >= start) & (beats < end)] - start
    return part_of_midi(path, Window(start, end), tempo_map(inside, inside[::4]))


@pytest.fixture
def bass(tmp_path: Path) -> Path:
    path = tmp_path / "bass.mid"
    path.write_bytes(format_notes(NOTES, "bass", tempo_map(BEATS, BEATS[::4])))
    return path


def test_a_part_begins_at_its_window(bass: Path, tmp_path: Path) -> None:
    data = part(bass, 0.6, 1.6)
    np.testing.assert_allclose([row[:2] for row in read(data) if row[2] != 52], [(0.15, 0.6), (0.15, 1.0)], atol=0.002)
    cut = tmp_path / "cut.mid"
    cut.write_bytes(data)
    assert is_our_midi(cut)
    midi = pretty_midi.PrettyMIDI(io.BytesIO(data))
    assert [(i.name, i.program) for i in midi.instruments] == [("bass", 33)]
    np.testing.assert_allclose(midi.get_beats()[1:], [0.65], atol=0.002)  # a beat at 0.15 s is tick 0


def test_a_part_with_a_changing_tempo(tmp_path: Path) -> None:
    beats = np.cumsum(np.linspace(0.3, 0.8, 24))
    path = tmp_path / "x.mid"
    path.write_bytes(format_notes(NOTES, "other", tempo_map(beats, beats[::3])))
    assert read(part(path, 4.0, 6.0, beats)) == [(1.0, 2.0, 45)]


def test_a_part_without_notes(bass: Path) -> None:
    assert read(part(bass, 8.0, 10.0)) == []


def test_a_part_of_a_file_of_other_software(tmp_path: Path) -> None:
    midi = pretty_midi.PrettyMIDI(initial_tempo=93, resolution=220)
    for program, drum in ((0, False), (0, True)):
        instrument = pretty_midi.Instrument(program, is_drum=drum, name="kit" if drum else "piano")
        instrument.notes = [pretty_midi.Note(90, 36 + i, i * 0.5, i * 0.5 + 0.4) for i in range(10)]
        midi.instruments.append(instrument)
    path = tmp_path / "drums.mid"
    midi.write(str(path))
    found = read(part(path, 2.0, 3.6))
    assert [row[2] for row in found] == [40, 40, 41, 41, 42, 42, 43, 43]
    np.testing.assert_allclose([row[0] for row in found[::2]], [0, 0.5, 1.0, 1.5], atol=0.003)
    assert found[-1][1] == pytest.approx(1.6, abs=0.003)


def test_a_damaged_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "x.mid"
    path.write_bytes(b"MThd")
    with pytest.raises(InfoError, match="cannot be read as MIDI"):
        part(path, 0.0, 1.0)
