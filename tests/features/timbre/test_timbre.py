"""The contract of timbre(): level, channels, windows, short sounds, long sounds, blocks."""

import sys
from dataclasses import asdict

import numpy as np
import pytest

from features.timbre.sounds import RATE, bursts, noise, notes, pad, pcm
from mirkit.features.timbre import TimbreExtractor, timbre
from mirkit.features.types import SILENT, TOO_SHORT, Unknown


@pytest.mark.parametrize("gain_db", [-20, 6])
@pytest.mark.parametrize("sound", [notes, bursts, pad])
def test_level_is_invisible(sound, gain_db):
    plain = timbre(sound())
    louder = timbre(sound() * np.float32(10 ** (gain_db / 20)))
    assert asdict(louder) == pytest.approx(asdict(plain), abs=0.01)


def test_two_equal_channels_are_one():
    mono = bursts()
    assert asdict(timbre(np.repeat(mono, 2, axis=0))) == pytest.approx(asdict(timbre(mono)), abs=1e-4)


def test_channels_are_added_and_only_three_heard():
    sound = np.concatenate((pad(), np.stack([pcm(0.5 * noise(3 * RATE, 20 + i)) for i in range(5)])))
    eight = timbre(sound)
    assert eight == timbre(sound[:3])
    alone = timbre(sound[:3].sum(axis=0, keepdims=True))
    assert asdict(eight) == pytest.approx(asdict(alone) | {"reverberation": eight.reverberation}, abs=1e-4)


def test_opposite_channels_are_silent_but_for_reverberation():
    x = bursts()
    values = vars(timbre(np.concatenate((x, -x)))) | {}
    assert values.pop("reverberation") == pytest.approx(timbre(x).reverberation)
    assert set(values.values()) == {SILENT}


def test_below_the_gate_is_silent():
    values = vars(timbre(bursts() * np.float32(1e-4))) | {}
    assert isinstance(values.pop("reverberation"), float)
    assert set(values.values()) == {SILENT}


def test_a_window_is_the_sound_that_it_holds():
    x = notes()
    assert timbre(x[:, 30000:90000]) == timbre(x[:, 30000:90000].copy())
    assert timbre(x[:, 30000:90000]) != timbre(x)


@pytest.mark.parametrize("n", [1, 2, 7, 100, 511, 512, 1023, 1024, 2047, 4096, 4097, 9002, 9003, 17640])
def test_short_sounds_have_values_or_reasons(n):
    for x in (noise(n, 3), np.sin(np.arange(n) / 20), np.ones(n), np.arange(n) == n - 1):
        for value in vars(timbre(np.asarray(x, np.float32)[None])).values():
            assert isinstance(value, Unknown) or 0 <= value <= 100


def test_nothing_is_too_short():
    empty = timbre(np.empty((2, 0), np.float32))
    assert set(vars(empty).values()) == {TOO_SHORT} == set(vars(TimbreExtractor(2).finish()).values())


def test_same_input_same_bytes():
    assert timbre(notes()) == timbre(notes())


@pytest.mark.parametrize("length", [1, 997, 65536])
def test_blocks_do_not_matter(length):
    x = notes()[:, : 20000 if length == 1 else None]
    fed = TimbreExtractor(2)
    for start in range(0, x.shape[1], length):
        fed.push(x[:, start : start + length])
    assert fed.finish() == timbre(x)


def test_long_sounds_are_the_mean_of_their_sections(monkeypatch):
    models = sys.modules[TimbreExtractor.__module__]  # the package has a function of the module's name
    monkeypatch.setattr(models, "SECTION_SECONDS", 1)
    monkeypatch.setattr(models, "WHOLE_SECONDS", 2)
    x = np.concatenate((notes(), np.zeros((2, 2 * RATE), np.float32), notes()[:, : RATE // 2]), axis=1)
    fed = TimbreExtractor(2)
    for start in range(0, x.shape[1], 5000):
        fed.push(x[:, start : start + 5000])
    sections = [x[:, i * RATE : (i + 1) * RATE] for i in range(5)] + [x[:, 5 * RATE :]]
    known = [(timbre(section).booming, section.shape[1]) for section in sections if section.any()]
    assert len(known) < len(sections)
    values, lengths = zip(*known, strict=True)
    assert fed.finish().booming == pytest.approx(np.average(values, weights=lengths))
