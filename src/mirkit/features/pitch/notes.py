"""Notes of a sound with one voice, from its fundamental frequency and its onsets.

*Measured*: a path through semitones and rests that follows f0 but not its vibrato gives notes; an onset within one is
the same pitch played again. Notes begin at the onset that precedes them closely. *Reading*: times in seconds, pitches
as MIDI note numbers, relative to the tuning of the track. *Source*: the path is a hidden Markov model of notes as in
M. P. Ryynänen and A. Klapuri, "Modelling of note events for singing transcription", SAPA 2004, with one state per note.
"""

import numpy as np

from mirkit.features.kernels.kernel import kernel
from mirkit.features.pitch.f0 import FRAME_RATE, F0Curve, Voice
from mirkit.features.pitch.note_events import NoteEvents
from mirkit.features.rhythm.onsets import Onsets
from mirkit.features.types import FloatArray

#: Start, end (s) and note number.
_Run = tuple[float, float, int]

# Path: the deviation of f0 from a semitone, the cost of beginning another note, and of a frame without pitch in a note.
_DEVIATION = 0.35  # semitones
_LARGEST = 8.0  # cost of a frame whose pitch is another note's
_SWITCH = 9.0
_GAP = 1.5
_SHORTEST = 0.045  # s
# A note begins at the first onset up to this long after its first frame with a pitch, or before it.
_AFTER = 0.07
# Onsets nearer than this (s) are one attack. An onset within a note is the same pitch again unless it is at its end.
_ATTACK_SECONDS = 0.075
_FROM_END = 0.05
# The attack of a note may have no pitch for this long, if the level does not fall by more than this before it has one.
_ATTACK_BEFORE, _LASTS_DB = 0.4, 6.0
# A note begins anew in its attack only if the level has fallen by this much (dB, frames) before.
_ATTACK_DIP_DB, _DIP_REACH = 3.0, 5
# Between two onsets, pitches in these ratios (semitones) are one note: the attack of a slapped string repeats itself
# after several periods.
_HARMONIC = (12, 19, 24, 28, 31, 36)
#: Notes this far (dB) below the loudest are leakage.
QUIETEST = 35.0
_ATTACK = 9  # frames in which the level of a note is measured
_LEAST_AGREEMENT = 0.5


def tuning(curve: F0Curve) -> float:
    """Estimate the tuning of a voice.

    Parameters
    ----------
    curve : F0Curve

    Returns
    -------
    float
        Deviation of the pitches from A4 = 440 Hz in semitones, -0.5 to 0.5; 0 if they do not agree.
    """
    voiced = curve.pitch[curve.cents > 0]
    if not len(voiced):
        return 0.0
    mean = np.exp(2j * np.pi * voiced).mean()
    return float(np.angle(mean) / (2 * np.pi)) if abs(mean) > _LEAST_AGREEMENT else 0.0


def notes_of_voice(curve: F0Curve, onsets: Onsets, voice: Voice) -> NoteEvents:
    """Find the notes of a voice.

    Parameters
    ----------
    curve : F0Curve
    onsets : Onsets
        Onsets of the same source.
    voice : Voice
        The voice that was followed.

    Returns
    -------
    NoteEvents
    """
    if not curve.cents.any():
        return NoteEvents.of([])
    pitch = np.where(curve.cents, curve.cents / 100 - tuning(curve), 0.0)
    lowest = int(np.floor(pitch[pitch > 0].min()))
    states = int(np.ceil(pitch.max())) - lowest + 2
    notes = np.empty(len(pitch), np.int16)
    _note_path(pitch, lowest, np.zeros(states + 1), np.empty((len(pitch), states + 1), np.int16), notes)
    path = notes + lowest
    level = curve.level_db.astype(np.float32)
    edges = np.flatnonzero(np.diff(path)) + 1
    runs = [
        (first / FRAME_RATE, last / FRAME_RATE, int(path[first]))
        for first, last in zip([0, *edges], [*edges, len(path)], strict=True)
        if path[first] < lowest + states
    ]
    rows: list[_Run] = []
    ended = 0.0
    for start, end, note in _one_per_attack(runs, onsets.times):
        begun = _attack(start, max(ended - _AFTER, rows[-1][0] + _ATTACK_SECONDS if rows else 0.0), onsets.times, level)
        rows += _notes_of_run(begun, max(begun, start), end, note, onsets.times, level, voice.repeat_db)
        ended = end
    levels = [float(level[int(start * FRAME_RATE) :][:_ATTACK].max(initial=-200)) for start, _, _ in rows]
    loudest = max(levels, default=0.0)
    return NoteEvents.of(
        [
            (*row, each)
            for row, each in zip(rows, levels, strict=True)
            if each > loudest - QUIETEST and row[1] - row[0] >= _SHORTEST
        ]
    )


