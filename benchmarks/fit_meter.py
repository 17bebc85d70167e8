"""Fit ``mirkit.features.rhythm.beats.time_signature_weights`` to the tuning halves of the corpus, and write it.

    python benchmarks/fit_meter.py [--corpus FOLDER] [--write]

A conditional logit: of all hypotheses about a piece's fine grid, those with the right beats, downbeats and meter shall
be the likeliest. What a bar sounds like is fitted as contrasts between its beats (4/4: all, one and three against two
and four, one against three, two against four; odd meters: all, the first, those that begin a group), and squared
weights are held down in units of each feature's spread, those of the bars more.

The bars of 4/4, 3/4 and 6/8 are kept: they were fitted to "tune" alone, and fitted to all splits they take the
off-beats of bossa nova and techno for the beats. Those of 2/4 and 12/8 begin as half and twice a bar of 4/4 and 6/8.
``PRIORS`` are set by hand, and ``SHIFTS`` are added after the fit (docs/how_good/rhythm.md says why). Of each piece,
the right hypotheses, the likeliest by the present weights and some others are used: after a feature is added, run it
twice with ``--write``. Without ``--write`` nothing is written: every fifth of the styles is left out in turn, and how
their pieces are read then is printed, the measure by which features and penalties were chosen.
"""

import argparse
import json
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rhythm_corpus
from beats import load, onset_curve
from scipy.optimize import minimize

from mirkit.features.rhythm.beats import time_signature_weights
from mirkit.features.rhythm.beats.pulse import beat_salience, find_pulse, fine_grid
from mirkit.features.rhythm.beats.time_signature import (
    METERS,
    SIMPLE,
    MeterHypotheses,
    Structure,
    meter_hypotheses,
    roles_of,
)
from mirkit.features.rhythm.onset_envelope import FRAME_RATE
from mirkit.features.rhythm.onsets import LEAD_SECONDS, OnsetCurve

PENALTY, BAR_PENALTY = 1.0, 30.0
#: Not fitted: what is rarer in played music than in the renderings, and what tells the beats from the off-beats, which
#: keeps the weights that were fitted to "tune" alone.
PRIORS = {
    "odd level": -2.0,
    "back beat": 0.457,
    "repeats, bar": 5.58,
    "repeats, beat": 3.63,
    "repeats, meter": 2.955,
    "repeats, halves": 1.659,
    "repeats, thirds": 3.08,
}
#: Added to fitted weights: slow pieces and 4/4 are more frequent in recordings than in the splits.
SHIFTS = {"tempo": -0.7, "twelve": -1.0, "compound": -1.4}
#: Split -> weight of a piece.
SPLITS = {"tune": 1.0, "levels-tune": 0.5, "bars-tune": 1.5}
KEPT = ("4/4", "3/4", "6/8")
LIKELIEST, OTHERS = 400, 200  # hypotheses of a piece
FOLDS = 5
CURVES, PLACES = ("kick", "bass", "middle", "snare", "hats", "all", "harmony"), len(SIMPLE)
CONTRASTS = {
    "4/4": np.array([[1, 1, 1, 1], [1, -1, 1, -1], [2, 0, -2, 0], [0, 2, 0, -2]]) / 4,
    "3/4": np.array([[4, 4, 4], [6, -3, -3], [0, 6, -6]]) / 12,
    "2/4": np.array([[1, 1], [1, -1]]) / 2,
    "6/8": np.array([[1, 1], [1, -1]]) / 2,
    "12/8": np.array([[1, 1, 1, 1], [3, -1, -1, -1], [1, -1, 1, -1]]) / 4,
    **{name: roles_of(name) for name, meter in METERS.items() if meter.groups},
}
BLOCK = PLACES * len(CURVES)


def block_of(meter: str) -> str:
    """Name of the weights of a meter: odd ones share theirs."""
    return "odd" if METERS[meter].groups else meter


#: Columns of the contrasts of each meter.
BLOCKS: dict[str, slice] = {}
for _meter, _rows in CONTRASTS.items():
    if block_of(_meter) not in BLOCKS:
        _start = max((block.stop for block in BLOCKS.values()), default=0)
        BLOCKS[block_of(_meter)] = slice(_start, _start + BLOCK * len(_rows))
COLUMNS = max(block.stop for block in BLOCKS.values())


@dataclass(frozen=True)
class Example:
    """A piece: the features of its readings, and how right each is."""

    style: str
    weight: float
    names: list[str]
    features: np.ndarray
    beat_f: np.ndarray
    downbeat_f: np.ndarray
    right_meter: np.ndarray

    @property
    def right(self) -> np.ndarray:
        """Which readings are right."""
        return (self.beat_f > 0.9) & (self.downbeat_f > 0.85) & self.right_meter


