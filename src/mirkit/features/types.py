"""Types that all features share: arrays, windows, and values that may be unknown."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]

#: Every analysis runs at this rate (Hz); other rates are resampled first.
ANALYSIS_RATE = 44100
#: Time signature when no known meter explains the bars.
OTHER_METER = "other"


@dataclass(frozen=True)
class Unknown:
    """A value that could not be measured, and why. Written as JSON ``null``; the reason goes to the provenance.

    Parameters
    ----------
    reason : str
        A few words, such as ``silent``.
    """

    reason: str


SILENT = Unknown("silent")
TOO_SHORT = Unknown("too short")

#: Least length (s) of what has a key, chords, instruments or a voice: a single hit or note has none.
SHORTEST_MUSIC = 2.0

#: Value of a feature: a number, or the reason why there is none.
Value = float | int | Unknown
#: Value of a feature or of a descriptor, which may be a category or a text.
InfoValue = Value | str


@dataclass(frozen=True)
class Window:
    """A span of time ``[start, end)`` in seconds. A track is ``Window(0, duration)``, a clip a smaller one.

    Parameters
    ----------
    start, end : float
        Seconds; 0 <= start <= end.

    Raises
    ------
    ValueError
        The bounds are not in order.
    """

    start: float
    end: float

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise ValueError(f"not a window: [{self.start}, {self.end})")

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start
