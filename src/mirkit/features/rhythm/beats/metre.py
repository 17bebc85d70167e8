"""Metre: which multiple of the pulse is the beat, how many beats make a bar, and where the bar begins.

Every structure that the fine grid allows is scored by a linear model of what musicians hear: kick, bass and new chords
favour the downbeat, snares the back beat, off-beats are weaker than beats, bars repeat, and tempi and bars have usual
lengths. The weights are a conditional logit (McFadden 1974) fitted to rendered pieces by ``benchmarks/fit_metre.py``.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirkit.features.rhythm.beats.pulse import ALL, BASS, HARMONY, HATS, KICK, MIDDLE, PARTS, SNARE, FineGrid
from mirkit.features.types import FloatArray

#: Beat lengths tried, in twelfths of the pulse.
_BEAT_PARTS = (4, 6, 8, 9, 12, 16, 18, 24, 36)
_METRES = {"4/4": 4, "3/4": 3, "6/8": 2}
_MIN_BPM, _MAX_BPM = 38.0, 245.0
_FLOOR = 0.1  # of the mean growth, in ratios
_KNOWN_TEMPO = 200.0  # log-odds per octave away from what the user knows
_RANGE_SLACK = 0.03  # octaves
#: Log-odds per unit of each feature.
WEIGHTS: dict[str, float] = {
    "usual tempo": 1.0,
    "usual bar": 1.0,
    "onsets a beat": -0.83,
    "onsets a beat^2": -1.52,
    "odd level": -1.95,
    "triple level": 0.99,
    "triple": -1.68,
    "compound": -1.15,
    "thirds, compound": 0.53,
    "thirds": -2.0,
    "halves over quarters": 0.19,
    "harmony over half": -0.94,
    "harmony, downbeat": 1.29,
    "kick over half": 0.41,
    "kick over inner": -0.54,
    "bass over half": 0.97,
    "bass over inner": 0.63,
    "snare over half": 0.62,
    "snare over inner": -0.01,
    "hats over half": -0.72,
    "hats over inner": -0.07,
    "all over half": 1.05,
    "all over inner": 0.76,
    "kick, downbeat": 1.5,
    "bass, downbeat": -0.17,
    "middle, downbeat": 0.57,
    "hats, downbeat": 0.62,
    "all, downbeat": -0.58,
    "snare off downbeat, triple": 0.66,
    "harmony, triple": 0.84,
    "snare off downbeat, compound": 1.77,
    "harmony, compound": 1.84,
    "kick 13": 1.02,
    "snare 24": 0.48,
    "back beat": 2.67,
    "bass 13": -0.52,
    "hats 24": 0.11,
    "harmony 13": 0.19,
    "harmony 1": 1.21,
    "kick 1": 0.13,
    "repeats, bar": 5.32,
    "repeats, beat": 6.35,
    "repeats, metre": 2.79,
    "repeats, halves": -0.21,
    "repeats, thirds": 3.78,
}


@dataclass(frozen=True)
class Structure:
    """A way to read the fine grid: metre, fine positions per beat, position of the first bar, median tempo."""

    metre: str
    beat: int
    start: int
    bpm: float


@dataclass(frozen=True)
class Reading(Structure):
    """The structure chosen, and what else the evidence allows.

    Attributes
    ----------
    metre_confidence : float
        Belief in the metre, given the beat, 0-1.
    levels : tuple of (float, float)
        Length of the beat relative to the one chosen, and belief in it: the chosen one first, its rivals by belief.
    """

    metre_confidence: float
    levels: tuple[tuple[float, float], ...]

    def beats(self, positions: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Fine positions of the beats of a grid, and which of them begin a bar."""
        at = np.arange(self.start % self.beat, positions, self.beat)
        return at, (at - self.start) // self.beat % _METRES[self.metre] == 0


