"""Meter estimation: which multiple of the pulse is the beat, how many beats a bar has, and where bars begin.

Every hypothesis that the fine grid allows is scored by a log-linear model: the mean bar of the hypothesis is compared
with a template of that meter (kicks on the beat, snares on the back beat, new chords on the downbeat ...), and evidence
from the whole piece is added (usual tempi, onsets per beat, repetition after a bar). The weights,
``time_signature_weights``, are a conditional logit (McFadden 1974) that ``benchmarks/fit_meter.py`` fits to rendered
pieces.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mirkit.features.rhythm.beats import time_signature_weights
from mirkit.features.rhythm.beats.division import thirds_log_odds
from mirkit.features.rhythm.beats.pulse import ALL, KICK, PARTS, SNARE, FineGrid
from mirkit.features.types import FloatArray


class Meter(NamedTuple):
    """A kind of bar.

    Attributes
    ----------
    beats : int
        Number of beats.
    compound : bool
        Whether the beat divides in three.
    groups : tuple of int
        Beats, counted from 0, that begin a group after the first one; only odd meters have them.
    """

    beats: int
    compound: bool = False
    groups: tuple[int, ...] = ()


#: Odd meters have one entry for each grouping.
METERS = {
    "4/4": Meter(4),
    "3/4": Meter(3),
    "2/4": Meter(2),
    "6/8": Meter(2, compound=True),
    "12/8": Meter(4, compound=True),
    "5: 3+2": Meter(5, groups=(3,)),
    "5: 2+3": Meter(5, groups=(2,)),
    "7: 4+3": Meter(7, groups=(4,)),
    "7: 3+4": Meter(7, groups=(3,)),
    "7: 2+2+3": Meter(7, groups=(2, 4)),
    "7: 3+2+2": Meter(7, groups=(3, 5)),
    "9: 2+2+2+3": Meter(9, groups=(2, 4, 6)),
}
#: From this tempo on, the beats of a meter with so many beats are eighths.
EIGHTHS_BPM = {5: 230.0, 7: 195.0, 9: 0.0}
#: Positions within a beat at which bars are compared.
SIMPLE, COMPOUND = (0, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4), (0, 1 / 6, 1 / 3, 1 / 2, 2 / 3, 5 / 6)
#: Lengths of the beat that are tried, in twelfths of the pulse.
_BEAT_PARTS = (4, 6, 8, 9, 12, 16, 18, 24, 36)
_MIN_BPM, _MAX_BPM = 38.0, 300.0
_ODD_BPM, _FEWEST_ODD_BARS = (60.0, 330.0), 4
_USUAL_BPM, _SLOW_BPM, _QUICK_BPM, _VERY_QUICK_BPM, _USUAL_ODD_BPM = 118.0, 65.0, 170.0, 215.0, 180.0
_FLOOR = 0.2  # of the mean, in logarithms
_RANGE_SLACK = 0.03  # octaves
#: Meters of two or four beats, which sound alike beat by beat.
_EVEN_METERS = ("2/4", "4/4", "6/8", "12/8")
#: Added to the log-odds of four beats against two, for beats that divide in three and in two, and factor of the latter.
_TWELVE, _FOUR, _FOUR_SHARPNESS = 1.5, 0.7, 0.7
#: Factors of the log-odds with which the confidences of tempo and meter are probabilities (docs/how_good/rhythm.md).
_LEVEL_SHARPNESS, _METER_SHARPNESS = 0.85, 0.7


@dataclass(frozen=True)
class Structure:
    """A hypothesis about the fine grid.

    Attributes
    ----------
    meter : str
        A key of ``METERS``.
    beat : int
        Fine positions per beat.
    start : int
        Position of the first bar.
    bpm : float
        Median tempo.
    """

    meter: str
    beat: int
    start: int
    bpm: float

    def beats(self, positions: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Fine positions of the beats of a grid, and which of them begin a bar."""
        at = np.arange(self.start % self.beat, positions, self.beat)
        return at, (at - self.start) // self.beat % METERS[self.meter].beats == 0

    @property
    def time_signature(self) -> str:
        """Written form of the meter, such as ``4/4``."""
        beats = METERS[self.meter].beats
        if not METERS[self.meter].groups:
            return self.meter
        return f"{beats}/{8 if self.bpm >= EIGHTHS_BPM[beats] else 4}"


