"""Drums, basses and chord instruments from sines, noise and plucked delay lines; notes in, stereo out."""

from collections.abc import Callable

import numpy as np
import scipy.signal

from . import score
from .score import Note

RATE = 44100


def play(part: Callable[..., np.ndarray], notes: list[Note], seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Sum an instrument's notes into stereo, float32, shape=(2, n)."""
    n = int(seconds * RATE)
    out = np.zeros((2, n + 4 * RATE), np.float32)
    for note in notes:
        start = int(note.start * RATE)
        if start < n:
            sound = np.atleast_2d(part(note, rng)) * note.velocity**1.5
            out[:, start : start + sound.shape[1]] += sound[:, : out.shape[1] - start]
    return out[:, :n]


def drum_kit(rng: np.random.Generator) -> Callable[..., np.ndarray]:
    """Return a kit with its own tuning, decay times and places."""
    kick_hz, snare_hz = rng.uniform(42, 62), rng.uniform(160, 220)
    decay = rng.uniform(0.7, 1.4)
    metal = rng.uniform(3000, 9000, 9)
    pans = {score.HAT: 0.3, score.OPEN: 0.3, score.PEDAL: 0.3, score.RIDE: -0.4, score.CRASH: 0.5, score.SHAKER: -0.5}

    def hit(note: Note, rng: np.random.Generator) -> np.ndarray:
        t = np.arange(int(1.6 * RATE)) / RATE
        noise = rng.standard_normal(len(t))
        if note.pitch == score.KICK:
            sweep = kick_hz * t + 160 / 28 * (1 - np.exp(-28 * t))
            sound = np.sin(2 * np.pi * sweep) * np.exp(-t * 7 / decay) + 0.4 * noise * np.exp(-t * 250)
        elif note.pitch in (score.SNARE, score.STICK, score.CLAP):
            modes = np.sin(2 * np.pi * snare_hz * t) + 0.6 * np.sin(2 * np.pi * 1.6 * snare_hz * t)
            wires = scipy.signal.sosfilt(_WIRES, noise)
            sound = 0.5 * modes * np.exp(-t * 22 / decay) + wires * np.exp(-t * 16 / decay)
        elif note.pitch in (*score.TOMS, *score.CONGAS):
            f = {50: 180, 47: 130, 43: 90, 63: 330, 64: 240}[note.pitch]
            sound = np.sin(2 * np.pi * (f * t + 2 * (1 - np.exp(-20 * t)))) * np.exp(-t * 9) + 0.1 * noise * np.exp(
                -t * 120
            )
        else:
            rate = {score.OPEN: 7, score.CRASH: 2.2, score.RIDE: 4, score.SHAKER: 45}.get(note.pitch, 38)
            ring = sum(np.sign(np.sin(2 * np.pi * f * t)) for f in metal) / 5
            high = scipy.signal.sosfilt(_HIGH, 0.6 * ring + noise)
            sound = 0.25 * high * np.exp(-t * rate / decay)
        return _pan(sound, pans.get(note.pitch, {50: 0.4, 43: -0.4}.get(note.pitch, 0.0)))

    return hit


_WIRES = scipy.signal.butter(1, (700, 6000), "band", fs=RATE, output="sos")
_HIGH = scipy.signal.butter(2, 5500, "high", fs=RATE, output="sos")


def bass(kind: str) -> Callable[..., np.ndarray]:
    """Return a bass: ``sub``, ``saw`` or ``pluck``."""

    def note_of(note: Note, rng: np.random.Generator) -> np.ndarray:
        f = _hertz(note.pitch)
        t = np.arange(int((note.length + 0.08) * RATE)) / RATE
        gate = np.minimum(1, t / 0.006) * np.clip((note.length + 0.08 - t) / 0.08, 0, 1)
        if kind == "sub":
            sound = np.sin(2 * np.pi * f * t) + 0.15 * np.sin(4 * np.pi * f * t)
        elif kind == "saw":
            cutoff = 250 + 1500 * np.exp(-t * 9) * note.velocity
            sound = sum(np.sin(2 * np.pi * f * h * t) / h / (1 + (h * f / cutoff) ** 4) for h in range(1, 30))
        else:
            sound = 2.5 * _string(f, len(t), 0.6, 500, rng)
        return _pan(0.6 * sound * gate, 0)

    return note_of


def chords(kind: str) -> Callable[..., np.ndarray]:
    """Return a chord instrument: ``guitar``, ``organ``, ``pad``, ``piano``, ``electric``."""

    def note_of(note: Note, rng: np.random.Generator) -> np.ndarray:
        f = _hertz(note.pitch)
        release = {"pad": 0.5, "piano": 0.2}.get(kind, 0.1)
        t = np.arange(int((note.length + release) * RATE)) / RATE
        gate = np.minimum(1, t / (0.08 if kind == "pad" else 0.004)) * np.clip(
            (note.length + release - t) / release, 0, 1
        )
        if kind == "guitar":
            sound = np.stack([_string(f, len(t), 0.99, 5000, rng)] * 2)
        elif kind == "organ":
            sound = (
                np.stack(
                    [
                        sum(
                            a * np.sin(2 * np.pi * f * h * t)
                            for h, a in ((0.5, 0.5), (1, 1), (2, 0.7), (3, 0.5), (4, 0.3), (8, 0.2))
                        )
                    ]
                    * 2
                )
                * 0.3
            )
        elif kind == "pad":
            detune = rng.uniform(-0.006, 0.006, (2, 3))
            sound = np.stack([sum(_saw(f * (1 + d), t, 18) for d in side) for side in detune]) * 0.2
        elif kind == "piano":
            partials = np.arange(1, 16)
            stretch = partials * np.sqrt(1 + 0.0004 * partials**2)
            levels = rng.uniform(0.5, 1, 15) / partials**1.3
            one = sum(
                a * np.sin(2 * np.pi * f * s * t) * np.exp(-t * (1.2 + 0.5 * p))
                for a, s, p in zip(levels, stretch, partials, strict=True)
            )
            one = one + 0.1 * rng.standard_normal(len(t)) * np.exp(-t * 150)
            sound = np.stack([one, np.roll(one, 20)]) * 0.5
        else:
            index = 2.5 * np.exp(-t * 4) * note.velocity
            one = np.sin(2 * np.pi * f * t + index * np.sin(2 * np.pi * f * t)) * np.exp(-t * 1.5)
            swing = 0.4 * np.sin(2 * np.pi * 4.5 * t)
            sound = np.stack([one * (1 + swing), one * (1 - swing)]) * 0.5
        return sound * gate

    return note_of


def _string(f: float, n: int, brightness: float, cutoff: float, rng: np.random.Generator) -> np.ndarray:
    """A plucked string: noise in a delay line with a lossy loop (Karplus and Strong)."""
    delay = max(2, round(RATE / f - 0.5))
    burst = np.zeros(n)
    burst[: min(delay, n)] = rng.uniform(-1, 1, min(delay, n))
    sos = scipy.signal.butter(1, min(cutoff, 0.45 * RATE), fs=RATE, output="sos")
    loop = np.zeros(delay + 2)
    loop[0], loop[delay], loop[delay + 1] = 1, -0.996 * 0.5, -0.996 * 0.5
    return scipy.signal.lfilter([1], loop, scipy.signal.sosfilt(sos, burst)) * brightness


def _saw(f: float, t: np.ndarray, harmonics: int) -> np.ndarray:
    top = min(harmonics, int(15000 / f))
    return sum(np.sin(2 * np.pi * f * h * t + h) / h for h in range(1, top + 1))


def _pan(sound: np.ndarray, pan: float) -> np.ndarray:
    angle = (pan + 1) * np.pi / 4
    return np.stack((np.cos(angle) * sound, np.sin(angle) * sound))


def _hertz(pitch: int) -> float:
    return float(440 * 2 ** ((pitch - 69) / 12))