def read_metre(
    grid: FineGrid, bpm_range: tuple[float, float] | None = None, bpm_hint: float | None = None
) -> Reading | None:
    """Choose the reading that the evidence and the known tempo support best; None if there is none."""
    found, names, features = structures(grid)
    if not found:
        return None
    score = features @ np.array([WEIGHTS[name] for name in names])
    tempi = np.array([s.bpm for s in found])
    lengths, metres = np.array([s.beat for s in found]), np.array([s.metre for s in found])
    if bpm_range is not None:
        octaves = np.log2(lengths / lengths[score.argmax()])
        within = np.maximum(np.log2(bpm_range[0] / tempi), np.log2(tempi / bpm_range[1])) <= _RANGE_SLACK
        # Half or double of what the evidence says comes before a level that the evidence says nothing of.
        doubled = within & (np.abs(octaves - np.rint(octaves)) < 1e-9)
        if within.any():
            score = np.where(doubled if doubled.any() else within, score, -np.inf)
    if bpm_hint is not None:
        score = score - _KNOWN_TEMPO * np.abs(np.log2(tempi / bpm_hint))
    belief = np.exp(score - score.max())
    belief /= belief.sum()
    best = found[int(belief.argmax())]
    shares = {int(length): float(belief[lengths == length].sum()) for length in np.unique(lengths)}
    rivals = sorted((length for length in shares if length != best.beat), key=lambda length: -shares[length])
    sure = float(belief[(lengths == best.beat) & (metres == best.metre)].sum()) / shares[best.beat]
    levels = tuple((length / best.beat, shares[length]) for length in (best.beat, *rivals))
    return Reading(best.metre, best.beat, best.start, best.bpm, sure, levels)


def structures(grid: FineGrid) -> tuple[list[Structure], list[str], FloatArray]:
    """List every reading of a grid with what speaks for it.

    Returns
    -------
    list of Structure
    list of str
        Names of the features.
    float64 array, shape=(structures, features)
    """
    repetition = _Repetition(grid.curves)
    found: list[Structure] = []
    rows: list[FloatArray] = []
    names: list[str] = []
    for beat in _BEAT_PARTS:
        bpm = 60 * PARTS / (grid.period * beat)
        for metre, beats in _METRES.items():
            bar = beat * beats
            if not _MIN_BPM <= bpm <= _MAX_BPM or len(grid.curves) < 2 * bar:
                continue
            features = _features(grid.curves, metre, beat, bpm, grid.onset_rate, repetition)
            starts = np.arange(bar)
            # The beat is on the pulse, or a quarter, a third or a half of it away.
            starts = starts[((starts % beat) % 3 == 0) | ((starts % beat) % 4 == 0)]
            found += [Structure(metre, beat, int(start), bpm) for start in starts]
            names = list(features)
            rows.append(np.stack([np.broadcast_to(f, bar)[starts] for f in features.values()], axis=1))
    return found, names, np.concatenate(rows) if rows else np.zeros((0, 0))


class _Repetition:
    """Correlation of the whole pattern with itself some fine positions later."""

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