@dataclass(frozen=True)
class MeterHypothesis(Structure):
    """The best structure, and the alternatives.

    Attributes
    ----------
    meter : str
        A key of ``METERS``.
    beat : int
        Fine positions per beat.
    start : int
        Position of the first bar.
    bpm : float
        Median tempo.
    meter_confidence : float
        Probability of the meter, given the beat, 0-1.
    bars_confidence : float
        Probability of its kind of bars, 0-1: those of two and four beats are one kind.
    levels : tuple of (float, float)
        Length of the beat relative to the best one, and its probability: the best one first, then alternatives by
        probability.
    """

    meter_confidence: float
    bars_confidence: float
    levels: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class MeterHypotheses:
    """All hypotheses about a grid that share meter and beat, and the evidence for each.

    Attributes
    ----------
    meter : str
    beat : int
        Fine positions per beat.
    bpm : float
    starts : int64, shape=(n,)
        Position of the first bar of each hypothesis.
    bars : float64, shape=(n, beats, places, 7)
        Logarithm of the mean bar at each place of each beat, by curve of the fine grid.
    evidence : dict of str to float64 of shape (n,)
    """

    meter: str
    beat: int
    bpm: float
    starts: npt.NDArray[np.int64]
    bars: FloatArray
    evidence: dict[str, FloatArray]

    def log_odds(self) -> FloatArray:
        """Log-odds of each hypothesis, given the evidence."""
        odds: FloatArray = np.tensordot(self.bars, _template(self.meter), axes=3)
        for name, value in self.evidence.items():
            odds = odds + time_signature_weights.EVIDENCE[name] * value
        return odds


def estimate_meter(
    grids: Sequence[FineGrid],
    bpm_range: tuple[float, float] | None = None,
    beat: float | None = None,
    *,
    on_pulse: bool = False,
    time_signature: str | None = None,
) -> MeterHypothesis | None:
    """Choose the hypothesis that the evidence and the known tempo support best.

    Parameters
    ----------
    grids : sequence of FineGrid
        Evidence from one or several sources along the same pulse; their log-odds are averaged.
    bpm_range : (float, float), optional
        Tempi that may come out, in beats per minute.
    beat : float, optional
        Length of the beat in fine positions, if it is known; there is no hypothesis if it is not a whole number.
    on_pulse : bool
        Whether the first bar begins on a pulse.
    time_signature : str, optional
        Such as ``3/4``, if it is known: there are only hypotheses with as many beats in a bar.

    Returns
    -------
    MeterHypothesis or None
        None if there is no hypothesis.
    """
    if beat is not None and beat != int(beat):
        return None
    lengths_tried = _BEAT_PARTS if beat is None else (int(beat),)
    by_grid = [list(meter_hypotheses(grid, lengths_tried, on_pulse=on_pulse)) for grid in grids]
    if time_signature is not None:
        by_grid = [[group for group in found if _is_of(group.meter, time_signature)] for found in by_grid]
    groups = by_grid[0]
    if not groups:
        return None
    score = np.mean([np.concatenate([group.log_odds() for group in found]) for found in by_grid], axis=0)
    counts = [len(group.starts) for group in groups]
    starts = np.concatenate([group.starts for group in groups])
    lengths, tempi, meters = (
        np.repeat([getattr(group, name) for group in groups], counts) for name in ("beat", "bpm", "meter")
    )
    if bpm_range is not None:
        octaves = np.log2(lengths / lengths[score.argmax()])
        within = np.maximum(np.log2(bpm_range[0] / tempi), np.log2(tempi / bpm_range[1])) <= _RANGE_SLACK
        # Within the range, half and double of the best hypothesis are preferred to other levels.
        doubled = within & (np.abs(octaves - np.rint(octaves)) < 1e-9)
        if within.any():
            score = np.where(doubled if doubled.any() else within, score, -np.inf)
    belief = np.exp(_LEVEL_SHARPNESS * (score - score.max()))
    belief /= belief.sum()
    # The level first, from all hypotheses that share it, then the best of these.
    shares = {int(length): float(belief[lengths == length].sum()) for length in np.unique(lengths)}
    levels = sorted(shares, key=lambda length: -shares[length])
    here = lengths == levels[0]
    top = int(np.where(here, score, -np.inf).argmax())
    sure = 1.0
    if meters[top] in _EVEN_METERS:
        # Beat and place of the beat are known: how the beat divides, and two or four of them.
        kept = here & (starts % levels[0] == starts[top] % levels[0])
        best = {meter: float(score[kept & (meters == meter)].max(initial=-np.inf)) for meter in _EVEN_METERS}
        thirds = float(np.mean([thirds_log_odds(grid, int(levels[0]), int(starts[top])) for grid in grids]))
        meter, sure = _even_meter(best, thirds)
        # Bars of four begin where those of 4/4 do: the bar of 12/8 is fitted to fewer pieces.
        like = "4/4" if meter == "12/8" and np.isfinite(best["4/4"]) else meter
        first = starts[np.where(kept & (meters == like), score, -np.inf).argmax()]
        top = int(np.flatnonzero(kept & (meters == meter) & (starts == first))[0])
    best_one = Structure(str(meters[top]), int(lengths[top]), int(starts[top]), float(tempi[top]))
    kinds = np.array([_kind(str(meter), best_one) for meter in meters])
    belief = np.exp(_METER_SHARPNESS * np.where(here, score - score[here].max(), -np.inf))
    bars = float(belief[kinds == _kind(best_one.meter, best_one)].sum() / belief.sum())
    return MeterHypothesis(
        best_one.meter,
        best_one.beat,
        best_one.start,
        best_one.bpm,
        sure * bars,
        bars,
        tuple((n / best_one.beat, shares[n]) for n in levels),
    )


