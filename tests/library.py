"""Small track folders of synthetic audio."""

from pathlib import Path

import numpy as np

from mirkit.audio import encode
from mirkit.features.types import ANALYSIS_RATE


def beat_music(seconds: float = 12.0, bpm: float = 120.0, seed: int = 0) -> dict[str, np.ndarray]:
    """Four stems of a simple piece: kick and noise bursts on the beat, a bass note, a chord, no vocals."""
    rng = np.random.default_rng(seed)
    n = round(seconds * ANALYSIS_RATE)
    t = np.arange(n) / ANALYSIS_RATE
    since = (t * bpm / 60) % 1 * 60 / bpm
    drums = 0.5 * np.sin(2 * np.pi * 60 * since) * np.exp(-since * 20)
    drums += 0.2 * rng.standard_normal(n) * np.exp(-since * 60)
    bass = 0.2 * np.sin(2 * np.pi * 65.41 * t)
    other = sum(0.07 * np.sin(2 * np.pi * f * t) for f in (261.63, 329.63, 392.0))
    mono = {"drums": drums, "bass": bass, "other": other, "vocals": np.zeros(n)}
    return {stem: np.stack((x, x)).astype(np.float32) for stem, x in mono.items()}


def write(path: Path, samples: np.ndarray, rate: int = ANALYSIS_RATE) -> Path:
    """Write samples, shape=(channels, n)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    encode(path, [samples], rate=rate, channels=len(samples))
    return path


def make_track(folder: Path, *, stems: bool = False, **music: float) -> Path:
    """Make a track folder."""
    parts = beat_music(**music)  # type: ignore[arg-type]
    write(folder / "full_mix.flac", sum(parts.values()))
    if stems:
        for stem, samples in parts.items():
            write(folder / f"{stem}.flac", samples)
    return folder
