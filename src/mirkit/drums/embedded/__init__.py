"""The embedded drum transcriber: no download, no deep-learning library.

Every 10 ms, the levels of 36 bands are compared with spectral templates. From the similarities over 130 ms, a small
hidden layer computes which drums are hit. The weights were fitted on drums rendered from General MIDI soundfonts only
(``benchmarks/fit_drums.py``), not on the recordings of docs/drums.md.
"""

from collections.abc import Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt

from mirkit.drums.drum_hits import RANGES, DrumInstrument, Hits, hit_levels
from mirkit.drums.embedded.levels import BANDS, FRAME_RATE, HOP, Bands, above_floor
from mirkit.drums.embedded.network import Network
from mirkit.drums.embedded.weights import LOWEST
from mirkit.features.extraction import mono_of
from mirkit.features.peaks import parabolic, pick_peaks
from mirkit.features.stft import N_FFT, PowerStft
from mirkit.features.types import FloatArray

#: In the order of the network's outputs. Hi-hats and cymbals are one instrument.
INSTRUMENTS = (
    DrumInstrument("kick", 36),
    DrumInstrument("snare", 38),
    DrumInstrument("tom", 45),
    DrumInstrument("hi-hat", 42),
)
#: Least height of a peak above the mean of the 100 ms before it.
_THRESHOLD = 0.1
#: Frames of silence that are inserted before the first frame.
_SILENCE = 16


class DrumExtractor:
    """Find drum hits in a signal at 44.1 kHz that arrives in blocks. It needs 7 kB of memory per second of audio."""

    def __init__(self) -> None:
        self._stft = PowerStft(N_FFT, HOP)
        self._bands = Bands()
        self._levels: list[npt.NDArray[np.float16]] = []

    def push(self, block: FloatArray) -> None:
        """Take the next samples, float32, shape=(channels, n)."""
        self._levels += (self._bands.decibels(power) for power in self._stft.push(mono_of(block)))

    def finish(self) -> Hits:
        """Return the hits."""
        self._levels += (self._bands.decibels(power) for power in self._stft.finish())
        return transcribe(self._levels, self._bands.hz)


def transcribe(decibels: Sequence[FloatArray], hz: FloatArray) -> Hits:
    """Find the hits in blocks of band levels, shape=(frames, 36) in dB, of bands around these frequencies.

    Parameters
    ----------
    decibels : sequence of arrays, shape=(frames, 36)
        Band levels in dB, consecutive blocks.
    hz : array, shape=(36,)
        Center frequencies of the bands.
    """
    decibels = [block for block in decibels if len(block)]
    if not decibels:
        nothing = tuple(np.zeros(0) for _ in INSTRUMENTS)
        return Hits(INSTRUMENTS, nothing, nothing)
    # Silence is put in front, so that a hit on the first sample is found.
    silence = np.zeros((_SILENCE, BANDS), np.float32)
    loudest = max(float(block.max()) for block in decibels)
    levels = chain([silence], (above_floor(block, loudest) for block in decibels))
    activations = Network.fitted()(levels).T.astype(np.float64)
    peaks = [pick_peaks(curve, _THRESHOLD, lowest) for curve, lowest in zip(activations, LOWEST, strict=True)]
    frames = (parabolic(curve, at) - _SILENCE for curve, at in zip(activations, peaks, strict=True))
    times = tuple(np.maximum(at / FRAME_RATE, 0) for at in frames)
    ranges = [(hz >= low) & (hz < high) for low, high in (RANGES[drum.name] for drum in INSTRUMENTS)]
    powers = np.concatenate([_powers(block, ranges) for block in decibels], axis=1)
    hits = (np.maximum(at - _SILENCE, 0) for at in peaks)
    return Hits(INSTRUMENTS, times, tuple(hit_levels(power, at) for power, at in zip(powers, hits, strict=True)))


def _powers(decibels: FloatArray, ranges: list[npt.NDArray[np.bool_]]) -> npt.NDArray[np.float32]:
    """Power in ranges of bands, shape=(ranges, frames)."""
    power = np.power(10, decibels.astype(np.float32) / 10)
    return np.stack([power[:, inside].sum(axis=1) for inside in ranges])
