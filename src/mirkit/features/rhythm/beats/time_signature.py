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

import numpy as np
import numpy.typing as npt

from mirkit.features.rhythm.beats import time_signature_weights
from mirkit.features.rhythm.beats.pulse import KICK, PARTS, SNARE, FineGrid
from mirkit.features.types import FloatArray

METERS = {"4/4": 4, "3/4": 3, "6/8": 2}
#: Positions within a beat at which bars are compared.
SIMPLE, COMPOUND = (0, 1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4), (0, 1 / 6, 1 / 3, 1 / 2, 2 / 3, 5 / 6)
#: Lengths of the beat that are tried, in twelfths of the pulse.
_BEAT_PARTS = (4, 6, 8, 9, 12, 16, 18, 24, 36)
_MIN_BPM, _MAX_BPM = 38.0, 245.0
_USUAL_BPM, _SLOW_BPM, _QUICK_BPM = 118.0, 65.0, 170.0
_FLOOR = 0.2  # of the mean, in logarithms
_RANGE_SLACK = 0.03  # octaves


@dataclass(frozen=True)
class Structure:
    """A hypothesis about the fine grid: meter, fine positions per beat, position of the first bar, median tempo."""

    meter: str
    beat: int
    start: int
    bpm: float

    def beats(self, positions: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Fine positions of the beats of a grid, and which of them begin a bar."""
        at = np.arange(self.start % self.beat, positions, self.beat)
        return at, (at - self.start) // self.beat % METERS[self.meter] == 0


@dataclass(frozen=True)
class MeterHypothesis(Structure):
    """The best structure, and the alternatives.

    Attributes
    ----------
    meter_confidence : float
        Probability of the meter, given the beat, 0-1.
    levels : tuple of (float, float)
        Length of the beat relative to the best one, and its probability: the best one first, then alternatives by
        probability.
    """

    meter_confidence: float
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
    grids: Sequence[FineGrid], bpm_range: tuple[float, float] | None = None, beat: float | None = None
) -> MeterHypothesis | None:
    """Choose the hypothesis that the evidence and the known tempo support best; None if there is none.

    Parameters
    ----------
    grids : sequence of FineGrid
        Evidence from one or several sources along the same pulse; their log-odds are averaged.
    bpm_range : (float, float), optional
        Tempi that may come out, in beats per minute.
    beat : float, optional
        Length of the beat in fine positions, if it is known; there is no hypothesis if it is not a whole number.
    """
    if beat is not None and beat != int(beat):
        return None
    lengths_tried = _BEAT_PARTS if beat is None else (int(beat),)
    by_grid = [list(meter_hypotheses(grid, lengths_tried)) for grid in grids]
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
    belief = np.exp(score - score.max())
    belief /= belief.sum()
    top = int(belief.argmax())
    best = Structure(str(meters[top]), int(lengths[top]), int(starts[top]), float(tempi[top]))
    shares = {int(length): float(belief[lengths == length].sum()) for length in np.unique(lengths)}
    rivals = sorted((length for length in shares if length != best.beat), key=lambda length: -shares[length])
    sure = float(belief[(lengths == best.beat) & (meters == best.meter)].sum()) / shares[best.beat]
    levels = tuple((length / best.beat, shares[length]) for length in (best.beat, *rivals))
    return MeterHypothesis(best.meter, best.beat, best.start, best.bpm, sure, levels)


def meter_hypotheses(grid: FineGrid, lengths: Iterable[int] = _BEAT_PARTS) -> Iterator[MeterHypotheses]:
    """Yield every hypothesis about a grid with its evidence; ``lengths`` of the beat are in fine positions."""
    repetition = _Repetition(grid.curves)
    for beat in lengths:
        bpm = 60 * PARTS / (grid.period * beat)
        for meter, beats in METERS.items():
            bar = beat * beats
            if not _MIN_BPM <= bpm <= _MAX_BPM or len(grid.curves) < 2 * bar:
                continue
            starts = np.arange(bar)
            # The beat is on the pulse, or shifted by a quarter, a third or a half of it.
            starts = starts[((starts % beat) % 3 == 0) | ((starts % beat) % 4 == 0)]
            bars = _mean_bars(grid.curves, meter, beat, starts)
            evidence = _whole(meter, beat, bpm, grid.onset_rate) | _repeats(meter, beat, repetition)
            each = {name: np.full(len(starts), value) for name, value in evidence.items()}
            yield MeterHypotheses(meter, beat, bpm, starts, bars, each | {"back beat": _back_beat(bars, meter)})


@cache
def _template(meter: str) -> FloatArray:
    """Weights of the bar of a meter, shape=(beats, places, 7)."""
    by_curve = [time_signature_weights.BARS[meter][name] for name in time_signature_weights.CURVES]
    return np.moveaxis(np.array(by_curve), 0, -1)


def _mean_bars(curves: FloatArray, meter: str, beat: int, starts: npt.NDArray[np.int64]) -> FloatArray:
    """Logarithm of the mean bar from each start, shape=(starts, beats, places, curves)."""
    beats, places = METERS[meter], COMPOUND if meter == "6/8" else SIMPLE
    bar = beat * beats
    folded = curves[: len(curves) // bar * bar].reshape(-1, bar, curves.shape[1]).mean(axis=0)
    at = (np.arange(beats)[:, None] + places).ravel() * beat
    whole = np.floor(at + 1e-9).astype(np.int64)
    share = (at - whole)[:, None]
    here = (starts[:, None] + whole) % bar
    values = (1 - share) * folded[here] + share * folded[(here + 1) % bar]
    heights: FloatArray = np.log(values + _FLOOR)
    return heights.reshape(len(starts), beats, len(places), -1)


def _back_beat(bars: FloatArray, meter: str) -> FloatArray:
    """Smaller of two indicators of 4/4: kicks on one and three, and snares on two and four."""
    if meter != "4/4":
        return np.zeros(len(bars))
    odd, even = bars[:, ::2, 0].mean(axis=1), bars[:, 1::2, 0].mean(axis=1)
    back: FloatArray = np.minimum(odd[:, KICK] - even[:, KICK], even[:, SNARE] - odd[:, SNARE])
    return back


def _whole(meter: str, beat: int, bpm: float, onset_rate: float) -> dict[str, float]:
    """Evidence from meter and tempo alone."""
    octaves, bar = np.log2(bpm / _USUAL_BPM), np.log2(60 / bpm * METERS[meter] / 2)
    density = float(np.clip(np.log2(onset_rate * 60 / bpm / 2), -1.5, 1.5))
    return {
        "tempo": octaves,
        "tempo^2": octaves**2,
        "slow": max(0.0, np.log2(_SLOW_BPM / bpm)),
        "quick": max(0.0, np.log2(bpm / _QUICK_BPM)),
        "bar": bar,
        "bar^2": bar**2,
        "onsets a beat": density,
        "onsets a beat^2": density**2,
        "odd level": float(beat in (8, 9, 16, 18)),
        "triple level": float(beat in (4, 36)),
        "triple": float(meter == "3/4"),
        "compound": float(meter == "6/8"),
    }


def _repeats(meter: str, beat: int, repetition: "_Repetition") -> dict[str, float]:
    """Evidence from repetition after a bar, a beat, and fractions and multiples of a beat."""
    compound = meter == "6/8"
    duple, threes = repetition(4 * beat) + repetition(2 * beat), repetition(3 * beat) + repetition(6 * beat)
    inner = repetition(beat / 2) - (repetition(beat / 3) + repetition(2 * beat / 3)) / 2
    return {
        "repeats, bar": repetition(beat * METERS[meter]),
        "repeats, beat": repetition(beat),
        "repeats, meter": 0.0 if compound else (threes - duple if meter == "3/4" else duple - threes) / 2,
        "repeats, halves": 0.0 if compound else inner,
        "repeats, thirds": -inner if compound else 0.0,
    }


class _Repetition:
    """Autocorrelation of the whole pattern at lags of fine positions."""

    def __init__(self, curves: FloatArray) -> None:
        root = np.sqrt(curves)
        self._pattern = (root - root.mean(axis=0)) / (root.std(axis=0) + 1e-6)
        self._known: dict[int, float] = {}

    def __call__(self, lag: float) -> float:
        step = round(lag)
        if step not in self._known:
            pairs = self._pattern[:-step] * self._pattern[step:]
            self._known[step] = float(pairs.mean()) if len(self._pattern) > 1.5 * step else 0.0
        return self._known[step]
