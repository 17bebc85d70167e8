"""Notes as events: start, end, pitch and level."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirkit.features.types import FloatArray, Window


@dataclass(frozen=True)
class NoteEvents:
    """Notes of one source, ordered by start, then by pitch.

    Attributes
    ----------
    starts, ends : float64, shape=(n,)
        Seconds.
    pitches : uint8, shape=(n,)
        MIDI note numbers.
    levels : float32, shape=(n,)
        Level of the beginning of each note in dB, relative to any reference that is the same for all of them.
    """

    starts: FloatArray
    ends: FloatArray
    pitches: npt.NDArray[np.uint8]
    levels: npt.NDArray[np.float32]

    def __len__(self) -> int:
        """Return the number of notes."""
        return len(self.starts)

    @classmethod
    def of(cls, rows: "list[tuple[float, float, int, float]]") -> "NoteEvents":
        """Build from rows ``(start, end, pitch, level)`` in any order."""
        table = np.array(sorted(rows, key=lambda row: (row[0], row[2])), np.float64).reshape(-1, 4)
        return cls(table[:, 0], table[:, 1], table[:, 2].astype(np.uint8), table[:, 3].astype(np.float32))

    def within(self, window: Window) -> "NoteEvents":
        """Return the notes that begin in ``[start, end)``, cut at its end; times remain those of the track."""
        here = slice(*np.searchsorted(self.starts, (window.start, window.end)))
        ends = np.minimum(self.ends[here], window.end)
        return NoteEvents(self.starts[here], ends, self.pitches[here], self.levels[here])
