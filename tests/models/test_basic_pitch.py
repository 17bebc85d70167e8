"""Basic Pitch: the network equals ONNX Runtime's, chords are found, and blocks and sections do not matter."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

import signals
from mirkit.errors import WeightsError
from mirkit.features.pitch.note_events import NoteEvents
from mirkit.models.basic_pitch import extractor as module
from mirkit.models.basic_pitch.decoder import FRAME_RATE, candidates, decode
from mirkit.models.basic_pitch.extractor import PATH, SHA256, NoteExtractor, network
from mirkit.models.basic_pitch.network import FRAMES, RATE, SEMITONES, WINDOW
from mirkit.models.onnx_weights import read_onnx


def chords(rows: list[tuple[float, float, tuple[int, ...]]], seconds: float) -> np.ndarray:
    """Return chords (start, length, pitches) of plucked tones, float32, at 44.1 kHz."""
    sound = np.zeros(round(seconds * signals.RATE))
    for start, length, pitches in rows:
        t = np.arange(round(length * signals.RATE)) / signals.RATE
        for pitch in pitches:
            hertz = 440 * 2 ** ((pitch - 69) / 12)
            tone = sum(np.sin(2 * np.pi * k * hertz * t + k * pitch) / k**1.5 for k in range(1, 9))
            at = round(start * signals.RATE)
            sound[at : at + len(t)] += 0.1 * tone * np.exp(-t / 0.5) * np.minimum(1, (length - t) / 0.02)
    return sound.astype(np.float32)


MUSIC = [
    (0.5, 0.6, (48, 60, 64, 67)),
    (1.2, 0.6, (45, 57, 60, 64)),
    (1.9, 0.6, (41, 57, 60, 65)),
    (2.6, 0.9, (43, 59, 62, 67)),
]


def found(sound: np.ndarray, block: int = 1 << 16) -> NoteEvents:
    extractor = NoteExtractor()
    for start in range(0, len(sound), block):
        extractor.push(sound[None, start : start + block])
    return extractor.finish()


def test_the_file_is_that_of_the_package() -> None:
    assert hashlib.sha256(PATH.read_bytes()).hexdigest() == SHA256


@pytest.mark.parametrize("seed", [1, 2])
def test_the_network_equals_onnx_runtime(seed: int) -> None:
    session = onnxruntime.InferenceSession(str(PATH))
    sound = chords(MUSIC, 4.0)[::2][seed * 9000 :][:WINDOW] + signals.noise(2.0, -60.0, seed)[:WINDOW]
    sound = np.pad(sound, (0, WINDOW - len(sound))).astype(np.float32)
    outputs = dict(
        zip(
            [output.name for output in session.get_outputs()],
            session.run(None, {session.get_inputs()[0].name: sound[None, :, None]}),
            strict=True,
        )
    )
    notes, onsets = network()(sound)
    np.testing.assert_allclose(notes, outputs["StatefulPartitionedCall:1"][0], atol=3e-4)
    np.testing.assert_allclose(onsets, outputs["StatefulPartitionedCall:2"][0], atol=3e-4)
    assert notes.max() > 0.5


def test_the_network_of_silence_is_finite() -> None:
    for part in network()(np.zeros(WINDOW, np.float32)):
        assert part.shape == (FRAMES, SEMITONES)
        assert np.isfinite(part).all()


def test_chords_are_found() -> None:
    notes = found(chords(MUSIC, 4.0))
    truth = {(start, pitch) for start, _, pitches in MUSIC for pitch in pitches}
    hits = {
        (start, pitch)
        for start, pitch in truth
        if ((notes.pitches == pitch) & (np.abs(notes.starts - start) < 0.05)).any()
    }
    assert len(hits) >= len(truth) - 2
    assert len(notes) <= len(truth) + 3


def test_silence_and_soft_noise_have_no_notes() -> None:
    assert len(found(signals.silence(3.0))) == 0
    assert len(found(np.zeros(0, np.float32))) == 0
    assert len(found(signals.noise(3.0, -80.0))) == 0


@pytest.mark.parametrize("block", [999, 44100])
def test_blocks_do_not_matter(block: int) -> None:
    sound = chords(MUSIC, 4.0)
    whole, parts = found(sound), found(sound, block)
    np.testing.assert_array_equal(whole.pitches, parts.pitches)
    np.testing.assert_allclose(whole.starts, parts.starts)


def test_sections_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = np.concatenate([chords(MUSIC, 4.0)] * 3)
    whole = found(sound)
    monkeypatch.setattr(module, "_SECTION", 200)
    monkeypatch.setattr(module, "_AROUND", 150)
    parts = found(sound)
    np.testing.assert_array_equal(whole.pitches, parts.pitches)
    np.testing.assert_allclose(whole.starts, parts.starts)
    np.testing.assert_allclose(whole.ends, parts.ends)


def test_stereo_is_mixed_down() -> None:
    sound = chords(MUSIC, 4.0)
    extractor = NoteExtractor()
    extractor.push(np.stack((sound, sound)))
    np.testing.assert_array_equal(extractor.finish().pitches, found(sound).pitches)


def test_times_are_those_of_the_audio() -> None:
    late = np.concatenate((signals.silence(7.0), chords(MUSIC, 4.0)))
    first = found(late).starts[0]
    assert abs(first - 7.5) < 0.05


def test_a_partial_of_a_stronger_note_is_no_note() -> None:
    notes, onsets = np.full((60, SEMITONES), 0.01), np.full((60, SEMITONES), 0.01)
    notes[10:50, 40], onsets[10, 40] = 0.9, 0.9
    notes[10:50, 52], onsets[10, 52] = 0.25, 0.2
    assert (10, 52) in map(tuple, candidates(notes, onsets).tolist())
    assert [pitch for _, _, pitch in decode(notes, onsets)] == [21 + 40]


def test_a_missing_or_other_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    network.cache_clear()
    for path in (tmp_path / "absent.onnx", tmp_path / "other.onnx"):
        (tmp_path / "other.onnx").write_bytes(PATH.read_bytes()[:-1] + b"x")
        monkeypatch.setattr(module, "PATH", path)
        with pytest.raises(WeightsError, match="install mirkit again"):
            network()
    network.cache_clear()


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x3a\xff\xff\x03", b"not a protobuf at all", b"\xff" * 40])
def test_damaged_onnx_files_are_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(data)
    with pytest.raises(WeightsError):
        read_onnx(path)


def test_onnx_constants_are_read_as_onnx_reads_them() -> None:
    ours = read_onnx(PATH).constants
    for tensor in onnx.load(PATH).graph.initializer:
        np.testing.assert_array_equal(ours[tensor.name], onnx.numpy_helper.to_array(tensor))


def test_frame_rate() -> None:
    assert pytest.approx(RATE / 256) == FRAME_RATE
