"""Fit the weights of the sections: where they begin, how long they are, and which are alike.

    python benchmarks/fit_sections.py FOLDER     # renders ``sections_corpus`` "tune" where missing; writes weights.py

FOLDER keeps the feature series of every piece. Each piece is used with its true bars and with tracked ones, with its
stems and from the mix alone. Cross-validation over four parts of the pieces is printed first.
"""

import pickle
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import mir_eval
import numpy as np
import sections_corpus
from sklearn.linear_model import LogisticRegression

from mirkit.features.extraction import BLOCK, measure
from mirkit.features.rhythm.beats.grid import Beats
from mirkit.features.rhythm.beats.track import track_beats
from mirkit.features.structure import weights
from mirkit.features.structure.bars import Bars, Grid, Sources, bars_of, grid_of, without_silent_ends
from mirkit.features.structure.boundaries import divide, evidence
from mirkit.features.structure.form import Form
from mirkit.features.structure.likeness import comparison, spans
from mirkit.features.structure.sections import divide_and_name
from mirkit.features.types import ANALYSIS_RATE, Unknown

TARGET = Path(weights.__file__)
#: Regularization of the logistic functions.
_STRENGTH = 0.05
#: Log weight of a section by its length in bars: fitted shares of the tune pieces, which a listener would expect too.
_FOLDS, _SEEN_PARTS = 4, 0.7
Spans = list[tuple[int, int]]


@dataclass(frozen=True)
class Item:
    """A piece of the corpus as one of its sources of bars and stems shows it."""

    piece: dict[str, object]
    sources: Sources
    grid: Grid
    bars: Bars
    evidence: np.ndarray
    target: np.ndarray
    stems: bool
    tracked: bool

    @property
    def truth(self) -> list[dict[str, object]]:
        """True sections."""
        return self.piece["truth"]["sections"]  # type: ignore[index, return-value]


