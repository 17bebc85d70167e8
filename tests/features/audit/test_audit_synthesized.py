"""Synthesized sounds, gated or exactly periodic, are not taken for decoded ones; what was decoded stays found."""

import numpy as np
import pytest

from features.audit.lossy_audio import music, rounded, through
from features.audit.test_audit_lossy import origin
from mirkit.features.audit.synthesized import changing_part, is_periodic

RATE = 44100


def wave(kind: str, frequency: float, rate: int = RATE, seconds: float = 4.0) -> np.ndarray:
    phase = np.arange(round(seconds * rate)) / rate * frequency
    within = phase % 1
    return {
        "square": np.where(within < 0.5, 0.5, -0.5),
        "saw": within - 0.5,
        "triangle": 0.5 - np.abs(2 * within - 1),
        "pulse": np.where(within < 0.1, 0.5, -0.5),
        "impulses": np.where(np.diff(np.floor(phase), prepend=0.0) > 0, 0.5, 0.0),
        "sine": 0.5 * np.sin(2 * np.pi * phase),
        "FM": 0.5 * np.sin(2 * np.pi * phase + 3 * np.sin(4 * np.pi * phase)),
    }[kind]


def gate(n: int, period: float, ramp: int = 1) -> np.ndarray:
    """On in the first half of each period; rises and falls in some samples."""
    on = (np.arange(n) % period < period / 2).astype(float)
    return np.convolve(on, np.ones(ramp) / ramp, "same")


#: Wave, frequency (Hz), period of the gate (samples), its ramp (samples), rate (Hz). Six of them were accused, as they
#: are or with 8 bits, before such sounds were left out.
GATED = [
    ("square", 110, RATE / 4, 1, RATE),
    ("saw", 110, RATE / 4, 1, RATE),
    ("sine", 440, 2048, 1000, RATE),
    ("saw", RATE / 256, 4096, 1000, RATE),
    ("FM", RATE / 64, 576, 1, RATE),
    ("FM", 55, 1024, 1000, RATE),
    ("FM", RATE / 256, RATE / 2, 1000, RATE),
    ("sine", 55, 960, 1, 48000),
    ("pulse", 48000 / 256, 1024, 200, 48000),
    ("triangle", 55, 8783, 32, 48000),
    ("impulses", RATE / 64, 2048, 1, RATE),
]


@pytest.mark.parametrize(("kind", "frequency", "period", "ramp", "rate"), GATED)
def test_gated_waves_have_no_traces(kind: str, frequency: float, period: float, ramp: int, rate: int) -> None:
    sound = wave(kind, frequency, rate)
    sound = rounded((sound * gate(len(sound), period, ramp))[None])
    assert origin(sound, rate) is None
    assert origin(np.repeat(sound, 2, axis=0), rate) is None
    assert origin(rounded(np.round(sound * 127) / 128), rate) is None


def test_drum_machines_with_silence_between_the_hits_have_no_traces() -> None:
    rng = np.random.default_rng(3)
    for length, every in ((1500, 5512), (4000, 5512), (900, 2048), (3000, 4096)):
        hit = 0.5 * rng.standard_normal((2, length)) * np.exp(-np.arange(length) / 400)
        sound = np.zeros((2, 4 * RATE))
        for start in range(0, sound.shape[1] - length, every):
            sound[:, start : start + length] = hit
        assert origin(rounded(sound)) is None


@pytest.mark.parametrize("codec", ["MP3", "AAC", "Opus"])
def test_decoded_music_between_digital_silence_is_found(codec: str) -> None:
    """Silence after decoding, in half of a second out of two, leaves enough of the music."""
    samples, rate = through(codec, 128, music())
    samples = samples * (np.arange(samples.shape[1]) % (2 * rate) > rate / 2)
    found = origin(samples.astype(np.float32), rate)
    assert found is not None
    assert found.codec == codec


def test_the_longest_part_without_a_flat_run() -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 1000)).astype(np.float32)
    assert changing_part(samples) == slice(0, 1000)
    samples[1, 300:320] = 0  # too short
    assert changing_part(samples) == slice(0, 1000)
    samples[1, 300:400] = 0.25
    found = changing_part(samples)
    assert (found.start, found.stop) == (400, 1000)
    samples[0] = 0  # a silent channel says nothing about the other
    assert changing_part(samples) == found


def test_periodic_waves_are_told_from_music() -> None:
    assert is_periodic(wave("saw", 441)[:11025].astype(np.float32))
    gated = wave("FM", 100.0)[:11025] * (np.arange(11025) > 6000)
    assert is_periodic(gated.astype(np.float32))
    assert not is_periodic(music()[0, :11025])
    assert not is_periodic(np.random.default_rng(0).standard_normal(11025).astype(np.float32))
    assert not is_periodic(np.zeros(11025, np.float32))
    assert not is_periodic(np.zeros(0, np.float32))
