"""Notes, chords and songs with overtones, attacks and decay, from seeded generators."""

from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from mirkit.features.harmony.chroma import ChromaCurve, ChromaExtractor

RATE = 44100

Mono = npt.NDArray[np.float32]

_DEGREES = {"I": 0, "II": 2, "III": 4, "IV": 5, "V": 7, "VI": 9, "VII": 11}


def hz(midi: float) -> float:
    return float(440 * 2 ** ((midi - 69) / 12))


@cache
def note(midi: float, seconds: float, overtones: int = 8, decay: float = 1.0, attack: float = 0.0) -> Mono:
    """A decaying harmonic tone that starts in 5 ms, with a burst of noise of amplitude ``attack``."""
    t = np.arange(round(seconds * RATE)) / RATE
    out = np.zeros(len(t))
    for h in range(1, overtones + 1):
        if h * hz(midi) < 16000:
            out += np.sin(2 * np.pi * h * hz(midi) * t + 1.3 * h) / h * np.exp(-t * h**0.5 / decay)
    out *= np.minimum(1, t / 0.005) * np.minimum(1, (seconds - t) / 0.01)
    burst = np.random.default_rng(int(midi * 100)).standard_normal(len(t)) * np.exp(-t / 0.015)
    return (out + attack * burst).astype(np.float32)


def sequence(chords: Iterable[Sequence[float]], step: float, sounding: float = 1.0, **kind: float) -> Mono:
    """Chords of MIDI pitches one after the other, each ``step`` seconds after the last; peak 0.5."""
    chords = list(chords)
    out = np.zeros(round(len(chords) * step * RATE), np.float32)
    for i, pitches in enumerate(chords):
        start = round(i * step * RATE)
        for pitch in pitches:
            tone = note(pitch, step * sounding, **kind)  # type: ignore[arg-type]
            part = out[start : start + len(tone)]
            part += tone[: len(part)]
    return out * np.float32(0.5 / max(np.abs(out).max(), 1e-9))


def triad(root: int, minor: bool = False) -> list[int]:
    return [root, root + (3 if minor else 4), root + 7]


def roman(name: str) -> list[int]:
    """Pitch classes above the tonic of ``IV``, ``bVII``, ``ii``, ``V7``, ``iio``."""
    flats = len(name) - len(name.lstrip("b"))
    seventh, diminished = name.endswith("7"), name.endswith("o")
    degree = name[flats:].rstrip("7o")
    root = _DEGREES[degree.upper()] - flats
    minor = degree.islower()
    chord = [0, 3 if minor else 4, 6 if diminished else 7] + ([10] if seventh else [])
    return [(root + p) % 12 for p in chord]


def song(progression: str, tonic: int, bars: int = 8, seed: int = 0, cents: float = 0.0, drums: float = 0.2) -> Mono:
    """Chords twice a bar, a bass in eighths, a tune of chord notes, hat and snare; a bar takes 2 s."""
    rng = np.random.default_rng(seed)
    bar = 2 * RATE
    out = np.zeros(bars * bar, np.float32)

    def put(pitch_class: int, lowest: int, start: int, seconds: float, gain: float) -> None:
        pitch = lowest + (pitch_class + tonic - lowest) % 12 + cents / 100
        tone = note(pitch, seconds)
        part = out[start : start + len(tone)]
        part += np.float32(gain) * tone[: len(part)]

    chords = [roman(name) for name in progression.split()]
    for i in range(bars):
        chord = chords[i % len(chords)]
        for half in range(2):
            for pitch_class in chord:
                put(pitch_class, 54, i * bar + half * bar // 2, 1.0, 0.3)
        for eighth in range(8):
            start = i * bar + eighth * bar // 8
            put(chord[0] if rng.random() < 0.8 else chord[2], 31, start, 0.25, 0.6)
            if rng.random() < 0.6:
                put(chord[rng.integers(3)], 66, start, 0.25, 0.3)
            length = 4000 if eighth % 4 == 2 else 1200
            hit = rng.standard_normal(length) * np.exp(-np.arange(length) / (length / 4))
            out[start : start + length] += (drums * hit).astype(np.float32)
    return out * np.float32(0.5 / np.abs(out).max())


def curve_of(mono: Mono, block: int = 65536) -> ChromaCurve:
    extractor = ChromaExtractor()
    for start in range(0, len(mono), block):
        extractor.push(mono[start : start + block])
    return extractor.finish()


def cosine(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    a, b = np.asarray(a, float), np.asarray(b, float)
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))