def _is_of(meter: str, time_signature: str) -> bool:
    """Whether a meter has the bars of a time signature, be its beats quarters or eighths."""
    beats, compound, groups = METERS[meter]
    return meter == time_signature if compound or not groups else time_signature.split("/")[0] == str(beats)


def _kind(meter: str, best: Structure) -> str:
    """Meters that the bars alone decide between: those of two or four beats are one kind."""
    return "even" if meter in _EVEN_METERS else Structure(meter, best.beat, 0, best.bpm).time_signature


def _even_meter(best: dict[str, float], thirds: float) -> tuple[str, float]:
    """The meter of two or four beats in a bar, and its probability.

    Parameters
    ----------
    best : dict of str to float
        Log-odds of each such meter.
    thirds : float
        Log-odds that the beat divides in three.
    """
    short, long, factor, usual = ("6/8", "12/8", 1.0, _TWELVE) if thirds > 0 else ("2/4", "4/4", _FOUR_SHARPNESS, _FOUR)
    if not np.isfinite(best[long]) and not np.isfinite(best[short]):
        return max(best, key=lambda meter: best[meter]), 0.5
    four = 1 / (1 + np.exp(-np.clip(factor * (best[long] - best[short] + usual), -50, 50)))
    probability = 1 / (1 + np.exp(-min(abs(thirds), 50.0)))
    return (long, float(four * probability)) if four > 0.5 else (short, float((1 - four) * probability))


