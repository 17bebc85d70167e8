"""Track beats and downbeats from the onset series of a piece, without a neural model."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d

from mirkit.features.rhythm.beats.grid import COMPOUND_METERS, NO_BEATS, Beats, TempoCandidate
from mirkit.features.rhythm.beats.phase_coherence import is_regular, local_coherence, phase_coherence, share_played
from mirkit.features.rhythm.beats.pulse import ALL, PARTS, FineGrid, beat_salience, find_pulse, fine_grid
from mirkit.features.rhythm.beats.refine import refine
from mirkit.features.rhythm.beats.time_signature import METERS, MeterHypothesis, estimate_meter
from mirkit.features.rhythm.onset_envelope import FRAME_RATE
from mirkit.features.rhythm.onsets import LEAD_SECONDS, OnsetCurve, Onsets
from mirkit.features.rhythm.tempo import beat_period, has_one_tempo, octave_of
from mirkit.features.types import OTHER_METER, FloatArray

# The tracker was developed on the tuning half of the rendered corpus. With these thresholds, 62 of the 63 pieces of the
# test half with a steady tempo have a tempo, and none of the three rubato pieces, nor noise, drones or speech
# (docs/how_good/rhythm.md).
#: Least number of onsets, and of beats, of a pulse: two bars of 4/4.
_FEWEST_ONSETS = 8
_FEWEST_BEATS = 8
#: Phase coherence of a beat that keeps time: music has 0.7 to 1, random onsets, speech and rubato stay below 0.5.
_COHERENT = 0.5
#: Least share of coherent beats, and of beats with an onset, for a steady pulse. Music has nearly 1 for both, rubato
#: 0.1 to 0.3 for the second.
_COHERENT_SHARE = 0.5
_PLAYED_SHARE = 0.5
#: With this share of coherent beats, fewer onsets on the beats are required (syncopated music), but onsets on average
#: every other beat: hum and drones have few.
_SURE_SHARE, _SURE_PLAYED_SHARE, _SURE_ONSETS = 0.9, 0.3, 0.5
#: Least share of played beats of a regular grid, for a pulse without coherence: triplets mixed with sixteenths, or
#: chords off the beat.
_REGULAR_PLAYED_SHARE = 0.6
#: Beats that follow a player are moved to the onsets one by one (see ``refine``).
_FOLLOWED_SPAN = 0.7
#: Least share of played beats, and least mean coherence of four beats, of a pulse whose tempo moves freely.
_FOLLOWED_PLAYED_SHARE, _FOLLOWED_COHERENCE = 0.9, 0.65
#: Least median coherence of a grid; below it, no beats are reported.
_NO_PULSE_COHERENCE = 0.2
#: Below it, no meter explains the bars.
_LEAST_METER_CONFIDENCE = 0.3
#: With this probability, bars of two or four beats explain it, whichever of their meters it is.
_LEAST_BARS = 0.5
#: Odds that a known tempo gives to its level.
_KNOWN_ODDS = 50.0
#: Tempi of music without one tempo.
_FREE_RANGE = (55.0, 170.0)
#: Clicks: tempi, largest deviation of the intervals, and least share of them that are alike.
_CLICK_BPM, _CLICK_DEVIATION, _CLICK_SHARE = (40.0, 220.0), 0.04, 0.95
#: Largest relative spread of the amplitudes of a band at clicks, frames around a click, and bands that are too faint.
_CLICK_SPREAD, _CLICK_FRAMES, _CLICK_FAINT = 0.35, 5, 0.1
#: Tempi that the grid reports.
_CANDIDATES = 3


def track_beats(
    mix: OnsetCurve,
    drums: OnsetCurve | None = None,
    *,
    bpm_range: tuple[float, float] | None = None,
    bpm_hint: float | None = None,
    time_signature: str | None = None,
) -> Beats:
    """Track beats and downbeats of a piece.

    A pulse is tracked through the piece by dynamic programming. Then the multiple of it that is the beat, the number of
    beats per bar and the first beats of bars are estimated from the whole piece (``time_signature``), and the beats are
    moved to the onsets near them.

    Parameters
    ----------
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

    Examples
    --------
    Bursts of noise at 120 BPM:

    >>> from mirkit.features.rhythm.onsets import OnsetExtractor
    >>> from mirkit.features.stft import PowerStft
    >>> seconds = np.arange(20 * 44100) / 44100
    >>> noise = np.random.default_rng(0).normal(0, 0.1, len(seconds))
    >>> audio = (noise * np.exp(-30 * (seconds % 0.5))).astype(np.float32)
    >>> stft, extractor = PowerStft(), OnsetExtractor()
    >>> extractor.push_samples(audio)
    >>> for power in (*stft.push(audio), *stft.finish()):
    ...     extractor.push_frames(power.copy())
    >>> beats = track_beats(extractor.finish())
    >>> beats.steady, round(60 / float(np.median(np.diff(beats.times))), 1)
    (True, 120.0)
    """
    if len(mix.onsets.times) < _FEWEST_ONSETS:
        return NO_BEATS
    salience = beat_salience(mix)
    if drums is None:
        return _track(salience, mix, (None,), bpm_range, bpm_hint, time_signature)
    beats = _track(salience, mix, (None, drums), bpm_range, bpm_hint, time_signature)
    if beats.steady:
        return beats
    # The pulse of the mix goes first, because drums alone may keep to the off-beats.
    shared = min(len(salience), len(drums.growth))
    salience[:shared] += beat_salience(drums)[:shared]
    other = _track(salience, mix, (drums,), bpm_range, bpm_hint, time_signature)
    return other if other.steady else beats


def _track(
    salience: npt.NDArray[np.float32],
    mix: OnsetCurve,
    added: tuple[OnsetCurve | None, ...],
    bpm_range: tuple[float, float] | None,
    bpm_hint: float | None,
    time_signature: str | None,
) -> Beats:
    """Beats along the pulse of a salience.

    The meter is estimated from the mix with each of the ``added`` curves (None: the mix alone), and their log-odds are
    averaged.
    """
    onsets = mix.onsets
    rate = len(onsets.times) / max(float(onsets.times[-1] - onsets.times[0]), 1.0)
    pulse = find_pulse(salience)
    if not len(pulse):
        return NO_BEATS
    grids = [fine_grid(pulse, mix, drums, rate) for drums in added]
    clicks = None if bpm_range else _only_interval(mix)
    hypothesis = estimate_meter(grids, beat=round(PARTS * clicks / grids[0].period)) if clicks else None
    hypothesis = hypothesis or estimate_meter(grids, bpm_range)
    if hypothesis is None:
        return NO_BEATS
    for drums in filter(None, added):
        onsets = onsets.merged(drums.onsets)
    beats = _beats(hypothesis, grids[-1], onsets, mix.duration)
    if not (beats.steady and has_one_tempo(beats.times)):
        # Bars that stretch do not tell the level: an ordinary tempo is the best guess.
        usual = estimate_meter(grids, _FREE_RANGE) if bpm_range is None else None
        if usual is not None and usual.beat != hypothesis.beat:
            hypothesis, beats = usual, _beats(usual, grids[-1], onsets, mix.duration, has_pulse=bool(len(beats.times)))
    if len(beats.times) and not (beats.steady and has_one_tempo(beats.times)):
        # Played without a steady tempo: the beats follow the player around the tempo that was found.
        pulse = find_pulse(salience, hypothesis.bpm)
        free_grids = [fine_grid(pulse, mix, drums, rate) for drums in added] if len(pulse) else []
        free = estimate_meter(free_grids, beat=PARTS, on_pulse=True) if free_grids else None
        if free is not None:
            free = replace(free, levels=hypothesis.levels)
            followed = _beats(free, free_grids[-1], onsets, mix.duration, has_pulse=True, follows=True)
            if len(followed.times) and (followed.steady or not beats.steady):
                grids, hypothesis, beats = free_grids, free, followed
    if bpm_hint is not None and beats.steady:
        octave = octave_of(bpm_hint, beats.candidates[0].bpm)
        if octave and (other := estimate_meter(grids, beat=hypothesis.beat / 2**octave)):
            hypothesis = replace(other, levels=_levels(hypothesis, other.beat))
            beats = _beats(hypothesis, grids[-1], onsets, mix.duration)
    if time_signature is not None and beats.steady:
        known = _of_meter(hypothesis, grids, time_signature, bpm_range)
        if known is not None:
            beats = replace(_beats(known, grids[-1], onsets, mix.duration, has_pulse=True), meter=time_signature)
    return beats


def _of_meter(
    hypothesis: MeterHypothesis,
    grids: list[FineGrid],
    time_signature: str,
    bpm_range: tuple[float, float] | None,
) -> MeterHypothesis | None:
    """The best hypothesis with bars of a known meter, with the beat of a hypothesis if it divides alike."""
    found = None
    if METERS[hypothesis.meter].compound == (time_signature in COMPOUND_METERS):
        found = estimate_meter(grids, beat=hypothesis.beat, time_signature=time_signature)
    found = found or estimate_meter(grids, bpm_range, time_signature=time_signature)
    if found is None:
        return None
    levels = hypothesis.levels if found.beat == hypothesis.beat else _levels(hypothesis, found.beat)
    return replace(found, levels=levels, meter_confidence=1.0, bars_confidence=1.0)


def _only_interval(curve: OnsetCurve) -> float | None:
    """Interval in seconds of onsets that are all alike and equally far apart, as of a metronome: they are the beats."""
    onsets = curve.onsets
    intervals = np.diff(onsets.times)
    middle = float(np.median(intervals))
    frames = np.clip(np.rint(onsets.times * FRAME_RATE).astype(np.int64), 0, len(curve.hits) - 1)
    bands = maximum_filter1d(curve.hits.astype(np.float32), _CLICK_FRAMES, axis=0)[frames]
    heard = bands[:, bands.mean(axis=0) > _CLICK_FAINT * bands.mean(axis=0).max()]
    if np.any(heard.std(axis=0) > _CLICK_SPREAD * heard.mean(axis=0)):
        return None
    alike = np.mean(np.abs(intervals - middle) <= _CLICK_DEVIATION * middle)
    return middle if alike >= _CLICK_SHARE and _CLICK_BPM[0] <= 60 / middle <= _CLICK_BPM[1] else None


def _levels(hypothesis: MeterHypothesis, beat: int) -> tuple[tuple[float, float], ...]:
    """The levels of a hypothesis, relative to another beat, which comes first."""
    ratio = hypothesis.beat / beat
    levels = {round(level * ratio, 9): share for level, share in hypothesis.levels}
    return (1.0, max(1.0, _KNOWN_ODDS * levels.pop(1.0, 0.0))), *levels.items()


def _beats(
    hypothesis: MeterHypothesis,
    grid: FineGrid,
    onsets: Onsets,
    duration: float,
    *,
    has_pulse: bool = False,
    follows: bool = False,
) -> Beats:
    """The beats of a hypothesis, moved to the onsets near them.

    ``has_pulse``: beats are reported in any case; ``follows``: they follow the player, so that a steady tempo is not
    required of them.
    """
    positions, first_of_bar = hypothesis.beats(len(grid.frames))
    raw = grid.frames[positions] / FRAME_RATE + LEAD_SECONDS
    half = grid.period * hypothesis.beat / 24
    inside = (raw > max(onsets.times[0] - half, 0)) & (raw < min(onsets.times[-1] + half, duration))
    if np.count_nonzero(inside) < _FEWEST_BEATS:
        return NO_BEATS
    refined = refine(raw, onsets, _FOLLOWED_SPAN) if follows else refine(raw, onsets)
    times = np.clip(refined[inside], 0, duration)
    coherence = phase_coherence(times, onsets)
    if follows:
        steady = _is_followed(times, onsets)
    else:
        steady = _has_pulse(times, onsets, float(np.mean(coherence >= _COHERENT)))
    if np.median(coherence) < _NO_PULSE_COHERENCE and not (steady or has_pulse):
        return NO_BEATS
    growth = grid.curves[positions[inside], ALL]
    explained = hypothesis.meter_confidence >= _LEAST_METER_CONFIDENCE or hypothesis.bars_confidence >= _LEAST_BARS
    known = steady and explained
    return Beats(
        times,
        times[first_of_bar[inside] & known],
        coherence * growth / (growth + 0.5),
        (hypothesis.time_signature if known else OTHER_METER) if steady else None,
        hypothesis.meter_confidence,
        steady,
        _candidates(hypothesis, times),
    )


def _has_pulse(times: FloatArray, onsets: Onsets, coherent: float) -> bool:
    """Whether the beats keep a tempo, ``coherent`` being the share of them around which the onsets keep to a grid."""
    played = share_played(times, onsets)
    if played >= _REGULAR_PLAYED_SHARE and is_regular(times):
        return True
    sure = coherent >= _SURE_SHARE and played >= _SURE_PLAYED_SHARE and len(onsets.times) >= _SURE_ONSETS * len(times)
    return coherent >= _COHERENT_SHARE and (played >= _PLAYED_SHARE or sure)


def _is_followed(times: FloatArray, onsets: Onsets) -> bool:
    """Whether beats that follow a player are played, with onsets that divide them evenly."""
    played = share_played(times, onsets)
    return played >= _FOLLOWED_PLAYED_SHARE and local_coherence(times, onsets) >= _FOLLOWED_COHERENCE


def _candidates(hypothesis: MeterHypothesis, times: FloatArray) -> tuple[TempoCandidate, ...]:
    """The tempo of the grid, then alternatives, all relative to the exact tempo."""
    period = beat_period(times) or float(np.median(np.diff(times)))
    top = hypothesis.levels[:_CANDIDATES]
    total = sum(weight for _, weight in top)
    return tuple(TempoCandidate(60 / (period * ratio), weight / total) for ratio, weight in top)
