"""Numbers of the notes of a source: median pitch, range, notes per second, notes at a time."""

from dataclasses import dataclass

import numpy as np

from mirkit.features.pitch.note_events import NoteEvents
from mirkit.features.types import FloatArray, Unknown, Value, Window

NO_NOTES = Unknown("no notes")
#: Shares of the sounding time outside the range of pitches at each end, so that a wrong note does not decide it.
_OUTSIDE = 0.02


@dataclass(frozen=True)
class NoteStatistics:
    """Numbers of notes in a window.

    Attributes
    ----------
    pitch_median : float or Unknown
        Median of the pitches, weighted by duration, as a MIDI note number.
    pitch_range : float or Unknown
        Semitones between the lowest and the highest pitch, without 2 % of the sounding time at each end.
    note_density : float
        Notes that begin, per second.
    polyphony : float or Unknown
        Mean number of notes that sound at a time, while any does.
    """

    pitch_median: Value
    pitch_range: Value
    note_density: Value
    polyphony: Value


def note_statistics(notes: NoteEvents, window: Window) -> NoteStatistics:
    """Measure the notes of a window.

    Parameters
    ----------
    notes : NoteEvents
        Of the whole track.
    window : Window

    Returns
    -------
    NoteStatistics

    Examples
    --------
    Two notes at once in the first second, and a lower one in the next:

    >>> notes = NoteEvents.of([(0.0, 1.0, 60, 0.0), (0.0, 1.0, 67, 0.0), (1.0, 2.0, 48, 0.0)])
    >>> note_statistics(notes, Window(0, 2))
    NoteStatistics(pitch_median=60.0, pitch_range=19.0, note_density=1.5, polyphony=1.5)
    """
    begun = int(((notes.starts >= window.start) & (notes.starts < window.end)).sum())
    density = begun / window.duration if window.duration else 0.0
    starts, ends = np.maximum(notes.starts, window.start), np.minimum(notes.ends, window.end)
    lengths = np.maximum(ends - starts, 0)
    total = float(lengths.sum())
    if not total:
        return NoteStatistics(NO_NOTES, NO_NOTES, density, NO_NOTES)
    low, middle, high = (
        _quantile(notes.pitches.astype(np.float64), lengths, share) for share in (_OUTSIDE, 0.5, 1 - _OUTSIDE)
    )
    sounding = _union(starts[lengths > 0], ends[lengths > 0])
    return NoteStatistics(middle, high - low, density, total / sounding)


def _quantile(pitches: FloatArray, weights: FloatArray, share: float) -> float:
    order = np.argsort(pitches, kind="stable")
    total = np.cumsum(weights[order])
    return float(pitches[order][np.searchsorted(total, share * total[-1])])


def _union(starts: FloatArray, ends: FloatArray) -> float:
    """Total length of intervals that may overlap."""
    order = np.argsort(starts, kind="stable")
    starts, ends = starts[order], ends[order]
    reached = np.maximum.accumulate(ends)
    before = np.concatenate(([-np.inf], reached[:-1]))
    return float(np.maximum(reached - np.maximum(starts, before), 0).sum())
