"""What a drum transcriber gives: hits of some voices of the kit, and the General MIDI notes that stand for them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirkit.features.types import FloatArray


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
