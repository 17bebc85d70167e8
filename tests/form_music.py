"""Music with a known form, as feature series: each bar has chords, drums and a level of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from mirkit.features.extraction import BLOCK, measure
from mirkit.features.loudness import LoudnessCurve
from mirkit.features.rhythm.beats.grid import NO_BEATS, Beats
from mirkit.features.structure.bars import Sources
from signals import RATE, chord, clicks, noise, silence

BAR = 2.0
Mono = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Style:
    """What one letter of a form sounds like: roots of a chord each bar (Hz), kicks and hats (beats), level (dB)."""

    roots: tuple[float, ...]
    kicks: tuple[float, ...]
    hats: tuple[float, ...]
    third: float = 1.26
    level: float = 0.0


STYLES: Mapping[str, Style] = {
    "A": Style((220.0, 174.61, 261.63, 196.0), (0, 2), (0, 1, 2, 3)),
    "B": Style((277.18, 233.08, 311.13, 207.65), (0, 1, 2, 3), (0.5, 1.5, 2.5, 3.5, 0, 1, 2, 3), 1.189, 6.0),
    "C": Style((185.0, 246.94, 329.63, 220.0), (0, 1.5, 2.5), (), 1.189, -6.0),
    "I": Style((220.0, 174.61, 261.63, 196.0), (), (), 1.26, -12.0),
}


def bar(style: Style, number: int, semitones: float = 0.0) -> Mono:
    """One bar of a style."""
    root = style.roots[number % len(style.roots)] * 2 ** (semitones / 12)
    out = chord([root, root * style.third, root * 1.498, root / 4], BAR, -20)
    out = out + clicks([b * BAR / 4 for b in style.kicks], BAR, 60, -6)
    out = out + clicks([b * BAR / 4 for b in style.hats], BAR, 7000, -14)
    return (10 ** (style.level / 20) * out).astype(np.float32)


def song(form: str, bars: int = 8, semitones: Mapping[int, float] | None = None) -> Mono:
    """Play a form, ``bars`` bars a letter; ``semitones`` transposes sections by their place."""
    shifts = semitones or {}
    parts = [bar(STYLES[letter], k, shifts.get(i, 0.0)) for i, letter in enumerate(form) for k in range(bars)]
    return (0.25 * np.concatenate(parts) + noise(len(parts) * BAR, -70)).astype(np.float32)


def beats_of(seconds: float, *, downbeats: bool = True) -> Beats:
    """The grid of a song."""
    times = np.arange(0, seconds - 1e-6, BAR / 4)
    return Beats(times, times[::4] if downbeats else np.zeros(0), np.ones(len(times)), "4/4" if downbeats else None)


def sources_of(audio: Mono, beats: Beats | None = None, stems: Mapping[str, Sequence[float]] | None = None) -> Sources:
    """Measure a song; ``stems`` are loudness curves by stem: one level (LUFS, or -inf) for each bar."""
    kinds = ("layers", "spectral", "bands", "loudness", "chroma", "onsets")
    blocks = [audio[np.newaxis, i : i + BLOCK] for i in range(0, len(audio), BLOCK)]
    series, samples = measure({"full_mix": blocks}, {"full_mix": 1}, {"full_mix": frozenset(kinds)}, {})
    layers, spectral, bands, loudness, chroma, onsets = (series["full_mix", kind] for kind in kinds)
    seconds = samples["full_mix"] / RATE
    curves = {stem: _curve(levels) for stem, levels in (stems or {}).items()}
    return Sources(seconds, beats or beats_of(seconds), chroma, bands, spectral, loudness, layers, onsets.times, curves)


def _curve(levels: Sequence[float]) -> LoudnessCurve:
    energy = 10 ** ((np.array(levels) + 0.691) / 10)
    return LoudnessCurve(np.repeat(energy, round(BAR * 10)).astype(np.float32))


@cache
def sources(form: str, bars: int = 8) -> Sources:
    """Measure a form."""
    return sources_of(song(form, bars))


def nothing(seconds: float) -> Sources:
    """Measure silence."""
    return sources_of(silence(seconds), NO_BEATS)