def meter_hypotheses(
    grid: FineGrid, lengths: Iterable[int] = _BEAT_PARTS, *, on_pulse: bool = False
) -> Iterator[MeterHypotheses]:
    """Yield every hypothesis about a grid with its evidence.

    Parameters
    ----------
    grid : FineGrid
    lengths : iterable of int
        Lengths of the beat that are tried, in fine positions.
    on_pulse : bool
        Whether the first bar begins on a pulse.

    Yields
    ------
    MeterHypotheses
        For each meter and length of the beat whose tempo is possible and of which the grid has enough bars.
    """
    repetition = _Repetition(grid.curves)
    for beat in lengths:
        bpm = 60 * PARTS / (grid.period * beat)
        for meter, (beats, _, groups) in METERS.items():
            bar = beat * beats
            slowest, quickest = _ODD_BPM if groups else (_MIN_BPM, _MAX_BPM)
            if not slowest <= bpm <= quickest or len(grid.curves) < bar * (_FEWEST_ODD_BARS if groups else 2):
                continue
            starts = np.arange(bar)
            # The beat is on the pulse, or shifted by a quarter, a third or a half of it.
            phase = starts % (PARTS if on_pulse else beat)
            starts = starts[phase == 0] if on_pulse else starts[(phase % 3 == 0) | (phase % 4 == 0)]
            bars = _mean_bars(grid.curves, meter, beat, starts)
            evidence = _whole(meter, beat, bpm, grid.onset_rate) | _repeats(meter, beat, repetition)
            each = {name: np.full(len(starts), value) for name, value in evidence.items()}
            yield MeterHypotheses(meter, beat, bpm, starts, bars, each | _from_bars(bars, meter))


@cache
def _template(meter: str) -> FloatArray:
    """Weights of the bar of a meter, shape=(beats, places, 7)."""
    bars = time_signature_weights.BARS
    if METERS[meter].groups:
        roles = np.moveaxis(np.array([bars["odd"][name] for name in time_signature_weights.CURVES]), 0, -1)
        return np.tensordot(roles_of(meter), roles, axes=(0, 0))
    return np.moveaxis(np.array([bars[meter][name] for name in time_signature_weights.CURVES]), 0, -1)


def roles_of(meter: str) -> FloatArray:
    """Contrasts of the beats of an odd meter.

    Parameters
    ----------
    meter : str
        A key of ``METERS`` with groups.

    Returns
    -------
    array, shape=(3, beats)
        Weights of the beats: of all, of the first against the others, of those that begin other groups against others.

    Examples
    --------
    >>> roles_of("5: 3+2").round(2)[1:]
    array([[ 1.  , -0.25, -0.25, -0.25, -0.25],
           [ 0.  , -0.33, -0.33,  1.  , -0.33]])
    """
    beats, _, groups = METERS[meter]
    out = np.zeros((3, beats))
    out[0] = 1 / beats
    out[1] = -1 / (beats - 1)
    out[1, 0] = 1
    out[2, 1:] = -1 / (beats - 1 - len(groups))
    out[2, list(groups)] = 1 / len(groups)
    return out


