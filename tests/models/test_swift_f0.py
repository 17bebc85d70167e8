"""SwiftF0: the network equals ONNX Runtime's, known pitches are found, and blocks do not matter."""

import hashlib
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import signals
from mirkit.errors import WeightsError
from mirkit.features.pitch.f0 import FRAME_RATE, LEAD, F0Curve, F0Extractor
from mirkit.models import open_stream
from mirkit.models.swift_f0 import extractor as module
from mirkit.models.swift_f0.extractor import PATH, SHA256, SwiftF0Extractor, network
from mirkit.models.swift_f0.network import HOP, LONGEST, RATE
from mirkit.store import Settings, with_values


def voice(notes: list[float], seconds: float = 0.8, rate: int = signals.RATE, vibrato: float = 0.3) -> np.ndarray:
    """Sung tones (MIDI note numbers) with eight partials and vibrato, separated by 0.2 s of silence."""
    t = np.arange(round(seconds * rate)) / rate
    parts = []
    for note in notes:
        hertz = 440 * 2 ** ((note - 69 + vibrato * np.sin(2 * np.pi * 5.5 * t)) / 12)
        phase = 2 * np.pi * np.cumsum(hertz) / rate
        tone = sum(np.sin(k * phase) / k for k in range(1, 9)) * np.minimum(1, np.minimum(t, seconds - t) / 0.03)
        parts += [0.1 * tone, np.zeros(round(0.2 * rate))]
    return np.concatenate(parts).astype(np.float32)


def followed(sound: np.ndarray, block: int = 1 << 16) -> F0Curve:
    extractor = SwiftF0Extractor()
    for start in range(0, len(sound), block):
        extractor.push(sound[None, start : start + block])
    curve = extractor.finish()
    assert isinstance(curve, F0Curve)
    return curve


def test_the_file_is_that_of_the_package() -> None:
    assert hashlib.sha256(PATH.read_bytes()).hexdigest() == SHA256


@pytest.mark.parametrize(("notes", "noise"), [([57.0, 60.5, 69.0], -60.0), ([45.0, 81.0], -40.0)])
def test_the_network_equals_onnx_runtime(notes: list[float], noise: float) -> None:
    sound = voice(notes, rate=RATE)
    sound = (sound + signals.noise(len(sound) / RATE, noise, 3, RATE)[: len(sound)]).astype(np.float32)
    sound = sound[: len(sound) // HOP * HOP]
    inputs = {"audio": sound[None], "fmin": np.array(46.875, np.float32), "fmax": np.array(2093.75, np.float32)}
    hertz, voicing = onnxruntime.InferenceSession(str(PATH)).run(["pitch", "confidence"], inputs)
    count = len(sound) // HOP
    padded = np.pad(sound, LONGEST // 2)[: (count - 1) * HOP + LONGEST]
    ours, probability = network()(padded)
    assert (len(ours), len(probability)) == (count, count)
    np.testing.assert_allclose(probability, voicing[0], atol=1e-3)
    sure = voicing[0] > 0.5
    assert sure.mean() > 0.5
    np.testing.assert_allclose(1200 * np.log2(ours[sure] / hertz[0][sure]), 0, atol=0.5)


def test_known_pitches_are_found() -> None:
    curve = followed(voice([57.0, 64.0, 72.0], vibrato=0.0))
    for i, note in enumerate((57, 64, 72)):
        middle = curve.pitch[int((i + 0.2) * FRAME_RATE) : int((i + 0.6) * FRAME_RATE)]
        assert np.abs(middle - note).max() < 0.1
        pause = curve.cents[int((i + 0.88) * FRAME_RATE) : int((i + 0.92) * FRAME_RATE)]
        assert not pause.any()


def test_it_agrees_with_the_embedded_tracker() -> None:
    sound = voice([52.0, 59.0, 67.5, 74.0])
    theirs, embedded = followed(sound), F0Extractor(LEAD)
    embedded.push(sound)
    ours = embedded.finish()
    assert abs(len(ours.cents) - len(theirs.cents)) <= 1
    count = min(len(ours.cents), len(theirs.cents))
    both = (ours.cents[:count] > 0) & (theirs.cents[:count] > 0)
    assert both.mean() > 0.6
    assert np.median(np.abs(ours.pitch[:count][both] - theirs.pitch[:count][both])) < 0.1
    loud = both & (ours.level_db[:count] > -40)
    assert np.abs(ours.level_db[:count][loud] - theirs.level_db[:count][loud].astype(float)).max() < 4


def test_silence_and_short_sounds_have_no_pitch() -> None:
    assert not followed(signals.silence(3.0)).cents.any()
    assert not followed(signals.silence(0.01)).cents.any()
    assert not followed(np.zeros(0, np.float32)).cents.any()
    assert not followed(signals.noise(3.0, -80.0)).cents.any()


@pytest.mark.parametrize("block", [777, 44100, 1 << 20])
def test_blocks_do_not_matter(block: int) -> None:
    sound = np.tile(voice([55.0, 62.0, 70.0]), 3)
    whole, parts = followed(sound), followed(sound, block)
    assert len(whole.cents) == len(parts.cents) == 1 + len(sound) // 512
    np.testing.assert_array_equal(whole.cents > 0, parts.cents > 0)
    assert np.abs(whole.cents.astype(int) - parts.cents).max() <= 1
    np.testing.assert_array_equal(whole.level_db, parts.level_db)


def test_frames_are_computed_in_blocks_without_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = voice([55.0, 62.0, 70.0])
    whole = followed(sound)
    monkeypatch.setattr(module, "_FRAMES_PER_BLOCK", 16)
    parts = followed(sound)
    assert np.abs(whole.cents.astype(int) - parts.cents).max() <= 1


def test_it_is_a_backend_for_the_f0_of_the_voice() -> None:
    settings = with_values(Settings(), {"backends.f0": "swift_f0"}, "test")
    assert isinstance(open_stream("f0", settings), SwiftF0Extractor)


def test_a_missing_or_other_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    network.cache_clear()
    (tmp_path / "other.onnx").write_bytes(PATH.read_bytes()[:-1] + b"x")
    for path in (tmp_path / "absent.onnx", tmp_path / "other.onnx"):
        monkeypatch.setattr(module, "PATH", path)
        with pytest.raises(WeightsError, match="install mirkit again"):
            network()
    network.cache_clear()
