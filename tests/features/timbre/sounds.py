"""Sounds that are the same to the bit on every machine: raw generator words, rounded to 16 bits."""

import numpy as np

RATE = 44100


def noise(n: int, seed: int) -> np.ndarray:
    """Uniform noise from -1 to 1; the words of a bit generator, unlike distributions, never change."""
    return np.random.PCG64(seed).random_raw(n).astype(np.float64) / 2**63 - 1


def pcm(x: np.ndarray) -> np.ndarray:
    return (np.round(np.clip(x, -1, 1) * 32767) / 32768).astype(np.float32)


def notes() -> np.ndarray:
    """Eight decaying notes of eight harmonics over faint noise, stereo, 4 s."""
    t = np.arange(RATE // 2) / RATE
    tones = [
        sum(np.sin(2 * np.pi * k * f * t) / k for k in range(1, 9)) * np.exp(-t / 0.2) * 0.3
        for f in (110.0, 220.0, 165.0, 330.0, 247.5, 440.0, 130.8, 196.0)
    ]
    out = np.concatenate(tones) + 1e-3 * noise(4 * RATE, 1)
    return pcm(np.stack((out, 0.7 * np.roll(out, 200))))


def bursts() -> np.ndarray:
    """Six bursts of noise, each with a longer decay, mono, 3 s."""
    t = np.arange(RATE // 2) / RATE
    return pcm(np.concatenate([0.5 * noise(RATE // 2, i) * np.exp(-t / (0.02 + 0.02 * i)) for i in range(6)])[None])


def pad() -> np.ndarray:
    """Four slowly trembling tones with noise, three channels, 3 s."""
    t = np.arange(3 * RATE) / RATE
    tones = sum(
        a * np.sin(2 * np.pi * f * t) * (1 + 0.3 * np.sin(2 * np.pi * r * t))
        for a, f, r in ((0.2, 82.4, 0.5), (0.15, 98.0, 3.0), (0.1, 246.9, 1.0), (0.05, 1479.0, 6.0))
    )
    right = tones + 0.01 * noise(len(t), 9)
    return pcm(np.stack((tones + 0.01 * noise(len(t), 8), right, 0.5 * right)))
