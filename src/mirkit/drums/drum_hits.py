"""Drum hits: their times, instruments and levels, and the MIDI notes and velocities that stand for them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirkit.features.types import FloatArray

#: Voice -> lowest and highest frequency (Hz) of the range that its strokes are told by, with others at the same time.
RANGES = {
    "kick": (30.0, 130.0),
    "snare": (150.0, 6000.0),
    "tom": (60.0, 400.0),
    "hi-hat": (6000.0, 16000.0),
    "cymbal": (3000.0, 16000.0),
}

# In frames of 10 ms about a stroke: when it is loudest, and when what sounded before is measured.
_LOUDEST = (-1, 6)
_BEFORE = (-6, -1)
#: Growth (power ratio to the voice's highest) below which a stroke is as soft as strokes get: -60 dB.
_SOFTEST = 1e-6


def stroke_levels(power: FloatArray, frames: npt.NDArray[np.int64]) -> FloatArray:
    """Levels of strokes in dB.

    Parameters
    ----------
    power : float array, shape=(frames,)
        Power in the range of the voice, 100 values a second.
    frames : int64 array, shape=(n,)
        Where it is struck.

    Returns
    -------
    float64 array, shape=(n,)
        10 log10 of the growth of power, against the highest power.
    """
    if not len(frames):
        return np.zeros(0)
    highest = max(float(power.max()), np.finfo(np.float32).tiny)
    loudest = _gathered(power, frames, _LOUDEST).max(axis=1)
    before = _gathered(power, frames, _BEFORE).min(axis=1)
    levels: FloatArray = 10 * np.log10(np.maximum((loudest - before) / highest, _SOFTEST))
    return levels


def _gathered(power: FloatArray, frames: npt.NDArray[np.int64], about: tuple[int, int]) -> FloatArray:
    at = frames[:, None] + np.arange(*about)
    gathered: FloatArray = power[np.clip(at, 0, len(power) - 1)].astype(np.float64)
    return gathered


@dataclass(frozen=True)
class DrumInstrument:
    """A part of the kit: its name, and its note on General MIDI's drum channel."""

    name: str
    note: int


@dataclass(frozen=True)
class Hits:
    """Strokes on a drum kit.

    Attributes
    ----------
    voices : tuple of DrumInstrument
        What the transcriber can tell apart.
    times : tuple of float64, shape=(n,)
        For each voice the seconds at which it is struck, ascending.
    levels : tuple of float64, shape=(n,)
        For each voice how loud each stroke is, in dB against any reference that is the same for all its strokes.
    """

    voices: tuple[DrumInstrument, ...]
    times: tuple[FloatArray, ...]
    levels: tuple[FloatArray, ...]

    @property
    def count(self) -> int:
        """Strokes of all voices."""
        return sum(len(times) for times in self.times)


#: Velocity of a loud stroke (the level that a tenth of a voice's strokes exceed).
_LOUD = 112.0
#: dB for a velocity ten times as high: synthesizers turn velocity into gain by its square (General MIDI level 2).
_DECIBEL = 40.0


def velocities(levels: FloatArray) -> npt.NDArray[np.int64]:
    """MIDI velocities (1-127) of strokes of one voice, shape=(n,): 12 dB less is half the velocity."""
    if not len(levels):
        return np.zeros(0, np.int64)
    above = levels - np.percentile(levels, 90)
    return np.clip(np.rint(_LOUD * 10 ** (above / _DECIBEL)), 1, 127).astype(np.int64)
