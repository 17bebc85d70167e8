"""Fit the weights of the chord model, and measure it (``src/mirkit/features/harmony/chords.py``).

    python benchmarks/chords_corpus.py FOLDER && mirkit separate FOLDER --batch && mirkit chords FOLDER --batch
    python benchmarks/fit_chords.py FOLDER [--write --mixes MIXES] [--librosa] [--reference DIR]

FOLDER holds the renderings of ``chords_corpus.py`` with embedded stems: "tune" to fit, "test" to measure. The weights
are those of a conditional random field, by maximum likelihood with a ridge; every fourth "tune" piece is also used
without beats, and those in MIXES without stems (for the weights of mirkit every fourth): folders of the same names with
the ``full_mix.flac`` alone, measured by ``mirkit harmony``. ``--write`` writes ``chord_weights.py``. Measured are the
``.CHORDS`` of the "test" pieces, so after ``--write`` run ``mirkit chords FOLDER --batch --overwrite`` first.
``--librosa`` measures a baseline: librosa's chroma, 24 templates and no chord, Viterbi. DIR holds the answers of
another program: NAME.json with ``chords``, a list of ``start_time``, ``end_time``, ``chord``. Scores are those of
mir_eval, by time.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mir_eval
import numpy as np
import torch

from mirkit.analysis import TrackAnalysis
from mirkit.features.harmony.chord_list import Chords
from mirkit.features.harmony.chord_steps import KINDS, chord_steps, sound_of
from mirkit.features.harmony.chords import QUALITIES, STATES, evidence
from mirkit.features.harmony.chroma import ChromaCurve, ChromaExtractor
from mirkit.features.harmony.key import PITCH_CLASSES
from mirkit.features.rhythm.beats.grid import NO_BEATS, Beats
from mirkit.features.types import ANALYSIS_RATE
from mirkit.staleness import TrackState
from mirkit.store import read_chords
from mirkit.track import Track

TARGET = Path(__file__).resolve().parents[1] / "src/mirkit/features/harmony/chord_weights.py"
METRICS = ("majmin", "sevenths", "root", "underseg", "overseg")
_FLATS = {"Db": "C#", "Eb": "D#", "Gb": "F#", "Ab": "G#", "Bb": "A#"}
#: Quality -> the state's. A step with another chord may have any state but no chord.
_KNOWN = {**{name: name for name in QUALITIES}, "9": "7", "maj6": "maj"}
_RIDGE, _ITERATIONS, _NOISE_SECONDS = 1e-3, 60, 20.0
_NONE = STATES - 1

Labels = list[tuple[float, float, str]]


@dataclass(frozen=True)
class Piece:
    """A piece of the corpus, as mirkit has measured it."""

    name: str
    tonal: ChromaCurve
    bass: ChromaCurve | None
    mix: ChromaCurve | None
    beats: Beats
    duration: float
    truth: Labels


@dataclass(frozen=True)
class Example:
    """Evidence and allowed states of the steps of a piece."""

    classes: np.ndarray
    overall: np.ndarray
    kinds: np.ndarray
    allowed: np.ndarray


def truth_of(folder: Path) -> Labels:
    """The chords of a piece."""
    return [(start, end, symbol) for start, end, symbol in json.loads((folder / "truth.json").read_text())["chords"]]


def corpus(folder: Path, split: str, mixes: Path | None = None) -> list[Piece]:
    """Read the measured pieces of a split; ``mixes`` holds the same pieces, measured without stems."""
    pieces = []
    for path in sorted(folder.glob(f"{split}_*")):
        opened = _opened(path, (("tonal", "chroma"), ("bass", "chroma")))
        alone = mixes / path.name if mixes else None
        mix = None
        if alone and alone.exists():
            mix = _opened(alone, (("full_mix", "chroma"),)).series("full_mix", "chroma")
        tonal, bass = opened.series("tonal", "chroma"), opened.series("bass", "chroma")
        pieces.append(Piece(path.name, tonal, bass, mix, opened.beats, opened.duration, truth_of(path)))
    return pieces


def _opened(path: Path, wanted: tuple[tuple[str, str], ...]) -> TrackAnalysis:
    state = TrackState.of(Track.at(path))
    return TrackAnalysis.load_cached(state.track, state.digests, wanted, state.stems_backend)


def allowed_states(symbol: str) -> np.ndarray:
    """The states that a symbol allows, shape=(61,)."""
    allowed = np.zeros(STATES, bool)
    if symbol == "N":
        allowed[_NONE] = True
        return allowed
    root, _, quality = symbol.partition("/")[0].partition(":")
    if known := _KNOWN.get(quality or "maj"):
        allowed[12 * QUALITIES.index(known) + PITCH_CLASSES.index(_FLATS.get(root, root))] = True
    else:
        allowed[:_NONE] = True
    return allowed


def noises() -> Iterator[Piece]:
    """White, pink and brown noise, steady and in bursts, without and with beats."""
    rng, count = np.random.default_rng(5), round(_NOISE_SECONDS * ANALYSIS_RATE)
    times = np.arange(0.0, _NOISE_SECONDS, 0.5)
    beats = Beats(times, times[::4], np.ones(len(times)), "4/4", steady=True)
    for slope in (0.0, 0.5, 1.0):
        spectrum = np.fft.rfft(rng.standard_normal(count)) / np.maximum(1, np.arange(count // 2 + 1)) ** slope
        steady = np.fft.irfft(spectrum, count)
        bursts = steady * np.exp(-8 * (np.arange(count) / ANALYSIS_RATE % 0.5))
        for sound in (steady, bursts):
            extractor = ChromaExtractor()
            extractor.push((0.3 * sound / np.abs(sound).max()).astype(np.float32))
            curve = extractor.finish()
            yield Piece("noise", curve, None, None, beats, _NOISE_SECONDS, [(0.0, _NOISE_SECONDS, "N")])


def example(piece: Piece, *, stems: bool = True, beats: bool = True) -> Example:
    """Evidence and truth of a piece, with or without its stems and its beats."""
    steps = chord_steps(piece.beats if beats else NO_BEATS, piece.duration)
    tonal = piece.tonal if stems else piece.mix
    assert tonal is not None
    classes, overall = evidence(sound_of(steps, tonal, piece.bass if stems else None))
    allowed = np.ones((len(steps.kinds), STATES), bool)
    for i, (start, end) in enumerate(zip(steps.edges[:-1], steps.edges[1:], strict=True)):
        overlaps = [min(end, b) - max(start, a) for a, b, _ in piece.truth]
        best = int(np.argmax(overlaps))
        if overlaps[best] > (end - start) / 2:
            allowed[i] = allowed_states(piece.truth[best][2])
        elif end < piece.truth[0][0] + 0.1:
            allowed[i] = allowed_states("N")
    return Example(classes.astype(np.float32), overall.astype(np.float32), steps.kinds, allowed)


class Field(torch.nn.Module):
    """The conditional random field, with the same weights for every root."""

    def __init__(self, channels: int, overall: int) -> None:
        super().__init__()
        self.weights = torch.nn.Parameter(torch.zeros(len(QUALITIES), channels, 12))
        self.bias = torch.nn.Parameter(torch.zeros(len(QUALITIES)))
        self.none = torch.nn.Parameter(torch.zeros(1 + overall))
        self.stay = torch.nn.Parameter(torch.full((KINDS,), 2.0))

    def scores(self, classes: torch.Tensor, overall: torch.Tensor) -> torch.Tensor:
        """Score of every state, shape=(pieces, steps, 61)."""
        turned = torch.stack([torch.roll(self.weights, root, 2) for root in range(12)], 1)
        chords = torch.einsum("ptci,qrci->ptqr", classes, turned) + self.bias[:, None]
        return torch.cat((chords.flatten(2), (overall @ self.none[1:] + self.none[0])[..., None]), 2)


def log_sums(scores: torch.Tensor, stays: torch.Tensor, allowed: torch.Tensor | None) -> torch.Tensor:
    """Log of the sum over all allowed sequences, step by step, without each step's highest score."""
    local = torch.exp(scores - scores.max(2, keepdim=True).values)
    if allowed is not None:
        local = local * allowed
    forward, found = local[:, 0], []
    for t in range(local.shape[1]):
        if t:
            change = 1 / (STATES - 1)  # the states of a step sum to 1
            forward = (change + (stays[:, t, None] - change) * forward) * local[:, t]
        total = forward.sum(1, keepdim=True) + 1e-30
        forward = forward / total
        found.append(torch.log(total[:, 0]))
    return torch.stack(found, 1)