def _one_per_attack(runs: list[_Run], onsets: FloatArray) -> list[_Run]:
    """Join runs that follow each other without an onset between them, and are harmonics of each other."""
    out: list[_Run] = []
    longest: list[float] = []
    for start, end, note in runs:
        if out and start - out[-1][1] < _SHORTEST and abs(note - out[-1][2]) in _HARMONIC:
            begun = out[-1][0] + _ATTACK_SECONDS
            if not ((onsets > max(begun, start - _ATTACK_BEFORE)) & (onsets <= start + _AFTER)).any():
                keep = note if end - start > longest[-1] else out[-1][2]
                longest[-1] = max(longest[-1], end - start)
                out[-1] = (out[-1][0], end, keep)
                continue
        out.append((start, end, note))
        longest.append(end - start)
    return out


def _attack(start: float, earliest: float, onsets: FloatArray, level: FloatArray) -> float:
    """Return when a note begins whose first frame with a pitch is at ``start``."""
    near = onsets[(onsets >= max(start - _ATTACK_BEFORE, earliest)) & (onsets <= start + _AFTER)]
    frame = int(start * FRAME_RATE)
    lasting = [
        onset
        for onset in near.tolist()
        if level[int(onset * FRAME_RATE) + 2 : frame].min(initial=np.inf) > level[frame] - _LASTS_DB
    ]
    begun = lasting[0] if lasting else start
    for onset in lasting[1:]:  # another note, too short for a pitch, may precede this one
        if onset > begun + _ATTACK_SECONDS and _dip(level, begun, onset) > _ATTACK_DIP_DB:
            begun = onset
    return float(begun)


def _dip(level: FloatArray, begun: float, onset: float) -> float:
    """Return by how much (dB) the level of a note has fallen before an onset."""
    first, here = int(begun * FRAME_RATE), int(onset * FRAME_RATE)
    dip: float = level[first : here + 1].max() - level[max(first, here - _DIP_REACH) : here + 3].min()
    return dip


def _notes_of_run(
    begun: float, voiced: float, end: float, note: int, onsets: FloatArray, level: FloatArray, repeat_db: float
) -> list[_Run]:
    """Return the notes of a run of frames with one pitch: one, or several if the pitch is played again."""
    bounds = [begun]
    for onset in onsets[(onsets > voiced + _ATTACK_SECONDS) & (onsets < end - _FROM_END)].tolist():
        if onset > bounds[-1] + _ATTACK_SECONDS and _dip(level, bounds[-1], onset) > repeat_db:
            bounds.append(onset)
    return [(a, b, note) for a, b in zip(bounds, [*bounds[1:], end], strict=True)]


@kernel()
def _note_path(pitch, lowest, cost, came, path):  # type: ignore[no-untyped-def]
    # States are semitones from ``lowest`` on, and one for rests, the last.
    states = len(cost) - 1
    for t in range(len(pitch)):
        best = 0
        for s in range(1, states + 1):
            if cost[s] < cost[best]:
                best = s
        switch = cost[best] + _SWITCH
        for s in range(states + 1):
            came[t, s] = s
            if switch < cost[s]:
                cost[s], came[t, s] = switch, best
            if s == states:
                cost[s] += _LARGEST if pitch[t] > 0 else 0.0
            elif pitch[t] > 0:
                away = (pitch[t] - lowest - s) / _DEVIATION
                cost[s] += min(0.5 * away * away, _LARGEST)
            else:
                cost[s] += _GAP
        end = 0
        for s in range(1, states + 1):
            if cost[s] < cost[end]:
                end = s
        least = cost[end]
        for s in range(states + 1):
            cost[s] -= least
        path[t] = end
    for t in range(len(pitch) - 1, 0, -1):
        path[t - 1] = came[t, path[t]]
