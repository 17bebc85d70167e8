"""Synthetic signals with known answers, float32, at the analysis rate unless a rate is given.

Every function returns mono, ``shape=(n,)``. ``np.stack((left, right))`` makes stereo.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

RATE = 44100

Mono = npt.NDArray[np.float32]


def silence(seconds: float, rate: int = RATE) -> Mono:
    return np.zeros(round(seconds * rate), np.float32)


def sine(hz: float, seconds: float, db: float = -6.0, rate: int = RATE, phase: float = 0.0) -> Mono:
    """A sine whose peak is ``db`` dBFS (its RMS is 3.01 dB lower); ``phase`` in radians."""
    t = np.arange(round(seconds * rate)) / rate
    return (10 ** (db / 20) * np.sin(2 * np.pi * hz * t + phase)).astype(np.float32)


def chord(hz: Iterable[float], seconds: float, db: float = -12.0, rate: int = RATE) -> Mono:
    """Sines of ``db`` dBFS each, with unlike phases."""
    return sum((sine(f, seconds, db, rate, phase=k) for k, f in enumerate(hz)), silence(seconds, rate))


def noise(seconds: float, db: float = -20.0, seed: int = 0, rate: int = RATE) -> Mono:
    """White Gaussian noise with an RMS of ``db`` dBFS."""
    rng = np.random.default_rng(seed)
    return (10 ** (db / 20) * rng.standard_normal(round(seconds * rate))).astype(np.float32)


def clicks(times: Iterable[float], seconds: float, hz: float = 2000.0, db: float = -3.0, rate: int = RATE) -> Mono:
    """Short decaying bursts (time constant 5 ms) that begin at ``times``; silence between them."""
    out = silence(seconds, rate)
    burst = sine(hz, 0.05, db, rate) * np.exp(-np.arange(round(0.05 * rate)) / (0.005 * rate)).astype(np.float32)
    for time in times:
        part = out[round(time * rate) :][: len(burst)]
        part += burst[: len(part)]
    return out


def band(seconds: float = 12.0, bpm: float = 120.0, seed: int = 0) -> Mono:
    """A little of everything, like a mix: four chords, a bass, kick, hats and some noise, peak about -3 dBFS."""
    beat = 60 / bpm
    n_beats = int(seconds / beat)
    times = np.arange(n_beats) * beat
    roots = (220.0, 174.61, 261.63, 196.0)
    bars = [chord([r, r * 1.26, r * 1.498, r / 4], 4 * beat, -18) for r in roots]
    out = np.resize(np.concatenate(bars), round(seconds * RATE))
    out = out + clicks(times, seconds, 60, -6) + clicks(times + beat / 2, seconds, 7000, -14)
    return (out + noise(seconds, -50, seed)).astype(np.float32)


def in_blocks(signal: npt.NDArray[np.float32], cuts: Iterable[int]) -> Iterator[npt.NDArray[np.float32]]:
    """``signal`` (time is the last axis) cut at the sample indices ``cuts``: the parts in order, some may be empty."""
    start = 0
    for cut in [*sorted(min(c, signal.shape[-1]) for c in cuts), signal.shape[-1]]:
        yield signal[..., start:cut]
        start = cut
