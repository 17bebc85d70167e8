"""Notes of one voice: melodies with known notes, and the numbers of notes."""

import numpy as np
import pytest

import signals
from mirkit.features.extraction import SignalExtractor
from mirkit.features.pitch.f0 import BASS, LEAD
from mirkit.features.pitch.note_events import NoteEvents
from mirkit.features.pitch.notes import notes_of_voice, tuning
from mirkit.features.pitch.statistics import note_statistics
from mirkit.features.types import Unknown, Window

RATE = signals.RATE


def notes_of(sound: np.ndarray, source: str = "bass") -> NoteEvents:
    extractor = SignalExtractor(1, frozenset({"f0", "onsets"}), {}, source)
    extractor.push(sound[None])
    series = extractor.finish()
    return notes_of_voice(series["f0"], series["onsets"], BASS if source == "bass" else LEAD)


def plucked(note: float, seconds: float, decay: float = 0.4) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    hertz = 440 * 2 ** ((note - 69) / 12)
    tone = sum(np.sin(2 * np.pi * k * hertz * t + k) / k for k in range(1, 9))
    fade = np.minimum(1, (seconds - t) / 0.02)
    return 0.2 * tone * np.exp(-t / decay) * np.minimum(1, t / 0.003) * fade


def line(rows: list[tuple[float, float, float]], seconds: float) -> np.ndarray:
    """Return plucked notes (start, length, pitch) as float32."""
    sound = np.zeros(round(seconds * RATE))
    for start, length, note in rows:
        tone = plucked(note, length)
        at = round(start * RATE)
        sound[at : at + len(tone)] += tone[: len(sound) - at]
    return sound.astype(np.float32)


MELODY = [(0.3, 0.3, 28), (0.6, 0.3, 28), (0.9, 0.15, 40), (1.05, 0.3, 35), (1.5, 0.6, 33), (2.1, 0.25, 31)]


@pytest.mark.parametrize("shift", [0, 5, 14])
def test_a_plucked_line_is_found(shift: int) -> None:
    rows = [(start, length, note + shift) for start, length, note in MELODY]
    found = notes_of(line(rows, 2.6))
    assert found.pitches.tolist() == [note for _, _, note in rows]
    np.testing.assert_allclose(found.starts, [start for start, _, _ in rows], atol=0.03)
    np.testing.assert_allclose(found.ends, [start + length for start, length, _ in rows], atol=0.12)


def test_pitches_are_relative_to_the_tuning() -> None:
    rows = [(start, length, note + 0.35) for start, length, note in MELODY]
    found = notes_of(line(rows, 2.6))
    assert found.pitches.tolist() == [note for _, _, note in MELODY]


def test_vibrato_is_one_note_and_a_legato_step_is_another() -> None:
    t = np.arange(2 * RATE) / RATE
    pitch = np.where(t < 1, 60, 62) + 0.4 * np.sin(2 * np.pi * 5 * t)
    angle = 2 * np.pi * np.cumsum(440 * 2 ** ((pitch - 69) / 12)) / RATE
    sound = (0.2 * sum(np.sin(k * angle) / k**1.5 for k in range(1, 8))).astype(np.float32)
    found = notes_of(sound, "vocals")
    assert found.pitches.tolist() == [60, 62]
    assert abs(found.starts[1] - 1.0) < 0.05


def test_the_attack_of_a_slapped_string_is_no_note_of_its_own() -> None:
    # At first the sound repeats itself only after two periods, as that of a slapped string does.
    t = np.arange(round(0.8 * RATE)) / RATE
    hertz = 440 * 2 ** ((40 - 69) / 12)
    tone = sum(np.sin(2 * np.pi * k * hertz * t) / k for k in range(1, 8))
    rattle = 1.5 * np.sin(np.pi * hertz * t) * np.exp(-t / 0.08)
    sound = (0.2 * (tone + rattle) * np.exp(-t / 0.5)).astype(np.float32)
    found = notes_of(np.concatenate((signals.silence(0.3), sound)))
    assert found.pitches.tolist() == [40]


def test_silence_and_noise_have_no_notes() -> None:
    assert len(notes_of(signals.silence(1.0))) == 0
    assert len(notes_of(signals.noise(2.0, -20.0))) == 0


def test_leakage_far_below_the_notes_is_left_out() -> None:
    sound = line(MELODY, 4.0) + 0.002 * line([(3.0, 0.5, 45)], 4.0)
    assert 45 not in notes_of(sound).pitches


def test_tuning_of_nothing_is_zero() -> None:
    extractor = SignalExtractor(1, frozenset({"f0"}), {}, "bass")
    extractor.push(signals.silence(0.5)[None])
    assert tuning(extractor.finish()["f0"]) == 0


EVENTS = NoteEvents.of([(0.0, 1.0, 60, 0.0), (0.0, 1.0, 64, 0.0), (0.5, 1.0, 67, 0.0), (2.0, 3.0, 48, -6.0)])


def test_numbers_of_notes() -> None:
    measured = note_statistics(EVENTS, Window(0.0, 4.0))
    # 1 s of 60, 64 and 48 each, 0.5 s of 67; 3.5 s of notes in 2 s in which any sounds
    assert measured.pitch_median == 60
    assert measured.pitch_range == 67 - 48
    assert measured.note_density == 1.0
    assert measured.polyphony == pytest.approx(3.5 / 2)


def test_numbers_of_a_window_count_sounding_and_beginning_notes() -> None:
    measured = note_statistics(EVENTS, Window(0.5, 1.5))
    assert measured.note_density == 1.0  # one of three begins in it
    assert measured.polyphony == 3.0
    assert measured.pitch_median == 64


def test_numbers_without_notes() -> None:
    measured = note_statistics(EVENTS, Window(1.2, 1.8))
    assert measured.note_density == 0
    assert all(isinstance(value, Unknown) for value in (measured.pitch_median, measured.polyphony))


def test_notes_of_a_window_are_cut_at_its_end() -> None:
    part = EVENTS.within(Window(0.4, 0.8))
    assert part.pitches.tolist() == [67]
    assert part.ends.tolist() == [0.8]
