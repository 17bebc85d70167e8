"""The embedded drum transcriber: no download, no deep-learning library.

Every 10 ms, a small network computes from the levels of 36 bands, over 0.8 s, which drums are hit. Its weights were
fitted on rendered music (``benchmarks/fit_drums.py``), not on the recordings of docs/how_good/drums.md: on drums alone,
on drums that the embedded separation has taken out of a mix, and on mixes. It is told which of these it hears.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirkit.drums.drum_hits import RANGES, DrumInstrument, Hits, hit_levels
from mirkit.drums.embedded.levels import BANDS, FRAME_RATE, HOP, Bands
from mirkit.drums.embedded.network import SIGNALS, Network
from mirkit.drums.embedded.weights import LOWEST
from mirkit.features.extraction import mono_of
from mirkit.features.peaks import parabolic, pick_peaks
from mirkit.features.stft import N_FFT, PowerStft
from mirkit.features.types import FloatArray

__all__ = ["INSTRUMENTS", "SIGNALS", "THRESHOLD", "DrumLevels", "LevelExtractor", "transcribe"]

#: In the order of the network's outputs. Hi-hats and cymbals are one instrument.
INSTRUMENTS = (
    DrumInstrument("kick", 36),
    DrumInstrument("snare", 38),
    DrumInstrument("tom", 45),
    DrumInstrument("hi-hat", 42),
)
#: Least height of a peak above the mean of the 100 ms before it.
THRESHOLD = 0.1
#: Annotators of recordings mark a hit this much (s) after its sound begins (median of MDB Drums).
_MARKED_LATER = 0.004
#: Frames of silence before the first frame, so that a hit on the first sample is found.
_LEAD = 16


@dataclass(frozen=True)
class DrumLevels:
    """What the network reads of a signal.

    Attributes
    ----------
    decibels : float16 array, shape=(frames, 36)
        Band levels in dB, 100 frames per second.
    hz : array, shape=(36,)
        Center frequencies of the bands.
    """

    decibels: npt.NDArray[np.float16]
    hz: FloatArray


class LevelExtractor:
    """Measure the band levels of a signal at 44.1 kHz that arrives in blocks: 7 kB per second of audio."""

    def __init__(self) -> None:
        self._stft = PowerStft(N_FFT, HOP)
        self._bands = Bands()
        self._levels = [np.zeros((0, BANDS), np.float16)]

    def push(self, block: FloatArray) -> None:
        """Take the next samples, float32, shape=(channels, n)."""
        self._levels += (self._bands.decibels(power) for power in self._stft.push(mono_of(block)))

    def finish(self) -> DrumLevels:
        """Return the levels."""
        self._levels += (self._bands.decibels(power) for power in self._stft.finish())
        return DrumLevels(np.concatenate(self._levels), self._bands.hz)


def transcribe(levels: DrumLevels, signal: str) -> Hits:
    """Find the drum hits in a signal.

    Parameters
    ----------
    levels : DrumLevels
        Its band levels.
    signal : str
        What it is, one of ``SIGNALS``: ``stem`` (drums alone), ``separated`` (the drums stem of the embedded
        separation, which holds attacks of other instruments) or ``mix``.

    Returns
    -------
    Hits
    """
    decibels = levels.decibels
    if not len(decibels):
        nothing = tuple(np.zeros(0) for _ in INSTRUMENTS)
        return Hits(INSTRUMENTS, nothing, nothing)
    likelihoods = Network.fitted()(decibels, signal, _LEAD).T.astype(np.float64)
    peaks = [pick_peaks(curve, THRESHOLD, lowest) for curve, lowest in zip(likelihoods, LOWEST[signal], strict=True)]
    frames = [parabolic(curve, at) - _LEAD for curve, at in zip(likelihoods, peaks, strict=True)]
    powers = [_power(levels, *RANGES[drum.name]) for drum in INSTRUMENTS]
    return Hits(
        INSTRUMENTS,
        tuple(np.maximum(at / FRAME_RATE + _MARKED_LATER, 0) for at in frames),
        tuple(hit_levels(power, np.maximum(at - _LEAD, 0)) for power, at in zip(powers, peaks, strict=True)),
    )


def _power(levels: DrumLevels, low: float, high: float) -> npt.NDArray[np.float32]:
    """Power in a range of frequencies (Hz), shape=(frames,)."""
    power = np.zeros(len(levels.decibels), np.float32)
    for band in np.flatnonzero((levels.hz >= low) & (levels.hz < high)):
        power += np.power(10, levels.decibels[:, band].astype(np.float32) / 10)
    return power