def _features(
    curves: FloatArray, metre: str, beat: int, bpm: float, onset_rate: float, repetition: _Repetition
) -> dict[str, FloatArray]:
    """What speaks for a metre and a beat length, for every possible start of the bar: each shape=(bar,) or ()."""
    beats = _METRES[metre]
    bar = beat * beats
    bars = len(curves) // bar
    folded = curves[: bars * bar].reshape(bars, bar, -1).mean(axis=0)

    def at(position: float) -> FloatArray:
        """Mean growth this many beats into the bar, for every start, shape=(bar, curves)."""
        whole = int(np.floor(position * beat))
        share = position * beat - whole
        value: FloatArray = (1 - share) * np.roll(folded, -whole, axis=0) + share * np.roll(folded, -whole - 1, axis=0)
        return value

    def mean(*offsets: float) -> FloatArray:
        """Mean over the beats of the bar, this far from each."""
        value: FloatArray = np.mean([at(k + offset) for k in range(beats) for offset in offsets], axis=0)
        return value

    def more(a: FloatArray, b: FloatArray, curve: int) -> FloatArray:
        ratio: FloatArray = np.log((a[:, curve] + _FLOOR) / (b[:, curve] + _FLOOR))
        return ratio

    on = [at(k) for k in range(beats)]
    beat_mean, half, quarter, third = mean(0), mean(0.5), mean(0.25, 0.75), mean(1 / 3, 2 / 3)
    others = np.mean(on[1:], axis=0)
    zero = np.zeros(())
    compound, triple, quadruple = metre == "6/8", metre == "3/4", metre == "4/4"
    octaves, lengths = np.log2(bpm / 118), np.log2(60 / bpm * beats / 2)
    density = np.clip(np.log2(onset_rate * 60 / bpm / 2), -1.5, 1.5)
    out: dict[str, FloatArray] = {
        "usual tempo": np.asarray(-((octaves / 0.5) ** 2) / 2),
        "usual bar": np.asarray(-((lengths / 0.7) ** 2) / 2),
        "onsets a beat": np.asarray(density),
        "onsets a beat^2": np.asarray(density**2),
        "odd level": np.asarray(beat in (8, 9, 16, 18)),
        "triple level": np.asarray(beat in (4, 36)),
        "triple": np.asarray(triple),
        "compound": np.asarray(compound),
        "thirds, compound": more(third, half, ALL) if compound else zero,
        "thirds": zero if compound else more(third, half, ALL),
        "halves over quarters": zero if compound else more(half, quarter, ALL),
        "harmony over half": beat_mean[:, HARMONY] - half[:, HARMONY],
        "harmony, downbeat": on[0][:, HARMONY] - others[:, HARMONY],
    }
    for name, curve in (("kick", KICK), ("bass", BASS), ("snare", SNARE), ("hats", HATS), ("all", ALL)):
        out[f"{name} over half"] = more(beat_mean, half, curve)
        out[f"{name} over inner"] = more(beat_mean, third if compound else quarter, curve)
    for name, curve in (("kick", KICK), ("bass", BASS), ("middle", MIDDLE), ("hats", HATS), ("all", ALL)):
        out[f"{name}, downbeat"] = more(on[0], others, curve)
    for name, here in (("triple", triple), ("compound", compound)):
        out[f"snare off downbeat, {name}"] = more(others, on[0], SNARE) if here else zero
        out[f"harmony, {name}"] = on[0][:, HARMONY] - others[:, HARMONY] if here else zero
    if quadruple:
        odd, even = (on[0] + on[2]) / 2, (on[1] + on[3]) / 2
        kick, snare = more(odd, even, KICK), more(even, odd, SNARE)
        four: list[FloatArray] = [kick, snare, np.minimum(kick, snare), more(odd, even, BASS), more(even, odd, HATS)]
        four += [odd[:, HARMONY] - even[:, HARMONY], on[0][:, HARMONY] - on[2][:, HARMONY], more(on[0], on[2], KICK)]
    else:
        four = [zero] * 8
    names = ("kick 13", "snare 24", "back beat", "bass 13", "hats 24", "harmony 13", "harmony 1", "kick 1")
    out |= dict(zip(names, four, strict=True))
    out["repeats, bar"] = np.asarray(repetition(bar))
    out["repeats, beat"] = np.asarray(repetition(beat))
    duple, threes = repetition(4 * beat) + repetition(2 * beat), repetition(3 * beat) + repetition(6 * beat)
    out["repeats, metre"] = zero if compound else np.asarray((threes - duple if triple else duple - threes) / 2)
    inner = repetition(beat / 2) - (repetition(beat / 3) + repetition(2 * beat / 3)) / 2
    out["repeats, halves"] = zero if compound else np.asarray(inner)
    out["repeats, thirds"] = np.asarray(-inner) if compound else zero
    return out
