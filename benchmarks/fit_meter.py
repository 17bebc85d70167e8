"""Fit ``mirkit.features.rhythm.beats.time_signature_weights`` to the "tune" half of the rendered corpus, and write it.

    python benchmarks/fit_meter.py [--corpus FOLDER] [--write]

A conditional logit: of all readings of a piece's fine grid, those with the right beats, downbeats and meter shall be
the likeliest. What a bar sounds like is fitted as contrasts between its beats (4/4: all, one and three against two and
four, one against three, two against four; what all beats have in common is shared by 4/4 and 3/4), and squared weights
are held down in units of each feature's spread, those of the bars more. One weight is set by hand (``PRIORS``).
Without ``--write`` nothing is written: every fifth of the styles is left out in turn, and how their pieces are read
then is printed, the measure by which features and penalties were chosen.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rhythm_corpus
from beats import load, onset_curve
from scipy.optimize import minimize

from mirkit.features.rhythm.beats import time_signature_weights
from mirkit.features.rhythm.beats.pulse import beat_salience, find_pulse, fine_grid
from mirkit.features.rhythm.beats.time_signature import METERS, SIMPLE, MeterHypotheses, Structure, meter_hypotheses
from mirkit.features.rhythm.onset_envelope import FRAME_RATE
from mirkit.features.rhythm.onsets import LEAD_SECONDS, OnsetCurve

PENALTY, BAR_PENALTY = 1.0, 30.0
#: Not fitted: a beat at three quarters or two thirds of the pulse is rarer in played music than in the renderings.
PRIORS = {"odd level": -2.0}
FOLDS = 5
CURVES, PLACES = ("kick", "bass", "middle", "snare", "hats", "all", "harmony"), len(SIMPLE)
CONTRASTS = {
    "4/4": np.array([[1, 1, 1, 1], [1, -1, 1, -1], [2, 0, -2, 0], [0, 2, 0, -2]]) / 4,
    "3/4": np.array([[4, 4, 4], [6, -3, -3], [0, 6, -6]]) / 12,
    "6/8": np.array([[1, 1], [1, -1]]) / 2,
}
BLOCK = PLACES * len(CURVES)
BLOCKS = {
    "4/4": slice(0, 4 * BLOCK),
    "3/4": slice(4 * BLOCK, 7 * BLOCK),
    "6/8": slice(7 * BLOCK, 9 * BLOCK),
    "shared": slice(9 * BLOCK, 10 * BLOCK),
}


@dataclass(frozen=True)
class Example:
    """A piece: the features of its readings, and how right each is."""

    style: str
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
    scores = [scored(group, int(start), seconds, truth) for group in groups for start in group.starts]
    return Example(
        truth["style"],
        list(groups[0].evidence),
        np.concatenate([features(group) for group in groups]),
        *np.array(scores).T[:2],
        np.concatenate([np.full(len(group.starts), group.meter == truth["meter"]) for group in groups]),
    )


def features(group: MeterHypotheses) -> np.ndarray:
    """Evidence, then the contrasts of the bar, each meter's in columns of its own, shape=(readings, features)."""
    bars = group.bars - group.bars.mean(axis=(1, 2), keepdims=True)
    parts = np.einsum("cb,nbpk->ncpk", CONTRASTS[group.meter], bars).reshape(len(bars), -1)
    out = np.zeros((len(bars), 10 * BLOCK))
    out[:, BLOCKS[group.meter]] = parts
    if group.meter != "6/8":
        out[:, BLOCKS["shared"]] = parts[:, :BLOCK]
    return np.concatenate((np.stack(list(group.evidence.values()), axis=1), out), axis=1).astype(np.float32)


def scored(group: MeterHypotheses, start: int, seconds: np.ndarray, truth: dict) -> tuple[float, float]:
    """F-measure of the beats and of the downbeats of a reading."""
    at, first = Structure(group.meter, group.beat, start, group.bpm).beats(len(seconds))
    times = seconds[at]
    inside = (times > 0) & (times < truth["beats"][-1] + 0.3)
    beats = f_measure(np.array(truth["beats"]), times[inside])
    return beats, f_measure(np.array(truth["downbeats"]), times[inside & first]) if beats > 0.5 else 0.0


def f_measure(reference: np.ndarray, estimate: np.ndarray) -> float:
    if len(estimate) < 2:
        return 0.0
    after = np.clip(np.searchsorted(estimate, reference), 1, len(estimate) - 1)
    near = np.minimum(np.abs(estimate[after] - reference), np.abs(estimate[after - 1] - reference)) < 0.07
    return 2 * float(near.sum()) / (len(reference) + len(estimate))


