"""From activations to a grid: exact where they are clean, coherent where they are not."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes import activations
from mirkit.features.rhythm.beats.from_activations import Activations, beats_from_activations
from mirkit.features.rhythm.onset_envelope import FRAME_RATE, HIT_BANDS, PROFILE_BANDS
from mirkit.features.rhythm.onsets import OnsetCurve, OnsetExtractor, Onsets
from mirkit.features.rhythm.tempo import tempo
from mirkit.features.stft import PowerStft
from mirkit.features.types import Window
from properties import tries

SECONDS = 60.0
Array = npt.NDArray[np.float64]


def silence(seconds: float = SECONDS) -> OnsetCurve:
    n = int(seconds * FRAME_RATE) + 1
    hits, profile = np.zeros((n, HIT_BANDS), np.float16), np.zeros((n // 4, PROFILE_BANDS), np.float16)
    none = Onsets(np.zeros(0), np.zeros(0))
    return OnsetCurve(none, none, np.zeros(n, np.float32), hits, profile)


def grid(bpm: float, start: float = 0.5, end: float = SECONDS - 1) -> Array:
    return np.arange(start, end, 60 / bpm)


def without(heard: Activations, start: float, end: float) -> Activations:
    """Nothing is heard in a stretch."""
    beat, downbeat = heard.beat.copy(), heard.downbeat.copy()
    here = slice(round(start * heard.rate), round(end * heard.rate))
    beat[here] = downbeat[here] = -7
    return Activations(beat, downbeat, heard.rate)


def with_more(heard: Activations, times: Array) -> Activations:
    """Beats are heard at some more times."""
    return Activations(np.maximum(heard.beat, activations(times, SECONDS).beat), heard.downbeat, heard.rate)


@pytest.mark.parametrize("bpm", [42, 60, 89.3, 120, 174, 235])
@pytest.mark.parametrize("bar", [3, 4, 5, 7])
def test_clean_activations(bpm: float, bar: int) -> None:
    truth = grid(bpm)
    found = beats_from_activations(activations(truth, SECONDS, bar), silence())
    assert len(found.times) == len(truth)
    np.testing.assert_allclose(found.times, truth, atol=0.016)  # the network's frames are 20 ms apart
    np.testing.assert_allclose(found.downbeats, truth[::bar], atol=0.016)
    assert found.meter == ("7/8" if bar == 7 and bpm == 235 else "5/8" if bar == 5 and bpm == 235 else f"{bar}/4")
    assert found.steady
    assert found.confidence.min() > 0.9
    assert tempo(found, Window(0, SECONDS)).bpm == pytest.approx(bpm, rel=0.001)
    assert np.isin(found.downbeats, found.times).all()
    assert found.candidates[0].bpm == pytest.approx(bpm, rel=0.01)
    assert sum(candidate.weight for candidate in found.candidates) == pytest.approx(1)


def test_a_breakdown_is_crossed_at_the_tempo_around_it() -> None:
    truth = grid(126)
    found = beats_from_activations(without(activations(truth, SECONDS), 20, 40), silence())
    assert len(found.times) == len(truth)
    np.testing.assert_allclose(found.times, truth, atol=0.016)
    np.testing.assert_allclose(found.downbeats, truth[::4], atol=0.016)
    silent = (found.times > 21) & (found.times < 39)
    assert found.confidence[silent].max() < 0.1, "it says which beats nobody heard"


def test_a_burst_at_double_tempo_changes_no_level() -> None:
    truth = grid(84)
    middles = (truth[1:] + truth[:-1]) / 2
    burst = with_more(activations(truth, SECONDS), middles[(middles > 20) & (middles < 35)])
    found = beats_from_activations(burst, silence())
    assert len(found.times) == len(truth)
    np.testing.assert_allclose(found.times, truth, atol=0.02)


def test_a_new_tempo_is_followed() -> None:
    truth = np.concatenate((np.arange(0.5, 30, 60 / 100), np.arange(30.5, 59, 60 / 125)))
    found = beats_from_activations(activations(truth, SECONDS), silence())
    assert len(found.times) == len(truth)
    np.testing.assert_allclose(found.times, truth, atol=0.016)


def test_a_bar_of_two_in_a_piece_of_four() -> None:
    truth = grid(120)
    downs = np.concatenate((truth[:44:4], truth[42::4]))
    heard = activations(truth, SECONDS, len(truth))
    down = activations(downs, SECONDS, 1).downbeat
    found = beats_from_activations(Activations(heard.beat, down, heard.rate), silence())
    np.testing.assert_allclose(found.downbeats, downs, atol=0.011)
    assert found.meter == "4/4"


def test_bars_of_a_known_meter() -> None:
    truth = grid(120)
    found = beats_from_activations(activations(truth, SECONDS, 4), silence(), time_signature="3/4")
    assert (found.meter, found.meter_confidence, len(found.times)) == ("3/4", 1.0, len(truth))
    assert set(np.diff(np.searchsorted(found.times, found.downbeats))) == {3}
    unheard = beats_from_activations(activations(truth, SECONDS), silence(), time_signature="6/8")
    assert set(np.diff(np.searchsorted(unheard.times, unheard.downbeats))) == {2}


def test_missed_and_false_downbeats(rng: np.random.Generator) -> None:
    truth = grid(110)
    heard = activations(truth, SECONDS)
    down = np.full_like(heard.downbeat, -6)
    for i, time in enumerate(truth):
        if (i % 4 == 0 and rng.random() < 0.6) or (i % 4 and rng.random() < 0.1):
            down[round(time * heard.rate)] = 2
    found = beats_from_activations(Activations(heard.beat, down, heard.rate), silence())
    np.testing.assert_allclose(found.downbeats, truth[::4], atol=0.011)


def test_no_downbeats_heard() -> None:
    heard = activations(grid(110), SECONDS)
    found = beats_from_activations(Activations(heard.beat, np.full_like(heard.beat, -6), heard.rate), silence())
    assert len(found.downbeats) == 0
    assert found.meter is None
    assert len(found.times) > 100


@pytest.mark.parametrize(("hint", "expected"), [(None, 70), (140, 140), (139, 140), (70, 70), (35, 35)])
def test_a_known_tempo_decides_the_octave(hint: float | None, expected: float) -> None:
    found = beats_from_activations(activations(grid(70), SECONDS), silence(), bpm_hint=hint)
    assert 60 / np.median(np.diff(found.times)) == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(("bpm_range", "expected"), [((120, 160), 140), ((60, 100), 70), ((30, 50), 35)])
def test_a_range_decides_the_octave(bpm_range: tuple[float, float], expected: float) -> None:
    found = beats_from_activations(activations(grid(70), SECONDS), silence(), bpm_range=bpm_range)
    assert 60 / np.median(np.diff(found.times)) == pytest.approx(expected, rel=0.02)


def test_silence_around_the_music_has_no_beats() -> None:
    truth = grid(100, 20, 45)
    found = beats_from_activations(activations(truth, SECONDS), silence())
    np.testing.assert_allclose(found.times, truth, atol=0.011)


@pytest.mark.parametrize("seed", range(5))
def test_noise_has_no_tempo(seed: int) -> None:
    """A network in doubt: low odds everywhere, or beats at random times."""
    rng = np.random.default_rng(seed)
    doubt = (rng.normal(-4, 1.5, 3000)).astype(np.float32)
    assert not beats_from_activations(Activations(doubt, doubt - 2, 50.0), silence()).steady
    times = np.sort(rng.uniform(0, 59, 100))
    assert not beats_from_activations(activations(times, SECONDS), silence()).steady


@pytest.mark.parametrize("seed", range(4))
def test_rubato_has_beats_and_no_tempo(seed: int) -> None:
    walk = np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.11, 90)))
    truth = 0.5 + np.cumsum(np.clip(0.6 * walk, 0.35, 1.4))
    truth = truth[truth < 58]
    found = beats_from_activations(activations(truth, SECONDS), silence())
    assert not found.steady
    assert len(found.times) >= 0.7 * len(truth)


@pytest.mark.parametrize("frames", [0, 1, 2, 10, 100])
def test_too_little_for_a_pulse(frames: int) -> None:
    heard = activations(grid(180, 0.1, 2), 2)
    found = beats_from_activations(
        Activations(heard.beat[:frames], heard.downbeat[:frames], 50.0), silence(frames / 50)
    )
    assert len(found.times) == 0
    assert not found.steady


def test_beats_are_drawn_to_the_onsets() -> None:
    rate, period = 44100, 0.5117
    truth = np.arange(0.3, 29, period)
    sound = np.zeros(30 * rate, np.float32)
    burst = np.random.default_rng(0).standard_normal(2000).astype(np.float32) * np.exp(-np.arange(2000) / 400)
    for time in truth:
        sound[round(time * rate) : round(time * rate) + 2000] += 0.5 * burst
    stft, meter = PowerStft(), OnsetExtractor()
    for power in (*stft.push(sound), *stft.finish()):
        meter.push_frames(power)
    meter.push_samples(sound)
    heard = activations(truth, 30)
    found = beats_from_activations(heard, meter.finish())
    np.testing.assert_allclose(found.times, truth, atol=0.005)
    assert np.abs(np.rint(truth * 50) / 50 - truth).max() > 0.008, "the network's frames alone are further away"


@settings(max_examples=tries(16), deadline=None)
@given(
    st.integers(0, 900),
    st.floats(0.1, 20),
    st.integers(0, 2**32 - 1),
    st.none() | st.tuples(st.floats(30, 100), st.floats(110, 300)),
)
def test_any_activations_give_a_grid(
    frames: int, spread: float, seed: int, bpm_range: tuple[float, float] | None
) -> None:
    beat, downbeat = np.random.default_rng(seed).normal(0, spread, (2, frames)).astype(np.float32)
    found = beats_from_activations(Activations(beat, downbeat, 50.0), silence(frames / 50), bpm_range=bpm_range)
    assert (np.diff(found.times) >= 0).all()
    assert np.isin(found.downbeats, found.times).all()
    assert ((found.confidence >= 0) & (found.confidence <= 1)).all()
    assert len(found.confidence) == len(found.times)
    if len(found.times):
        assert 0 <= found.times[0] <= found.times[-1] <= len(beat) / 50
