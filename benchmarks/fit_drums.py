"""Fit the embedded drum transcriber on rendered drums and write its numbers. Needs PyTorch and fluidsynth.

    python benchmarks/fit_drums.py FOLDER [--pieces 240] [--epochs 40] [--write]

FOLDER keeps what is rendered: for fitting, the band levels of each voice by itself, whose mix, tone, room, compression
and noise are drawn anew each time a piece is seen; for the thresholds, the finished pieces of ``drum_corpus.py``.
``--write`` puts the numbers into ``src/mirkit/drums/embedded/weights.py``. Nothing real goes in.
"""

import argparse
import json
from pathlib import Path

import drum_corpus
import mir_eval
import numpy as np
import scipy.signal
import torch
from beats import load
from torch import nn

from mirkit.drums.embedded import levels, network
from mirkit.features.peaks import parabolic, pick_peaks
from mirkit.features.stft import N_FFT, PowerStft

TEMPLATES, HIDDEN, VOICES = 20, 40, 4
FIRST_SEED = 1000  # of the pieces to fit on; the corpus for the thresholds begins at 0
#: Voice of the corpus (kick, snare, hat, tom, cymbal) -> output of the network (kick, snare, tom, hi-hat).
OUTPUT = (0, 1, 3, 2, 3)
#: A rendered hit sounds this much (s) after its note.
DELAY = 0.006
RARITY = (3.0, 3.0, 5.0, 2.0)  # what a missed stroke costs against a wrong one
TARGET = Path(__file__).resolve().parents[1] / "src/mirkit/drums/embedded/weights.py"
Piece = tuple[np.ndarray, np.ndarray, np.ndarray]


def decibels(mono: np.ndarray) -> np.ndarray:
    stft, bands = PowerStft(N_FFT, levels.HOP), levels.Bands()
    return np.concatenate([bands.decibels(p) for step in (stft.push(mono), stft.finish()) for p in step])


def voices(folder: Path, seed: int) -> Piece:
    """Band powers of each voice of a piece, shape=(5, frames, 36), and its strokes: seconds, voices."""
    path = folder / f"voices-{seed}.npz"
    if not path.is_file():
        rng = np.random.default_rng(seed)
        hits = drum_corpus.patterns(rng)
        parts = drum_corpus.render(hits, *drum_corpus.kit(rng))
        which = [drum_corpus.VOICES.index(hit.voice) for hit in hits]
        np.savez_compressed(path, powers=[decibels(p) for p in parts], times=[hit.time for hit in hits], voices=which)
    kept = np.load(path)
    return 10 ** (kept["powers"].astype(np.float32) / 10), kept["times"], kept["voices"]