def fit(data: list[Example]) -> np.ndarray:
    """Weights of the features."""
    data = [piece for piece in data if piece.right.any()]
    table, right = np.concatenate([piece.features for piece in data]), np.concatenate([piece.right for piece in data])
    spread = table.std(axis=0) + 1e-6
    fixed = np.zeros(table.shape[1])
    for name, weight in PRIORS.items():
        fixed[data[0].names.index(name)] = weight
    known = table @ fixed.astype(np.float32)
    table[:, fixed != 0] = 0
    table /= spread.astype(np.float32)
    counts = np.array([len(piece.right) for piece in data])
    starts = np.cumsum(counts) - counts
    penalty = np.full(table.shape[1], BAR_PENALTY)
    penalty[: len(data[0].names)] = PENALTY

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        score = table @ weights.astype(np.float32) + known
        likely = np.exp(score - np.repeat(np.maximum.reduceat(score, starts), counts)).astype(np.float64)
        every = np.add.reduceat(likely, starts)
        hit = np.where(right, likely, 0)
        hits = np.add.reduceat(hit, starts) + 1e-12 * every
        pull = (hit / np.repeat(hits, counts) - likely / np.repeat(every, counts)).astype(np.float32)
        value = float(penalty @ weights**2) / 2 - float(np.log(hits / every).sum())
        return value, penalty * weights - pull @ table

    best = minimize(loss, np.zeros(table.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 150})
    weights: np.ndarray = best.x / spread + fixed
    return weights


def examples(folder: Path) -> Iterator[Example]:
    for path in rhythm_corpus.render(folder, "tune"):
        truth = json.loads(path.with_suffix(".json").read_text())
        if truth["bpm"] is not None:
            yield example(onset_curve(load(path)), truth)


def try_out(data: list[Example]) -> None:
    """Print how pieces are read whose style was left out of the fit (inventions: every fifth)."""
    styles = sorted({piece.style for piece in data} - {"invented"})
    inventions = [i for i, piece in enumerate(data) if piece.style == "invented"]
    fold = [styles.index(piece.style) % FOLDS if piece.style in styles else i % FOLDS for i, piece in enumerate(data)]
    rows: dict[str, list[list[float]]] = {"styles": [], "inventions": []}
    for left_out in range(FOLDS):
        weights = fit([piece for piece, own in zip(data, fold, strict=True) if own != left_out])
        for i, piece in enumerate(data):
            if fold[i] == left_out:
                best = int((piece.features @ weights).argmax())
                row = [piece.beat_f[best], piece.downbeat_f[best], float(piece.right_meter[best])]
                rows["inventions" if i in inventions else "styles"].append(row)
    for name, found in rows.items():
        beat, downbeat, meter = np.mean(found, axis=0)
        print(f"{name:12s}{len(found):4d} pieces  beat F {beat:.3f}  downbeat F {downbeat:.3f}  meter {meter:.3f}")


def module(names: list[str], weights: np.ndarray) -> str:
    """Source of ``time_signature_weights``."""
    lines = ['"""Log-odds of ``beats.meter``. Written by ``benchmarks/fit_meter.py``."""', "", "# fmt: off"]
    lines.append("EVIDENCE = {")
    lines += [f'    "{name}": {weight:.3f},' for name, weight in zip(names, weights, strict=False)]
    lines += ["}", "#: Curves of the fine grid.", f"CURVES = {CURVES}".replace("'", '"')]
    lines += ["#: Per unit of log height, by meter and curve: one row a beat, one column a place in it.", "BARS = {"]
    bars = weights[len(names) :]
    for meter, beats in METERS.items():
        parts = bars[BLOCKS[meter]].reshape(-1, PLACES, len(CURVES)).copy()
        if meter != "6/8":
            parts[0] += bars[BLOCKS["shared"]].reshape(PLACES, len(CURVES))
        template = np.einsum("cb,cpk->bpk", CONTRASTS[meter], parts)
        template -= template.mean(axis=(0, 1))
        lines.append(f'    "{meter}": {{')
        for k, curve in enumerate(CURVES):
            lines.append(f'        "{curve}": [')
            for beat in range(beats):
                row = ", ".join(f"{value:.3f}" for value in template[beat, :, k])
                lines.append(f"            [{row}],")
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