def example(curve: OnsetCurve, truth: dict) -> Example:
    onsets = curve.onsets.times
    grid = fine_grid(find_pulse(beat_salience(curve)), curve, None, len(onsets) / (onsets[-1] - onsets[0]))
    groups = list(meter_hypotheses(grid))
    seconds = grid.frames / FRAME_RATE + LEAD_SECONDS
    known: dict[tuple[int, int], float] = {}
    scores = [scored(group, int(start), seconds, truth, known) for group in groups for start in group.starts]
    odds = np.concatenate([group.log_odds() for group in groups])
    right = np.concatenate(
        [
            [Structure(group.meter, group.beat, 0, group.bpm).time_signature == truth["meter"]] * len(group.starts)
            for group in groups
        ]
    )
    beat_f, downbeat_f = np.array(scores).T
    chosen = np.zeros(len(odds), bool)
    chosen[np.argsort(-odds)[:LIKELIEST]] = True
    chosen[np.random.default_rng(0).integers(0, len(odds), OTHERS)] = True
    chosen |= (beat_f > 0.9) & (downbeat_f > 0.85) & right
    table = np.concatenate([features(group) for group in groups])[chosen]
    names, weight = list(groups[0].evidence), SPLITS[truth["split"]]
    return Example(truth["style"], weight, names, table, beat_f[chosen], downbeat_f[chosen], right[chosen])


def features(group: MeterHypotheses) -> np.ndarray:
    """Evidence, then the contrasts of the bar, each meter's in columns of its own, shape=(readings, features)."""
    bars = group.bars - group.bars.mean(axis=(1, 2), keepdims=True)
    parts = np.einsum("cb,nbpk->ncpk", CONTRASTS[group.meter], bars).reshape(len(bars), -1)
    out = np.zeros((len(bars), COLUMNS), np.float32)
    out[:, BLOCKS[block_of(group.meter)]] = parts
    return np.concatenate((np.stack(list(group.evidence.values()), axis=1), out), axis=1).astype(np.float32)


def scored(
    group: MeterHypotheses, start: int, seconds: np.ndarray, truth: dict, known: dict[tuple[int, int], float]
) -> tuple[float, float]:
    """F-measure of the beats and of the downbeats of a reading; ``known`` keeps that of the beats."""
    at, first = Structure(group.meter, group.beat, start, group.bpm).beats(len(seconds))
    times = seconds[at]
    inside = (times > 0) & (times < truth["beats"][-1] + 0.3)
    key = group.beat, start % group.beat
    if key not in known:
        known[key] = f_measure(np.array(truth["beats"]), times[inside])
    beats = known[key]
    return beats, f_measure(np.array(truth["downbeats"]), times[inside & first]) if beats > 0.5 else 0.0


def f_measure(reference: np.ndarray, estimate: np.ndarray) -> float:
    if len(estimate) < 2:
        return 0.0
    after = np.clip(np.searchsorted(estimate, reference), 1, len(estimate) - 1)
    near = np.minimum(np.abs(estimate[after] - reference), np.abs(estimate[after - 1] - reference)) < 0.07
    return 2 * float(near.sum()) / (len(reference) + len(estimate))


