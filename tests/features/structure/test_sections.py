"""Sections of music whose form is known: boundaries, letters, functions; and what has no form."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from form_music import BAR, beats_of, nothing, song, sources, sources_of
from mirkit.features.bands import BandCurve
from mirkit.features.loudness import LoudnessCurve
from mirkit.features.rhythm.beats.grid import NO_BEATS, Beats
from mirkit.features.rhythm.layers import Layers
from mirkit.features.spectral import SpectralCurve
from mirkit.features.structure.bars import Sources, bars_of, grid_of
from mirkit.features.structure.form import Form, Section, section_values
from mirkit.features.structure.sections import form
from mirkit.features.types import SILENT, TOO_SHORT, Unknown, Window
from signals import RATE


def found(given: Sources) -> Form:
    result = form(given)
    assert isinstance(result, Form)
    return result


def letters(given: Form) -> str:
    return "".join(section.label for section in given.sections)


def starts(given: Form) -> list[float]:
    return [section.start for section in given.sections]


@pytest.mark.parametrize("plan", ["ABA", "ABAC", "ABABCB", "ABCA"])
def test_a_form_with_clear_contrast(plan: str) -> None:
    result = found(sources(plan))
    order = list(dict.fromkeys(plan))
    assert letters(result) == "".join("ABCD"[order.index(letter)] for letter in plan)
    assert starts(result) == pytest.approx([8 * BAR * i for i in range(len(plan))], abs=0.01)
    assert result.grid == "downbeats"
    assert all(section.confidence is not None and section.confidence > 0.5 for section in result.sections)


@pytest.mark.parametrize("letter", ["A", "B"])
def test_a_loop_is_one_section(letter: str) -> None:
    (section,) = found(sources_of(song(letter, 32))).sections
    assert (section.start, section.label, section.function) == (0, "A", None)
    assert section.end == pytest.approx(32 * BAR, abs=0.01)


def test_sections_cover_the_piece_without_gaps() -> None:
    result = found(sources_of(song("ABA")[: -round(0.7 * 44100)]))
    assert result.sections[0].start == 0
    assert result.sections[-1].end == pytest.approx(24 * BAR - 0.7, abs=0.01)
    assert all(before.end == after.start for before, after in pairwise(result.sections))


def test_silence_and_short_pieces_have_no_form() -> None:
    assert form(nothing(40.0)) == SILENT
    assert form(sources("A", 6)) == TOO_SHORT
    assert form(sources_of(song("A", 6), NO_BEATS)) == TOO_SHORT
    assert form(nothing(0.05)) == TOO_SHORT


@pytest.mark.parametrize(("beats", "grid"), [("none", "time"), ("no downbeats", "beats")])
def test_without_bars_boundaries_lie_on_beats_or_steps(beats: str, grid: str) -> None:
    audio = song("ABA")
    given = NO_BEATS if beats == "none" else beats_of(len(audio) / 44100, downbeats=False)
    result = found(sources_of(audio, given))
    assert result.grid == grid
    assert letters(result) == "ABA"
    assert starts(result) == pytest.approx([0, 16, 32], abs=2.0)


@pytest.mark.parametrize("gain", [0.05, 0.5, 3.0])
def test_the_level_does_not_matter(gain: float) -> None:
    audio = song("ABAC")
    before, after = found(sources("ABAC")), found(sources_of((gain * audio).astype(np.float32)))
    assert [(s.start, s.label, s.function) for s in after.sections] == [
        (s.start, s.label, s.function) for s in before.sections
    ]
    assert [s.confidence for s in after.sections] == pytest.approx([s.confidence for s in before.sections], abs=0.02)


def test_a_section_in_another_key_is_the_same_section() -> None:
    assert letters(found(sources_of(song("ABAB", semitones={2: 2.0})))) == "ABAB"


@pytest.mark.parametrize("beats", [1, 2, 3])
def test_music_that_is_repeated_on_another_beat_of_the_grid_has_the_same_letters(beats: int) -> None:
    audio = song("ABC")
    cut = audio[: -round(beats * BAR / 4 * RATE)]
    result = found(sources_of(np.concatenate((cut, audio))))
    assert letters(result) == "ABCABC"


def test_a_last_section_that_fades_out_is_the_same_section() -> None:
    audio = song("ABAB").copy()
    fade = round(1.5 * BAR * RATE)
    audio[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    assert letters(found(sources_of(audio))) == "ABAB"


def test_fast_bars_are_joined_and_slow_ones_divided() -> None:
    beats = beats_of(64.0)
    fast = replace(beats, downbeats=beats.times[::2])
    assert np.diff(grid_of(fast, 64.0).edges) == pytest.approx(2.0)
    slow = replace(beats, downbeats=beats.times[::16])
    assert np.diff(grid_of(slow, 64.0).edges) == pytest.approx(4.0)
    late = replace(beats, times=beats.times + 0.3, downbeats=beats.downbeats[3:] + 0.3)
    edges = grid_of(late, 64.0).edges
    assert edges[:3] == pytest.approx([0, 2.3, 4.3])
    assert edges[-1] == 64.0


def test_missing_downbeats_are_filled_in() -> None:
    beats = beats_of(64.0)
    gap = replace(beats, downbeats=np.delete(beats.downbeats, [10, 11]))
    assert grid_of(gap, 64.0).edges == pytest.approx(np.arange(0, 65, 2.0))


LOUD, GONE = -20.0, -np.inf


def test_intro_instrumental_and_outro() -> None:
    plan = "IABAI"
    levels = {
        "drums": [GONE] * 8 + [LOUD] * 24 + [GONE] * 8,
        "bass": [LOUD] * 40,
        "other": [LOUD] * 40,
        "vocals": [GONE] * 8 + [LOUD] * 8 + [GONE] * 8 + [LOUD] * 8 + [GONE] * 8,
    }
    result = found(sources_of(song(plan), stems=levels))
    assert [section.function for section in result.sections] == ["intro", None, "instrumental", None, "outro"]
    without = found(sources_of(song(plan)))
    assert [section.function for section in without.sections] == ["intro", None, None, None, "outro"]


def test_music_without_a_voice_has_no_instrumental_sections() -> None:
    levels = {stem: [GONE if stem == "vocals" else LOUD] * 32 for stem in ("drums", "bass", "other", "vocals")}
    assert {section.function for section in found(sources_of(song("ABAB"), stems=levels)).sections} == {None}


def test_bars_measure_what_sounds() -> None:
    given = sources("AB", 8)
    bars = bars_of(given, grid_of(given.beats, given.duration))
    assert bars.decibel[12] == 0 or bars.decibel.max() == 0
    assert np.mean(bars.decibel[8:]) - np.mean(bars.decibel[:8]) == pytest.approx(6, abs=2.0)
    assert 2.8 < np.sum(bars.rhythm[2, 2]) < 4.2, "four hats, of which a kick hides the first"
    assert np.linalg.norm(bars.chroma, axis=2) == pytest.approx(1.0)
    assert bars.stems.shape == (16, 0)


FORM = Form((Section(0, 10, "A", "intro", 0.9), Section(10, 30, "B", None, 0.8), Section(30, 40, "A", "outro", 0.7)))


@pytest.mark.parametrize(
    ("window", "count", "label", "function"),
    [
        ((0, 10), 1, "A", "intro"),
        ((8, 20), 2, "B", Unknown("no rule names its function")),
        ((0, 40), 3, "B", Unknown("no rule names its function")),
        ((5, 35), 3, "B", Unknown("no rule names its function")),
        ((38, 60), 1, Unknown("several sections"), Unknown("several sections")),
        ((50, 60), *[Unknown("the sections do not cover it")] * 3),
    ],
)
def test_the_section_of_a_window(
    window: tuple[float, float], count: int | Unknown, label: str | Unknown, function: str | Unknown
) -> None:
    values = section_values(FORM, Window(*window))
    assert (values.section_count, values.section, values.section_function) == (count, label, function)


def test_the_section_of_a_window_of_a_piece_without_form() -> None:
    assert section_values(SILENT, Window(0, 5)).section == SILENT


def test_silence_and_ringing_at_the_ends_are_no_sections() -> None:
    audio = song("AB")
    ring = 0.02 * np.exp(-np.arange(8 * 44100) / 44100) * np.sin(2 * np.pi * 220 * np.arange(8 * 44100) / 44100)
    longer = np.concatenate((np.zeros(6 * 44100), audio, ring, np.zeros(10 * 44100))).astype(np.float32)
    result = found(sources_of(longer, beats_of(len(longer) / 44100)))
    assert [(section.label, section.function) for section in result.sections] == [("A", None), ("B", None)]
    assert starts(result) == pytest.approx([0, 6 + 16], abs=0.01)
    assert result.sections[-1].end == pytest.approx(len(longer) / 44100)


def test_golden_values() -> None:
    """Sections of four bars, of which one is not found: a change of a weight or of a formula changes these numbers."""
    rows = [(s.start, s.label, s.function, round(s.confidence or 0, 2)) for s in found(sources("IABACI", 4)).sections]
    assert rows == [
        (0.0, "A", "intro", 0.94),
        (8.0, "B", None, 0.94),
        (16.0, "C", None, 0.97),
        (24.0, "B", None, 0.49),
        (40.0, "A", "outro", 0.49),
    ]


def test_a_short_piece_in_a_long_file_has_no_form() -> None:
    audio = np.concatenate((song("A", 5), np.zeros(44100 * 60, np.float32)))
    assert form(sources_of(audio, beats_of(70.0))) == TOO_SHORT


def random_sources(seed: int) -> Sources:
    """Series of noise, some of them shorter than the piece or empty, and any beats."""
    rng = np.random.default_rng(seed)
    seconds = float(rng.choice([5, 16.1, 30, 61.3, 200]))

    def rows(rate: float) -> int:
        return int(seconds * rate * rng.choice([1, 1, 1, 0.5, 0]))

    def onsets() -> np.ndarray:
        return np.sort(rng.uniform(0, seconds, int(rng.integers(0, 90))))

    times = np.arange(rng.uniform(0, seconds / 4), seconds * rng.uniform(0.5, 1.1), 60 / rng.uniform(30, 300))
    downbeats = times[:: int(rng.integers(1, 8))] if rng.random() < 0.7 else np.zeros(0)
    template = sources("A")
    frames, spectra, hops = rows(21.5), rows(86.1), rows(10)
    loudness = LoudnessCurve((rng.random(hops) * 10 ** rng.uniform(-4, 0)).astype(np.float32))
    chroma = {name: rng.integers(0, 256, (frames, 12)).astype(np.uint8) for name in ("chroma", "bass")}
    return Sources(
        seconds,
        Beats(times, downbeats, np.ones(len(times))),
        replace(template.chroma, level_db=rng.uniform(-60, 0, frames).astype(np.float16), **chroma),
        BandCurve((rng.random((rows(5.4), 4)) * 10 ** rng.uniform(-6, 3)).astype(np.float32), int(seconds * 44100)),
        SpectralCurve(*(scale * rng.normal(size=spectra).astype(np.float32) for scale in (30, 0.1, 3, 3, 1))),
        loudness,
        Layers(onsets(), onsets(), onsets()),
        onsets(),
        dict.fromkeys(("drums", "bass", "other", "vocals"), loudness) if rng.random() < 0.5 else {},
    )


@pytest.mark.parametrize("seed", range(40))
def test_any_series_give_sections_without_gaps(seed: int) -> None:
    given = random_sources(seed)
    result = form(given)
    if isinstance(result, Unknown):
        assert result in (SILENT, TOO_SHORT)
        return
    assert result.sections[0].start == 0
    assert result.sections[-1].end == pytest.approx(given.duration)
    assert all(before.end == after.start for before, after in pairwise(result.sections))
    assert all(s.end > s.start and s.confidence is not None and 0 <= s.confidence <= 1 for s in result.sections)
