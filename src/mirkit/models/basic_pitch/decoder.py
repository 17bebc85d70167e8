"""Notes from the probabilities of the network: candidates, judged by a fitted formula.

A candidate is a peak of the onset probability, or a rise of the note probability without one. Partials, echoes and
swells make candidates too; whether one is a note follows from its probabilities, and from those of the notes whose
partial it may be. The weights of this logistic formula were fitted by ``benchmarks/fit_notes.py`` on rendered stems
(docs/how_good/notes.md).
"""

import numpy as np
import numpy.typing as npt

from mirkit.features.types import FloatArray
from mirkit.models.basic_pitch.network import HOP, LOWEST, RATE

#: Frames per second.
FRAME_RATE = RATE / HOP

# Candidates: least onset probability of a peak, and least note probability after a rise without one.
_LEAST_ONSET, _LEAST_NOTE, _RISE = 0.15, 0.35, 0.2
_NEAR = 3  # frames within which candidates of a pitch are one
# A note lasts while its probability exceeds this; gaps of a few frames are bridged.
_SOUNDING, _GAP = 0.25, 5
_FIRST = 8  # frames in which the probability of a note is averaged
_SHORTEST = 4
#: Intervals (semitones) from a partial down to the note that it may belong to.
_BELOW = (12, 19, 24, 28)

#: Weights of the formula: see :func:`evidence`.
WEIGHTS = np.array(
    [
        -10.04,
        6.93,
        12.28,
        0.13,
        -1.74,
        -0.85,
        2.41,
        -2.31,
        -1.02,
        -1.72,
        2.64,
        -2.57,
        -2.75,
        1.05,
        -5.98,
        -14.17,
    ]
)
#: Least probability of a note.
THRESHOLD = 0.35


def candidates(notes: FloatArray, onsets: FloatArray) -> npt.NDArray[np.int64]:
    """Find the frames and semitones where a note may begin.

    Parameters
    ----------
    notes, onsets : float array, shape=(frames, semitones)
        Probabilities from the network.

    Returns
    -------
    int64 array, shape=(n, 2)
        Frame and semitone, ordered by frame.
    """
    before = np.pad(onsets, ((1, 1), (0, 0)))
    peaks = (onsets >= _LEAST_ONSET) & (onsets > before[:-2]) & (onsets >= before[2:])
    soon = np.pad(notes, ((0, 3), (0, 0)))[3:]
    past = np.pad(notes, ((3, 0), (0, 0)))[:-3]
    rise = soon - past
    beside = np.pad(rise, ((1, 1), (0, 0)))
    rises = (rise > _RISE) & (soon > _LEAST_NOTE) & (rise > beside[:-2]) & (rise >= beside[2:])
    found = [(int(t), int(p), 0) for t, p in np.argwhere(peaks)]
    found += [(int(t), int(p), 1) for t, p in np.argwhere(rises)]
    kept: dict[int, list[int]] = {}
    for t, p, _ in sorted(found, key=lambda row: (row[2], -onsets[row[0], row[1]])):
        if all(abs(t - other) > _NEAR for other in kept.setdefault(p, [])):
            kept[p].append(t)
    rows = sorted((t, p) for p, times in kept.items() for t in times)
    return np.array(rows, np.int64).reshape(-1, 2)


def evidence(notes: FloatArray, onsets: FloatArray, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Collect what is known of candidates, for the logistic formula.

    Parameters
    ----------
    notes, onsets : float array, shape=(frames, semitones)
        Probabilities from the network.
    rows : int64 array, shape=(n, 2)
        Candidates.

    Returns
    -------
    float64 array, shape=(n, 16)
    """
    count, pitches = notes.shape
    wide = np.pad(onsets, ((_NEAR, _NEAR), (0, 0)))
    around = np.max([wide[i : i + count] for i in range(2 * _NEAR + 1)], axis=0)
    total = np.cumsum(np.pad(notes, ((1, _FIRST), (0, 0))), axis=0)
    after = (total[_FIRST:] - total[:-_FIRST])[1 : count + 1] / _FIRST if count else notes
    past = np.pad(notes, ((_FIRST, 0), (0, 0)))
    before = np.mean([past[i : i + count] for i in range(_FIRST - 2)], axis=0) if count else notes
    t, p = rows[:, 0], rows[:, 1]

    def at(table: FloatArray, shift: int) -> FloatArray:
        where = p + shift
        inside = (where >= 0) & (where < pitches)
        return np.where(inside, table[t, np.clip(where, 0, pitches - 1)], 0.0)

    own_onset, own_note = at(around, 0), at(after, 0)
    below_onset = np.max([at(around, -step) for step in _BELOW], axis=0)
    below_note = np.max([at(after, -step) for step in _BELOW], axis=0)
    beside = np.max([at(after, -1), at(after, 1)], axis=0)
    columns = [
        np.ones(len(rows)),
        own_onset,
        own_note,
        own_onset * own_note,
        at(before, 0),
        at(after, -12),
        at(around, -12),
        below_note,
        below_onset,
        np.maximum(below_note - own_note, 0),
        np.maximum(below_onset - own_onset, 0),
        at(after, 12),
        np.maximum(beside - own_note, 0),
        around.max(axis=1, initial=0)[t],
        (p < 24).astype(np.float64),
        np.maximum(own_note - 0.5, 0),
    ]
    return np.stack(columns, axis=1)


def decode(notes: FloatArray, onsets: FloatArray) -> list[tuple[int, int, int]]:
    """Find the notes.

    Parameters
    ----------
    notes, onsets : float array, shape=(frames, semitones)
        Probabilities from the network.

    Returns
    -------
    list of (int, int, int)
        First frame, frame after the last one, and MIDI note number of each.
    """
    rows = candidates(notes, onsets)
    chance = 1 / (1 + np.exp(-evidence(notes, onsets, rows) @ WEIGHTS))
    return spans(notes, rows[chance >= THRESHOLD])


def spans(notes: FloatArray, rows: npt.NDArray[np.int64]) -> list[tuple[int, int, int]]:
    """Find the ends of notes that begin at these frames and semitones.

    Parameters
    ----------
    notes : float array, shape=(frames, semitones)
        Probabilities that notes sound.
    rows : int64 array, shape=(n, 2)
        Frame and semitone of each beginning, ordered by frame.

    Returns
    -------
    list of (int, int, int)
        As :func:`decode`.
    """
    out = []
    following: dict[int, int] = {}
    for t, p in rows[::-1].tolist():
        limit = following.get(p, len(notes))
        following[p] = t
        quiet = notes[t:limit, p] < _SOUNDING
        quiet[: min(_SHORTEST, len(quiet))] = False
        run = np.convolve(quiet, np.ones(_GAP), "valid") if len(quiet) >= _GAP else np.zeros(0)
        stops = np.flatnonzero(run >= _GAP)
        out.append((t, t + int(stops[0]) if len(stops) else limit, LOWEST + p))
    return out[::-1]