def mixed(powers: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Levels of a piece mixed as an engineer may."""
    bands = np.arange(levels.BANDS)
    mix = (powers * 10 ** (rng.normal(0, 4, (len(powers), 1, 1)) / 10)).sum(axis=0)
    if rng.random() < 0.8:  # a room: an echo that dies away, its treble sooner
        fade = 10 ** (-6 / (rng.uniform(0.12, 1.2) * 100))
        tone = 10 ** (np.interp(bands, [0, 18, 35], rng.normal((0, 0, -4), 3)) / 10)
        wet = 3 * 10 ** (rng.uniform(-20, -4) / 10)
        mix = mix + wet * (1 - fade) * scipy.signal.lfilter([0, 1], [1, -fade], mix, axis=0) * tone
    mix = mix * 10 ** (np.interp(bands, np.linspace(0, 35, 7), rng.normal(0, 5, 7)) / 10)
    if rng.random() < 0.5:
        mix = mix * rng.gamma(8, 1 / 8, mix.shape)
    if rng.random() < 0.6:  # a compressor
        loud = scipy.signal.lfilter([0.3], [1, -0.7], 10 * np.log10(mix.sum(axis=1) + 1e-9))
        above = np.maximum(0, loud - loud.max() + rng.uniform(5, 20))
        mix = mix * 10 ** (-above * rng.uniform(0.2, 0.7) / 10)[:, None]
    mix = mix + mix.max() * 10 ** (rng.uniform(-8, -5) + rng.normal(0, 0.3, levels.BANDS))
    mix = 10 * np.log10(mix + 1e-12)
    return levels.above_floor(mix, mix.max())


def target(frames: int, times: np.ndarray, which: np.ndarray) -> np.ndarray:
    """1 at the frames nearest to a stroke, less beside them, shape=(frames, 4)."""
    wanted = np.zeros((frames, VOICES), np.float32)
    for when, voice in zip((times + DELAY) * levels.FRAME_RATE, which, strict=True):
        for frame in range(max(0, int(when) - 1), min(frames, int(when) + 3)):
            height = 1 - max(0.0, abs(frame - when) - 0.5)
            wanted[frame, OUTPUT[voice]] = max(wanted[frame, OUTPUT[voice]], height)
    return wanted


class Net(nn.Module):
    """The layers of ``embedded.network``, to be fitted."""

    def __init__(self) -> None:
        super().__init__()
        self.templates = nn.Linear(levels.BANDS, TEMPLATES)
        self.course = nn.Linear(TEMPLATES * (network.BEFORE + 1 + network.AFTER), HIDDEN)
        self.voices = nn.Linear(HIDDEN, VOICES)

    def forward(self, given: torch.Tensor) -> torch.Tensor:  # noqa: D102
        weights = nn.functional.pad(torch.relu(self.templates(given)), (0, 0, network.BEFORE, network.AFTER))
        around = weights.unfold(0, network.BEFORE + 1 + network.AFTER, 1).flatten(1)
        return self.voices(nn.functional.dropout(torch.relu(self.course(around)), 0.1, self.training))

    def layers(self) -> list[tuple[np.ndarray, np.ndarray]]:  # noqa: D102
        every = (self.templates, self.course, self.voices)
        return [(layer.weight.detach().T.numpy(), layer.bias.detach().numpy()) for layer in every]


def fit(pieces: list[Piece], epochs: int) -> Net:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    net = Net()
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=1e-3)
    steps = epochs * ((len(pieces) + 1) // 2)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps)
    rarity = torch.tensor(RARITY)
    for _ in range(epochs):
        order = rng.permutation(len(pieces))
        for start in range(0, len(order), 2):
            optimizer.zero_grad()
            for i in order[start : start + 2]:
                powers, times, which = pieces[i]
                given = torch.from_numpy(mixed(powers, rng).astype(np.float32))
                wanted = torch.from_numpy(target(len(given), times, which))
                nn.functional.binary_cross_entropy_with_logits(net(given), wanted, pos_weight=rarity).backward()
            optimizer.step()
            rate.step()
    return net.eval()


def thresholds(layers: list[tuple[np.ndarray, np.ndarray]], paths: list[Path]) -> tuple[list[float], list[float]]:
    """Find, for each voice, the lowest likelihood that is best for the finished pieces, and the F that it gives."""
    fitted = network.Network(*layers)
    pieces = []
    for path in paths:
        truth_hits = [(when + DELAY, OUTPUT[drum_corpus.VOICES.index(name)]) for when, name, _ in _hits(path)]
        given = decibels(load(path))
        pieces.append((fitted([levels.above_floor(given, given.max())]).astype(np.float64), truth_hits))
    best = []
    for voice in range(VOICES):
        scores = []
        for lowest in np.arange(0.1, 0.95, 0.05):
            counts = np.zeros(2)
            for curves, truth_hits in pieces:
                found = parabolic(curves[:, voice], pick_peaks(curves[:, voice], 0.1, lowest)) / levels.FRAME_RATE
                truth = np.unique([when for when, which in truth_hits if which == voice])
                pairs = mir_eval.util.match_events(truth, found, 0.05) if len(truth) and len(found) else []
                counts += 2 * len(pairs), len(truth) + len(found)
            scores.append((counts[0] / max(1, counts[1]), round(float(lowest), 2)))
        best.append(max(scores))
    return [lowest for _, lowest in best], [score for score, _ in best]


def _hits(path: Path) -> list[tuple[float, str, int]]:
    return json.loads(path.with_suffix(".json").read_text())["hits"]


def source(layers: list[tuple[np.ndarray, np.ndarray]], lowest: list[float]) -> str:
    """The module that holds the numbers."""
    text = network.packed(layers)
    rows = "\n".join(f'    "{text[i : i + 112]}"' for i in range(0, len(text), 112))
    return (
        '"""The fitted numbers of the embedded transcriber. Written by ``benchmarks/fit_drums.py``."""\n\n'
        f"#: Inputs and outputs of each layer.\nSHAPES = ({', '.join(str(w.shape) for w, _ in layers)})\n"
        f"#: How likely a stroke must be: kick, snare, tom, hi-hat.\nLOWEST = ({', '.join(map(str, lowest))})\n"
        f"#: See ``network.packed``.\nWEIGHTS = (\n{rows}\n)\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pieces", type=int, default=240)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--finished", type=int, default=155)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    finished = drum_corpus.write(arguments.folder, arguments.finished)
    pieces = [voices(arguments.folder, FIRST_SEED + i) for i in range(arguments.pieces)]
    layers = fit(pieces, arguments.epochs).layers()
    lowest, scores = thresholds(layers, finished)
    print("F of kick, snare, tom, hi-hat on the finished pieces:", np.round(scores, 3), "thresholds:", lowest)
    if arguments.write:
        TARGET.write_text(source(layers, lowest))


if __name__ == "__main__":
    main()
