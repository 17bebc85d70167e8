"""Onset curves and onsets against synthetic truth, librosa and real drums."""

import numpy as np
import pytest

from features.rhythm.sounds import RATE, click, hat, kick, onset_curve, place, pluck, rise_curves, snare
from mirkit.features.rhythm.onset_envelope import FRAME_RATE, onset_envelope
from mirkit.features.types import Window


def drum_loop(rng: np.random.Generator, seconds: float = 8.0) -> tuple[np.ndarray, np.ndarray]:
    beats = np.arange(0.2, seconds - 0.3, 0.5)
    hats = np.arange(0.2, seconds - 0.3, 0.25)
    mix = place(kick(), beats[::2], seconds) + place(snare(rng), beats[1::2], seconds) + place(hat(rng), hats, seconds)
    return mix, hats


def matched(found: np.ndarray, truth: np.ndarray, reach: float = 0.05) -> np.ndarray:
    """Error of the nearest onset to each true one, where there is one within reach."""
    error = found[np.abs(found[:, None] - truth).argmin(axis=0)] - truth
    return error[np.abs(error) <= reach]


def test_curves_do_not_depend_on_block_length(rng):
    signal = rng.normal(0, 0.1, 30000)
    whole, pieces = onset_curve(signal), onset_curve(signal, 777)
    for name in ("growth", "hits", "profile"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(pieces, name))
    whole, pieces = rise_curves(signal), rise_curves(signal, 777)
    for name, curve in whole.items():
        np.testing.assert_array_equal(curve, pieces[name])


@pytest.mark.slow
@pytest.mark.reference
def test_envelope_agrees_with_librosa(rng):
    librosa = pytest.importorskip("librosa")
    loop, _ = drum_loop(rng)
    loop += 0.05 * rng.normal(0, 1, len(loop)) * np.linspace(0, 1, len(loop))
    reference = librosa.onset.onset_strength(y=loop.astype(np.float32), sr=RATE, center=False)
    np.testing.assert_allclose(rise_curves(loop)["envelope"], reference, atol=0.01)
    np.testing.assert_allclose(onset_envelope(loop.astype(np.float32)), reference, atol=0.01)


@pytest.mark.parametrize("gain_db", [-40, -10, 6])
def test_level_changes_nothing(gain_db, rng):
    loop, _ = drum_loop(rng)
    loop += 0.001 * rng.normal(0, 1, len(loop))
    plain, scaled = onset_curve(loop).all_onsets, onset_curve(loop * 10 ** (gain_db / 20)).all_onsets
    np.testing.assert_allclose(scaled.times, plain.times, atol=1e-4)
    np.testing.assert_allclose(scaled.strengths, plain.strengths, atol=0.02)


@pytest.mark.parametrize("sound", ["click", "kick", "snare", "hat", "pluck", "low pluck"])
def test_times_are_those_of_the_attack(sound, rng):
    hit = {
        "click": click(),
        "kick": kick(),
        "snare": snare(rng),
        "hat": hat(rng),
        "pluck": pluck(330),
        "low pluck": pluck(82),
    }
    truth = 0.3 + np.arange(40) * 0.2731
    found = onset_curve(place(hit[sound], truth, 12)).all_onsets
    assert len(found.times) == len(truth)
    error = matched(found.times, truth)
    assert len(error) == len(truth)
    assert abs(np.median(error)) < 0.005
    assert np.abs(error).max() < 0.012


def test_drum_loop_in_a_mix(rng):
    loop, truth = drum_loop(rng)
    t = np.arange(len(loop)) / RATE
    pad = sum(np.sin(2 * np.pi * hz * t) for hz in (220, 277, 330)) * 0.05
    found = onset_curve(loop + pad).all_onsets.times
    error = matched(found, truth)
    assert len(error) >= 0.97 * len(truth)
    assert len(found) <= 1.05 * len(truth)
    assert abs(np.median(error)) < 0.005


def vibrato(rng):
    t = np.arange(10 * RATE) / RATE
    return 0.3 * sum(np.sin(k * (2 * np.pi * 440 * t + 8 * np.sin(2 * np.pi * 6 * t))) / k for k in range(1, 6))


STILL = {
    "silence": lambda rng: np.zeros(10 * RATE),
    "sine 440": lambda rng: 0.5 * np.sin(2 * np.pi * 440 * np.arange(10 * RATE) / RATE),
    "sine 55": lambda rng: 0.5 * np.sin(2 * np.pi * 55 * np.arange(10 * RATE) / RATE),
    "white noise": lambda rng: 0.2 * rng.normal(0, 1, 10 * RATE),
    "brown noise": lambda rng: 0.005 * np.cumsum(rng.normal(0, 1, 10 * RATE)),
    "tiny noise": lambda rng: 1e-5 * rng.normal(0, 1, 10 * RATE),
    "vibrato": vibrato,
}


@pytest.mark.parametrize("name", STILL)
def test_still_sounds_have_no_onsets(name, rng):
    assert len(onset_curve(STILL[name](rng)).all_onsets.times) <= 1


def test_strengths_are_the_envelope_at_the_peaks(rng):
    loop, _ = drum_loop(rng)
    onsets, envelope = onset_curve(loop).all_onsets, rise_curves(loop)["envelope"]
    for t, s in zip(onsets.times, onsets.strengths, strict=True):
        frame = round(t * FRAME_RATE)
        assert s == pytest.approx(envelope[max(0, frame - 3) : frame + 2].max())
    assert onsets.strengths.mean() > 6


def test_window_keeps_the_times_of_the_track(rng):
    loop, _ = drum_loop(rng)
    onsets = onset_curve(loop).all_onsets
    part = onsets.within(Window(2.0, 4.0))
    assert part.times.min() >= 2.0
    assert part.times.max() < 4.0
    assert len(part.times) == len(part.strengths) == 8


def test_real_drums(shared_data):
    soundfile, mir_eval = pytest.importorskip("soundfile"), pytest.importorskip("mir_eval")
    scores = []
    for path in sorted((shared_data / "mdb" / "drum_only").glob("*.flac")):
        name = path.stem.removesuffix("_Drum")
        lines = (shared_data / "mdb" / "annotations" / f"{name}_class.txt").read_text().splitlines()
        truth = np.unique([float(line.split()[0]) for line in lines])
        found = onset_curve(soundfile.read(path)[0]).all_onsets.times
        scores.append([mir_eval.onset.f_measure(truth, found, window=w)[0] for w in (0.05, 0.025)])
    at_50_ms, at_25_ms = np.mean(scores, axis=0)
    assert at_50_ms > 0.83
    assert at_25_ms > 0.82


@pytest.mark.parametrize("seed", [1, 3, 5, 7])
def test_dense_bursts_have_one_onset_each_time(seed):
    # Two peaks of the curve may be moved to one and the same attack; that is one onset.
    rng = np.random.default_rng(seed)
    sound = np.zeros(20 * RATE, np.float32)
    for start in np.sort(rng.uniform(0, 19, rng.integers(20, 200))):
        length = int(rng.integers(500, 6000))
        burst = rng.standard_normal(length) * np.exp(-np.arange(length) / length * 6) * rng.uniform(0.05, 1)
        sound[int(start * RATE) : int(start * RATE) + length] += burst[: len(sound) - int(start * RATE)]
    assert np.diff(onset_curve(sound).all_onsets.times).min() > 0.01
