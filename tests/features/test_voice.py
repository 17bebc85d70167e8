"""The voice detector: inputs by hand, blocks, a sung vowel against chords, and the decision on given log-odds."""

import numpy as np
import numpy.typing as npt
import pytest
import scipy.signal

from features.kernels.scipy_twins import convolution
from mirkit.features import voice
from mirkit.features.stft import PowerStft
from mirkit.features.types import Unknown, Window
from mirkit.features.voice import RATE, VoiceCurve, VoiceExtractor, decide

Array = npt.NDArray[np.floating]
SAMPLES = 44100


def curve_of(audio: Array, block: int = 1 << 16) -> VoiceCurve:
    stft, extractor = PowerStft(), VoiceExtractor()
    for start in range(0, len(audio), block):
        for power in stft.push(audio[start : start + block].astype(np.float32)):
            extractor.push_frames(power.copy())
    for power in stft.finish():
        extractor.push_frames(power.copy())
    return extractor.finish()


def sung(seconds: float, rng: np.random.Generator) -> Array:
    """Syllables: a pulse train with vibrato through moving formants, with noise before each."""
    out = np.zeros(int(seconds * SAMPLES))
    vowels = ((730, 1090, 2440), (270, 2290, 3010), (530, 1840, 2480), (300, 870, 2240), (570, 840, 2410))
    at = 0
    while at < len(out) - SAMPLES:
        n = int(rng.uniform(0.18, 0.5) * SAMPLES)
        t = np.arange(n) / SAMPLES
        hertz = (
            165 * 2 ** (rng.integers(-5, 6) / 12) * (1 + 0.015 * np.sin(2 * np.pi * 5.5 * t) - 0.06 * np.exp(-t / 0.04))
        )
        pulses = np.diff(np.floor(np.cumsum(hertz) / SAMPLES), prepend=0) + rng.normal(0, 0.002, n)
        first, second = vowels[rng.integers(5)], vowels[rng.integers(5)]
        parts = []
        for formants in (first, second):
            filtered = pulses
            for f in formants:
                r = np.exp(-np.pi * 90 / SAMPLES)
                filtered = scipy.signal.lfilter([1 - r], [1, -2 * r * np.cos(2 * np.pi * f / SAMPLES), r * r], filtered)
            parts.append(filtered / np.abs(filtered).max())
        glide = np.clip((t - 0.06) / 0.08, 0, 1)
        vowel = parts[0] * (1 - glide) + parts[1] * glide
        env = np.minimum(1, t / 0.02) * np.minimum(1, (t[-1] - t) / 0.04)
        out[at : at + n] += 0.3 * vowel * env
        hiss = scipy.signal.lfilter([1, -1], [1], rng.normal(0, 0.02, int(0.07 * SAMPLES)))
        out[at + n - len(hiss) : at + n] += hiss
        at += n + int(rng.uniform(0.0, 0.15) * SAMPLES)
    return out


def chords(seconds: float, rng: np.random.Generator) -> Array:
    t = np.arange(int(seconds * SAMPLES)) / SAMPLES
    out = np.zeros(len(t))
    for start in np.arange(0.2, seconds - 0.5, 0.5):
        since = np.maximum(t - start, 0)
        root = 220 * 2 ** (rng.integers(-5, 6) / 12)
        for ratio in (1, 1.26, 1.5):
            for partial in range(1, 6):
                out += (
                    (since > 0)
                    * 0.05
                    / partial
                    * np.exp(-3 * partial * since)
                    * np.sin(2 * np.pi * root * ratio * partial * since)
                )
    return out


def test_a_sung_line_is_told_from_chords(rng: np.random.Generator) -> None:
    line, harmony = sung(12, rng), chords(12, rng)
    assert decide(curve_of(harmony), Window(0, 12)).voice == "instrumental"
    alone, both = (voice.evidence_of(curve_of(audio).log_odds) for audio in (line, line + harmony))
    assert min(alone, both) > voice.evidence_of(curve_of(harmony).log_odds) + 2


