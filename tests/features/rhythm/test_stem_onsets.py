"""Which instruments play the onsets of a mix."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from features.rhythm.sounds import RATE, hat, kick, onset_curve, place, pluck, snare
from mirkit.features.loudness import LoudnessCurve
from mirkit.features.rhythm.beats.grid import Beats
from mirkit.features.rhythm.layers import Layers
from mirkit.features.rhythm.onsets import Onsets
from mirkit.features.rhythm.stem_onsets import STEMS, StemOnsetExtractor, StemOnsets
from mirkit.features.stft import PowerStft
from mirkit.features.types import Unknown, Window
from mirkit.stages.rhythm import LOST_IN_EMBEDDED_STEMS, stem_rhythm
from mirkit.store import Settings


def stem_onsets(mono: np.ndarray, block: int = 1 << 16) -> StemOnsets:
    mono = mono.astype(np.float32)
    stft, extractor = PowerStft(), StemOnsetExtractor()
    for start in range(0, len(mono), block):
        extractor.push_samples(mono[start : start + block])
        for frames in stft.push(mono[start : start + block]):
            extractor.push_frames(frames)
    for frames in stft.finish():
        extractor.push_frames(frames)
    return extractor.finish(onset_curve(mono).all_onsets)


def band(rng: np.random.Generator) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """A beat at 120 BPM, a bass on the eighths after the kicks, and chords that no drum accompanies."""
    bars = np.arange(0.3, 16, 2.0)
    drums = np.sort(np.concatenate([bars + beat for beat in (0, 0.5, 1.0, 1.5)]))
    bass = np.sort(np.concatenate((bars + 0.25, bars + 1.25)))
    mix = place(kick(), drums[::2], 17) + place(snare(rng), drums[1::2], 17) + place(hat(rng), drums, 17)
    mix += 0.8 * place(pluck(55, 0.4), bass, 17)
    return mix, {"drums": drums, "bass": bass}


def share(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean([np.abs(found - t).min(initial=9) < 0.05 for t in truth]))


def test_drums_and_bass_are_told_apart(rng):
    mix, truth = band(rng)
    found = stem_onsets(mix)
    assert share(found.of("drums").times, truth["drums"]) >= 0.9
    assert share(found.of("bass").times, truth["bass"]) >= 0.8
    assert share(truth["drums"], found.of("drums").times) >= 0.8


def test_level_and_blocks_change_nothing(rng):
    mix, _ = band(rng)
    plain = stem_onsets(mix)
    np.testing.assert_array_equal(stem_onsets(mix, 777).probabilities, plain.probabilities)
    np.testing.assert_allclose(stem_onsets(0.05 * mix).probabilities, plain.probabilities, atol=0.02)


def test_onsets_of_a_stem_are_those_above_its_least_probability():
    times = np.arange(3.0)
    probabilities = np.array([[0.9, 0.0, 0.0], [0.0, 0.9, 0.9], [0.9, 0.9, 0.0]], np.float32)
    found = StemOnsets(times, times + 1, probabilities)
    lines = {stem: found.of(stem).times.tolist() for stem in STEMS}
    assert lines == {"bass": [0, 2], "drums": [1, 2], "other": [1]}
    assert found.of("other").strengths.tolist() == [2]


@pytest.mark.parametrize("seconds", [0, 1])
def test_silence_has_no_onsets(seconds):
    found = stem_onsets(np.zeros(seconds * RATE))
    assert len(found.times) == 0
    assert found.probabilities.shape == (0, 3)
    assert isinstance(found.of("bass"), Onsets)


def test_embedded_stems_are_measured_on_the_mix():
    times = np.arange(0.5, 15.5, 0.25)
    on_bass = np.arange(len(times)) % 2 == 0
    probabilities = np.stack((on_bass, np.ones(len(times)), on_bass), axis=1).astype(np.float32)
    series = {
        ("full_mix", "stem_onsets"): StemOnsets(times, np.ones(len(times)), probabilities),
        ("full_mix", "layers"): Layers(times[::2], times[1::2], np.append(times, 15.7)),
    } | {(stem, "onsets"): Onsets(np.zeros(0), np.zeros(0)) for stem in STEMS}
    loud = LoudnessCurve(np.full(160, 0.01, np.float32))
    series |= {(source, "loudness"): loud for source in ("full_mix", *STEMS)}
    series["drums", "layers"] = Layers(*(np.zeros(0),) * 3)
    beats = Beats(times[::2], times[::8], np.ones(len(times[::2])), "4/4", 1.0, steady=True)

    def measured(backend: str) -> dict[str, Any]:
        track: Any = SimpleNamespace(
            has_embedded_stems=backend == "embedded",
            duration=16.0,
            has=lambda stem: True,
            series=lambda source, kind: series[source, kind],
            beats=beats,
            window=Window(0.0, 16.0),
            once=lambda name, compute: compute(),
        )
        return stem_rhythm(track, Settings()).values

    embedded, other = measured("embedded"), measured("demucs")
    assert embedded["onset_density_average_bass"] == pytest.approx(30 / 16, abs=0.2)
    assert embedded["onset_density_average_drums"] == pytest.approx(60 / 16, abs=0.4)
    assert embedded["syncopation_bass"] == 0
    assert len(LOST_IN_EMBEDDED_STEMS) == 4
    assert all(isinstance(embedded[key], Unknown) for key in LOST_IN_EMBEDDED_STEMS)
    assert not isinstance(embedded["syncopation_other"], Unknown)
    assert {other[f"onset_density_average_{stem}"] for stem in STEMS} == {0}
