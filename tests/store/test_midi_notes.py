"""Notes of MIDI files: known answers, mido as the reference, and damaged files."""

import io
from pathlib import Path

import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirkit.store.midi_notes import Note, midi_notes

HEAD = b"MThd\0\0\0\6\0\1\0\1\0\x60"


def file_of(*events: bytes) -> bytes:
    """A file of one track, 96 ticks per quarter note, at 120 BPM."""
    track = b"".join(events) + b"\0\xff\x2f\0"
    return HEAD + b"MTrk" + len(track).to_bytes(4, "big") + track


def by_mido(data: bytes) -> list[Note]:
    """The same by mido, which keeps the time."""
    found: list[Note] = []
    sounding: dict[tuple[int, int], int] = {}
    now = 0.0
    for message in mido.MidiFile(file=io.BytesIO(data)):
        now += message.time
        if message.type not in ("note_on", "note_off"):
            continue
        voice = message.channel, message.note
        if voice in sounding:
            begun = sounding.pop(voice)
            found[begun] = (*found[begun][:3], now)
        if message.type == "note_on" and message.velocity:
            sounding[voice] = len(found)
            found.append((now, message.note, message.velocity, now))
    return found


@pytest.mark.parametrize(
    ("events", "notes"),
    [
        ([], []),
        ([b"\0\x90\x3c\x40", b"\x60\x80\x3c\0"], [(0.0, 60, 64, 0.5)]),
        ([b"\x30\x90\x3c\x40", b"\x60\x3c\0"], [(0.25, 60, 64, 0.75)]),  # running status, and an end by velocity 0
        ([b"\0\x90\x3c\x40", b"\x60\x3c\x41", b"\x60\x3c\0"], [(0.0, 60, 64, 0.5), (0.5, 60, 65, 1.0)]),
        ([b"\0\x90\x3c\x40"], [(0.0, 60, 64, 0.0)]),  # without an end
        ([b"\0\x90\x3c\x40", b"\x81\x40\x80\x3c\0"], [(0.0, 60, 64, 1.0)]),  # 192 ticks
        ([b"\0\xff\x51\x03\x0f\x42\x40", b"\x60\x99\x24\x7f", b"\x60\x89\x24\0"], [(1.0, 36, 127, 2.0)]),  # 60 BPM
        ([b"\0\xc0\x05", b"\0\xf0\x02\x01\xf7", b"\0\xb0\x07\x40", b"\0\x90\x3c\x40"], [(0.0, 60, 64, 0.0)]),
        ([b"\0\x90\x3c\x40", b"\0\xff\x01\x01x", b"\x60\x3c\0"], [(0.0, 60, 64, 0.5)]),  # a text between
    ],
)
def test_known_notes(events: list[bytes], notes: list[Note]) -> None:
    assert midi_notes(file_of(*events)) == notes


@pytest.mark.parametrize("seed", range(12))
def test_the_same_as_mido(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    file = mido.MidiFile(type=seed % 2, ticks_per_beat=int(rng.integers(24, 2000)))
    for _ in range(1 if seed % 2 == 0 else 4):
        track = mido.MidiTrack()
        for _ in range(200):
            note, channel, time = int(rng.integers(128)), int(rng.integers(16)), int(rng.integers(0, 40_000) ** 0.5)
            messages = [
                mido.Message("note_on", note=note, channel=channel, velocity=int(rng.integers(128)), time=time),
                mido.Message("note_off", note=note, channel=channel, time=time),
                mido.MetaMessage("set_tempo", tempo=int(rng.integers(200_000, 900_000)), time=time),
                mido.MetaMessage("track_name", name="x" * int(rng.integers(200)), time=time),
                mido.Message("sysex", data=[1, 2, 3], time=time),
                mido.Message("pitchwheel", pitch=3, time=time),
                mido.Message("program_change", program=3, time=time),
            ]
            track.append(messages[int(rng.choice(7, p=[0.4, 0.3, 0.06, 0.06, 0.06, 0.06, 0.06]))])
        file.tracks.append(track)
    file.save(tmp_path / "x.mid")
    data = (tmp_path / "x.mid").read_bytes()
    found, expected = midi_notes(data), by_mido(data)
    assert len(found) == len(expected) > 20
    np.testing.assert_allclose(np.array(found), np.array(expected), atol=1e-4)


@given(st.binary(max_size=60), st.integers(0, 80), st.integers(0, 255))
def test_damage_is_an_error_or_other_notes(noise: bytes, at: int, value: int) -> None:
    """Nothing else than ValueError, and an end."""
    whole = file_of(b"\0\x90\x3c\x40", b"\x60\x80\x3c\0", b"\0\xff\x51\x03\x0f\x42\x40", b"\0\x90\x40\x40")
    changed = bytearray(whole)
    changed[at % len(whole)] = value
    for data in (noise, HEAD + noise, whole[:at], bytes(changed), whole[:14] + b"MTrk\0\0\0\x20" + noise):
        try:
            notes = midi_notes(data)
        except ValueError:
            continue
        assert all(0 <= pitch < 128 and 0 < velocity < 128 for _, pitch, velocity, _ in notes)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"RIFF" + bytes(40),
        file_of()[:-1],
        file_of(b"\0\x3c\x40"),  # no status
        file_of(b"\0\x90\x3c\xc0"),  # a value of 192
        file_of(b"\0\xf4"),
        HEAD[:9] + b"\2" + HEAD[10:] + file_of()[14:],  # tracks without a common time
        HEAD[:12] + b"\xe7\x28" + file_of()[14:],  # frames of a film
        HEAD[:11] + b"\2" + HEAD[12:] + file_of()[14:],  # a track is missing
    ],
)
def test_no_midi_file_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (each is another fault)
        midi_notes(data)
