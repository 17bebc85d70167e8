"""Fundamental frequency: tones and glides with known pitch, sounds without one, and librosa's pYIN."""

import librosa
import numpy as np
import pytest

import signals
from mirkit.features.pitch.f0 import BASS, FRAME_RATE, LEAD, F0Curve, F0Extractor, Voice

RATE = signals.RATE


def f0(sound: np.ndarray, voice: Voice = BASS, block: int = 1 << 16) -> F0Curve:
    extractor = F0Extractor(voice)
    for start in range(0, len(sound), block):
        extractor.push(sound[start : start + block])
    return extractor.finish()


def tone(note: float, seconds: float, partials: tuple[float, ...] = (1.0, 0.7, 0.5, 0.3, 0.2)) -> np.ndarray:
    hertz = 440 * 2 ** ((note - 69) / 12)
    t = np.arange(round(seconds * RATE)) / RATE
    parts = [a * np.sin(2 * np.pi * k * hertz * t + k * k) for k, a in enumerate(partials, 1)]
    return (0.2 * np.sum(parts, axis=0)).astype(np.float32)


@pytest.mark.parametrize("note", [21.0, 23.0, 28.0, 33.5, 40.25, 47.0, 55.0])
@pytest.mark.parametrize(
    "partials",
    [(1.0,), (1.0, 0.7, 0.5, 0.3, 0.2), (0.0, 0.0, 1.0, 0.8, 0.6, 0.4), (0.4, 1.0, 0.5, 0.8)],
    ids=["sine", "plucked", "missing fundamental", "strong octave"],
)
def test_a_tone_of_the_bass_has_its_pitch(note: float, partials: tuple[float, ...]) -> None:
    curve = f0(tone(note, 1.0, partials))
    middle = curve.cents[10:-10] / 100
    assert np.abs(middle - note).max() < 0.1
    assert curve.voicing[10:-10].min() > 200


@pytest.mark.parametrize("note", [40.0, 57.3, 69.0, 81.0, 93.0])
def test_a_tone_of_a_voice_has_its_pitch(note: float) -> None:
    middle = f0(tone(note, 0.8), LEAD).cents[10:-10] / 100
    assert np.abs(middle - note).max() < 0.1


def test_frames_are_centered_on_multiples_of_the_hop() -> None:
    sound = np.concatenate((tone(33, 1.0), tone(45, 1.0)))
    curve = f0(sound)
    assert len(curve.cents) == len(curve.voicing) == len(curve.level_db) == 1 + len(sound) // 512
    low, high = np.flatnonzero(curve.pitch < 39) / FRAME_RATE, np.flatnonzero(curve.pitch > 39) / FRAME_RATE
    assert abs(low.max() - 1.0) < 0.06
    assert abs(high.min() - 1.0) < 0.06


def test_vibrato_and_slides_are_followed() -> None:
    t = np.arange(2 * RATE) / RATE
    pitch = 62 + 0.5 * np.sin(2 * np.pi * 5.5 * t) + 3 * np.clip(t - 1, 0, 0.5)
    angle = 2 * np.pi * np.cumsum(440 * 2 ** ((pitch - 69) / 12)) / RATE
    sound = (0.2 * sum(np.sin(k * angle) / k for k in range(1, 8))).astype(np.float32)
    measured = f0(sound, LEAD).pitch[8:-8]
    truth = pitch[:: RATE // 44100 * 512][: len(measured) + 16][8 : 8 + len(measured)]
    assert np.abs(measured - truth).max() < 0.15


@pytest.mark.parametrize("voice", [BASS, LEAD])
def test_silence_and_noise_have_no_pitch(voice: Voice) -> None:
    for sound in (signals.silence(1.0), signals.noise(3.0, -20.0), signals.silence(0.001), np.zeros(0, np.float32)):
        curve = f0(sound, voice)
        assert np.mean(curve.cents > 0) < 0.01 or not len(curve.cents)


def test_the_gain_changes_only_the_level() -> None:
    sound = tone(35, 1.0) + signals.noise(1.0, -50.0)
    loud, soft = f0(sound), f0((sound / 100).astype(np.float32))
    np.testing.assert_array_equal(loud.cents, soft.cents)
    np.testing.assert_allclose((loud.level_db - soft.level_db)[5:-5], 40, atol=0.1)


@pytest.mark.parametrize("block", [777, 44100, 1 << 18])
def test_blocks_do_not_matter(block: int) -> None:
    sound = np.concatenate([tone(30 + 2 * i, 0.3) for i in range(8)])
    whole, parts = f0(sound), f0(sound, block=block)
    np.testing.assert_array_equal(whole.cents, parts.cents)
    np.testing.assert_array_equal(whole.voicing, parts.voicing)


def test_long_audio_is_decided_in_sections_without_a_seam() -> None:
    sound = np.tile(np.concatenate((tone(33, 0.5), tone(40, 0.5))), 60)  # longer than a section of 48 s
    pitch = f0(sound).pitch
    times = np.arange(len(pitch)) / FRAME_RATE
    inside = (np.abs(times % 0.5 - 0.25) < 0.15) & (times < 59.9)
    truth = np.where(times % 1 < 0.5, 33, 40)
    assert np.abs(pitch - truth)[inside].max() < 0.2


@pytest.mark.slow
def test_it_agrees_with_librosa() -> None:
    rng = np.random.default_rng(3)
    notes = rng.integers(30, 50, 10)
    decay = np.exp(-np.arange(round(0.4 * RATE)) / (0.25 * RATE))
    sound = np.concatenate([tone(note, 0.4) * decay for note in notes]).astype(np.float32)
    sound += signals.noise(len(sound) / RATE, -60.0)
    ours = f0(sound).pitch
    theirs, voiced, _ = librosa.pyin(sound, fmin=27.5, fmax=400, sr=RATE, frame_length=8192, hop_length=512)
    times = np.arange(len(ours)) / FRAME_RATE
    both = voiced & ~np.isnan(ours) & (np.abs(times % 0.4 - 0.2) < 0.1)  # their frames are 186 ms long
    assert both.mean() > 0.4
    assert np.mean(np.abs(ours - librosa.hz_to_midi(theirs))[both] < 0.3) > 0.97
