"""Synthetic bass lines with exactly known onsets, and sounds that have none.

A line is forty notes on sixteenths at 80 to 130 BPM, between E1 and A2, with rests and repeated pitches. Kinds:
``808`` (sine with a short fall of pitch; ``808 long`` decays in 1.2 s, ``808 cut`` stops without a fade), ``finger``,
``slap``, ``synth`` (filtered saw), ``saw``, ``sub`` (sine with soft edges), ``slow`` (attack of 40 ms), ``legato`` (one
tone whose pitch changes; sine, saw, or with accents), ``glide`` (a slide of 60 ms to the next note).
"""

import numpy as np
from scipy.signal import butter, sosfiltfilt

RATE = 44100
NOTES = 40
KINDS = (
    *("808", "808 long", "808 cut", "finger", "slap", "synth", "saw", "sub", "slow"),
    *("legato sine", "legato saw", "legato accents", "glide"),
)


def line(kind: str, seed: int, notes: int = NOTES) -> tuple[np.ndarray, np.ndarray]:
    """Return a line, float32, and the times of its onsets."""
    rng = np.random.default_rng([seed, *kind.encode()])
    bound = kind.startswith("legato") or kind == "glide"
    starts, lengths = _rhythm(rng, notes, rests=not bound)
    pitches = _pitches(rng, notes)
    if bound:
        for i in range(1, notes):  # a legato note of the same pitch would be no onset
            pitches[i] += int(rng.choice([-2, 3, 5])) if pitches[i] == pitches[i - 1] else 0
        return _bound(kind, starts, lengths, 440 * 2 ** ((pitches - 69) / 12)).astype(np.float32), starts
    sound = np.zeros(int((starts[-1] + lengths[-1] + 0.6) * RATE))
    for start, length, pitch in zip(starts, lengths, pitches, strict=True):
        gate = length if kind in ("808", "808 long") else 0.9 * length
        tone = _note(kind, 440 * 2 ** ((pitch - 69) / 12), np.arange(int(gate * RATE)) / RATE, rng)
        at = round(start * RATE)
        sound[at : at + len(tone)] += 0.35 * rng.uniform(0.6, 1) * tone[: len(sound) - at]
    return sound.astype(np.float32), starts


def _rhythm(rng: np.random.Generator, notes: int, *, rests: bool) -> tuple[np.ndarray, np.ndarray]:
    step = 60 / rng.uniform(80, 130) / 4
    steps = rng.choice([1, 2, 2, 2, 3, 4, 4, 6], notes)
    if step < 0.12:
        steps = np.maximum(steps, 2)
    pauses = 2 * (rng.random(notes) < 0.12) * rests
    starts = 0.5 + step * np.concatenate(([0], np.cumsum(steps + pauses)[:-1]))
    return starts, step * steps


def _pitches(rng: np.random.Generator, notes: int) -> np.ndarray:
    pitches: list[int] = []
    root = 28 + int(rng.integers(0, 5))
    for _ in range(notes):
        again = pitches and rng.random() < 0.4
        pitches.append(pitches[-1] if again else root + int(rng.choice([0, 2, 3, 5, 7, 8, 10, 12])))
    return np.array(pitches)


