"""A sung line without words: glottal harmonics through moving formants, with consonants, vibrato and breath."""

import numpy as np
import scipy.fft

from .score import Note

RATE = 44100
_CONTROL = 200  # amplitudes a second
#: Formant centers (Hz) of a low voice: a, e, i, o, u, schwa.
_VOWELS = np.array(
    [
        (730, 1090, 2440, 3400, 4500),
        (530, 1840, 2480, 3500, 4500),
        (300, 2250, 2950, 3600, 4600),
        (500, 850, 2410, 3300, 4400),
        (320, 800, 2240, 3200, 4300),
        (500, 1400, 2400, 3400, 4500),
    ],
    float,
)
_WIDTHS = np.array((90.0, 110, 150, 220, 280))
#: Consonants: kind, noise band (Hz), length (s), strength.
_CONSONANTS = (
    ("none", (0, 0), 0.0, 0.0),
    ("noise", (5000, 11000), 0.10, 0.30),
    ("noise", (2500, 7000), 0.09, 0.25),
    ("noise", (1500, 9000), 0.07, 0.08),
    ("burst", (3000, 8000), 0.025, 0.5),
    ("burst", (1200, 4000), 0.03, 0.4),
    ("burst", (300, 1500), 0.02, 0.3),
    ("nasal", (0, 0), 0.07, 0.0),
    ("nasal", (0, 0), 0.05, 0.0),
)


def sing(notes: list[Note], seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Sing notes, mono, float32, shape=(n,), about unit peak; pitch decides between a low and a high voice."""
    n = int(seconds * RATE)
    if not notes:
        return np.zeros(n, np.float32)
    steps = int(seconds * _CONTROL) + 2
    t = np.arange(steps) / _CONTROL
    pitch, loud, vowel = _contours(notes, t, rng)
    high = np.median([x.pitch for x in notes]) > 59
    scale = (1.17 if high else 1.0) * rng.uniform(0.95, 1.06)
    tilt = rng.uniform(-11, -6)
    f0 = 440 * 2 ** ((pitch - 69) / 12)
    samples = np.arange(n) / RATE
    phase = 2 * np.pi * np.cumsum(np.interp(samples, t, f0)) / RATE
    voice = np.zeros(n)
    closed = 20 * np.log10(np.maximum(loud, 1e-4))
    for h in range(1, int(min(70, 12000 / f0.min()))):
        level = _formant_gain(h * f0, vowel * scale) * h ** (tilt / 6.02) * loud
        level *= 10 ** ((h > 4) * np.minimum(0, closed) * 0.02)  # soft singing is duller
        level[h * f0 > 16000] = 0
        voice += np.interp(samples, t, level) * np.sin(h * phase)
    breath = (
        _shaped_noise(n, (400, 9000), rng) * np.interp(samples, t, loud) * np.abs(voice).max() * rng.uniform(0.01, 0.04)
    )
    voice += breath
    peak = np.abs(voice).max() + 1e-9
    voice /= peak
    for note in notes:
        _consonant(voice, note, rng)
    return voice.astype(np.float32)


def _contours(notes: list[Note], t: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pitch (MIDI), loudness (0 to 1) and formants along time."""
    pitch = np.full(len(t), float(notes[0].pitch))
    loud = np.zeros(len(t))
    formants = np.tile(_VOWELS[5], (len(t), 1))
    rate, depth = rng.uniform(4.8, 6.6), rng.uniform(0.1, 0.7)
    for k, note in enumerate(notes):
        a, b = np.searchsorted(t, (note.start, note.start + note.length))
        end = np.searchsorted(t, notes[k + 1].start) if k + 1 < len(notes) else len(t)
        pitch[a:end] = note.pitch
        since = t[a:b] - note.start
        swell = np.clip((since - 0.18) / 0.3, 0, 1)
        pitch[a:b] += depth * rng.uniform(0.4, 1) * swell * np.sin(2 * np.pi * rate * since + rng.uniform(0, 6))
        pitch[a:b] -= rng.choice((0, 0, 0.8, 1.6)) * np.exp(-since / 0.05)  # scoop
        shape = np.minimum(1, since / 0.04) * np.minimum(1, (note.length - since) / 0.06).clip(0)
        decay = 1 - 0.35 * since / max(note.length, 0.1)
        loud[a:b] = np.maximum(loud[a:b], shape * decay * note.velocity)
        first, second = rng.integers(0, 6, 2)
        glide = np.clip(since / max(note.length, 0.05), 0, 1)[:, None] ** 2
        formants[a:b] = _VOWELS[first] * (1 - glide) + _VOWELS[second if rng.random() < 0.3 else first] * glide
    drift = np.cumsum(rng.normal(0, 1, len(t)))
    drift = _smooth(drift - _smooth(drift, 200), 10) * 0.02
    tremor = 1 + 0.08 * np.sin(2 * np.pi * rate * t)
    return _smooth(pitch, int(rng.uniform(5, 14))) + drift, _smooth(loud, 4) * tremor, _smooth(formants, 8)


def _formant_gain(hertz: np.ndarray, formants: np.ndarray) -> np.ndarray:
    strengths = (1.0, 0.5, 0.3, 0.22, 0.1)
    gain = np.full(len(hertz), 0.02)
    for k in range(5):
        gain += strengths[k] / (1 + ((hertz - formants[:, k]) / _WIDTHS[k]) ** 2)
    return gain


def _consonant(voice: np.ndarray, note: Note, rng: np.random.Generator) -> None:
    kind, band, length, strength = _CONSONANTS[rng.integers(len(_CONSONANTS))]
    count = int(length * rng.uniform(0.7, 1.4) * RATE)
    start = int(note.start * RATE) - count
    if start < 0 or start + count > len(voice) or not count:
        return
    if kind == "nasal":
        return
    noise = _shaped_noise(count, band, rng)
    envelope = np.hanning(count) if kind == "noise" else np.exp(-np.arange(count) / (0.25 * count))
    voice[start : start + count] *= 0.3
    voice[start : start + count] += strength * note.velocity * noise * envelope * 0.35


def _shaped_noise(n: int, band: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Noise within a band, unit peak."""
    size = scipy.fft.next_fast_len(n)
    spectrum = scipy.fft.rfft(rng.standard_normal(size))
    hertz = np.arange(len(spectrum)) * RATE / size
    spectrum *= 1 / (1 + (band[0] / np.maximum(hertz, 1)) ** 6) / (1 + (hertz / band[1]) ** 6)
    noise = scipy.fft.irfft(spectrum, size)[:n]
    return noise / (np.abs(noise).max() + 1e-9)


def _smooth(x: np.ndarray, width: int) -> np.ndarray:
    window = np.hanning(2 * width + 1)
    window /= window.sum()
    padded = np.pad(x, [(width, width)] + [(0, 0)] * (x.ndim - 1), mode="edge")
    if x.ndim == 1:
        return np.convolve(padded, window, "valid")
    return np.stack([np.convolve(c, window, "valid") for c in padded.T], axis=1)