def known_weights(names: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Weights that are not fitted or from which the fit starts, and whether they stay."""
    weights = np.zeros(len(names) + COLUMNS)
    kept = np.zeros(len(weights), bool)
    for name, weight in PRIORS.items():
        weights[names.index(name)], kept[names.index(name)] = weight, True
    bars = {meter: committed(meter) for meter in KEPT}
    four = bars["4/4"]
    bars["2/4"] = np.stack([(four[0] + four[2]) / 2, (four[1] + four[3]) / 2])
    bars["12/8"] = np.concatenate([bars["6/8"], bars["6/8"]])
    for meter, template in bars.items():
        block = slice(len(names) + BLOCKS[meter].start, len(names) + BLOCKS[meter].stop)
        weights[block] = np.einsum("cb,bpk->cpk", np.linalg.pinv(CONTRASTS[meter].T), template).ravel()
        # What all beats of 2/4 and 12/8 have in common stays; the contrasts between them are fitted.
        kept[block.start : block.stop if meter in KEPT else block.start + BLOCK] = True
    return weights, kept


def committed(meter: str) -> np.ndarray:
    """The present template of a meter, shape=(beats, places, curves)."""
    return np.moveaxis(np.array([time_signature_weights.BARS[meter][curve] for curve in CURVES]), 0, -1)


def fit(data: list[Example]) -> np.ndarray:
    """Weights of the features."""
    data = [piece for piece in data if piece.right.any()]
    table, right = np.concatenate([piece.features for piece in data]), np.concatenate([piece.right for piece in data])
    names = data[0].names
    weights, kept = known_weights(names)
    known = table @ weights.astype(np.float32)
    fitted = np.flatnonzero(~kept)
    spread = table[:, fitted].std(axis=0) + 1e-6
    table = np.ascontiguousarray(table[:, fitted] / spread.astype(np.float32))
    counts = np.array([len(piece.right) for piece in data])
    starts = np.cumsum(counts) - counts
    share = np.array([piece.weight for piece in data])
    penalty = np.where(fitted < len(names), PENALTY, BAR_PENALTY)

    def loss(change: np.ndarray) -> tuple[float, np.ndarray]:
        score = table @ change.astype(np.float32) + known
        likely = np.exp(score - np.repeat(np.maximum.reduceat(score, starts), counts)).astype(np.float64)
        every = np.add.reduceat(likely, starts)
        hit = np.where(right, likely, 0)
        hits = np.add.reduceat(hit, starts) + 1e-12 * every
        pull = hit / np.repeat(hits, counts) - likely / np.repeat(every, counts)
        pull = (pull * np.repeat(share, counts)).astype(np.float32)
        value = float(penalty @ change**2) / 2 - float((share * np.log(hits / every)).sum())
        return value, penalty * change - pull @ table

    best = minimize(loss, np.zeros(len(fitted)), jac=True, method="L-BFGS-B", options={"maxiter": 150})
    weights[fitted] += best.x / spread
    for name, shift in SHIFTS.items():
        weights[names.index(name)] += shift
    return weights


def examples(folder: Path) -> Iterator[Example]:
    for split in SPLITS:
        for path in rhythm_corpus.render(folder, split):
            truth = json.loads(path.with_suffix(".json").read_text())
            if truth["bpm"] is not None:
                yield example(curve_of(path), truth)


def curve_of(path: Path) -> OnsetCurve:
    """The onset curve of a piece, from the file of an earlier run where there is one."""
    kept = path.with_suffix(".curve")
    if not kept.exists():
        kept.write_bytes(pickle.dumps(onset_curve(load(path))))
    curve: OnsetCurve = pickle.loads(kept.read_bytes())
    return curve


def try_out(data: list[Example]) -> None:
    """Print how pieces are read whose style was left out of the fit (inventions: every fifth)."""
    named = sorted({piece.style for piece in data if "invented" not in piece.style and "bar " not in piece.style})
    fold = [named.index(piece.style) % FOLDS if piece.style in named else i % FOLDS for i, piece in enumerate(data)]
    rows: dict[str, list[list[float]]] = {}
    for left_out in range(FOLDS):
        weights = fit([piece for piece, own in zip(data, fold, strict=True) if own != left_out])
        for i, piece in enumerate(data):
            if fold[i] == left_out:
                best = int((piece.features @ weights).argmax())
                row = [piece.beat_f[best], piece.downbeat_f[best], float(piece.right_meter[best])]
                kind = piece.style if piece.style.startswith("bar ") else piece.style.partition(" ")[0]
                rows.setdefault("styles" if kind in named else kind, []).append(row)
    for name, found in rows.items():
        beat, downbeat, meter = np.mean(found, axis=0)
        print(f"{name:12s}{len(found):4d} pieces  beat F {beat:.3f}  downbeat F {downbeat:.3f}  meter {meter:.3f}")


def module(names: list[str], weights: np.ndarray) -> str:
    """Source of ``time_signature_weights``."""
    lines = ['"""Weights of ``beats.time_signature``. Written by ``benchmarks/fit_meter.py``."""', "", "# fmt: off"]
    lines.append("EVIDENCE = {")
    lines += [f'    "{name}": {weight:.3f},' for name, weight in zip(names, weights, strict=False)]
    lines += ["}", "#: Curves of the fine grid.", f"CURVES = {CURVES}".replace("'", '"')]
    lines += ["#: Per unit of log height, by meter and curve: one row a beat, one column a place in it.", "BARS = {"]
    bars = weights[len(names) :]
    for meter in dict.fromkeys(block_of(meter) for meter in METERS):
        rows = CONTRASTS.get(meter, np.eye(3))  # odd meters: the contrasts themselves (``roles_of``)
        parts = bars[BLOCKS[meter]].reshape(-1, PLACES, len(CURVES))
        template = np.einsum("cb,cpk->bpk", rows, parts)
        if meter != "odd":
            template -= template.mean(axis=(0, 1))
        lines.append(f'    "{meter}": {{')
        for k, curve in enumerate(CURVES):
            lines.append(f'        "{curve}": [')
            for row in template[:, :, k]:
                lines.append(f"            [{', '.join(f'{value:.3f}' for value in row)}],")
            lines.append("        ],")
        lines.append("    },")
    return "\n".join([*lines, "}", ""])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=rhythm_corpus.FOLDER)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    data = list(examples(options.corpus))
    if options.write:
        Path(time_signature_weights.__file__).write_text(module(data[0].names, fit(data)))
    else:
        try_out(data)