def _note(kind: str, hertz: float, t: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    angle = 2 * np.pi * hertz * t
    if kind.startswith("808"):
        fall = 2 * np.pi * np.cumsum(hertz * (1 + 1.5 * np.exp(-t / 0.02))) / RATE
        tone = np.sin(fall) * np.exp(-t / (1.2 if kind == "808 long" else 0.35))
        return tone if kind == "808 cut" else _faded(tone, 0.008)
    if kind == "finger":
        tone = sum(
            np.sin(k * angle * np.sqrt(1 + 1e-4 * k * k) + k * k)
            * np.exp(-t * (1.5 + 0.8 * k))
            * abs(np.sin(0.2 * np.pi * k))
            / k**1.3
            for k in range(1, int(8000 / hertz))
        )
        pluck = 0.01 * rng.normal(0, 1, len(t)) * np.exp(-t / 0.01)
        return _faded(tone * np.minimum(1, t / 0.008) + pluck, 0.02)
    if kind == "slap":
        tone = sum(
            np.sin(k * angle * np.sqrt(1 + 1e-4 * k * k) + k * k) * np.exp(-t * (3 + 0.5 * k)) / k**0.8
            for k in range(1, 40)
        )
        return _faded(tone * np.minimum(1, t / 0.001) + 0.3 * rng.normal(0, 1, len(t)) * np.exp(-t / 0.006), 0.01)
    if kind == "synth":
        cutoff = 60 + 8 * hertz * np.exp(-t / 0.12)
        tone = sum(np.sin(k * angle) / k / np.sqrt(1 + (k * hertz / cutoff) ** 4) for k in range(1, 40))
        return _faded(tone * np.minimum(1, t / 0.003), 0.01)
    if kind == "saw":
        tone = sum(np.sin(k * angle) / k for k in range(1, 60))
        return _faded(tone * np.minimum(1, t / 0.003), 0.01)
    if kind == "sub":
        return _faded(np.sin(angle) * np.minimum(1, t / 0.01), 0.02)
    tone = sum(np.sin(k * angle + k) / k**1.5 for k in range(1, 10))
    return _faded(tone * np.minimum(1, t / 0.04), 0.05)


def _bound(kind: str, starts: np.ndarray, lengths: np.ndarray, hertz: np.ndarray) -> np.ndarray:
    """One tone that moves from note to note."""
    end = starts[-1] + lengths[-1]
    t = np.arange(int((end + 0.6) * RATE)) / RATE
    note = np.clip(np.searchsorted(starts, t, side="right") - 1, 0, None)
    pitch = hertz[note]
    since = t - starts[note]
    if kind == "glide":
        slide = 0.06
        pitch = hertz[np.maximum(note - 1, 0)] ** np.clip(1 - since / slide, 0, 1) * pitch ** np.clip(
            since / slide, 0, 1
        )
    level = ((t >= starts[0]) & (t < end)).astype(float)
    if kind in ("legato accents", "glide"):
        level *= 0.55 + 0.45 * np.exp(-since / 0.25)
    smooth = np.hanning(441)
    level = np.convolve(level, smooth / smooth.sum(), "same")
    angle = 2 * np.pi * np.cumsum(pitch) / RATE
    partials = 1 if kind == "legato sine" else 10
    slope = 1.0 if kind == "legato saw" else 1.5
    return 0.3 * level * sum(np.sin(k * angle + k * k) / k**slope for k in range(1, partials + 1))


def _faded(tone: np.ndarray, seconds: float) -> np.ndarray:
    count = min(int(seconds * RATE), len(tone))
    tone[len(tone) - count :] *= np.linspace(1, 0, count)
    return tone


def low_passed(sound: np.ndarray, hertz: float) -> np.ndarray:
    """Return the sound through a Butterworth low-pass, 48 dB per octave, without delay."""
    return sosfiltfilt(butter(4, hertz, fs=RATE, output="sos"), sound).astype(np.float32)


def noise(low: float, high: float, exponent: float, seed: int, seconds: float = 15.0) -> np.ndarray:
    """Return noise between two frequencies whose amplitude falls as ``1 / f ** exponent``."""
    count = int(seconds * RATE)
    hertz = np.fft.rfftfreq(count, 1 / RATE)
    spectrum = np.fft.rfft(np.random.default_rng(seed).normal(0, 1, count)) / np.maximum(hertz, 1) ** exponent
    spectrum[(hertz < low) | (hertz > high)] = 0
    sound = np.fft.irfft(spectrum, count)
    return (0.2 * sound / sound.std()).astype(np.float32)


#: Name -> (lowest and highest frequency, exponent) of noise.
NOISES = {
    "white": (20, 20000, 0.0),
    "pink": (20, 20000, 0.5),
    "brown": (20, 20000, 1.0),
    "rumble": (15, 120, 1.0),
    "rumble below 60 Hz": (20, 60, 0.5),
    "100 to 300 Hz": (100, 300, 0.0),
    "400 to 600 Hz": (400, 600, 0.0),
    "pink below 150 Hz": (20, 150, 0.5),
}


def dying_tone(hertz: float, decay: float) -> np.ndarray:
    """Return a sine of five seconds that begins at 0.7 s and decays."""
    t = np.arange(5 * RATE) / RATE
    tone = 0.7 * np.sin(2 * np.pi * hertz * t) * np.exp(-t / decay) * np.minimum(1, t / 0.002)
    return np.concatenate((np.zeros(int(0.7 * RATE)), tone, np.zeros(RATE // 4))).astype(np.float32)
