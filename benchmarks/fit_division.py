"""Fit the weights of ``mirkit.features.rhythm.beats.division`` and print them.

    python benchmarks/fit_division.py [--corpus FOLDER]

A logistic regression: does the beat divide in three (6/8, 12/8), or in two and four (2/4, 3/4, 4/4, with or without
swing)? Pieces of the rendered corpus whose beats are found count, also those of the splits for tests: there are few
shuffles elsewhere. Inventions in 4/4 that play both thirds of the beat are left out, because they sound like 12/8.
Swing and shuffle count 1.5 times, other pieces that divide in two 0.4 times.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import rhythm_corpus
from fit_meter import curve_of, f_measure
from scipy.optimize import minimize

from mirkit.features.rhythm.beats.division import division_evidence
from mirkit.features.rhythm.beats.pulse import beat_salience, find_pulse, fine_grid
from mirkit.features.rhythm.beats.time_signature import estimate_meter
from mirkit.features.rhythm.onset_envelope import FRAME_RATE
from mirkit.features.rhythm.onsets import LEAD_SECONDS

THREES, OTHERS = ("6/8", "12/8"), ("2/4", "3/4", "4/4")
PENALTY, SWUNG_WEIGHT, STRAIGHT_WEIGHT = 0.3, 1.5, 0.4
#: Swung are styles of these names, and inventions of which so many beats have an onset at the second third.
SWUNG, SWUNG_SHARE = ("swing", "shuffle", "jazzwaltz"), 0.4


def evidence_of(path: Path, truth: dict) -> tuple[float, ...] | None:
    """Evidence at the beats of a piece, or None where they are not found."""
    curve = curve_of(path)
    onsets = curve.onsets.times
    grid = fine_grid(find_pulse(beat_salience(curve)), curve, None, len(onsets) / (onsets[-1] - onsets[0]))
    found = estimate_meter([grid])
    if found is None:
        return None
    times = (grid.frames / FRAME_RATE + LEAD_SECONDS)[found.beats(len(grid.frames))[0]]
    inside = (times > 0) & (times < truth["beats"][-1] + 0.3)
    if f_measure(np.array(truth["beats"]), times[inside]) <= 0.9:
        return None
    return division_evidence(grid, found.beat, found.start)


def sounds_like_twelve(truth: dict, seed: int) -> bool:
    """Whether an invention has patterns in triplets that play the first third of the beat, or none at all."""
    style = rhythm_corpus.style_of(truth["style"], seed)
    if "invented" not in truth["style"] or style.division != 3:
        return False
    patterns = [*style.drums[0].values(), style.comp[0], style.bass[0]]
    return any(set(p[1::3]) - {"."} for p in patterns) or not any(set(p[2::3]) - {"."} for p in patterns)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=rhythm_corpus.FOLDER)
    rows, threes, swung = [], [], []
    for path in rhythm_corpus.render(parser.parse_args().corpus):
        truth = json.loads(path.with_suffix(".json").read_text())
        known = truth["bpm"] is not None and truth["meter"] in THREES + OTHERS
        if known and not sounds_like_twelve(truth, int(path.stem.split("_")[-2])):
            evidence = evidence_of(path, truth)
            if evidence is not None:
                rows.append(evidence)
                threes.append(truth["meter"] in THREES)
                played = "invented" in truth["style"] and evidence[3] > SWUNG_SHARE
                swung.append(played or truth["style"].split()[-1] in SWUNG)
    table, right = np.array(rows), np.array(threes)
    swing = np.array(swung) & ~right
    spread = table.std(axis=0)
    scaled = np.concatenate((table / spread, np.ones((len(table), 1))), axis=1)
    weight = np.where(right, 1.0, np.where(swing, SWUNG_WEIGHT, STRAIGHT_WEIGHT))

    def loss(weights: np.ndarray) -> float:
        odds = scaled @ weights
        return float(weight @ np.logaddexp(0, np.where(right, -odds, odds)) + PENALTY * weights[:-1] @ weights[:-1] / 2)

    best = minimize(loss, np.zeros(scaled.shape[1])).x
    print(f"_ODDS, _WEIGHTS = {best[-1]:.2f}, ({', '.join(f'{v:.2f}' for v in best[:-1] / spread)})")
    odds = scaled @ best
    for name, chosen in (("in three", right), ("in two", ~right), ("swung", swing)):
        print(f"{name:9s}{chosen.sum():4d} pieces, right {np.mean((odds > 0)[chosen] == right[chosen]):.3f}")


if __name__ == "__main__":
    main()