def fit(examples: list[Example], seed: int = 0) -> Field:
    """Fit by maximum likelihood with a ridge."""
    torch.manual_seed(seed)
    longest = max(len(one.kinds) for one in examples)

    def stacked(name: str, fill: float = 0) -> torch.Tensor:
        rows = [getattr(one, name) for one in examples]
        padded = [np.concatenate((r, np.full((longest - len(r), *r.shape[1:]), fill, r.dtype))) for r in rows]
        return torch.tensor(np.stack(padded))

    classes, overall, kinds = stacked("classes"), stacked("overall"), stacked("kinds")
    allowed = stacked("allowed", True).float()
    there = torch.tensor(np.stack([np.arange(longest) < len(one.kinds) for one in examples])).float()
    model = Field(classes.shape[2], overall.shape[2])
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        scores, stays = model.scores(classes, overall) * there[..., None], torch.exp(model.stay)[kinds]
        lost = log_sums(scores, stays, None) - log_sums(scores, stays, allowed)
        ridge = torch.square(model.weights).sum() + torch.square(model.none).sum()
        total: torch.Tensor = (lost * there).sum() / there.sum() + _RIDGE * ridge
        total.backward()
        return total

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    print(f"loss {float(loss().detach()):.4f} of {int(there.sum())} steps")
    return model