@pytest.mark.parametrize("seconds", [0.0, 0.1, 1.0, 65.0])
def test_blocks_and_level_change_nothing(seconds: float, rng: np.random.Generator) -> None:
    audio = np.resize(sung(8, rng), int(seconds * SAMPLES)) + rng.normal(0, 1e-3, int(seconds * SAMPLES))
    whole = curve_of(audio)
    assert len(whole.log_odds) == (1 + len(audio) // 512 + 1) // 2 // 12
    for block in (1000, 44100):
        np.testing.assert_array_equal(curve_of(audio, block).log_odds, whole.log_odds)
    if len(whole.log_odds):
        np.testing.assert_allclose(curve_of(0.1 * audio).log_odds.astype(float), whole.log_odds.astype(float), atol=0.3)


def test_parts_are_judged_as_the_whole(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    levels = rng.normal(0, 12, (12 * 230 + 7, voice.BANDS)).astype(np.float16)
    found = voice.log_odds(levels)
    monkeypatch.setattr(voice, "_BLOCK", 1000)
    np.testing.assert_allclose(voice.log_odds(levels), found, atol=1e-4)
    assert len(found) == 230


def test_the_network_as_scipy_computes_it(rng: np.random.Generator) -> None:
    levels = rng.normal(0, 12, (12 * 20, voice.BANDS)).astype(np.float32)
    *maps, (hidden, hidden_bias), (last, last_bias) = voice.unpacked(voice.WEIGHTS, voice.SHAPES)
    values = voice.inputs_of(levels).astype(np.float64)
    for (weights, bias), pool in zip(maps, ((2, 2), (2, 3), (3, 2)), strict=True):
        values = convolution(values, weights, bias, pool)
    rows = np.pad(values.reshape(20, -1), ((1, 1), (0, 0)))
    around = np.concatenate((rows[:-2], rows[1:-1], rows[2:]), axis=1) @ hidden.reshape(-1, len(hidden_bias))
    expected = np.maximum(around + hidden_bias, 0) @ last[:, 0] + last_bias
    np.testing.assert_allclose(voice.log_odds(levels.astype(np.float16)), expected, atol=0.02)


def test_inputs_are_relative() -> None:
    levels = np.full((300, voice.BANDS), -30, np.float32)
    assert not voice.inputs_of(levels).any()
    levels[150, 40] = -20
    found = voice.inputs_of(levels)
    assert found[150, 40] == pytest.approx([(10 - 10 / 129) / 10, (10 - 10 / 11) / 8], abs=1e-4)
    levels[150, 40] = 30
    assert found[150, 41, 1] == pytest.approx(-10 / 11 / 8, abs=1e-4)
    assert voice.inputs_of(levels)[150, 40] == pytest.approx([2.5, 2.0])


def test_weights_are_packed_and_unpacked(rng: np.random.Generator) -> None:
    layers = [(rng.normal(0, 1, (3, 2, 4)).astype(np.float32), rng.normal(0, 1, 4).astype(np.float32))]
    ((weights, bias),) = voice.unpacked(voice.packed(layers), [(3, 2, 4)])
    np.testing.assert_allclose(weights, layers[0][0], atol=0.02)
    np.testing.assert_allclose(bias, layers[0][1], atol=0.02)


def given(*parts: tuple[float, float]) -> VoiceCurve:
    return VoiceCurve(np.concatenate([np.full(round(s * RATE), odds, np.float16) for s, odds in parts]))


def test_the_decision() -> None:
    song = given((20, -3), (20, 4), (60, -3))
    assert decide(song, Window(0, 100)).voice == "vocals"
    assert decide(song, Window(0, 15)).voice == voice.NOT_CLEAR, "an introduction, or a voice that is not heard"
    assert decide(song, Window(21, 39)).voice == "vocals"
    assert decide(given((60, -3)), Window(0, 60)) == decide(given((60, -3)), Window(3, 5)), "the whole has no voice"
    unsure = decide(given((60, voice._EVEN)), Window(0, 60))
    assert unsure.voice == unsure.confidence == voice.NOT_CLEAR
    short = decide(given((60, 4)), Window(3, 6)).voice
    assert isinstance(short, Unknown)
    assert short.reason == "too short"
    assert isinstance(decide(given((0, 0)), Window(0, 0)).voice, Unknown)
    for odds in np.linspace(-8, 8, 33):
        found = decide(given((30, odds)), Window(0, 30))
        assert isinstance(found.confidence, Unknown) or 0.9 <= found.confidence < 1
