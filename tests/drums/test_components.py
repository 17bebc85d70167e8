"""Hits from the stems of a drum kit."""

import numpy as np
import pytest

from mirkit.drums.drum_hits import Hits
from mirkit.drums.stem_hits import KIT_STEMS, hits_of_stems
from mirkit.features.danceability import EnvelopeCurve
from mirkit.features.extraction import SignalExtractor
from mirkit.features.rhythm.onsets import Onsets
from mirkit.features.types import ANALYSIS_RATE


def hits_of(stems: dict[str, np.ndarray]) -> Hits:
    onsets, envelopes = {}, {}
    for stem, mono in stems.items():
        extractor = SignalExtractor(1, frozenset({"onsets", "envelope"}), {})
        extractor.push(mono[None].astype(np.float32))
        series = extractor.finish()
        onsets[stem], envelopes[stem] = series["onsets"], series["envelope"]
    return hits_of_stems(onsets, envelopes)


def rendered(times: np.ndarray, gains: np.ndarray, rng: np.random.Generator, seconds: float = 8.0) -> np.ndarray:
    mono = np.zeros(round(seconds * ANALYSIS_RATE))
    drum = rng.standard_normal(8000) * np.exp(-np.arange(8000) / 1200)
    for time, gain in zip(times, gains, strict=True):
        start = round(time * ANALYSIS_RATE)
        mono[start : start + len(drum)] += 0.3 * gain * drum
    return mono


@pytest.fixture
def kit(rng: np.random.Generator) -> dict[str, np.ndarray]:
    times = {"bombo": np.arange(0.5, 7, 1.0), "redoblante": np.arange(1.0, 7, 1.0), "platillos": np.arange(0.5, 7, 0.5)}
    kit = {stem: rendered(at, np.ones(len(at)), rng) for stem, at in times.items()}
    return kit | {"toms": np.zeros(8 * ANALYSIS_RATE)}


def test_each_stem_has_its_onsets_and_its_note(kit: dict[str, np.ndarray]) -> None:
    hits = hits_of(kit)
    assert [drum.note for drum in hits.instruments] == [36, 38, 42, 45]
    assert [len(times) for times in hits.times] == [7, 6, 13, 0]
    assert hits.times[0] == pytest.approx(np.arange(0.5, 7, 1.0), abs=0.01)


def test_leakage_from_another_drum_is_no_hit(kit: dict[str, np.ndarray]) -> None:
    leaking = kit | {"redoblante": kit["redoblante"] + 0.03 * kit["bombo"], "toms": 0.01 * kit["bombo"]}
    hits = hits_of(leaking)
    assert [len(times) for times in hits.times] == [7, 6, 13, 0]


def test_softer_hits_have_lower_levels(rng: np.random.Generator) -> None:
    times = np.arange(0.5, 7, 1.0)
    gains = np.array([1, 0.5, 1, 0.5, 1, 0.25, 1])
    silent = {stem: np.zeros(8 * ANALYSIS_RATE) for stem in KIT_STEMS}
    hits = hits_of(silent | {"redoblante": rendered(times, gains, rng)})
    assert hits.levels[1] - hits.levels[1][0] == pytest.approx(20 * np.log10(gains), abs=0.5)


def test_silence_has_none() -> None:
    silent = {stem: np.zeros(ANALYSIS_RATE) for stem in KIT_STEMS}
    assert hits_of(silent).count == 0


@pytest.mark.parametrize(("below", "kept"), [(17.5, 2), (18.5, 1)])
def test_hits_count_down_to_18_db_below_the_loudest_of_their_stem(below: float, kept: int) -> None:
    assert count_at("redoblante", below) == kept


@pytest.mark.parametrize(("below", "kept"), [(34.5, 1), (35.5, 0)])
def test_hits_count_down_to_35_db_below_the_loudest_of_the_kit(below: float, kept: int) -> None:
    assert count_at("toms", below) == kept


def count_at(stem: str, below: float) -> int:
    """Hits found in a stem that has one ``below`` dB under a loud hit of the snare."""
    hits = {"redoblante": {1.0: 0.0}, "bombo": {}, "platillos": {}, "toms": {}}
    hits[stem] = hits[stem] | {2.0: -below}
    onsets, envelopes = {}, {}
    for name, levels in hits.items():
        deviation = np.zeros(400, np.float32)
        for time, db in levels.items():
            deviation[round(time * 100)] = 10 ** (db / 20)
        onsets[name] = Onsets(np.array(sorted(levels)), np.ones(len(levels)))
        envelopes[name] = EnvelopeCurve(deviation)
    found = hits_of_stems(onsets, envelopes)
    return len(found.times[list(KIT_STEMS).index(stem)])
