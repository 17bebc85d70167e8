"""Drum hits: their times, instruments and levels, and the MIDI notes and velocities that represent them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirkit.features.types import FloatArray

#: Instrument -> lowest and highest frequency (Hz) of the range in which its level is measured, chosen so that other
#: instruments that are hit at the same time add little.
RANGES = {
    "kick": (30.0, 130.0),
    "snare": (150.0, 6000.0),
    "tom": (60.0, 400.0),
    "hi-hat": (6000.0, 16000.0),
    "cymbal": (3000.0, 16000.0),
}

# Ranges of frames (10 ms) around a hit in which its highest level, and the level before it, are measured.
_LOUDEST = (-1, 6)
_BEFORE = (-6, -1)
#: Lower bound of the growth of power, relative to the instrument's highest power (-60 dB).
_SOFTEST = 1e-6


def hit_levels(power: FloatArray, frames: npt.NDArray[np.int64]) -> FloatArray:
    """Levels of hits in dB.

    Parameters
    ----------
    power : float array, shape=(frames,)
        Power in the frequency range of the instrument, 100 values per second.
    frames : int64 array, shape=(n,)
        Frames with a hit.

    Returns
    -------
    float64 array, shape=(n,)
        10 log10 of the growth of power, relative to the highest power.
    """
    if not len(frames):
        return np.zeros(0)
    highest = max(float(power.max()), np.finfo(np.float32).tiny)
    loudest = _gathered(power, frames, _LOUDEST).max(axis=1)
    before = _gathered(power, frames, _BEFORE).min(axis=1)
    levels: FloatArray = 10 * np.log10(np.maximum((loudest - before) / highest, _SOFTEST))
    return levels


def _gathered(power: FloatArray, frames: npt.NDArray[np.int64], about: tuple[int, int]) -> FloatArray:
    return np.take(power, frames[:, None] + np.arange(*about), mode="clip").astype(np.float64)


@dataclass(frozen=True)
class DrumInstrument:
    """An instrument of the kit: its name, and its note on General MIDI's drum channel."""

    name: str
    note: int


@dataclass(frozen=True)
class Hits:
    """Hits on a drum kit.

    Attributes
    ----------
    instruments : tuple of DrumInstrument
        The instruments that the transcriber distinguishes.
    times : tuple of float64, shape=(n,)
        For each instrument the times of its hits in seconds, ascending.
    levels : tuple of float64, shape=(n,)
        For each instrument the levels of its hits, in dB relative to any reference that is the same for all of them.
    """

    instruments: tuple[DrumInstrument, ...]
    times: tuple[FloatArray, ...]
    levels: tuple[FloatArray, ...]

    @property
    def count(self) -> int:
        """Number of hits of all instruments."""
        return sum(len(times) for times in self.times)


#: Velocity at the 90th percentile of the levels of an instrument.
_LOUD = 112.0
#: Level difference (dB) for a tenfold velocity: synthesizers use the square of the velocity as gain (General MIDI 2).
_DECIBEL = 40.0


def velocities(levels: FloatArray) -> npt.NDArray[np.int64]:
    """MIDI velocities (1-127) of the hits of one instrument, shape=(n,): 12 dB less is half the velocity."""
    if not len(levels):
        return np.zeros(0, np.int64)
    above = levels - np.percentile(levels, 90)
    return np.clip(np.rint(_LOUD * 10 ** (above / _DECIBEL)), 1, 127).astype(np.int64)
