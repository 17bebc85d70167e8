"""The beat grid: beats, downbeats, meter, and how sure the tracker is of them."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mirkit.features.types import FloatArray


@dataclass(frozen=True)
class TempoCandidate:
    """A tempo that the evidence allows: beats per minute, and its share of the belief (0-1)."""

    bpm: float
    weight: float


@dataclass(frozen=True)
class Beats:
    """Beats of a signal. No pulse: every array empty.

    Attributes
    ----------
    times : float64, shape=(n,)
        Beat times in seconds, ascending.
    downbeats : float64, shape=(m,)
        Those of ``times`` that begin a bar.
    confidence : float64, shape=(n,)
        How well the audio around each beat supports it, 0-1.
    meter : str or None
        ``"4/4"``, ``"3/4"``, ``"2/4"``, ``"6/8"`` (the beat is then the dotted quarter), or None when unknown.
    meter_confidence : float
        0-1.
    steady : bool
        A steady pulse exists (``bpm_is_defined``). False for rubato: the grid is there, a tempo is not.
    candidates : tuple of TempoCandidate
        Tempo of the grid first, then its rivals (half, double, ...), their weights summing to 1.
    """

    times: FloatArray
    downbeats: FloatArray
    confidence: FloatArray
    meter: str | None = None
    meter_confidence: float = 0.0
    steady: bool = False
    candidates: tuple[TempoCandidate, ...] = field(default=())

    @property
    def beats_per_bar(self) -> int | None:
        """Beats per bar of ``meter`` (6/8 has two)."""
        return None if self.meter is None else {"6/8": 2, "12/8": 4}.get(self.meter) or int(self.meter.split("/")[0])

    @property
    def compound(self) -> bool:
        """Whether the beat divides in three (6/8)."""
        return self.meter is not None and self.meter.endswith("/8")

    def bar_positions(self) -> npt.NDArray[np.int64]:
        """Position of each beat in its bar, 0 = downbeat, shape=(n,); -1 where there is no downbeat to count from."""
        if not len(self.downbeats):
            return np.full(len(self.times), -1, np.int64)
        index = np.arange(len(self.times))
        after = np.clip(np.searchsorted(self.times, self.downbeats), 1, max(1, len(index) - 1))
        nearer = self.downbeats - self.times[after - 1] < self.times[np.minimum(after, len(index) - 1)] - self.downbeats
        marks = np.unique(after - nearer)
        last = np.searchsorted(marks, index, side="right") - 1
        positions = index - marks[np.maximum(last, 0)]
        period = self.beats_per_bar or (int(np.median(np.diff(marks))) if len(marks) > 1 else 4)
        return np.where(last < 0, positions % period, positions)


NO_BEATS = Beats(np.zeros(0), np.zeros(0), np.zeros(0))
