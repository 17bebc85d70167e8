"""The beat grid: beats, downbeats and meter, with their confidences."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from mirkit.features.types import OTHER_METER, FloatArray

#: Meters whose beats are dotted quarters.
COMPOUND_METERS = ("6/8", "12/8")


def beats_in_bar(time_signature: str | None) -> int | None:
    """Return the number of beats in a bar.

    Parameters
    ----------
    time_signature : str or None

    Returns
    -------
    int or None
        None if it is not known.

    Examples
    --------
    >>> beats_in_bar("3/4"), beats_in_bar("6/8"), beats_in_bar("other")
    (3, 2, None)
    """
    if time_signature in (None, OTHER_METER):
        return None
    beats = int(time_signature.split("/")[0])
    return beats // 3 if time_signature in COMPOUND_METERS else beats


@dataclass(frozen=True)
class TempoCandidate:
    """A possible tempo.

    Attributes
    ----------
    bpm : float
        Beats per minute.
    weight : float
        Its probability, 0-1.
    """

    bpm: float
    weight: float


@dataclass(frozen=True)
class Beats:
    """Beats of a signal. Without a pulse, all arrays are empty.

    Attributes
    ----------
    times : float64, shape=(n,)
        Beat times in seconds, ascending.
    downbeats : float64, shape=(m,)
        The elements of ``times`` that begin a bar.
    confidence : float64, shape=(n,)
        How well the audio around each beat supports it, 0-1.
    meter : str or None
        ``"4/4"``, ``"3/4"``, ``"2/4"``, ``"5/4"``, ``"7/4"``, ``"5/8"``, ``"7/8"`` and ``"9/8"`` (the beats are the
        eighths), ``"6/8"`` and ``"12/8"`` (the beats are the dotted quarters), ``"other"`` when none explains the bars,
        or None when unknown.
    meter_confidence : float
        0-1.
    steady : bool
        Whether there is a steady pulse (``bpm_is_defined``). False for rubato, which has a grid but no tempo.
    candidates : tuple of TempoCandidate
        The tempo of the grid first, then alternatives (half, double, ...), with weights that sum to 1.
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
        """Beats per bar of ``meter`` (6/8 has two); None if it is not known."""
        return beats_in_bar(self.meter)

    @property
    def compound(self) -> bool:
        """Whether the beat divides in three (6/8, 12/8)."""
        return self.meter in COMPOUND_METERS

    def bar_positions(self) -> npt.NDArray[np.int64]:
        """Position of each beat in its bar, 0 = downbeat, shape=(n,); -1 if it is unknown."""
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
