"""The neural beat decoder with real activations: those of BeatNet's published networks (see ``beatnet``)."""

import numpy as np
import numpy.typing as npt
import pytest

from features.rhythm import beatnet
from mirkit.demo import DemoTrack, demo_tracks
from mirkit.features.rhythm.beats.from_activations import Activations, beats_from_activations
from mirkit.features.rhythm.onsets import OnsetCurve, OnsetExtractor
from mirkit.features.stft import PowerStft

Array = npt.NDArray[np.float64]
STORED = beatnet.stored()


def onset_curve(signal: npt.NDArray[np.float32]) -> OnsetCurve:
    stft, meter = PowerStft(), OnsetExtractor()
    for power in (*stft.push(signal), *stft.finish()):
        meter.push_frames(power)
    meter.push_samples(signal)
    return meter.finish()


def f_measure(truth: Array, found: Array) -> float:
    """Share of beats within 70 ms of each other, as in the field's evaluations."""
    hits = sum(bool(len(found)) and bool(np.abs(found - beat).min() <= 0.07) for beat in truth)
    return 2 * hits / (len(truth) + len(found))


@pytest.fixture(scope="module")
def pieces() -> dict[str, tuple[DemoTrack, OnsetCurve]]:
    return {piece.title: (piece, onset_curve(piece.samples.mean(axis=0))) for piece in demo_tracks()}


@pytest.mark.parametrize("key", STORED)
def test_demo_pieces(key: str, pieces: dict[str, tuple[DemoTrack, OnsetCurve]]) -> None:
    piece, curve = pieces[key[:-2]]
    found = beats_from_activations(STORED[key], curve)
    if piece.truth.bpm is None:  # a drone
        assert not found.steady
        return
    assert f_measure(piece.truth.beats, found.times) > 0.97
    if piece.title == "Home by Nine":  # the networks themselves take a half bar, or another beat, for the first of bars
        assert f_measure(piece.truth.downbeats, found.downbeats) > 0.9
    assert found.steady
    assert 60 / np.median(np.diff(found.times)) == pytest.approx(piece.truth.bpm, rel=0.01)


def doubtful(beats: Array, seconds: float, on: float, between: float) -> Activations:
    """Activations of a network that is in doubt: almost the same log-odds on the beats and between them."""
    frames = np.full((2, int(seconds * 50) + 1), -4.0, np.float32)
    middles = (beats[1:] + beats[:-1]) / 2
    draw = np.random.default_rng(0)
    for times, level in ((beats, on), (middles, between)):
        frames[0, np.rint(times * 50).astype(int)] = level + draw.normal(0, 0.7, len(times))
    frames[1, np.rint(beats[::4] * 50).astype(int)] = 0.5
    return Activations(frames[0], frames[1], 50.0)


def rock(beats: Array, seconds: float) -> npt.NDArray[np.float32]:
    """A kick on one and three, a snare on two and four, and a hi-hat on every eighth."""
    draw = np.random.default_rng(1)
    sound = np.zeros(int(seconds * 44100), np.float32)

    def add(time: float, wave: npt.NDArray[np.float32]) -> None:
        at = round(time * 44100)
        part = sound[at : at + len(wave)]
        part += wave[: len(part)]

    t = np.arange(8000) / 44100
    kick = (0.7 * np.sin(2 * np.pi * 60 * t) * np.exp(-t / 0.06)).astype(np.float32)
    snare = (0.3 * draw.standard_normal(8000) * np.exp(-t / 0.05)).astype(np.float32)
    hat = (0.05 * np.diff(draw.standard_normal(2001)) * np.exp(-t[:2000] / 0.01)).astype(np.float32)
    for i, beat in enumerate(beats):
        add(beat, snare if i % 2 else kick)
        add(beat, hat)
        add(beat + (beats[1] - beats[0]) / 2, hat)
    return sound


@pytest.mark.parametrize(("on", "between"), [(1.4, 1.0), (1.0, 1.4), (1.0, -0.5)])
def test_a_network_in_doubt_is_helped_by_the_onsets(on: float, between: float) -> None:
    """As BeatNet on a rock mix: it hears eighths almost like beats, so alone it gives the double tempo."""
    truth = np.arange(0.4, 29, 60 / 110)
    found = beats_from_activations(doubtful(truth, 30, on, between), onset_curve(rock(truth, 30)))
    assert f_measure(truth, found.times) > 0.98


def test_a_sure_network_is_not_overruled() -> None:
    """The network is sure of every second beat of the onset tracker."""
    every = np.arange(0.4, 29, 60 / 160)
    found = beats_from_activations(doubtful(every[::2], 30, 4.0, -6.0), onset_curve(rock(every, 30)))
    assert f_measure(every[::2], found.times) > 0.98


@pytest.mark.slow
def test_the_stored_activations_are_those_of_the_networks() -> None:
    pytest.importorskip("torch")
    if not beatnet.wheel().is_file():
        pytest.skip(f"no weights at {beatnet.wheel()}")
    for key, heard in beatnet.of_demo_pieces():
        np.testing.assert_allclose(STORED[key].beat, heard.beat, atol=0.05)
        np.testing.assert_allclose(STORED[key].downbeat, heard.downbeat, atol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Rock", "Zeppelin"])
def test_real_mixes(name: str, shared_data) -> None:  # type: ignore[no-untyped-def]
    """Alone, the networks give the Zeppelin mix F 0.49, 0.33 and 0.62; with the onsets 1.00, 0.98 and 1.00."""
    pytest.importorskip("torch")
    if not beatnet.wheel().is_file():
        pytest.skip(f"no weights at {beatnet.wheel()}")
    from mirkit.audio import open_audio

    path = shared_data / "mdb" / f"MusicDelta_{name}" / "full_mix.flac"
    truth = np.loadtxt(shared_data / "mdb" / "annotations" / f"MusicDelta_{name}_MIX.beats", ndmin=2)[:, 0]
    curve = onset_curve(open_audio(path, rate=44100).samples().mean(axis=0))
    frames = beatnet.features(open_audio(path, rate=beatnet.RATE).samples().mean(axis=0))
    for number in beatnet.WEIGHTS:
        found = beats_from_activations(beatnet.activations(beatnet.network(number), frames), curve)
        assert f_measure(truth, found.times) > 0.97, number