def write_weights(model: Field, scale: float) -> None:
    """Write ``chord_weights.py``."""

    def text(values: torch.Tensor, indent: str = "    ") -> str:
        if values.dim() == 1:
            return "(" + ", ".join(f"{value:.3g}" for value in values.tolist()) + ")"
        return "(\n" + "".join(f"{indent}{text(row, indent + '    ')},\n" for row in values) + indent[4:] + ")"

    parts = {name: text(value.detach()) for name, value in model.named_parameters()}
    TARGET.write_text(
        f'''"""The fitted numbers of the chord model. Written by ``benchmarks/fit_chords.py``."""

#: For each quality: weights of the channels of ``chords.evidence``, from the root up.
WEIGHTS = {parts["weights"]}
#: For each quality.
BIAS = {parts["bias"]}
#: Constant, and weights of the overall numbers, of no chord.
NO_CHORD = {parts["none"]}
#: Score of staying at a downbeat, another beat, between beats, and in steps of fixed length.
STAY = {parts["stay"]}
#: Factor of all scores with which the confidence is right on pieces that the weights were not fitted to.
SCALE = {scale:.3g}
'''
    )


def score(found: Labels, truth: Labels) -> dict[str, float]:
    """Scores of mir_eval within the time of the truth."""
    low, high = truth[0][0], truth[-1][1]
    inside = [(max(a, low), min(b, high), symbol) for a, b, symbol in found]
    inside = [row for row in inside if row[1] - row[0] > 1e-4] or [(low, high, "N")]
    inside[0], inside[-1] = (low, *inside[0][1:]), (inside[-1][0], high, inside[-1][2])
    sides = [(np.array([row[:2] for row in rows]), [row[2] for row in rows]) for rows in (truth, inside)]
    scores: dict[str, float] = mir_eval.chord.evaluate(*sides[0], *sides[1])
    return scores


def comparable(truth: Labels) -> float:
    """Seconds that ``majmin`` judges."""
    known = (*_KNOWN, "")
    return sum(b - a for a, b, s in truth if s == "N" or s.partition("/")[0].partition(":")[2] in known)


def report(name: str, found: dict[str, Labels], truths: dict[str, Labels]) -> dict[str, float]:
    """Print the scores of all pieces, weighted by time; return ``majmin`` of each piece."""
    rows = {piece: score(chords, truths[piece]) for piece, chords in found.items()}
    weights = np.array([comparable(truths[piece]) for piece in rows])
    means = (f"{key} {np.average([row[key] for row in rows.values()], weights=weights):.3f}" for key in METRICS)
    print(f"{name}: {len(rows)} pieces, {weights.sum() / 60:.0f} min: {', '.join(means)}")
    return {piece: row["majmin"] for piece, row in rows.items()}