def series_of(folder: Path, split: str) -> Iterator[dict[str, object]]:
    """Yield name, truth, feature series, tracked beats and duration of each piece of a split, from ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, seed, how in sections_corpus.plan(split):
        path = folder / f"{name}.pkl"
        if not path.exists():
            song = sections_corpus.compose(seed, sections_corpus.styles_of(split))
            stems = sections_corpus.stems_of(song, seed, how)
            path.write_bytes(pickle.dumps({"name": name, **_measured(stems, sections_corpus.truth_of(song))}))
        yield pickle.loads(path.read_bytes())


def repetitions_of(folder: Path, split: str) -> Iterator[dict[str, object]]:
    """Yield likewise the pieces without fills, and those that are played twice."""
    for name, render in sections_corpus.repetitions(split):
        path = folder / f"{name}.pkl"
        if not path.exists():
            path.write_bytes(pickle.dumps({"name": name, **_measured(*render())}))
        yield pickle.loads(path.read_bytes())


def _measured(stems: dict[str, np.ndarray], truth: dict[str, object]) -> dict[str, object]:
    signals = {"full_mix": sum(stems.values()), **stems}
    wanted = {
        ("full_mix",): {"full_mix": ("onset", "onsets", "layers", "spectral", "bands", "loudness", "chroma")},
        ("drums",): {"drums": ("onset", "layers", "loudness")},
        ("bass", "other", "vocals"): {
            "tonal": ("chroma",),
            **dict.fromkeys(("bass", "other", "vocals"), ("loudness",)),
        },
    }
    series = {}
    for names, kinds in wanted.items():
        streams = {name: _blocks(signals[name]) for name in names}
        chosen = {source: frozenset(kind) for source, kind in kinds.items()}
        series |= measure(streams, dict.fromkeys(names, 2), chosen, {})[0]
    mix, drums = series.pop(("full_mix", "onset")), series.pop(("drums", "onset"))
    return {
        "truth": truth,
        "series": series,
        "beats": track_beats(mix, drums),
        "beats_mix": track_beats(mix),
        "duration": signals["full_mix"].shape[1] / ANALYSIS_RATE,
    }


def _blocks(samples: np.ndarray) -> list[np.ndarray]:
    return [np.ascontiguousarray(samples[:, i : i + BLOCK]) for i in range(0, samples.shape[1], BLOCK)]


def sources_of(piece: dict[str, object], *, stems: bool, tracked: bool) -> Sources:
    """Return what the stage would read: with or without stems, with tracked or true beats."""
    series, truth = piece["series"], piece["truth"]
    times = np.array(truth["beats"])  # type: ignore[index]
    true = Beats(times, np.array(truth["downbeats"]), np.ones(len(times)), truth["meter"], 1.0, steady=True)  # type: ignore[index]
    return Sources(
        float(piece["duration"]),  # type: ignore[arg-type]
        piece["beats" if stems else "beats_mix"] if tracked else true,  # type: ignore[arg-type]
        series["tonal" if stems else "full_mix", "chroma"],  # type: ignore[index]
        series["full_mix", "bands"],  # type: ignore[index]
        series["full_mix", "spectral"],  # type: ignore[index]
        series["full_mix", "loudness"],  # type: ignore[index]
        series["drums" if stems else "full_mix", "layers"],  # type: ignore[index]
        series["full_mix", "onsets"].times,  # type: ignore[index]
        {stem: series[stem, "loudness"] for stem in sections_corpus.STEMS} if stems else {},  # type: ignore[index]
    )


def item(piece: dict[str, object], *, stems: bool, tracked: bool) -> Item:
    """Measure the bars of a piece and mark the edges nearest to its true boundaries."""
    sources = sources_of(piece, stems=stems, tracked=tracked)
    grid = grid_of(sources.beats, sources.duration)
    grid = without_silent_ends(grid, bars_of(sources, grid), sources.onsets)
    bars = bars_of(sources, grid)
    target = np.zeros(len(grid.edges) - 2)
    for section in piece["truth"]["sections"][1:]:  # type: ignore[index]
        target[int(np.argmin(np.abs(grid.edges[1:-1] - section["start"])))] = 1
    return Item(piece, sources, grid, bars, evidence(bars), target, stems, tracked)


def _logistic(inputs: np.ndarray, target: np.ndarray) -> tuple[float, list[float]]:
    """Constant and weights."""
    mean, spread = inputs.mean(axis=0), np.maximum(inputs.std(axis=0), 0.05)
    fitted = LogisticRegression(C=_STRENGTH, max_iter=3000).fit((inputs - mean) / spread, target)
    slopes = fitted.coef_[0] / spread
    return float(fitted.intercept_[0] - (slopes * mean).sum()), [float(slope) for slope in slopes]


def _true_labels(one: Item, parts: Spans) -> list[tuple[str, float]]:
    """True letter of each span, and the share of the span that it covers."""
    found = []
    for first, last in parts:
        start, end = one.grid.edges[[first, last]]
        shares = [max(0.0, min(end, s["end"]) - max(start, s["start"])) / (end - start) for s in one.truth]  # type: ignore[call-overload, type-var, operator]
        best = int(np.argmax(shares))
        found.append((str(one.truth[best]["label"]), float(shares[best])))
    return found


def _pairs(one: Item, parts: Spans) -> tuple[list[np.ndarray], list[bool]]:
    names = _true_labels(one, parts)
    inputs, target = [], []
    for i in range(len(parts)):
        for j in range(i):
            if min(names[i][1], names[j][1]) > _SEEN_PARTS:
                inputs.append(comparison(one.bars, parts[j], parts[i]))
                target.append(names[i][0] == names[j][0])
    return inputs, target


@dataclass(frozen=True)
class Fitted:
    """Weights for pieces with stems, or for mixes."""

    boundary: tuple[float, list[float]]
    likeness: tuple[float, list[float]]


def fit(items: Sequence[Item], repetitions: Sequence[Item], lengths: np.ndarray) -> Fitted:
    """Fit both logistic functions; ``repetitions``, whose boundaries are not marked as usual, only that of likeness."""
    rng = np.random.default_rng(14)
    boundary = _logistic(np.concatenate([i.evidence for i in items]), np.concatenate([i.target for i in items]))
    inputs: list[np.ndarray] = []
    target: list[bool] = []
    for one in (*items, *repetitions):
        true = [int(i) + 1 for i in np.flatnonzero(one.target)]
        moved = sorted({int(np.clip(m + rng.integers(-1, 2), 1, len(one.target))) for m in true})
        found = list(divide(boundary[0] + one.evidence @ np.array(boundary[1]), lengths).marks)
        for marks in (true, moved, found):
            more = _pairs(one, spans(marks, len(one.bars.decibel)))
            inputs, target = inputs + more[0], target + more[1]
    return Fitted(boundary, _logistic(np.array(inputs), np.array(target)))


def section_lengths() -> np.ndarray:
    """Return the log weight of a section of 1 to 24 bars: phrases have four or eight bars, seldom an odd number."""
    by_rest = {0: 2.3, 4: 1.5, 2: 0.0, 6: 0.0}
    usual = [by_rest.get(n % 8, -1.0) - (1.5 if n < 3 else 0.0) - (1.0 if n > 16 else 0.0) for n in range(1, 25)]
    usual[0] = -8.0
    return np.array(usual)


def scores(truth: Sequence[dict[str, object]], found: Form | Unknown, duration: float) -> dict[str, float]:
    """Return boundary precision, recall and F at 3 s and F at 0.5 s (trimmed), and pairwise precision, recall and F."""
    true = np.array([[s["start"], s["end"]] for s in truth], float)
    names = [str(s["label"]) for s in truth]
    parts = [] if isinstance(found, Unknown) else [(s.start, s.end, s.label) for s in found.sections]
    parts = parts or [(0.0, duration, "A")]
    return compare(true, names, np.array([p[:2] for p in parts]), [p[2] for p in parts], duration)


def compare(
    true: np.ndarray, names: list[str], found: np.ndarray, labels: list[str], duration: float
) -> dict[str, float]:
    """Return the scores of intervals and labels."""
    hits = {w: mir_eval.segment.detection(true, found, window=w, trim=True) for w in (3.0, 0.5)}
    pair = mir_eval.segment.pairwise(
        *mir_eval.util.adjust_intervals(true, names, t_min=0, t_max=duration),
        *mir_eval.util.adjust_intervals(found, labels, t_min=0, t_max=duration),
    )
    names_of = ("P3", "R3", "F3", "F05", "pairP", "pairR", "pairF")
    return dict(zip(names_of, (*hits[3.0], hits[0.5][2], *pair), strict=True))


def _run(one: Item, fitted: Fitted, lengths: np.ndarray) -> dict[str, float]:
    named = divide_and_name(one.bars, one.evidence, fitted.boundary, fitted.likeness, lengths)
    edges = one.grid.edges
    intervals = np.array([[edges[a], edges[b]] for a, b in named.parts])
    true = np.array([[s["start"], s["end"]] for s in one.truth], float)
    return compare(true, [str(s["label"]) for s in one.truth], intervals, named.letters, float(edges[-1]))


def _tuple(values: Sequence[float], indent: int) -> str:
    """Format numbers as a tuple, ten in a line."""
    lines = [", ".join(f"{value:.3f}" for value in values[i : i + 10]) for i in range(0, len(values), 10)]
    return "(" + "".join(f"\n{' ' * (indent + 4)}{line}," for line in lines) + f"\n{' ' * indent})"


def main(folder: Path) -> None:
    """Fit, print the cross-validation, and write the weights."""
    pieces, repeating = list(series_of(folder, "tune")), list(repetitions_of(folder, "tune"))
    lengths = section_lengths()
    rows = {}
    for stems in (True, False):
        items = [[item(p, stems=stems, tracked=tracked) for p in pieces] for tracked in (False, True)]
        repetitions = [item(p, stems=stems, tracked=tracked) for tracked in (False, True) for p in repeating]
        for tracked in (0, 1):
            found = []
            for fold in range(_FOLDS):
                rest = [i for kind in items for n, i in enumerate(kind) if n % _FOLDS != fold]
                fitted = fit(rest, repetitions, lengths)
                found += [_run(i, fitted, lengths) for n, i in enumerate(items[tracked]) if n % _FOLDS == fold]
            means = {name: np.mean([row[name] for row in found]) for name in found[0]}
            print(
                "stems" if stems else "mix  ",
                "tracked" if tracked else "true   ",
                {k: round(float(v), 3) for k, v in means.items()},
            )
        rows[stems] = fit([i for kind in items for i in kind], repetitions, lengths)
    write(rows, lengths)


def write(rows: Mapping[bool, Fitted], lengths: np.ndarray) -> None:
    """Write the weights for pieces with stems (True) and for mixes."""
    text = '"""The fitted numbers of the sections. Written by ``benchmarks/fit_sections.py``."""\n\n# fmt: off\n'
    text += (
        "#: Whether there are stems -> constant and weights of the evidence for a boundary (``boundaries.evidence``).\n"
    )
    text += _table("BOUNDARY", {stems: row.boundary for stems, row in rows.items()})
    text += "#: Likewise for two sections being alike (``likeness.comparison``).\n"
    text += _table("LIKENESS", {stems: row.likeness for stems, row in rows.items()})
    text += f"#: Log weight of a section of 1, 2, ... bars.\nLENGTHS = {_tuple(lengths, 0)}\n"
    TARGET.write_text(text)


def _table(name: str, rows: Mapping[bool, tuple[float, Sequence[float]]]) -> str:
    lines = (f"    {stems}: ({constant:.3f}, {_tuple(slopes, 4)}),\n" for stems, (constant, slopes) in rows.items())
    return f"{name} = {{\n{''.join(lines)}}}\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
