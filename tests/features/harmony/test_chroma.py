"""Chroma and tuning: known notes, invariances, librosa."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirkit.features.harmony.chroma import Chroma, ChromaCurve, ChromaExtractor, chroma, class_weights, mean_chroma
from mirkit.features.harmony.constant_q import HOP
from mirkit.features.types import SILENT, TOO_SHORT, Unknown, Window
from notes import RATE, Mono, cosine, curve_of, hz, note, sequence, song, triad
from properties import tries
from signals import in_blocks, noise, silence, sine

NAMES = [f"chroma_{i}" for i in range(12)]


def whole(mono: Mono) -> Window:
    return Window(0, len(mono) / RATE)


def mean_of(mono: Mono) -> np.ndarray:
    found = mean_chroma(curve_of(mono), whole(mono))
    assert not isinstance(found, Unknown)
    return found


def test_the_fields_are_the_keys_from_c_up() -> None:
    assert [field.name for field in dataclasses.fields(Chroma)] == NAMES


def test_a440_is_chroma_9_and_c_is_chroma_0() -> None:
    a, c = (chroma(curve_of(sine(f, 3)), Window(0, 3)) for f in (440.0, 261.63))
    assert a.chroma_9 == pytest.approx(1.0)
    assert c.chroma_0 == pytest.approx(1.0)
    assert max(getattr(a, name) for name in NAMES if name != "chroma_9") < 0.05
    assert max(getattr(c, name) for name in NAMES if name != "chroma_0") < 0.05


@pytest.mark.parametrize("octave", range(2, 8))
@pytest.mark.parametrize("step", range(0, 12, 5))
def test_every_octave_goes_to_its_class(octave: int, step: int) -> None:
    found = mean_of(sine(hz(12 * (octave + 1) + step), 2))
    assert found.argmax() == step
    assert found[step] > 0.99


@pytest.mark.parametrize("midi", [24, 26, 28, 31, 33])
def test_low_notes_by_their_overtones_too(midi: int) -> None:
    assert mean_of(sequence([[midi]] * 4, 0.5)).argmax() == midi % 12


@pytest.mark.parametrize("cents", [-45, -40, -25, -8, 0, 8, 25, 40, 45])
def test_detuned_music_is_corrected(cents: int) -> None:
    straight, detuned = (song("I vi IV V", 2, bars=6, cents=c, drums=0.05) for c in (0, cents))
    curve = curve_of(detuned)
    assert curve.tuning == pytest.approx(cents, abs=3)
    assert cosine(mean_of(straight), mean_of(detuned)) > 0.99


def test_noise_counts_as_tuned_to_440() -> None:
    curve = curve_of(noise(20))
    assert curve.tuning == 0
    found = mean_chroma(curve, Window(0, 20))
    assert not isinstance(found, Unknown)
    assert found.std() / found.mean() < 0.04


@pytest.mark.parametrize("cents", [-50, -17, 0, 12.5, 50])
def test_class_weights_take_the_same_from_every_class(cents: float) -> None:
    weights = class_weights(cents)
    np.testing.assert_allclose(weights.sum(axis=1), 2, rtol=1e-5)
    center = (weights * np.arange(48)).sum(axis=1)[5] / weights[5].sum() / 4
    assert center == pytest.approx(5 + cents / 100, abs=0.02)


def test_a_chord_s_notes_stand_out() -> None:
    found = mean_of(sequence([triad(60)] * 6, 0.5, attack=0.3))
    assert set(np.argsort(found)[-3:]) == {0, 4, 7}


@settings(max_examples=tries(5), deadline=None)
@given(st.lists(st.integers(0, 300_000), max_size=5))
def test_the_length_of_blocks_changes_no_bit(cuts: list[int]) -> None:
    mono = song("I V", 0, bars=4)[:300_000]
    expected, extractor = curve_of(mono), ChromaExtractor()
    for part in in_blocks(mono, cuts):
        extractor.push(part)
    found = extractor.finish()
    np.testing.assert_array_equal(found.chroma, expected.chroma)
    np.testing.assert_array_equal(found.level_db, expected.level_db)
    assert found.tuning == expected.tuning


@pytest.mark.parametrize("db", [-40.0, -10.0])
def test_level_does_not_matter(db: float) -> None:
    mono = song("I IV", 7, bars=4)
    quiet = mono * np.float32(10 ** (db / 20))
    np.testing.assert_allclose(mean_of(quiet), mean_of(mono), atol=2e-3)


def test_silent_intro_and_fade_do_not_vote() -> None:
    mono = song("I IV", 7, bars=4)
    hiss = noise(6, db=-95)
    assert np.abs(mean_of(np.concatenate((hiss, mono, hiss))) - mean_of(mono)).max() < 0.02
    fade = np.concatenate((mono, noise(10, db=-30) * np.linspace(1, 0, 10 * RATE, dtype=np.float32) ** 8))
    assert curve_of(fade).active[-40:].sum() == 0


def test_a_window_is_the_cut_file() -> None:
    mono = song("I vi IV V", 4, bars=8)
    curve = curve_of(mono)
    window = Window(3.3, 11.9)
    cut = mono[round(3.3 * RATE) : round(11.9 * RATE)]
    found = mean_chroma(curve, window)
    assert not isinstance(found, Unknown)
    assert np.abs(found - mean_of(cut)).max() < 0.03
    assert cosine(found, mean_of(cut)) > 0.999


def test_silence_and_nothing() -> None:
    mute = curve_of(silence(2))
    assert set(vars(chroma(mute, Window(0, 2))).values()) == {SILENT}
    assert set(vars(chroma(curve_of(silence(0)), Window(0, 0))).values()) == {TOO_SHORT}
    tone = curve_of(np.concatenate((sine(440, 2), silence(4))))
    assert chroma(tone, Window(3, 6)).chroma_9 == SILENT
    assert chroma(tone, Window(0, 6)).chroma_9 == pytest.approx(1, abs=0.02)
    assert chroma(tone, Window(9, 9.5)).chroma_9 == TOO_SHORT
    assert chroma(curve_of(np.ones(1, np.float32)), Window(0, 1 / RATE)).chroma_0 != SILENT


def test_the_curve_is_small() -> None:
    curve = curve_of(noise(30))
    assert len(curve.chroma) == 1 + 30 * RATE // HOP
    assert (curve.chroma.nbytes + curve.level_db.nbytes) / 30 < 310


def reference(mono: Mono, active: np.ndarray) -> np.ndarray:
    librosa = pytest.importorskip("librosa")
    found = librosa.feature.chroma_cqt(y=mono, sr=RATE, hop_length=HOP)
    return found[:, : len(active)][:, active[: found.shape[1]]].mean(axis=1)


def similarity(mono: Mono) -> float:
    curve: ChromaCurve = curve_of(mono)
    found = mean_chroma(curve, whole(mono))
    assert not isinstance(found, Unknown)
    return cosine(found, reference(mono, curve.active))


@pytest.mark.slow
@pytest.mark.reference
def test_librosa_on_a_synthetic_song() -> None:
    assert similarity(song("I V vi IV", 9, bars=4)) > 0.99


REAL = [
    *(f"mdb/MusicDelta_{name}/{part}.flac" for name in ("Rock", "Zeppelin") for part in ("full_mix", "bass", "other")),
    "beats/ballroom_waltz_105901.flac",
    "beats/gtzan_country_00000.flac",
]


@pytest.mark.reference
@pytest.mark.slow
def test_librosa_on_real_music(shared_data: Path, record_property: Callable[[str, object], None]) -> None:
    soundfile, soxr = pytest.importorskip("soundfile"), pytest.importorskip("soxr")
    found = {}
    for name in REAL:
        sound, rate = soundfile.read(shared_data / name, dtype="float32", always_2d=True)
        found[name] = similarity(soxr.resample(sound.mean(axis=1), rate, RATE))
    for name, value in found.items():
        record_property(name, value)
    assert np.mean(list(found.values())) > 0.99
    assert min(found.values()) > 0.97


def test_frames_are_centered_on_their_time() -> None:
    mono = np.concatenate((note(60, 2.0), note(66, 2.0)))
    curve = curve_of(mono)
    change = int(np.argmax(curve.chroma[:, 6] > curve.chroma[:, 0]))
    assert change * HOP / RATE == pytest.approx(2.0, abs=0.06)
