"""Sounds with known onsets, and their curves."""

import numpy as np
import pytest

from mirkit.features.rhythm import onsets
from mirkit.features.rhythm.onset_envelope import BandOnsetStrength
from mirkit.features.rhythm.onsets import OnsetCurve, OnsetExtractor, OnsetPicker
from mirkit.features.stft import PowerStft

RATE = 44100


def onset_curve(mono: np.ndarray, block: int = 1 << 17) -> OnsetCurve:
    stft, extractor = PowerStft(), OnsetExtractor()
    mono = mono.astype(np.float32)
    for start in range(0, len(mono), block):
        extractor.push_samples(mono[start : start + block])
        for frames in stft.push(mono[start : start + block]):
            extractor.push_frames(frames)
    for frames in stft.finish():
        extractor.push_frames(frames)
    return extractor.finish()


def rise_curves(mono: np.ndarray, block: int = 1 << 17) -> dict[str, np.ndarray]:
    """Series that onsets are picked from."""
    rises: list[BandOnsetStrength] = []
    energies: list[np.ndarray] = []
    lows: list[np.ndarray] = []

    class Listener(OnsetPicker):
        def push(self, strength, energy, low):
            rises.append(strength)
            energies.extend(energy)
            lows.extend(low)
            super().push(strength, energy, low)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(onsets, "OnsetPicker", Listener)
        onset_curve(mono, block)
    return BandOnsetStrength(*map(np.concatenate, zip(*rises, strict=True)))._asdict() | {
        "energy": np.concatenate(energies),
        "low": np.concatenate(lows),
    }


def place(sound: np.ndarray, times: np.ndarray, duration: float, gains: np.ndarray | None = None) -> np.ndarray:
    """Mix ``sound`` in at every time (to a sample)."""
    out = np.zeros(int(duration * RATE))
    for i, t in enumerate(times):
        start = round(float(t) * RATE)
        piece = sound[: max(0, len(out) - start)]
        out[start : start + len(piece)] += piece * (1.0 if gains is None else gains[i])
    return out


def kick() -> np.ndarray:
    t = np.arange(int(0.25 * RATE)) / RATE
    return 0.9 * np.sin(2 * np.pi * (50 * t + 4 * (1 - np.exp(-t / 0.02)))) * np.exp(-t / 0.08)


def snare(rng: np.random.Generator) -> np.ndarray:
    t = np.arange(int(0.2 * RATE)) / RATE
    return 0.4 * rng.normal(0, 1, len(t)) * np.exp(-t / 0.05) + 0.4 * np.sin(2 * np.pi * 190 * t) * np.exp(-t / 0.06)


def hat(rng: np.random.Generator) -> np.ndarray:
    t = np.arange(int(0.06 * RATE)) / RATE
    return 0.25 * np.diff(rng.normal(0, 1, len(t) + 1)) * np.exp(-t / 0.015)


def pluck(hz: float, seconds: float = 0.5) -> np.ndarray:
    t = np.arange(int(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * k * hz * t + 2.4 * k * k) / k * np.exp(-t * k / 0.3) for k in range(1, 9))
    return 0.3 * tone * np.minimum(1, t / 0.002) * np.minimum(1, (seconds - t) / 0.01)


def click() -> np.ndarray:
    t = np.arange(int(0.02 * RATE)) / RATE
    return 0.8 * np.sin(2 * np.pi * 1500 * t) * np.exp(-t / 0.004)