def _mean_bars(curves: FloatArray, meter: str, beat: int, starts: npt.NDArray[np.int64]) -> FloatArray:
    """Logarithm of the mean bar from each start, shape=(starts, beats, places, curves)."""
    beats, places = METERS[meter].beats, COMPOUND if METERS[meter].compound else SIMPLE
    bar = beat * beats
    folded = curves[: len(curves) // bar * bar].reshape(-1, bar, curves.shape[1]).mean(axis=0)
    at = (np.arange(beats)[:, None] + places).ravel() * beat
    whole = np.floor(at + 1e-9).astype(np.int64)
    share = (at - whole)[:, None]
    here = (starts[:, None] + whole) % bar
    values = (1 - share) * folded[here] + share * folded[(here + 1) % bar]
    heights: FloatArray = np.log(values + _FLOOR)
    return heights.reshape(len(starts), beats, len(places), -1)


def _from_bars(bars: FloatArray, meter: str) -> dict[str, FloatArray]:
    """Evidence from the mean bar of each hypothesis.

    The back beat is the smaller of two indicators of 4/4 and 2/4: kicks on one and three, and snares on two and four.
    A beat that divides in three has onsets on both thirds and none at the half; a shuffle lacks the first third.
    """
    zero = np.zeros(len(bars))
    if METERS[meter].compound:
        growth = bars[..., ALL].mean(axis=1)
        thirds, half = COMPOUND.index(1 / 3), COMPOUND.index(1 / 2)
        both = np.minimum(growth[:, thirds], growth[:, COMPOUND.index(2 / 3)]) - growth[:, half]
        return {"back beat": zero, "thirds": both, "thirds, twelve": both if meter == "12/8" else zero}
    back = zero
    if meter in ("4/4", "2/4"):
        odd, even = bars[:, ::2, 0].mean(axis=1), bars[:, 1::2, 0].mean(axis=1)
        back = np.minimum(odd[:, KICK] - even[:, KICK], even[:, SNARE] - odd[:, SNARE])
    return {"back beat": back, "thirds": zero, "thirds, twelve": zero}


def _whole(meter: str, beat: int, bpm: float, onset_rate: float) -> dict[str, float]:
    """Evidence from meter and tempo alone."""
    beats, compound, groups = METERS[meter]
    odd = float(bool(groups))
    octaves, bar = np.log2(bpm / _USUAL_BPM), np.log2(60 / bpm * beats / 2)
    density = float(np.clip(np.log2(onset_rate * 60 / bpm / 2), -1.5, 1.5))
    return {
        "tempo": octaves * (1 - odd),
        "tempo^2": octaves**2 * (1 - odd),
        "slow": max(0.0, np.log2(_SLOW_BPM / bpm)),
        "quick": max(0.0, np.log2(bpm / _QUICK_BPM)) * (1 - odd),
        "very quick": max(0.0, np.log2(bpm / _VERY_QUICK_BPM)) * (1 - odd),
        "bar": bar,
        "bar^2": bar**2,
        "onsets a beat": density,
        "onsets a beat^2": density**2,
        "odd level": float(beat in (8, 9, 16, 18)),
        "triple level": float(beat in (4, 36)),
        "triple": float(meter == "3/4"),
        "compound": float(compound),
        "two": float(meter == "2/4"),
        "twelve": float(meter == "12/8"),
        "odd": odd,
        "odd tempo": odd * (np.log2(bpm) - np.log2(_USUAL_ODD_BPM)),
        "odd tempo^2": odd * (np.log2(bpm) - np.log2(_USUAL_ODD_BPM)) ** 2,
        "seven": float(beats == 7),
        "nine": float(beats == 9),
    }


def _repeats(meter: str, beat: int, repetition: "_Repetition") -> dict[str, float]:
    """Evidence from repetition after a bar, a beat, and fractions and multiples of a beat."""
    beats, compound, groups = METERS[meter]
    bar, odd = beats * beat, bool(groups)
    duple, threes = repetition(4 * beat) + repetition(2 * beat), repetition(3 * beat) + repetition(6 * beat)
    inner = repetition(beat / 2) - (repetition(beat / 3) + repetition(2 * beat / 3)) / 2
    # A bar is repeated, and a bar less or more a beat is not.
    peak = repetition(bar) - (repetition(bar - beat) + repetition(bar + beat)) / 2
    second = repetition(2 * bar) - (repetition(2 * bar - beat) + repetition(2 * bar + beat)) / 2
    other = max(duple, threes) / 2
    return {
        "repeats, bar": repetition(bar),
        "repeats, beat": repetition(beat),
        "repeats, meter": 0.0 if compound or odd else (threes - duple if meter == "3/4" else duple - threes) / 2,
        "repeats, halves": 0.0 if compound or odd else inner,
        "repeats, thirds": -inner if compound else 0.0,
        "repeats, peak": peak,
        "repeats, two bars": second,
        "repeats, odd": repetition(bar) - other if odd else 0.0,
        "repeats, odd peak": peak + second if odd else 0.0,
        "repeats, four": repetition(4 * beat) - repetition(2 * beat) if meter == "2/4" else 0.0,
        "repeats, twelve": repetition(4 * beat) - repetition(2 * beat) if meter == "12/8" else 0.0,
    }


class _Repetition:
    """Autocorrelation of the whole pattern at lags of fine positions."""

    def __init__(self, curves: FloatArray) -> None:
        root = np.sqrt(curves)
        self._pattern = (root - root.mean(axis=0)) / (root.std(axis=0) + 1e-6)
        self._known: dict[int, float] = {}

    def __call__(self, lag: float) -> float:
        step = max(1, round(lag))
        if step not in self._known:
            pairs = self._pattern[:-step] * self._pattern[step:]
            self._known[step] = float(pairs.mean()) if len(self._pattern) > 1.5 * step else 0.0
        return self._known[step]
