"""Plan where a track is cut into clips, from its beats and its loudness."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

import numpy as np
import numpy.typing as npt

from mirkit.features.loudness import ABSOLUTE_GATE_LUFS, HOPS_PER_SECOND, LoudnessCurve, to_energy
from mirkit.features.types import ANALYSIS_RATE, FloatArray
from mirkit.settings import ClipSettings
from mirkit.settings.validators import parse_length

#: A clip begins this long before its beat (s), so that it contains the attack.
LEAD_SECONDS = 0.005
#: Least share of a clip that must be active.
ACTIVE_SHARE = 0.5
#: The end of a track becomes a clip if it adds at least this share of a clip's length to the covered part.
MIN_TAIL_SHARE = 0.25
#: A step is active if its energy is above -70 LUFS, and above this share of that of the loudest step (-60 dB).
_ACTIVE_RANGE = 10**-6.0
#: Without beats, if a clip would be mostly silent, the next attempt is this share of its length later.
_SKIP_SHARE = 0.25
#: The last bar counts as complete if it is shorter than the median bar by at most this (s).
_LAST_BAR_SLACK = 0.05
#: A bar that is longer than this many times the usual length has a gap in the grid.
_MAX_STRETCH = 1.5

Samples = npt.NDArray[np.int64]
Alignment = Literal["section", "downbeat", "beat", "free"]


@dataclass(frozen=True)
class ClipInput:
    """The properties of a track that a clip plan depends on.

    Attributes
    ----------
    sample_rate : int
        Sample rate of its mix (Hz).
    samples : int
        Length of its mix (samples).
    beats, downbeats : array
        Times, ascending (s).
    loudness : LoudnessCurve
        Of the mix.
    sections : array
        Starts of the sections, ascending (s); empty if they are not known.
    """

    sample_rate: int
    samples: int
    beats: FloatArray
    downbeats: FloatArray
    loudness: LoudnessCurve
    sections: FloatArray = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True)
class Clip:
    """Samples ``[first, last)`` of the track, followed by silence up to ``length`` samples."""

    first: int
    last: int
    length: int


@dataclass(frozen=True)
class ClipPlan:
    """The clips of a track.

    Attributes
    ----------
    clips : tuple of Clip
        In order.
    aligned : str
        What the clips are aligned with; less strict than the settings if the track has no downbeats or no beats.
    reason : str
        Why there is no clip, or "".
    """

    clips: tuple[Clip, ...]
    aligned: Alignment
    reason: str = field(default="")


def plan_clips(track: ClipInput, settings: ClipSettings) -> ClipPlan:
    """Plan the clips of a track.

    A clip of fixed length begins 5 ms before the first downbeat (or beat) at or after the end of the previous clip,
    less the overlap. A clip of bars ends where the next bar begins, so that consecutive clips follow each other without
    a gap. Clips of which less than half is active are skipped.

    With sections, a clip begins where a section begins, and further clips begin on downbeats as long as they fit into
    the section; a section that is shorter than a clip continues into the next.

    A track without known sections is cut on its downbeats, without downbeats on its beats, and without beats at any
    time. Without downbeats it cannot be cut into bars.

    Parameters
    ----------
    track : ClipInput
    settings : ClipSettings

    Returns
    -------
    ClipPlan
    """
    amount, unit = parse_length(settings.length)
    activity = _Activity(track)
    if unit == "bars":
        if len(track.downbeats) < 2:
            return ClipPlan((), "downbeat", "no clip was cut: the track has no downbeats, so it has no bars")
        by_section = settings.align == "section" and len(track.sections) > 0
        clips = _in_bars(track, activity, int(amount), settings, by_section=by_section)
        in_bars: Alignment = "section" if by_section else "downbeat"
        return ClipPlan(tuple(clips), in_bars, "" if clips else _NO_CLIP)
    seconds = Fraction(amount) if unit == "s" else Fraction(int(amount), ANALYSIS_RATE)
    size = math.ceil(seconds * track.sample_rate - Fraction(1, 1000))  # rounded up: a resampled clip is never too short
    times = {
        "section": _in_sections(track, size / track.sample_rate),
        "downbeat": track.downbeats,
        "beat": track.beats,
    }
    order: tuple[Alignment, ...] = ("section", "downbeat", "beat")
    allowed = order[order.index(settings.align) :] if settings.align in order else ()
    aligned: Alignment = next((name for name in allowed if len(times[name])), "free")
    starts = None if aligned == "free" else _marks(times[aligned], track)
    clips = list(_of_size(track, activity, size, starts, settings))
    return ClipPlan(tuple(clips), aligned, "" if clips else _NO_CLIP)


def _in_sections(track: ClipInput, seconds: float) -> FloatArray:
    """Starts of the sections, and the downbeats (or beats) at which a clip of this length fits into its section."""
    if not len(track.sections):
        return track.sections
    within = track.downbeats if len(track.downbeats) else track.beats
    starts = _on_marks(track.sections, within)
    ends = np.append(starts[1:], track.samples / track.sample_rate)
    section = np.searchsorted(starts, within, side="right") - 1
    fits = (section >= 0) & (within + seconds <= ends[np.maximum(section, 0)] + _LAST_BAR_SLACK)
    return np.union1d(starts, within[fits])


def _on_marks(sections: FloatArray, marks: FloatArray) -> FloatArray:
    """Move the starts of sections to the next downbeat within a bar: the first section begins with the file."""
    if len(marks) < 2:
        return sections
    after = marks[np.minimum(np.searchsorted(marks, sections - _LAST_BAR_SLACK), len(marks) - 1)]
    near = (after >= sections - _LAST_BAR_SLACK) & (after < sections + np.median(np.diff(marks)))
    moved: FloatArray = np.unique(np.where(near, after, sections))
    return moved


_NO_CLIP = "no clip was cut: the track is too short for one, or silent"


def _samples(times: FloatArray, track: ClipInput) -> Samples:
    """Convert times to the first samples of clips, rounded down so that the beat is inside the clip."""
    return np.unique(np.maximum(_marks(times, track), 0))


def _marks(times: FloatArray, track: ClipInput) -> Samples:
    """As ``_samples``, but negative for a beat at the very start, to which the next ones have the same distance."""
    starts = np.floor((times - LEAD_SECONDS) * track.sample_rate).astype(np.int64)
    return np.unique(starts[starts < track.samples])


def _of_size(
    track: ClipInput, activity: "_Activity", size: int, starts: Samples | None, settings: ClipSettings
) -> Iterator[Clip]:
    hop = max(1, round(size * (1 - settings.overlap)))
    covered = 0
    target = int(starts[0]) if starts is not None and len(starts) else 0
    while (mark := _next(starts, activity, target)) is not None:
        first = max(mark, 0)
        last = first + size
        if last > track.samples:
            yield from _tail(track, activity, first, size, covered, settings)
            return
        if activity.share(first, last) >= ACTIVE_SHARE:
            yield Clip(first, last, size)
            covered, target = last, mark + hop
        else:
            target = mark + (max(1, int(size * _SKIP_SHARE)) if starts is None else 1)


def _next(starts: Samples | None, activity: "_Activity", target: int) -> int | None:
    if starts is None:
        return activity.next(target)
    at = int(np.searchsorted(starts, target))
    return int(starts[at]) if at < len(starts) else None


def _tail(
    track: ClipInput, activity: "_Activity", first: int, size: int, covered: int, settings: ClipSettings
) -> Iterator[Clip]:
    """Yield the end of the track as a shorter clip, if the settings allow it and it is long enough."""
    last = track.samples
    added = last - max(first, covered)
    long_enough = not covered or added >= MIN_TAIL_SHARE * size
    if settings.tail != "drop" and long_enough and activity.share(first, last) >= ACTIVE_SHARE:
        yield Clip(first, last, size if settings.tail == "pad" else last - first)


def _in_bars(
    track: ClipInput, activity: "_Activity", count: int, settings: ClipSettings, *, by_section: bool
) -> list[Clip]:
    bar = float(np.median(np.diff(track.downbeats)))
    edges = _samples(track.downbeats, track)
    close, end = float(track.downbeats[-1]) + bar, track.samples / track.sample_rate
    if close <= end + _LAST_BAR_SLACK:  # the last bar is complete; it ends at the next downbeat or with the track
        to_end = close >= end - _LAST_BAR_SLACK
        edges = np.append(edges, track.samples if to_end else int((close - LEAD_SECONDS) * track.sample_rate))
    size = round(count * bar * track.sample_rate)
    hop = max(1, round(count * (1 - settings.overlap)))
    clips: list[Clip] = []
    at = covered = 0
    allowed = _bars_of_sections(track, len(edges), count) if by_section else np.ones(len(edges), np.bool_)
    while at + count < len(edges):
        first, last = int(edges[at]), int(edges[at + count])
        if allowed[at] and last - first <= _MAX_STRETCH * size and activity.share(first, last) >= ACTIVE_SHARE:
            clips.append(Clip(first, last, last - first))
            covered, at = last, at + hop
        else:
            at += 1
    if at < len(edges) and edges[at] < track.samples:
        clips.extend(_tail(track, activity, int(edges[at]), size, covered, settings))
    return clips


def _bars_of_sections(track: ClipInput, edges: int, count: int) -> npt.NDArray[np.bool_]:
    """Whether a clip of ``count`` bars may begin at each edge: where a section begins, or where it fits into one."""
    starts = np.unique([int(np.argmin(np.abs(track.downbeats - start))) for start in track.sections])
    at = np.arange(edges)
    ends = np.append(starts, edges)[np.searchsorted(starts, at, side="right")]
    return np.isin(at, starts) | (at + count <= ends)


class _Activity:
    """Which steps of 100 ms of a track are not silent."""

    def __init__(self, track: ClipInput) -> None:
        energy = track.loudness.energy
        gate = max(to_energy(ABSOLUTE_GATE_LUFS), float(energy.max(initial=0.0)) * _ACTIVE_RANGE)
        self._active = energy > gate
        self._step = track.sample_rate / HOPS_PER_SECOND
        self._sums = np.concatenate(([0.0], np.cumsum(self._active)))

    def share(self, first: int, last: int) -> float:
        """Share of ``[first, last)`` that is active (0..1)."""
        at = np.interp((first / self._step, last / self._step), np.arange(len(self._sums)), self._sums)
        return float(at[1] - at[0]) * self._step / (last - first)

    def next(self, sample: int) -> int | None:
        """The first active sample at or after ``sample``; None where there is none."""
        step = int(sample / self._step)
        later = np.flatnonzero(self._active[step:])
        if not len(later):
            return None
        return sample if later[0] == 0 else math.ceil((step + int(later[0])) * self._step)
