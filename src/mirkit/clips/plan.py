"""Where a track is cut into clips: times in, samples out."""

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

#: A clip begins this much before its beat (s), so that the attack is in it.
LEAD_SECONDS = 0.005
#: Share of a clip that must sound.
SOUNDING_SHARE = 0.5
#: Share of a clip's length that a rest at the end must bring to be worth a clip of its own.
SHORTEST_TAIL = 0.25
#: Within this of the track's loudest 100 ms, and above -70 LUFS, there is sound.
_SOUNDING_RANGE = 10**-6.0
#: The last bar may lack this much (s) of its median length and count as whole.
_LAST_BAR_SLACK = 0.05
#: A run of bars longer than this many times its usual length has a hole in it.
_HOLE = 1.5

Samples = npt.NDArray[np.int64]
Alignment = Literal["downbeat", "beat", "free"]


@dataclass(frozen=True)
class ClipInput:
    """What is known of a track.

    Attributes
    ----------
    rate : int
        Samples a second of its file.
    samples : int
        Length of its file.
    beats, downbeats : array
        Seconds, ascending.
    loudness : LoudnessCurve
        Of the mix.
    """

    rate: int
    samples: int
    beats: FloatArray
    downbeats: FloatArray
    loudness: LoudnessCurve


@dataclass(frozen=True)
class Clip:
    """Samples ``[first, last)`` of the track, and silence up to ``length`` samples."""

    first: int
    last: int
    length: int


@dataclass(frozen=True)
class ClipPlan:
    """The clips of a track in order.

    Attributes
    ----------
    clips : tuple of Clip
    aligned : str
        What they begin on: coarser than asked for where the track has no downbeats, or no beats.
    why_none : str
        Why there is no clip, or "".
    """

    clips: tuple[Clip, ...]
    aligned: Alignment
    why_none: str = field(default="")


def plan_clips(material: ClipInput, settings: ClipSettings) -> ClipPlan:
    """Decide where a track is cut.

    A clip of fixed length begins 5 ms before the first downbeat (or beat) at or after the place where the one before
    ended, less the overlap. A clip of bars ends where the bar after its last one begins: consecutive clips fit together
    to the sample. Clips less than half of which sounds are passed over.

    A track without downbeats is cut on its beats, without beats freely; counted in bars it is not cut at all.
    """
    amount, unit = parse_length(settings.length)
    wanted = {"downbeat": material.downbeats, "beat": material.beats}
    sound = _Sound(material)
    if unit == "bars":
        if len(material.downbeats) < 2:
            return ClipPlan((), "downbeat", "no bars: it has no downbeats")
        clips = _in_bars(material, sound, int(amount), settings)
        return ClipPlan(tuple(clips), "downbeat", "" if clips else _WHY_NONE)
    seconds = Fraction(amount) if unit == "s" else Fraction(int(amount), ANALYSIS_RATE)
    size = math.ceil(seconds * material.rate - Fraction(1, 1000))  # never shorter when it is resampled
    order: tuple[Alignment, ...] = ("downbeat", "beat")
    chosen = order[order.index(settings.align) :] if settings.align in order else ()
    aligned: Alignment = next((name for name in chosen if len(wanted[name])), "free")
    starts = None if aligned == "free" else _samples(wanted[aligned], material)
    clips = list(_of_size(material, sound, size, starts, settings))
    return ClipPlan(tuple(clips), aligned, "" if clips else _WHY_NONE)


_WHY_NONE = "no clip: too short, or silent"


def _samples(times: FloatArray, material: ClipInput) -> Samples:
    """Samples at which clips on these times begin; rounded down, so that the beat itself is in."""
    at = np.floor(np.maximum(times - LEAD_SECONDS, 0) * material.rate).astype(np.int64)
    return np.unique(at[at < material.samples])


def _of_size(
    material: ClipInput, sound: "_Sound", size: int, starts: Samples | None, settings: ClipSettings
) -> Iterator[Clip]:
    hop = max(1, round(size * (1 - settings.overlap)))
    target = covered = 0
    while (first := _next(starts, sound, target)) is not None:
        last = first + size
        if last > material.samples:
            yield from _tail(material, sound, first, size, covered, settings)
            return
        if sound.share(first, last) >= SOUNDING_SHARE:
            yield Clip(first, last, size)
            covered, target = last, first + hop
        else:
            target = first + (max(1, size // 4) if starts is None else 1)


def _next(starts: Samples | None, sound: "_Sound", target: int) -> int | None:
    if starts is None:
        return sound.next(target)
    at = int(np.searchsorted(starts, target))
    return int(starts[at]) if at < len(starts) else None


def _tail(
    material: ClipInput, sound: "_Sound", first: int, size: int, covered: int, settings: ClipSettings
) -> Iterator[Clip]:
    """The rest from ``first`` on, shorter than a clip, if the settings want it and it brings something."""
    last = material.samples
    fresh = last - max(first, covered)
    worth = not covered or fresh >= SHORTEST_TAIL * size
    if settings.tail != "drop" and worth and sound.share(first, last) >= SOUNDING_SHARE:
        yield Clip(first, last, size if settings.tail == "pad" else last - first)


def _in_bars(material: ClipInput, sound: "_Sound", count: int, settings: ClipSettings) -> list[Clip]:
    bar = float(np.median(np.diff(material.downbeats)))
    edges = _samples(material.downbeats, material)
    close, end = float(material.downbeats[-1]) + bar, material.samples / material.rate
    if close <= end + _LAST_BAR_SLACK:  # the last bar is whole: it ends where another would begin, or with the track
        whole = close >= end - _LAST_BAR_SLACK
        edges = np.append(edges, material.samples if whole else int((close - LEAD_SECONDS) * material.rate))
    size = round(count * bar * material.rate)
    hop = max(1, round(count * (1 - settings.overlap)))
    clips: list[Clip] = []
    at = covered = 0
    while at + count < len(edges):
        first, last = int(edges[at]), int(edges[at + count])
        if last - first <= _HOLE * size and sound.share(first, last) >= SOUNDING_SHARE:
            clips.append(Clip(first, last, last - first))
            covered, at = last, at + hop
        else:
            at += 1
    if at < len(edges) and edges[at] < material.samples:
        clips.extend(_tail(material, sound, int(edges[at]), size, covered, settings))
    return clips


class _Sound:
    """Where a track sounds, in steps of 100 ms."""

    def __init__(self, material: ClipInput) -> None:
        energy = material.loudness.energy
        gate = max(to_energy(ABSOLUTE_GATE_LUFS), float(energy.max(initial=0.0)) * _SOUNDING_RANGE)
        self._active = energy > gate
        self._step = material.rate / HOPS_PER_SECOND
        self._sums = np.concatenate(([0.0], np.cumsum(self._active)))

    def share(self, first: int, last: int) -> float:
        """Share of a stretch that sounds, 0 to 1."""
        at = np.interp((first / self._step, last / self._step), np.arange(len(self._sums)), self._sums)
        return float(at[1] - at[0]) * self._step / (last - first)

    def next(self, sample: int) -> int | None:
        """The next sample that sounds, this one or a later one."""
        step = int(sample / self._step)
        later = np.flatnonzero(self._active[step:])
        if not len(later):
            return None
        return sample if later[0] == 0 else math.ceil((step + int(later[0])) * self._step)
