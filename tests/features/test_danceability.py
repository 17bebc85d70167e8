"""Danceability: processes whose fluctuation is known, Essentia's values, and the rules of every feature."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import signals
from mirkit.features.danceability import EnvelopeCurve, EnvelopeExtractor, danceability
from mirkit.features.types import SILENT, TOO_SHORT, Unknown, Window
from properties import tries

RATE = signals.RATE


def curve_of(mono, block=1 << 16) -> EnvelopeCurve:
    extractor = EnvelopeExtractor()
    for part in signals.in_blocks(mono, range(block, len(mono), block)):
        extractor.push(part)
    return extractor.finish()


def measure(mono):
    return danceability(curve_of(mono), Window(0, len(mono) / RATE))


# Known answers


def test_envelope_is_the_deviation_of_each_10_ms():
    mono = signals.noise(0.5)
    expected = [mono[i : i + 441].astype(float).std(ddof=1) for i in range(0, 22050, 441)]
    np.testing.assert_allclose(curve_of(mono).deviation, expected, rtol=1e-5)


def test_an_offset_is_not_in_the_envelope():
    mono = signals.noise(0.5)
    np.testing.assert_allclose(curve_of(mono + np.float32(0.5)).deviation, curve_of(mono).deviation, rtol=1e-4)


def test_a_random_envelope_has_alpha_one_half():
    # The theory of detrended fluctuation: white noise 0.5, so D = 2.
    envelope = 1 + 0.1 * np.random.default_rng(1).standard_normal(60000)
    value = danceability(EnvelopeCurve(envelope.astype(np.float32)), Window(0, 600))
    assert value == pytest.approx(2 / 3, abs=0.03)


def test_a_wandering_envelope_has_alpha_three_halves():
    # Its random walk has 1.5, so D = 2 / 3.
    walk = np.cumsum(np.random.default_rng(2).standard_normal(60000))
    envelope = walk - walk.min() + 1
    value = danceability(EnvelopeCurve(envelope.astype(np.float32)), Window(0, 600))
    assert value == pytest.approx(2 / 9, abs=0.03)


def test_a_strict_pulse_is_more_danceable_than_noise_and_noise_more_than_swells():
    pulse = measure(signals.clicks(np.arange(0, 30, 0.5), 30))
    noise = measure(signals.noise(30))
    swell = measure(signals.noise(30) * (1 + np.sin(np.arange(30 * RATE) / RATE * 0.7)).astype(np.float32))
    assert pulse == 1
    assert pulse > noise > swell > 0


# The reference


def essentia_value(mono) -> float:
    standard = pytest.importorskip("essentia.standard")
    d, _slopes = standard.Danceability()(mono)
    return float(np.clip(d / 3, 0, 1))


@pytest.mark.reference
@pytest.mark.parametrize("mono", [signals.noise(15), signals.band(60), signals.band(31, bpm=97, seed=4)])
def test_agrees_with_essentia(mono):
    assert measure(mono) == pytest.approx(essentia_value(mono), abs=0.001)


@pytest.mark.reference
def test_agrees_with_essentia_on_real_music(shared_data):
    soundfile = pytest.importorskip("soundfile")
    files = [*shared_data.glob("mdb/*/*.flac"), shared_data / "beats/ballroom_waltz_105901.flac"]
    for file in files:
        sound, rate = soundfile.read(file, dtype="float32", always_2d=True)
        assert rate == RATE
        if sound.any():
            mono = sound.mean(axis=1)
            assert measure(mono) == pytest.approx(essentia_value(mono), abs=0.001), file


# The rules of every feature


def test_level_changes_nothing():
    mono = signals.band(15)
    assert measure(mono * np.float32(10**-0.5)) == pytest.approx(measure(mono), rel=1e-4)


@pytest.mark.parametrize("mono", [signals.silence(12), signals.noise(12, -80), np.full(12 * RATE, 0.5, np.float32)])
def test_silence_and_offset_are_silent(mono):
    assert measure(mono) == SILENT


@pytest.mark.parametrize("seconds", [0, 1 / RATE, 9.98])
def test_less_than_ten_seconds_is_too_short(seconds):
    assert measure(signals.band(seconds)) == TOO_SHORT


def test_ten_seconds_are_enough():
    assert 0 < measure(signals.band(10)) < 1


def test_a_held_tone_has_no_pattern():
    assert measure(signals.sine(440, 20)) == Unknown("steady level")


def test_clipped_sound_is_measured():
    assert 0 < measure(np.clip(signals.band(12) * 20, -1, 1)) <= 1


@pytest.mark.parametrize(("start", "end"), [(5.0, 25.0), (3.21, 17.54)])
def test_a_window_is_the_cut_file(start, end):
    mono = signals.band(30)
    ours = danceability(curve_of(mono), Window(start, end))
    assert ours == pytest.approx(measure(mono[round(start * RATE) : round(end * RATE)]), abs=1e-4)


@settings(max_examples=tries(10), deadline=None)
@given(st.lists(st.integers(0, 20000), max_size=8), st.integers(0, 20000))
def test_blocks_of_any_length_give_the_same_bytes(cuts, n):
    mono = signals.noise(0.5)[:n]
    extractor = EnvelopeExtractor()
    for part in signals.in_blocks(mono, cuts):
        extractor.push(part)
    assert np.array_equal(extractor.finish().deviation, curve_of(mono).deviation)


# Numbers that the documentation states, at their boundaries


def test_ten_seconds_to_a_step_of_10_ms():
    envelope = EnvelopeCurve((1 + 0.5 * np.random.default_rng(3).standard_normal(1000)).astype(np.float32).clip(0.01))
    assert danceability(envelope, Window(0, 9.99)) == TOO_SHORT
    assert isinstance(danceability(envelope, Window(0, 10)), float)


@pytest.mark.parametrize(("deviation", "steady"), [(0.0199, True), (0.0201, False)])
def test_an_envelope_that_moves_by_less_than_2_per_cent_is_a_steady_level(deviation, steady):
    wave = np.where(np.arange(2000) % 7 < 3, 1.0, -1.0)
    wave = (wave - wave.mean()) / wave.std()
    found = danceability(EnvelopeCurve((1 + deviation * wave).astype(np.float32)), Window(0, 20))
    assert (found == Unknown("steady level")) is steady


@pytest.mark.parametrize(("dbfs", "silent"), [(-69.9, False), (-70.1, True)])
def test_nothing_above_minus_70_dbfs_is_silent(dbfs, silent):
    envelope = np.tile([0.1, 1.0], 1000) * 10 ** (dbfs / 20)
    assert (danceability(EnvelopeCurve(envelope.astype(np.float32)), Window(0, 20)) == SILENT) is silent
