"""From onset curves to a beat grid."""

import numpy as np

from mirkit.features.rhythm.beats.grid import NO_BEATS, Beats, TempoCandidate
from mirkit.features.rhythm.beats.phase_coherence import phase_coherence, share_played
from mirkit.features.rhythm.beats.pulse import ALL, beat_salience, find_pulse, fine_grid
from mirkit.features.rhythm.beats.refine import refine
from mirkit.features.rhythm.beats.time_signature import MeterHypothesis, estimate_meter
from mirkit.features.rhythm.onset_envelope import FRAME_RATE
from mirkit.features.rhythm.onsets import LEAD_SECONDS, OnsetCurve, Onsets
from mirkit.features.rhythm.tempo import beat_period
from mirkit.features.types import FloatArray

_FEWEST_ONSETS = 8
_FEWEST_BEATS = 8
#: Clarity of a beat that keeps time; for a steady pulse the shares of the beats that must, and that must be played.
_CLEAR = 0.5
_CLEAR_SHARE = 0.5
_PLAYED_SHARE = 0.5
_SURE_SHARE = 0.9
_NO_PULSE_CLARITY = 0.2
_CANDIDATES = 3


def track_beats(
    mix: OnsetCurve,
    drums: OnsetCurve | None = None,
    *,
    bpm_range: tuple[float, float] | None = None,
    bpm_hint: float | None = None,
) -> Beats:
    """Track beats and downbeats of a piece.

    A pulse is followed through the piece by dynamic programming; which multiple of it is the beat, how many beats make
    a bar and where bars begin is decided on the whole piece (``beats.meter``); beats are then drawn to the onsets
    around them.

    Parameters
    ----------
    mix : OnsetCurve
        Of the full mix.
    drums : OnsetCurve, optional
        Of the drums stem.
    bpm_range : (float, float), optional
        Tempi that may come out, in beats per minute.
    bpm_hint : float, optional
        A tempo known beforehand: the grid takes the metrical level nearest to it.

    Returns
    -------
    Beats
        Empty when there is no pulse; ``steady`` is False when there is one that keeps no tempo (rubato).
    """
    onsets = mix.onsets
    if len(onsets.times) < _FEWEST_ONSETS:
        return NO_BEATS
    rate = len(onsets.times) / max(float(onsets.times[-1] - onsets.times[0]), 1.0)
    worth = beat_salience(mix)
    if drums is not None:
        onsets = _merged(onsets, drums.onsets)
        shared = min(len(worth), len(drums.growth))
        worth[:shared] += beat_salience(drums)[:shared]
    pulse = find_pulse(worth)
    if not len(pulse):
        return NO_BEATS
    grid = fine_grid(pulse, mix, drums, rate)
    reading = estimate_meter(grid, bpm_range, bpm_hint)
    if reading is None:
        return NO_BEATS
    positions, first_of_bar = reading.beats(len(grid.frames))
    raw = grid.frames[positions] / FRAME_RATE + LEAD_SECONDS
    half = grid.period * reading.beat / 24
    inside = (raw > max(onsets.times[0] - half, 0)) & (raw < min(onsets.times[-1] + half, mix.duration))
    if np.count_nonzero(inside) < _FEWEST_BEATS:
        return NO_BEATS
    times = np.clip(refine(raw, onsets)[inside], 0, mix.duration)
    clear = phase_coherence(times, onsets)
    if np.median(clear) < _NO_PULSE_CLARITY:
        return NO_BEATS
    heard = grid.curves[positions[inside], ALL]
    return Beats(
        times,
        times[first_of_bar[inside]],
        clear * heard / (heard + 0.5),
        reading.meter,
        reading.meter_confidence,
        _steady(float(np.mean(clear >= _CLEAR)), share_played(times, onsets)),
        _candidates(reading, times),
    )


def _steady(clear: float, played: float) -> bool:
    """Whether a tempo is kept: onsets keep to a grid and fall on its beats, or else nearly all of them keep to it."""
    return clear >= _CLEAR_SHARE and (played >= _PLAYED_SHARE or clear >= _SURE_SHARE)


def _merged(a: Onsets, b: Onsets) -> Onsets:
    times = np.concatenate((a.times, b.times))
    order = np.argsort(times, kind="stable")
    return Onsets(times[order], np.concatenate((a.strengths, b.strengths))[order])


def _candidates(reading: MeterHypothesis, times: FloatArray) -> tuple[TempoCandidate, ...]:
    """Tempo of the grid, then its rivals, all relative to the exact tempo."""
    period = beat_period(times) or float(np.median(np.diff(times)))
    top = reading.levels[:_CANDIDATES]
    total = sum(weight for _, weight in top)
    return tuple(TempoCandidate(60 / (period * ratio), weight / total) for ratio, weight in top)
