"""Fit the weights of ``models/basic_pitch/decoder.py`` on rendered stems.

    python benchmarks/fit_notes.py FOLDER      # prints the weights

FOLDER receives the pieces "tune" of ``note_corpus.py``. A candidate is right if a note of its pitch begins within 50 ms
of it, and no earlier candidate has that note. Stems with many notes count less per note.
"""

import sys
from pathlib import Path

import note_corpus
import numpy as np
import soundfile
from scipy.optimize import minimize

from mirkit.models.basic_pitch.decoder import FRAME_RATE, candidates, evidence
from mirkit.models.basic_pitch.network import LOWEST
from notes import posteriors

_RIDGE = 0.01


def labels(rows: np.ndarray, truth: list[note_corpus.Note]) -> np.ndarray:
    """Return which candidates are notes."""
    used: set[int] = set()
    right = np.zeros(len(rows))
    for i, (frame, pitch) in enumerate(rows.tolist()):
        for j, note in enumerate(truth):
            if j not in used and note[0] == pitch + LOWEST and abs(note[2] - frame / FRAME_RATE) < 0.05:
                used.add(j)
                right[i] = 1
                break
    return right


def fit(folders: list[Path]) -> np.ndarray:
    """Return the weights."""
    parts = []
    for path in folders:
        for stem in ("other", "lead"):
            truth = note_corpus.notes_of(path, stem)
            if len(truth) < 5:
                continue
            notes, onsets = posteriors(soundfile.read(path / f"{stem}.flac", dtype="float32")[0])
            rows = candidates(notes, onsets)
            weight = np.full(len(rows), 1 / np.sqrt(len(truth)))
            parts.append((evidence(notes, onsets, rows), labels(rows, truth), weight))
    x, y, w = (np.concatenate(part) for part in zip(*parts, strict=True))
    free = np.r_[0, np.ones(x.shape[1] - 1)]

    def loss(v: np.ndarray) -> tuple[float, np.ndarray]:
        z = x @ v
        error = w * (1 / (1 + np.exp(-z)) - y)
        return float((w * (np.logaddexp(0, z) - y * z)).sum() + _RIDGE * (free * v**2).sum()), x.T @ error + (
            2 * _RIDGE * free * v
        )

    return minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x


if __name__ == "__main__":
    print(np.array2string(fit(note_corpus.render(Path(sys.argv[1]), "tune")).round(2), separator=", "))
