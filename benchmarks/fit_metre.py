"""Fit the weights of ``mirkit.features.rhythm.beats.metre`` to the "tune" half of the rendered corpus and print them.

    python benchmarks/fit_metre.py FOLDER

A conditional logit: of all readings of a piece's fine grid, those with the right beats, downbeats and metre shall be
the likeliest. Two features, the usual tempo and the usual length of a bar, are priors and keep the weight 1. Every
piece counts twice, the second time with its contrasts lowered, as in blurred recordings; the squared weights are held
down in units of each feature's spread.
"""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import rhythm_corpus
from beats import load, onset_curve
from scipy.optimize import minimize

from mirkit.features.rhythm.beats.metre import Reading, structures
from mirkit.features.rhythm.beats.pulse import activation, find_pulse, fine_grid
from mirkit.features.rhythm.onset_envelope import FRAME_RATE
from mirkit.features.rhythm.onsets import LEAD_SECONDS, find_onsets

PRIORS = {"usual tempo": 1.0, "usual bar": 1.0}
BLUR = 0.4
STIFFNESS = 3.0
Example = tuple[np.ndarray, np.ndarray]


def f_measure(reference: np.ndarray, estimate: np.ndarray) -> float:
    if len(estimate) < 2:
        return 0.0
    after = np.clip(np.searchsorted(estimate, reference), 1, len(estimate) - 1)
    near = np.minimum(np.abs(estimate[after] - reference), np.abs(estimate[after - 1] - reference)) < 0.07
    return 2 * float(near.sum()) / (len(reference) + len(estimate))


def examples(path: Path) -> tuple[list[str], list[Example]]:
    """Return the features of every reading of a piece, and which readings are right."""
    truth = json.loads(path.with_suffix(".json").read_text())
    curve = onset_curve(load(path))
    onsets = find_onsets(curve).times
    grid = fine_grid(find_pulse(activation(curve)), curve, None, len(onsets) / (onsets[-1] - onsets[0]))
    found, names, features = structures(grid)
    beats, downbeats = np.array(truth["beats"]), np.array(truth["downbeats"])
    right = np.zeros(len(found), bool)
    for i, reading in enumerate(found):
        at, first = Reading(**dataclasses.asdict(reading), metre_confidence=1, levels=()).beats(len(grid.frames))
        times = grid.frames[at] / FRAME_RATE + LEAD_SECONDS
        inside = (times > 0) & (times < beats[-1] + 0.3)
        fits = f_measure(beats, times[inside]) > 0.9 and f_measure(downbeats, times[inside & first]) > 0.85
        right[i] = fits and reading.metre == truth["metre"]
    blurred = dataclasses.replace(grid, curves=(1 - BLUR) * grid.curves + BLUR * grid.curves.mean(axis=0))
    return names, [(features, right), (structures(blurred)[2], right)] if right.any() else []


def fit(names: list[str], data: list[Example]) -> dict[str, float]:
    fixed = np.array([PRIORS.get(name, 0.0) for name in names])
    spread = np.concatenate([features for features, _ in data]).std(axis=0) + 1e-9
    spread[fixed > 0] = np.inf

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = STIFFNESS * float(weights @ weights) / 2, STIFFNESS * weights
        for features, right in data:
            scaled = features / spread
            score = scaled @ weights + features @ fixed
            likely = np.exp(score - score.max())
            hit = np.where(right, likely, 0)
            value -= float(np.log(hit.sum() / likely.sum() + 1e-12))
            slope = slope - scaled.T @ (hit / hit.sum() - likely / likely.sum())
        return value, slope

    best = minimize(loss, np.zeros(len(names)), jac=True, method="L-BFGS-B", options={"maxiter": 80})
    return dict(zip(names, (best.x / spread + fixed).round(2).tolist(), strict=True))


if __name__ == "__main__":
    data: list[Example] = []
    for path in rhythm_corpus.render(Path(sys.argv[1]), "tune"):
        if not path.name.startswith("rubato"):
            names, found = examples(path)
            data += found
    print(json.dumps(fit(names, data), indent=4))
