"""Onsets of low and narrow signals: synthetic bass lines, the same through low-passes, noise, and dying tones."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from features.rhythm.sounds import RATE, onset_curve
from mirkit.features.rhythm.low_flux import COLUMNS, RISE, LowFlux

WINDOW = 0.05


def _lines() -> ModuleType:
    path = Path(__file__).parents[3] / "benchmarks" / "bass_lines.py"
    spec = importlib.util.spec_from_file_location("bass_lines", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LINES = _lines()


def f_measure(truth: np.ndarray, found: np.ndarray) -> float:
    """Harmonic mean of precision and recall; each onset is matched once, in order."""
    hits, i, j = 0, 0, 0
    while i < len(truth) and j < len(found):
        if abs(found[j] - truth[i]) <= WINDOW:
            hits, i, j = hits + 1, i + 1, j + 1
        elif found[j] < truth[i]:
            j += 1
        else:
            i += 1
    return 2 * hits / max(1, len(truth) + len(found))


def onsets(sound: np.ndarray) -> np.ndarray:
    return onset_curve(sound).all_onsets.times


@pytest.mark.parametrize("kind", LINES.KINDS)
def test_bass_lines(kind):
    sound, truth = LINES.line(kind, 5, 24)
    found = onsets(sound)
    assert f_measure(truth, found) >= 0.9
    for hertz in (150, 400):
        low = onsets(LINES.low_passed(sound, hertz))
        assert abs(len(low) - len(found)) <= 0.15 * len(found), hertz
        assert f_measure(found, low) >= 0.85, hertz


@pytest.mark.parametrize("name", LINES.NOISES)
def test_noise_has_no_onsets(name):
    # The first moment of a sound may count.
    assert len(onsets(LINES.noise(*LINES.NOISES[name], 2, 8.0))) <= 1


@pytest.mark.parametrize("band", [(20, 60, 0.0), (20, 60, 1.0), (15, 40, 0.5), (25, 50, 0.5), (50, 70, 0.0)])
def test_rumble_in_a_narrow_band_has_no_onsets(band):
    # Its level rises and falls as that of notes, and its phase follows the extrapolation for three frames.
    assert not len(onsets(LINES.noise(*band, 7, 10.0)))


@pytest.mark.parametrize("hertz", [150, 220])
@pytest.mark.parametrize("gap", [0.3, 0.5])
def test_fast_short_notes_through_a_low_pass(hertz, gap, rng):
    """Notes with pauses are as unsteady as noise, but they are no noise."""
    step = 0.16
    starts = 0.5 + step * np.arange(48)
    sound = np.zeros(int((starts[-1] + 1) * RATE))
    for start, pitch in zip(starts, np.repeat(rng.choice([41.2, 49.0, 55.0, 61.7, 73.4], 12), 4), strict=True):
        t = np.arange(int((1 - gap) * step * RATE)) / RATE
        tone = sum(np.sin(2 * np.pi * k * pitch * t + k) * np.exp(-t * (2 + k)) / k for k in range(1, 12))
        tone *= np.minimum(1, t / 0.004) * np.minimum(1, (t[-1] - t) / 0.01)
        sound[int(start * RATE) : int(start * RATE) + len(t)] += 0.3 * rng.uniform(0.7, 1) * tone
    low = onsets(LINES.low_passed(sound, hertz))
    assert abs(len(low) - len(starts)) <= 0.15 * len(starts)
    assert f_measure(starts, low) >= 0.85


@pytest.mark.parametrize("hertz", [35, 50, 110])
@pytest.mark.parametrize("decay", [0.3, 1.0, 3.0])
def test_a_dying_tone_has_one_onset(hertz, decay):
    found = onsets(LINES.dying_tone(hertz, decay))
    assert len(found) == 1
    assert found[0] == pytest.approx(0.7, abs=0.02)


def test_level_changes_nothing_in_a_low_line():
    sound, _ = LINES.line("legato sine", 3, 16)
    plain = onsets(LINES.low_passed(sound, 150))
    np.testing.assert_allclose(onsets(LINES.low_passed(0.01 * sound, 150)), plain, atol=1e-3)


def test_legato_melodies_have_onsets_and_vibrato_has_none():
    t = np.arange(6 * RATE) / RATE
    steps = np.array([0, 2, 4, 5, 7, 5, 4, 2, 0, -3])
    starts = 0.5 + 0.5 * np.arange(len(steps))
    pitch = 523.25 * 2 ** (steps[np.clip(np.searchsorted(starts, t, side="right") - 1, 0, None)] / 12)
    for depth in (0.0, 0.006):
        angle = 2 * np.pi * np.cumsum(pitch * (1 + depth * np.sin(2 * np.pi * 5.5 * t))) / RATE
        level = np.clip((t - 0.5) / 0.03, 0, 1)
        found = onsets(0.2 * level * sum(np.sin(k * angle) / k for k in range(1, 9)))
        assert f_measure(starts, found) >= 0.95, depth


def test_a_note_that_is_cut_is_no_onset():
    t = np.arange(4 * RATE) / RATE
    tone = 0.5 * np.sin(2 * np.pi * 60 * t) * (t % 1 > 0.25) * (t % 1 < 0.735)
    np.testing.assert_allclose(onsets(tone), [0.25, 1.25, 2.25, 3.25], atol=0.02)


@pytest.mark.parametrize("block", [999, 44100])
def test_low_flux_does_not_depend_on_blocks(block, rng):
    sound = rng.normal(0, 0.1, 60000).astype(np.float32)
    whole, pieces = LowFlux(), LowFlux()
    one = np.concatenate((whole.push(sound), whole.finish()))
    parts = [pieces.push(sound[start : start + block]) for start in range(0, len(sound), block)]
    np.testing.assert_array_equal(np.concatenate((*parts, pieces.finish())), one)
    assert one.shape[1:] == (2, COLUMNS)
    assert len(one) >= 1 + len(sound) // 512


def test_a_steady_tone_has_no_flux():
    flux = LowFlux()
    series = flux.push(np.sin(2 * np.pi * 55 * np.arange(2 * RATE) / RATE).astype(np.float32))
    assert series[20:, :, RISE].max() < 0.01


def test_real_bass_stems_through_a_low_pass(shared_data):
    soundfile = pytest.importorskip("soundfile")
    for name in ("mdb/MusicDelta_Rock/bass.flac", "mdb/MusicDelta_Zeppelin/bass.flac"):
        sound, rate = soundfile.read(shared_data / name)
        assert rate == RATE
        sound = sound.mean(axis=1) if sound.ndim == 2 else sound
        plain, low = onsets(sound), onsets(LINES.low_passed(sound, 400))
        assert abs(len(low) - len(plain)) <= 0.15 * len(plain)
        assert f_measure(plain, low) >= 0.85


def test_singing(shared_data):
    soundfile = pytest.importorskip("soundfile")
    folder = shared_data / "truth"
    truth = np.array([note[0] for note in json.loads((folder / "voc_1.json").read_text())["notes"]])
    sound, rate = soundfile.read(folder / "voc_1" / "full_mix.ogg")
    assert rate == RATE
    assert f_measure(truth, onsets(sound.mean(axis=1) if sound.ndim == 2 else sound)) > 0.57
