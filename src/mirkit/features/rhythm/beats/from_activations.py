"""From a network's activations to a beat grid: one level, one bar phase, gaps crossed, times drawn to the onsets."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter1d

from mirkit.features.rhythm.beats.bar_tracking import find_bars, time_signature_of
from mirkit.features.rhythm.beats.grid import NO_BEATS, Beats, TempoCandidate
from mirkit.features.rhythm.beats.phase_coherence import phase_coherence
from mirkit.features.rhythm.beats.refine import refine
from mirkit.features.rhythm.beats.viterbi import RATE, decode
from mirkit.features.rhythm.onset_extractor import OnsetCurve
from mirkit.features.rhythm.onsets import Onsets
from mirkit.features.rhythm.tempo import beat_period
from mirkit.features.types import FloatArray

_FEWEST_BEATS = 8
_NEAR_SECONDS = 0.04  # a beat's evidence may lie this far from it
_PEAK_SECONDS = 0.07
#: A beat is supported from this probability on; an end of the grid with fewer such beats among four is cut off.
_SUPPORTED, _SUPPORTED_OF_FOUR = 0.3, 2
#: Share of the beats that must be supported, and keep time, for a steady pulse. A network's peaks are far cleaner than
#: onsets, so more is asked of them than of those.
_STEADY_SHARE, _CLEAR = 0.5, 0.75


@dataclass(frozen=True)
class Activations:
    """What a network hears, frame by frame; frame ``i`` is at ``i / rate`` seconds.

    Attributes
    ----------
    beat, downbeat : float32, shape=(frames,)
        Log-odds of a beat, of a downbeat.
    rate : float
        Frames a second.
    """

    beat: FloatArray
    downbeat: FloatArray
    rate: float


def beats_from_activations(
    heard: Activations,
    mix: OnsetCurve,
    drums: OnsetCurve | None = None,
    *,
    bpm_range: tuple[float, float] | None = None,
    bpm_hint: float | None = None,
) -> Beats:
    """Make a coherent beat grid of activations.

    Beats are decoded at one metrical level through gaps and false peaks (``neural_decoder``), counted into bars
    (``neural_bars``), and drawn from the network's frames of 20 ms to the onsets around them.

    Parameters
    ----------
    heard : Activations
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
        ``confidence`` is the network's probability of a beat.
    """
    if not len(heard.beat):
        return NO_BEATS
    steps = np.arange(0, int(RATE * len(heard.beat) / heard.rate)) / RATE
    at = np.arange(len(heard.beat)) / heard.rate
    frames = decode(np.interp(steps, at, heard.beat), bpm_range, bpm_hint)
    reach = 2 * round(_NEAR_SECONDS * heard.rate) + 1
    frames_heard = np.clip(np.rint(frames / RATE * heard.rate).astype(np.int64), 0, len(heard.beat) - 1)
    sure = _probability(maximum_filter1d(heard.beat, reach)[frames_heard])
    kept = _supported_part(sure)
    if kept.stop - kept.start < _FEWEST_BEATS:
        return NO_BEATS
    sure = sure[kept]
    bars = find_bars(maximum_filter1d(heard.downbeat, reach)[frames_heard[kept]])
    onsets = mix.onsets
    if drums is not None:
        onsets = _merged(onsets, drums.onsets)
    # Beats that nobody heard lie evenly between those that were.
    heard_there = np.flatnonzero(sure >= _SUPPORTED)
    raw = np.interp(np.arange(len(sure)), heard_there, frames[kept][heard_there] / RATE)
    times = np.clip(refine(raw, onsets), 0, mix.duration)
    clear = phase_coherence(times, _peaks(heard))
    return Beats(
        times,
        times[bars.first],
        sure,
        time_signature_of(bars, times, onsets),
        bars.sure,
        bool(min(np.mean(clear >= _CLEAR), np.mean(sure >= _SUPPORTED)) >= _STEADY_SHARE),
        _candidates(times, sure, heard),
    )


def _probability(logits: FloatArray) -> FloatArray:
    return 1 / (1 + np.exp(-np.asarray(logits, np.float64)))


def _supported_part(sure: FloatArray) -> slice:
    """Cut off what precedes the first, and what follows the last, four beats that are supported."""
    good = sure >= _SUPPORTED
    if len(good) < _FEWEST_BEATS:
        return slice(0, 0)
    fours = np.flatnonzero(np.convolve(good, np.ones(4), "valid") >= _SUPPORTED_OF_FOUR)
    if not len(fours):
        return slice(0, 0)
    inside = np.flatnonzero(good[fours[0] : fours[-1] + 4]) + fours[0]
    return slice(int(inside[0]), int(inside[-1]) + 1)


def _peaks(heard: Activations) -> Onsets:
    """Peaks of the beat activation, each as strong as it is probable."""
    highest = maximum_filter1d(heard.beat, 2 * round(_PEAK_SECONDS * heard.rate) + 1)
    frames = np.flatnonzero((heard.beat == highest) & (_probability(heard.beat) >= _SUPPORTED))
    return Onsets(frames / heard.rate, _probability(heard.beat[frames]))


def _merged(a: Onsets, b: Onsets) -> Onsets:
    times = np.concatenate((a.times, b.times))
    order = np.argsort(times, kind="stable")
    return Onsets(times[order], np.concatenate((a.strengths, b.strengths))[order])


def _candidates(times: FloatArray, sure: FloatArray, heard: Activations) -> tuple[TempoCandidate, ...]:
    """Tempo of the grid; double of it by what is heard between the beats, half by how every other beat differs."""
    bpm = 60 / (beat_period(times) or float(np.median(np.diff(times))))
    between = np.interp((times[1:] + times[:-1]) / 2, np.arange(len(heard.beat)) / heard.rate, heard.beat)
    halves = abs(float(sure[::2].mean() - sure[1::2].mean()))
    weights = {1.0: float(sure.mean()), 2.0: float(_probability(between).mean()), 0.5: halves}
    total = sum(weights.values())
    rivals = sorted((2.0, 0.5), key=lambda ratio: -weights[ratio])
    return tuple(TempoCandidate(bpm * ratio, weights[ratio] / total) for ratio in (1.0, *rivals))
