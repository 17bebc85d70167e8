"""The steps that chords are judged in: parts of beats, with what sounds in each."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirkit.features.harmony.chroma import FRAME_RATE, PEAK_UNITS, ChromaCurve
from mirkit.features.rhythm.beats.grid import Beats
from mirkit.features.stft import FLOOR_DBFS
from mirkit.features.types import FloatArray

#: Kinds of steps: where a chord is likely to change.
DOWNBEAT, BEAT, BETWEEN, FIXED = range(4)
KINDS = 4
#: Length of a step without beats (s).
FIXED_STEP = 0.5
#: A beat is divided if its parts last at least this long (s): chords often change an eighth early.
SHORTEST = 0.2
#: A first or last step that is shorter joins its neighbor (s).
_LEAST = 0.12
#: Level (dB) below the loudest step at which the level as evidence ends.
_RANGE = 60.0


@dataclass(frozen=True)
class Steps:
    """Steps of a track.

    Attributes
    ----------
    edges : array, shape=(steps + 1,)
        Seconds, ascending.
    kinds : array, shape=(steps,)
        What the beginning of each step is: ``DOWNBEAT``, ``BEAT``, ``BETWEEN`` two beats, or ``FIXED`` without beats.
    """

    edges: FloatArray
    kinds: npt.NDArray[np.int64]


def chord_steps(beats: Beats, duration: float) -> Steps:
    """Divide a track into steps: beats and their halves (thirds in 6/8), or half seconds where there is no beat.

    Gaps in the grid are filled, and the grid is extended to both ends of the track, at the median interval.

    Parameters
    ----------
    beats : Beats
    duration : float
        Seconds.

    Returns
    -------
    Steps
    """
    if len(beats.times) < 2:
        count = max(1, int(duration / FIXED_STEP + 1e-6))
        edges = np.append(FIXED_STEP * np.arange(count), duration)
        return Steps(edges, np.full(count, FIXED))
    times, positions = np.asarray(beats.times, np.float64), beats.bar_positions()
    interval = float(np.median(np.diff(times)))
    before = times[0] - interval * np.arange(int(times[0] / interval), 0, -1)
    after = times[-1] + interval * np.arange(1, 1 + max(0, int((duration - times[-1]) / interval)))
    marks, kinds = list(before), [BEAT] * len(before)
    for i, start in enumerate(times):
        missing = max(1, round((times[i + 1] - start) / interval)) if i + 1 < len(times) else 1
        gap = (times[i + 1] - start) / missing if missing > 1 else 0.0
        marks += [start + k * gap for k in range(missing)]
        kinds += [DOWNBEAT if positions[i] == 0 else BEAT] + [BEAT] * (missing - 1)
    marks, kinds = [*marks, *after], kinds + [BEAT] * len(after)
    parts = 3 if beats.compound else 2
    lengths = np.diff(marks, append=marks[-1] + interval)
    divided = lengths / parts >= SHORTEST
    inside: list[tuple[float, int]] = []
    for mark, length, kind, is_divided in zip(marks, lengths, kinds, divided, strict=True):
        for k in range(parts if is_divided else 1):
            edge = mark + k * length / parts
            if _LEAST <= edge <= duration - _LEAST:
                inside.append((edge, BETWEEN if k else kind))
    return Steps(
        np.array([0.0, *(edge for edge, _ in inside), duration]), np.array([BEAT, *(kind for _, kind in inside)])
    )


@dataclass(frozen=True)
class Sound:
    """What sounds in each step.

    Attributes
    ----------
    classes : array, shape=(steps, 3, 12)
        How much each pitch class stands out, in standard deviations: in the middle register, in the lowest three
        octaves, and in the bass.
    loudness : array, shape=(steps,)
        0 (60 dB below the loudest step or lower) to 1.
    active : array of bool, shape=(steps,)
        Whether at least half of the step sounds.
    """

    classes: FloatArray
    loudness: FloatArray
    active: npt.NDArray[np.bool_]


def sound_of(steps: Steps, tonal: ChromaCurve, bass: ChromaCurve | None) -> Sound:
    """Average the chroma over steps.

    Parameters
    ----------
    steps : Steps
    tonal : ChromaCurve
        Of all pitched sound.
    bass : ChromaCurve or None
        Of the bass stem; without one, the lowest octaves of ``tonal`` take its place.

    Returns
    -------
    Sound
    """
    low = (tonal if bass is None else bass).bass_peaks
    count = min(len(tonal.peaks), len(low))
    if not count:
        empty = np.zeros(len(steps.kinds))
        return Sound(np.zeros((len(empty), 3, 12)), empty, empty > 0)
    firsts = np.minimum(np.rint(steps.edges[:-1] * FRAME_RATE).astype(np.int64), count - 1)
    lasts = np.clip(np.rint(steps.edges[1:] * FRAME_RATE).astype(np.int64), firsts + 1, count)
    classes = np.stack([_mean(rows, firsts, lasts) for rows in (tonal.peaks, tonal.bass_peaks, low)], axis=1)
    power = _mean(10 ** (tonal.level_db[:, np.newaxis].astype(np.float64) / 10), firsts, lasts)[:, 0]
    level = 10 * np.log10(np.maximum(power, 10 ** (FLOOR_DBFS / 10)))
    active = _mean(tonal.active[:, np.newaxis], firsts, lasts)[:, 0] >= 0.5
    return Sound(classes / PEAK_UNITS, np.clip(1 + (level - level.max()) / _RANGE, 0, 1), active)


def _mean(rows: npt.NDArray[np.generic], firsts: npt.NDArray[np.int64], lasts: npt.NDArray[np.int64]) -> FloatArray:
    sums = np.concatenate((np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0, dtype=np.float64)))
    mean: FloatArray = (sums[lasts] - sums[firsts]) / (lasts - firsts)[:, np.newaxis]
    return mean