def baseline(path: Path) -> Labels:
    """Librosa's chroma of the harmonic part, 24 templates and no chord, Viterbi."""
    import librosa

    sound, rate = librosa.load(path, sr=22050)
    hop = 2048
    chroma = librosa.feature.chroma_cqt(y=librosa.effects.harmonic(sound, margin=4), sr=rate, hop_length=hop)
    templates = np.zeros((25, 12))
    for root in range(12):
        templates[root, [root, (root + 4) % 12, (root + 7) % 12]] = 1
        templates[12 + root, [root, (root + 3) % 12, (root + 7) % 12]] = 1
    templates[24] = 1
    unit = templates / np.linalg.norm(templates, axis=1, keepdims=True)
    fit = unit @ librosa.util.normalize(chroma, norm=2, axis=0)
    likely = np.exp(10 * fit)
    states = librosa.sequence.viterbi_discriminative(
        likely / likely.sum(axis=0), librosa.sequence.transition_loop(25, 0.95)
    )
    symbols = [*(f"{n}:maj" for n in PITCH_CLASSES), *(f"{n}:min" for n in PITCH_CLASSES), "N"]
    return [(i * hop / rate, (i + 1) * hop / rate, symbols[state]) for i, state in enumerate(states)]


def reliability(found: dict[str, Chords], truths: dict[str, Labels]) -> None:
    """Print how often chords of a confidence are right, by time."""
    rows = []
    for piece, chords in found.items():
        for chord in chords:
            for a, b, true in truths[piece]:
                length, states = min(chord.end, b) - max(chord.start, a), allowed_states(true)
                if length > 0 and states.sum() == 1:
                    rows.append((length, chord.confidence, bool((states & allowed_states(chord.symbol)).any())))
    length, sure, right = (np.array(column, float) for column in zip(*rows, strict=True))
    for low, high in ((0.0, 0.4), (0.4, 0.6), (0.6, 0.8), (0.8, 0.95), (0.95, 1.01)):
        here = (sure >= low) & (sure < high)
        mean, true = (np.average(v[here], weights=length[here]) if here.any() else np.nan for v in (sure, right))
        minutes = length[here].sum() / 60
        print(f"confidence {low:.2f}-{min(high, 1):.2f}: {minutes:.1f} min, mean {mean:.2f}, right {true:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mixes", type=Path, help="the same pieces, measured without stems")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--librosa", action="store_true")
    parser.add_argument("--reference", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.write:
        pieces = corpus(arguments.folder, "tune", arguments.mixes)
        examples = [example(piece) for piece in pieces]
        examples += [example(piece, beats=False) for piece in pieces[1::4]]
        examples += [example(piece, stems=False) for piece in pieces if piece.mix]
        examples += [example(piece, beats=beats) for piece in noises() for beats in (False, True)]
        write_weights(fit(examples), arguments.scale)
        return
    folders = sorted(arguments.folder.glob("test_*"))
    truths = {folder.name: truth_of(folder) for folder in folders}
    files = {folder.name: read_chords(Track.at(folder).chords) for folder in folders}
    ours = {name: [(c.start, c.end, c.symbol) for c in chords] for name, chords in files.items()}
    by_piece = report("mirkit", ours, truths)
    worst = sorted(by_piece.items(), key=lambda row: row[1])[:8]
    print("worst:", ", ".join(f"{name} {value:.2f}" for name, value in worst))
    reliability(files, truths)
    if arguments.librosa:
        report("librosa templates", {f.name: baseline(f / "full_mix.flac") for f in folders}, truths)
    if arguments.reference:
        answers = {
            n: json.loads(p.read_text())["chords"] for n in truths if (p := arguments.reference / f"{n}.json").exists()
        }
        report(
            arguments.reference.name,
            {n: [(c["start_time"], c["end_time"], c["chord"]) for c in rows] for n, rows in answers.items()},
            truths,
        )


if __name__ == "__main__":
    main()
