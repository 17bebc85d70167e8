"""Map from seconds to MIDI ticks: each beat of a track becomes a quarter note."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirkit.features.types import FloatArray

#: Ticks per quarter note.
QUARTER = 960
#: Default tempo of MIDI, used if there are no beats: 120 quarter notes per minute, in microseconds.
_PLAIN = 500_000
#: Longest quarter note in seconds (MIDI allows 16.7); a longer gap between beats becomes several quarter notes.
_LONGEST = 8.0
#: Most beats in a bar; with more beats between downbeats, no time signature is written.
_WIDEST_BAR = 32


@dataclass(frozen=True)
class TempoMap:
    """Piecewise linear map from seconds to ticks.

    Attributes
    ----------
    seconds : float64, shape=(n,)
        Ascending from 0.
    ticks : int64, shape=(n,)
        Ticks at these times; after the last one the tempo continues.
    tempos : tuple of (int, int)
        Tick -> microseconds per quarter note from there on.
    signatures : tuple of (int, int)
        Tick -> quarter notes per bar from there on.
    """

    seconds: FloatArray
    ticks: npt.NDArray[np.int64]
    tempos: tuple[tuple[int, int], ...]
    signatures: tuple[tuple[int, int], ...] = ()

    def at(self, times: FloatArray, steps: int = 0) -> npt.NDArray[np.int64]:
        """Return the ticks of times, optionally quantized.

        Parameters
        ----------
        times : array, shape=(n,)
            Seconds.
        steps : int
            Steps per beat to which times are quantized; 0: none.

        Returns
        -------
        int64 array, shape=(n,)
            Ticks.
        """
        pace = (self.ticks[-1] - self.ticks[-2]) / (self.seconds[-1] - self.seconds[-2])
        exact = np.interp(times, self.seconds, self.ticks) + np.maximum(times - self.seconds[-1], 0) * pace
        if steps:
            exact = np.rint(exact * steps / QUARTER) * (QUARTER / steps)
        ticks: npt.NDArray[np.int64] = np.rint(exact).astype(np.int64)
        return ticks


def tempo_map(beats: FloatArray, downbeats: FloatArray) -> TempoMap:
    """Build a tempo map with beats as quarter notes and bars from downbeat to downbeat.

    The time before the first beat is filled with whole quarter notes of about its tempo, so that time 0 of the audio is
    tick 0 and every beat is on a quarter note (a beat within half a beat of the start is tick 0 itself). MIDI tempos
    are whole microseconds per quarter note; the rounding error of each beat is corrected in the next one, so that
    errors do not add up. A beat of 6/8 is a quarter note too, divided in three.

    Parameters
    ----------
    beats, downbeats : float array
        Seconds, ascending. With fewer than two beats, the tempo is MIDI's default of 120 quarter notes per minute.
    """
    beats = np.unique(beats[beats >= 0])
    if len(beats) < 2:
        return TempoMap(np.array([0.0, _PLAIN / 1e6]), np.array([0, QUARTER]), ((0, _PLAIN),))
    gap = min(beats[1] - beats[0], _LONGEST)
    # A beat close to the start becomes tick 0, because a quarter note of a few milliseconds has no useful tempo.
    seconds = np.concatenate(([0.0], beats[beats > gap / 2]))
    gaps = np.diff(seconds)
    quarters = np.where(gaps > _LONGEST, np.ceil(gaps / _LONGEST), 1).astype(np.int64)
    quarters[0] = max(1, round(gaps[0] / gap))
    ticks = QUARTER * np.concatenate(([0], np.cumsum(quarters)))
    marks = ticks[np.unique(np.abs(downbeats[:, None] - seconds).argmin(axis=1))] if len(downbeats) else ticks[:0]
    return TempoMap(seconds, ticks, _tempos(seconds, ticks), _signatures(marks))


def _tempos(seconds: FloatArray, ticks: npt.NDArray[np.int64]) -> tuple[tuple[int, int], ...]:
    quarters = (np.diff(ticks) // QUARTER).tolist()
    tempos, clock = [], 0
    for i, count in enumerate(quarters):
        tempos.append((int(ticks[i]), max(1, round((seconds[i + 1] * 1e6 - clock) / count))))
        clock += tempos[-1][1] * count
    # After the last beat the tempo continues without the rounding correction of the last interval.
    tempos.append((int(ticks[-1]), max(1, round((seconds[-1] - seconds[-2]) * 1e6 / quarters[-1]))))
    return tuple(event for i, event in enumerate(tempos) if not i or tempos[i - 1][1] != event[1])


def _signatures(marks: npt.NDArray[np.int64]) -> tuple[tuple[int, int], ...]:
    bars = np.diff(marks) // QUARTER
    if not len(bars):
        return ()
    pickup = int(marks[0] // QUARTER % bars[0])
    found = [(0, pickup)] if pickup else []
    begun = [(pickup * QUARTER, int(bars[0]))]
    for tick, bar in [*begun, *zip(marks[1:-1].tolist(), bars[1:].tolist(), strict=True)]:
        if bar <= _WIDEST_BAR and (not found or found[-1][1] != bar or tick == begun[0][0]):
            found.append((tick, bar))
    return tuple(found)
