"""What the instruments of a mix play: by rules, by the composer of the benchmarks, or from MIDI files."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TypeVar

import mido
import numpy as np

from training.effects import Random

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))  # of the composer
_T = TypeVar("_T")

SECONDS = 10.0
_SCALES = ((0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 9, 10))
DRUM_CHANNEL = 9


def any_of(rng: Random, items: Sequence[_T]) -> _T:
    """Return a random item."""
    return items[int(rng.integers(len(items)))]


@dataclass(frozen=True)
class Note:
    """A note: start in seconds, MIDI pitch, duration in seconds, gain from 0 to 1."""

    time: float
    pitch: int
    seconds: float
    gain: float


@dataclass(frozen=True)
class Arrangement:
    """Notes of the drums, of the bass and of each other part; a part that is empty plays something of its own."""

    drums: list[Note]
    bass: list[Note]
    others: list[list[Note]]


@dataclass(frozen=True)
class Harmony:
    """Tempo in BPM, tonic (0 is C), scale in semitones, and the degree of the chord in each of four bars."""

    bpm: float
    tonic: int
    scale: tuple[int, ...]
    progression: tuple[int, ...]

    @property
    def beat(self) -> float:
        """Seconds of a beat."""
        return 60 / self.bpm

    def degree(self, n: int) -> int:
        """Return the semitones of a degree of the scale above C."""
        return self.tonic + self.scale[n % 7] + 12 * (n // 7)

    def chord(self, seconds: float, notes: int = 3) -> tuple[int, ...]:
        """Return the semitones above C of the chord at a time."""
        first = self.progression[int(seconds / (4 * self.beat)) % 4]
        return tuple(self.degree(first + 2 * i) for i in range(notes))


def harmony(rng: Random) -> Harmony:
    """Draw a tempo, a key and four chords."""
    degrees = tuple(int(d) for d in rng.choice([0, 0, 3, 4, 5, 2, 1], size=4))
    return Harmony(rng.uniform(65, 180), int(rng.integers(12)), _SCALES[int(rng.integers(3))], degrees)


def drum_pattern(rng: Random, h: Harmony) -> list[Note]:
    """Return a pattern of one bar that repeats, with variations, or exactly (a loop)."""
    exact = rng.random() < 0.3
    swing = rng.choice([0, 0, 0, 0.15, 0.3]) * h.beat / 2
    density = rng.uniform(0.1, 0.9)
    kick = np.where(np.arange(16) % 8 == 0, 0.95, np.where(np.arange(16) % 2 == 0, 0.25, 0.06))
    if rng.random() < 0.3:
        kick = np.where(np.arange(16) % 4 == 0, 1.0, 0.03)
    snare = np.where(np.arange(16) % 8 == 4, 0.95, 0.04)
    time_keeper = 51 if rng.random() < 0.25 else 42
    hats = np.where(np.arange(16) % 2 == 0, 0.9, density)
    bars: list[Note] = []
    bar: list[Note] = []
    start = 0.0
    while start < SECONDS:
        if not bar or not exact:
            bar = []
            for i in range(16):
                time = i * h.beat / 4 + (swing if i % 2 else 0)
                for chance, pitch, low, high in (
                    (kick, 36, 0.75, 1),
                    (snare, 38, 0.7, 1),
                    (hats, time_keeper, 0.3, 0.8),
                ):
                    if rng.random() < chance[i]:
                        played = 46 if pitch == 42 and rng.random() < 0.06 else pitch
                        bar.append(Note(time, played, 0.5, rng.uniform(low, high)))
                if rng.random() < 0.03:
                    bar.append(Note(time, int(rng.choice([43, 45, 48, 49, 57])), 1, rng.uniform(0.6, 1)))
        bars += [Note(start + n.time, n.pitch, n.seconds, n.gain) for n in bar]
        start += 4 * h.beat
    return bars


def groove(rng: Random, files: tuple[Path, ...]) -> list[Note]:
    """Return ten seconds of a drummer's MIDI file; none if the file holds nothing there. Fills repeat."""
    notes = _notes(any_of(rng, files)).get(DRUM_CHANNEL, ())
    if not notes:
        return []
    length = max(notes[-1].time + 0.25, 1.0)
    start = rng.uniform(0, max(0.0, length - SECONDS))
    repeats = range(1 if length >= SECONDS else int(SECONDS / length) + 1)
    moved = (Note(n.time - start + i * length, n.pitch, n.seconds, n.gain) for i in repeats for n in notes)
    return [n for n in moved if 0 <= n.time < SECONDS]


@lru_cache(maxsize=256)
def _notes(path: Path) -> dict[int, tuple[Note, ...]]:
    """Return the notes of a MIDI file by channel, in order."""
    time = 0.0
    sounding: dict[tuple[int, int], tuple[float, int]] = {}
    found: dict[int, list[Note]] = {}
    for message in mido.MidiFile(path):
        time += message.time
        if message.type not in ("note_on", "note_off"):
            continue
        key = message.channel, message.note
        if key in sounding:
            start, velocity = sounding.pop(key)
            found.setdefault(message.channel, []).append(
                Note(start, message.note, max(0.05, time - start), (velocity / 127) ** 1.5)
            )
        if message.type == "note_on" and message.velocity:
            sounding[key] = time, message.velocity
    return {channel: tuple(sorted(notes, key=lambda n: n.time)) for channel, notes in found.items()}


