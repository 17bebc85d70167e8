"""Compute a beat grid from the beat and downbeat activations of a network.

Beats are decoded at one metrical level despite gaps and false peaks, grouped into bars, and moved to the onsets.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d

from mirkit.features.kernels.kernel import kernel
from mirkit.features.rhythm.beats.grid import NO_BEATS, Beats, TempoCandidate, beats_in_bar
from mirkit.features.rhythm.beats.phase_coherence import phase_coherence
from mirkit.features.rhythm.beats.refine import refine
from mirkit.features.rhythm.beats.time_signature import EIGHTHS_BPM
from mirkit.features.rhythm.beats.track import track_beats
from mirkit.features.rhythm.onsets import OnsetCurve, Onsets
from mirkit.features.rhythm.tempo import beat_period, octave_of
from mirkit.features.types import FloatArray

#: Steps per second of beat positions: finer than the network's frames, so that neighboring tempi differ little.
RATE = 100.0
_MIN_BPM, _MAX_BPM = 30.0, 250.0
#: Intervals between beats, in steps.
_PERIODS = np.arange(int(RATE * 60 / _MAX_BPM), int(RATE * 60 / _MIN_BPM) + 1)

_WIDTH = 10  # steps: largest half width of a beat
_MOST_BEAT_LOGIT = 5.0  # upper limit of the logit of a beat
_SILENCE = 4.0  # cost per second of beats without evidence, at any tempo
_STIFFNESS = 600.0  # cost of a change of tempo between neighboring beats, per squared change of log2 tempo
_JUMP = 20.0  # cost of an arbitrary change, such as a new section or a stop
_REACH = 8  # intervals on either side that need no jump
_USUAL_BPM, _PULL = 115.0, 0.05  # weak preference, for hypotheses with equal evidence
_KNOWN_PULL, _HINT_SLACK, _RANGE_SLACK = 30.0, 0.1, 0.04  # per octave and beat; octaves
#: Tempi of a section at another metrical level, relative to the main tempo.
_LEVELS = np.log2([1 / 3, 1 / 2, 2 / 3, 3 / 2, 2, 3])
_SAME_OCTAVES, _WIDE_OCTAVES = 0.1, 0.45
_MAIN_SHARE = 0.6


def decode(
    logits: FloatArray, bpm_range: tuple[float, float] | None = None, bpm_hint: float | None = None
) -> npt.NDArray[np.int64]:
    """Place beats, in steps of 10 ms.

    A semi-Markov Viterbi search: a state is a beat and the interval before it. The score of a beat is its logit, but
    not less than the cost of a beat without evidence. That cost per second is the same at all tempi, so that a gap is
    bridged at the surrounding tempo. If most of the music has one tempo and the rest half, double or another simple
    multiple of it, the search is repeated with that tempo only, so that the whole piece has one metrical level.

    Parameters
    ----------
    logits : float array, shape=(steps,)
        Log-odds of a beat.
    bpm_range : (float, float), optional
        Tempi that may come out.
    bpm_hint : float, optional
        Tempo known beforehand.

    Returns
    -------
    int64 array, shape=(beats,)
        Ascending; empty if no beat has a probability above 0.5.
    """
    sure = np.flatnonzero(logits > 0)
    if len(sure) == 0:
        return np.zeros(0, np.int64)
    span = int(sure[0]) + _WIDTH, int(sure[-1]) - _WIDTH
    worth = np.minimum(logits, _MOST_BEAT_LOGIT).astype(np.float32)
    tempi = np.log2(60 * RATE / _PERIODS)
    preference = -0.5 * _PULL * np.square(tempi - np.log2(_USUAL_BPM))
    if bpm_hint is not None:
        preference -= _KNOWN_PULL * np.maximum(np.abs(tempi - np.log2(bpm_hint)) - _HINT_SLACK, 0)
    if bpm_range is not None:
        low, high = np.log2(bpm_range)
        preference -= _KNOWN_PULL * np.maximum(np.maximum(low - tempi, tempi - high) - _RANGE_SLACK, 0)
    beats = _search(worth, preference, span)
    main = _main_level(beats)
    if main is not None:
        preference[np.abs(tempi - main) > _WIDE_OCTAVES] = -_KNOWN_PULL
        beats = _search(worth, preference, span)
    return beats


def _main_level(beats: npt.NDArray[np.int64]) -> float | None:
    """Log2 of the main tempo, if the piece has other tempi too and these are metrical levels of it; else None."""
    intervals = np.diff(beats)
    if len(intervals) < 4:
        return None
    tempi = np.log2(60 * RATE / intervals)
    order = np.argsort(tempi)
    middle = float(tempi[order][np.searchsorted(np.cumsum(intervals[order]), intervals.sum() / 2)])
    away = np.abs(tempi - middle) > _WIDE_OCTAVES
    if not away.any() or intervals[away].sum() > (1 - _MAIN_SHARE) * intervals.sum():
        return None
    nearest = np.abs(tempi[away, None] - middle - _LEVELS).min(axis=1)
    return middle if np.median(nearest) < _SAME_OCTAVES else None


def _search(worth: npt.NDArray[np.float32], preference: FloatArray, span: tuple[int, int]) -> npt.NDArray[np.int64]:
    silent = (-_SILENCE / RATE * _PERIODS).astype(np.float32)
    change = np.log2(_PERIODS[:, None] / _PERIODS[None, :])
    cost = (_STIFFNESS * np.square(change)).astype(np.float32)
    size, states = int(_PERIODS[-1]) + 1, len(_PERIODS)  # scores are stored for the longest interval only
    score, top = np.full((size, states), np.float32(-1e30)), np.full(size, np.float32(-1e30))
    top_state, origin = np.zeros(size, np.uint8), np.full((len(worth), states), 255, np.uint8)  # 255: the first beat
    inputs = worth, _PERIODS, preference.astype(np.float32), silent, cost, np.float32(_JUMP), *span
    frame, state = _forward(*inputs, score, top, top_state, origin)
    beats = [frame]
    while origin[frame, state] != 255:
        state, frame = int(origin[frame, state]), frame - int(_PERIODS[state])
        beats.append(frame)
    return np.array(beats[::-1], np.int64)


@kernel()
def _forward(  # type: ignore[no-untyped-def]
    worth, periods, preference, silent, cost, jump, first, last, score, top, top_state, origin
):
    steps, states = len(worth), len(periods)
    size = len(top)
    end, end_frame, end_state = np.float32(-1e30), 0, 0
    for t in range(steps):
        row = t % size
        top[row] = np.float32(-1e30)
        for k in range(states):
            # The first beat is not later than frame `first`, the last beat not earlier than frame `last`.
            best = np.float32(0) if t <= first else np.float32(-1e30)
            where = 255
            s = t - periods[k]
            if s >= 0:
                r = s % size
                for j in range(max(0, k - _REACH), min(states, k + _REACH + 1)):
                    v = score[r, j] - cost[k, j]
                    if v > best:
                        best, where = v, j
                if top[r] - jump > best:
                    best, where = top[r] - jump, top_state[r]
            best += max(worth[t], silent[k]) + preference[k]
            score[row, k] = best
            origin[t, k] = where
            if best > top[row]:
                top[row], top_state[row] = best, k
        if t >= last and top[row] > end:
            end, end_frame, end_state = top[row], t, top_state[row]
    return end_frame, end_state


_LENGTHS = (2, 3, 4, 5, 7)  # beats in a bar
_MOST_DOWNBEAT_LOGIT = 4.0  # limit of the absolute logit of a downbeat
_NEW_METER, _CUT_SHORT = 8.0, 14.0  # cost of another meter after a full bar, of a bar that ends early
_FEWEST = 2
#: Positions of onsets within a beat that indicate a division in three, and in two or four, and their tolerance.
_THIRDS, _HALVES, _NEAR = (1 / 3, 2 / 3), (1 / 4, 1 / 2, 3 / 4), 0.06


@dataclass(frozen=True)
class Bars:
    """Bars over beats.

    Attributes
    ----------
    first : bool, shape=(beats,)
        Whether a beat begins a bar.
    length : int
        Number of beats in most bars; 0 if it is unknown.
    sure : float
        Confidence of ``length``, 0-1.
    """

    first: npt.NDArray[np.bool_]
    length: int
    sure: float


def find_bars(logits: FloatArray, length: int | None = None) -> Bars:
    """Group the beats into bars, by a Viterbi search over meter and position in the bar.

    Parameters
    ----------
    logits : float array, shape=(beats,)
        Log-odds of a downbeat at each beat.
    length : int, optional
        Number of beats in a bar, if it is known.

    Returns
    -------
    Bars
        Of length 0 if fewer than two beats are likely downbeats, and the length is not known.
    """
    if length is None and np.count_nonzero(logits > 0) < _FEWEST:
        return Bars(np.zeros(len(logits), np.bool_), 0, 0.0)
    lengths = _LENGTHS if length is None else (length,)
    states = [(beats, position) for beats in lengths for position in range(beats)]
    cost = np.array([[_step_cost(a, b) for b in states] for a in states])
    begins = np.array([position == 0 for _, position in states])
    gain = np.where(begins, 0.5, -0.5) * np.clip(logits, -_MOST_DOWNBEAT_LOGIT, _MOST_DOWNBEAT_LOGIT)[:, None]
    score = gain[0]
    origins = np.zeros(gain.shape, np.int64)
    for i in range(1, len(gain)):
        ways = score[:, None] - cost
        origins[i] = ways.argmax(axis=0)
        score = ways.max(axis=0) + gain[i]
    path = [int(score.argmax())]
    for i in range(len(gain) - 1, 0, -1):
        path.append(int(origins[i, path[-1]]))
    chosen = np.array(path[::-1])
    first = begins[chosen]
    in_bar = np.array([beats for beats, _ in states])[chosen]
    usual = int(np.bincount(in_bar).argmax())
    odds = np.exp(np.minimum(logits[first], _MOST_DOWNBEAT_LOGIT))
    return Bars(first, usual, float(np.mean(in_bar == usual) * np.mean(odds / (1 + odds))))


def time_signature_of(bars: Bars, times: FloatArray, onsets: Onsets) -> str | None:
    """Return the time signature; two beats per bar that divide in three are 6/8, and fast beats of odd bars eighths.

    Parameters
    ----------
    bars : Bars
    times : float array, shape=(beats,)
        Beats in seconds.
    onsets : Onsets

    Returns
    -------
    str or None
        For example ``4/4``; None without bars.
    """
    if not bars.length:
        return None
    if bars.length == 2 and _in_three(times, onsets):
        return "6/8"
    eighths = 60 / float(np.median(np.diff(times))) >= EIGHTHS_BPM.get(bars.length, np.inf)
    return f"{bars.length}/{8 if eighths else 4}"


def _in_three(times: FloatArray, onsets: Onsets) -> bool:
    at = np.interp(onsets.times, times, np.arange(len(times)), left=np.nan, right=np.nan) % 1

    def weight(places: tuple[float, ...]) -> float:
        near = np.any([np.abs(at - place) < _NEAR for place in places], axis=0)
        return float(onsets.strengths[near].sum())

    return weight(_THIRDS) > weight(_HALVES)


def _step_cost(before: tuple[int, int], after: tuple[int, int]) -> float:
    """Cost of the transition from one beat to the next, each as (beats in its bar, position)."""
    length, position = before
    if after == (length, (position + 1) % length):
        return 0.0
    if after[1] != 0:
        return float("inf")
    return _NEW_METER if position == length - 1 else _CUT_SHORT


_FEWEST_BEATS = 8
_NEAR_SECONDS = 0.04  # largest distance of a beat from its evidence
_PEAK_SECONDS = 0.07
#: Least probability of a supported beat, and least number of supported ones among four beats at the ends of a grid.
_SUPPORTED, _SUPPORTED_OF_FOUR = 0.3, 2
#: Least shares of beats that are supported, and that keep time, for a steady pulse. The peaks of a network are much
#: cleaner than onsets, so the thresholds are higher than for onsets.
_STEADY_SHARE, _CLEAR = 0.5, 0.75
#: A network whose beats have a lower mean probability is in doubt. The beats of the onset tracker, if they are steady,
#: then add to the log-odds within ``_NEAR_TRACKED`` s of them, and subtract as much elsewhere.
_SURE_NETWORK, _AGREEMENT, _NEAR_TRACKED = 0.85, 1.0, 0.03


@dataclass(frozen=True)
class Activations:
    """Output of a beat network, frame by frame; frame ``i`` is at ``i / rate`` seconds.

    Attributes
    ----------
    beat, downbeat : float32, shape=(frames,)
        Log-odds of a beat, of a downbeat.
    rate : float
        Frames per second.
    """

    beat: FloatArray
    downbeat: FloatArray
    rate: float


def beats_from_activations(
    activations: Activations,
    mix: OnsetCurve,
    drums: OnsetCurve | None = None,
    *,
    bpm_range: tuple[float, float] | None = None,
    bpm_hint: float | None = None,
    time_signature: str | None = None,
) -> Beats:
    """Compute a beat grid from activations.

    Beats are decoded at one metrical level despite gaps and false peaks (``decode``), grouped into bars
    (``find_bars``), and moved from the network's frames of 20 ms to the onsets around them (``refine``). If the network
    is in doubt, so that it supports the beats hardly more than the times between them, the beats of the onset tracker
    (``track_beats``) decide.

    Parameters
    ----------
    activations : Activations
    mix : OnsetCurve
        Of the full mix.
    drums : OnsetCurve, optional
        Of the drums stem.
    bpm_range : (float, float), optional
        Tempi that may come out, in beats per minute.
    bpm_hint : float, optional
        A tempo known beforehand: where it is an octave of the measured tempo, within 4 %, the grid takes that octave;
        otherwise it has no effect.
    time_signature : str, optional
        A meter known beforehand, such as ``3/4``: the bars are those of it.

    Returns
    -------
    Beats
        Empty if there is no pulse; ``steady`` is False if there is a pulse without a steady tempo (rubato).
        ``confidence`` is the network's probability of a beat.
    """
    if not len(activations.beat):
        return NO_BEATS
    steps = np.arange(0, int(RATE * len(activations.beat) / activations.rate)) / RATE
    at = np.arange(len(activations.beat)) / activations.rate
    logits = np.interp(steps, at, activations.beat)
    frames, hint = decode(logits, bpm_range), None
    if bpm_hint is not None and (period := beat_period(frames / RATE)) and octave_of(bpm_hint, 60 / period):
        hint = bpm_hint
        frames = decode(logits, bpm_range, hint)
    reach = 2 * round(_NEAR_SECONDS * activations.rate) + 1
    highest = maximum_filter1d(activations.beat, reach)
    if len(frames) and _probability(highest[_network_frames(frames, activations)]).mean() < _SURE_NETWORK:
        tracked = track_beats(mix, drums, bpm_range=bpm_range, bpm_hint=bpm_hint)
        if tracked.steady:
            frames = decode(logits + _agreement(steps, tracked.times), bpm_range, hint)
    network_frames = _network_frames(frames, activations)
    sure = _probability(highest[network_frames])
    kept = _supported_part(sure)
    if kept.stop - kept.start < _FEWEST_BEATS:
        return NO_BEATS
    sure = sure[kept]
    known = beats_in_bar(time_signature)
    bars = find_bars(maximum_filter1d(activations.downbeat, reach)[network_frames[kept]], known)
    onsets = mix.onsets
    if drums is not None:
        onsets = onsets.merged(drums.onsets)
    # Beats without support are spaced evenly between those that have it.
    supported = np.flatnonzero(sure >= _SUPPORTED)
    raw = np.interp(np.arange(len(sure)), supported, frames[kept][supported] / RATE)
    times = np.clip(refine(raw, onsets), 0, mix.duration)
    clear = phase_coherence(times, _peaks(activations))
    return Beats(
        times,
        times[bars.first],
        sure,
        time_signature or time_signature_of(bars, times, onsets),
        1.0 if time_signature else bars.sure,
        bool(min(np.mean(clear >= _CLEAR), np.mean(sure >= _SUPPORTED)) >= _STEADY_SHARE),
        _candidates(times, sure, activations),
    )


def _network_frames(frames: npt.NDArray[np.int64], activations: Activations) -> npt.NDArray[np.int64]:
    """Return the nearest frames of the network to steps of the decoder."""
    nearest = np.rint(frames / RATE * activations.rate).astype(np.int64)
    return np.clip(nearest, 0, len(activations.beat) - 1)


def _agreement(steps: FloatArray, beats: FloatArray) -> FloatArray:
    """Return what beats of the onset tracker add to the log-odds of a beat at each step."""
    after = np.clip(np.searchsorted(beats, steps), 1, len(beats) - 1)
    distance = np.minimum(np.abs(steps - beats[after - 1]), np.abs(beats[after] - steps))
    inside = (steps > beats[0] - _NEAR_TRACKED) & (steps < beats[-1] + _NEAR_TRACKED)
    return np.where(distance <= _NEAR_TRACKED, _AGREEMENT, -_AGREEMENT * inside)


def _probability(logits: FloatArray) -> FloatArray:
    return 1 / (1 + np.exp(-np.asarray(logits, np.float64)))


def _supported_part(sure: FloatArray) -> slice:
    """Return the part of the grid from the first to the last four beats with enough supported ones."""
    good = sure >= _SUPPORTED
    if len(good) < _FEWEST_BEATS:
        return slice(0, 0)
    fours = np.flatnonzero(np.convolve(good, np.ones(4), "valid") >= _SUPPORTED_OF_FOUR)
    if not len(fours):
        return slice(0, 0)
    inside = np.flatnonzero(good[fours[0] : fours[-1] + 4]) + fours[0]
    return slice(int(inside[0]), int(inside[-1]) + 1)


def _peaks(activations: Activations) -> Onsets:
    """Peaks of the beat activation, with their probabilities as strengths."""
    highest = maximum_filter1d(activations.beat, 2 * round(_PEAK_SECONDS * activations.rate) + 1)
    frames = np.flatnonzero((activations.beat == highest) & (_probability(activations.beat) >= _SUPPORTED))
    return Onsets(frames / activations.rate, _probability(activations.beat[frames]))


def _candidates(times: FloatArray, sure: FloatArray, activations: Activations) -> tuple[TempoCandidate, ...]:
    """Tempo of the grid, its double (from the activation between beats) and half (from alternating beats)."""
    bpm = 60 / (beat_period(times) or float(np.median(np.diff(times))))
    between = np.interp(
        (times[1:] + times[:-1]) / 2, np.arange(len(activations.beat)) / activations.rate, activations.beat
    )
    halves = abs(float(sure[::2].mean() - sure[1::2].mean()))
    weights = {1.0: float(sure.mean()), 2.0: float(_probability(between).mean()), 0.5: halves}
    total = sum(weights.values())
    rivals = sorted((2.0, 0.5), key=lambda ratio: -weights[ratio])
    return tuple(TempoCandidate(bpm * ratio, weights[ratio] / total) for ratio in (1.0, *rivals))