def arrangement(rng: Random, songs: tuple[Path, ...]) -> Arrangement:
    """Return what a band plays: a piece of the project's composer, ten seconds of a song in MIDI, or nothing."""
    chosen = rng.random()
    if chosen < 0.4:
        return _composed(rng)
    return _excerpt(rng, _notes(any_of(rng, songs))) if chosen < 0.6 and songs else Arrangement([], [], [])


def _composed(rng: Random) -> Arrangement:
    """Return ten seconds of a piece of one of the styles of ``benchmarks/rhythm_corpus.py``, or of an invented one."""
    corpus, styles = (import_module(name) for name in ("rhythm_corpus", "rhythm_styles"))
    names = ["invented"] * 10 + [*styles.STYLES, *styles.MORE_STYLES]
    piece = corpus.compose(any_of(rng, names), int(rng.integers(1 << 30)))
    parts: dict[int, list[Note]] = {}
    for channel, pitch, velocity, start, end in piece.notes:
        parts.setdefault(channel, []).append(Note(start, pitch, max(0.05, end - start), (velocity / 127) ** 1.5))
    return _excerpt(rng, {channel: tuple(notes) for channel, notes in parts.items()})


def _excerpt(rng: Random, parts: dict[int, tuple[Note, ...]]) -> Arrangement:
    """Return ten seconds: the drums, the lowest of the other parts if it is low, and the rest, the fullest first."""
    end = max((notes[-1].time for notes in parts.values() if notes), default=0.0)
    start = rng.uniform(0, max(0.0, end - SECONDS))
    cut = {
        channel: [Note(n.time - start, n.pitch, n.seconds, n.gain) for n in notes if start <= n.time < start + SECONDS]
        for channel, notes in parts.items()
    }
    drums = cut.pop(DRUM_CHANNEL, [])
    pitched = sorted((part for part in cut.values() if len(part) > 3), key=_median_pitch)
    has_bass = bool(pitched) and _median_pitch(pitched[0]) < 50
    others = sorted(pitched[has_bass:], key=len, reverse=True)
    return Arrangement(drums if len(drums) > 3 else [], pitched[0] if has_bass else [], others)


def _median_pitch(notes: list[Note]) -> float:
    return float(np.median([note.pitch for note in notes]))


def bass_line(rng: Random, h: Harmony) -> list[Note]:
    """Return a pattern around the roots of the chords."""
    step = float(rng.choice([0.5, 0.5, 0.5, 1, 1, 2, 0.25])) * h.beat
    pattern = rng.random(16) < rng.uniform(0.6, 1.2)
    steps = int(SECONDS / step) + 1
    choices = (0, 0, 0, 0, 0, 7, 12, 10) if rng.random() < 0.7 else (0,)
    held = rng.uniform(0.6, 1.1)
    notes = []
    for i in range(steps):
        if pattern[i % 16] or i == 0:
            root = 28 + (h.chord(i * step)[0] - 28) % 12
            pitch = root + int(rng.choice(choices))
            notes.append(Note(i * step, pitch, max(0.08, held * step), rng.uniform(0.7, 1)))
    return notes


def accompaniment(rng: Random, h: Harmony) -> list[Note]:
    """Return a pad, chords, an arpeggio, a riff or a tune, in one of four octaves."""
    style = str(rng.choice(["pad", "pad", "chords", "chords", "arpeggio", "riff", "tune"]))
    octave = int(rng.choice([36, 48, 48, 48, 60, 60, 72]))
    beats: tuple[float, ...] = {
        "pad": (4, 2),
        "chords": (0.5, 1, 2),
        "arpeggio": (0.25, 0.5),
        "riff": (0.5,),
        "tune": (0.5, 1, 1),
    }[style]
    step = float(rng.choice(beats)) * h.beat
    size, chance, held = int(rng.choice([3, 3, 4])), (0.7 if style == "tune" else 0.9), rng.uniform(0.5, 1.15)
    rhythm = rng.random(16) < chance
    tune = rng.integers(0, 7, 8)
    notes = []
    for i in range(int(SECONDS / step) + 1):
        if not rhythm[i % 16]:
            continue
        chord = h.chord(i * step, size)
        if style == "arpeggio":
            chord = (chord[i % size],)
        elif style == "riff":
            chord = (chord[0], chord[0] + 7) if rng.random() < 0.7 else (chord[0],)
        elif style == "tune":
            chord = (h.degree(int(tune[i % 8])),)
        gain = rng.uniform(0.6, 1)
        notes += [Note(i * step, octave + pitch, max(0.08, held * step), gain) for pitch in chord]
    return notes


def melody(rng: Random, h: Harmony, low: int, high: int) -> list[Note]:
    """Return a sung tune between two pitches: steps of the scale, rests, long notes at the ends of phrases."""
    scale = [p for p in range(low, high + 1) if (p - h.tonic) % 12 in h.scale]
    at = int(rng.integers(len(scale)))
    time, notes = rng.uniform(0, 2) * h.beat, []
    while time < SECONDS:
        for i in range(count := int(rng.integers(3, 9))):
            at = int(np.clip(at + rng.choice([-3, -2, -1, -1, 0, 1, 1, 2, 3]), 0, len(scale) - 1))
            seconds = float(rng.choice([0.5, 0.5, 1, 1, 2] if i < count - 1 else [2, 3])) * h.beat
            notes.append(Note(time, scale[at], seconds, rng.uniform(0.7, 1)))
            time += seconds
        time += float(rng.choice([0.5, 1, 2])) * h.beat
    return [n for n in notes if n.time < SECONDS]
