"""Fit the network that judges which instruments play an onset of a mix (``features/rhythm/stem_onsets.py``).

    python benchmarks/fit_stem_onsets.py FOLDER [--write]

FOLDER holds the "tune" half of ``multitracks.py``. Each piece is mixed anew, with random levels of the stems, and half
of the pieces with a limiter; half of the pieces are used a second time without drums, without bass, or without both. An
onset of the mix is one of a stem if the stem alone has an onset within 45 ms. Each third of the pieces is judged by a
fit on the others: prints the correlation of the onsets per second with the true ones by least probability. Needs
PyTorch.
"""

import argparse
import base64
import itertools
import textwrap
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from beats import onset_curve
from multitracks import RATE, render

from mirkit.features.rhythm.onsets import Onsets
from mirkit.features.rhythm.stem_onsets import STEMS, StemOnsetExtractor
from mirkit.features.stft import PowerStft

TARGET = Path(__file__).resolve().parents[1] / "src" / "mirkit" / "features" / "rhythm" / "stem_onsets_weights.py"
HIDDEN, EPOCHS, TOLERANCE = 48, 50, 0.045
LEFT_OUT = (("drums",), ("bass",), ("drums", "bass"))


def extractor_of(mono: np.ndarray) -> StemOnsetExtractor:
    stft, extractor = PowerStft(), StemOnsetExtractor()
    extractor.push_samples(mono)
    for frames in itertools.chain(stft.push(mono), stft.finish()):
        extractor.push_frames(frames)
    return extractor


def load(path: Path) -> np.ndarray:
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert rate == RATE
    return np.ascontiguousarray(samples.mean(axis=1))


def onsets(mono: np.ndarray) -> Onsets:
    return onset_curve(mono).all_onsets


def rows(mix: np.ndarray, stems: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of the onsets of a mix, and which stems play them."""
    times = onsets(mix).times
    played = np.zeros((len(times), len(STEMS)), np.float32)
    for stem, found in stems.items():
        near = np.abs(times[:, None] - found).argmin(axis=0) if len(times) else []
        for i, time in zip(near, found, strict=False):
            played[i, STEMS.index(stem)] = max(played[i, STEMS.index(stem)], abs(times[i] - time) <= TOLERANCE)
    return extractor_of(mix).inputs(times).astype(np.float16), played


@dataclass
class Example:
    """A piece: inputs and labels of its mixes, the first one complete, and the true onsets per second of each stem."""

    mixes: list[tuple[np.ndarray, np.ndarray]]
    density: list[float]


def corpus(folder: Path) -> list[Example]:
    examples = []
    for i, path in enumerate(render(folder, "tune")):
        rng = np.random.default_rng(i)
        sounds = {stem: load(path / f"true_{stem}.wav") for stem in (*STEMS, "vocals")}
        found = {stem: onsets(sounds[stem]).times for stem in STEMS}
        sounds = {stem: sound * np.float32(10 ** (rng.normal(0, 3) / 20)) for stem, sound in sounds.items()}
        mix = sum(sounds.values())
        if rng.random() < 0.5:
            mix = np.tanh(mix / np.abs(mix).max() * np.float32(rng.uniform(1, 2.5)))
        mixes = [rows(mix, found)]
        if rng.random() < 0.5:
            absent = LEFT_OUT[i % len(LEFT_OUT)]
            less = sum(sound for stem, sound in sounds.items() if stem not in absent)
            mixes.append(rows(less, {stem: times for stem, times in found.items() if stem not in absent}))
        examples.append(Example(mixes, [len(found[stem]) / (len(mix) / RATE) for stem in STEMS]))
    return examples


def fit(examples: list[Example]) -> list[np.ndarray]:
    """Weights of the two layers on plain inputs; the last row of each is the bias."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    inputs, played = (
        np.concatenate(parts).astype(np.float32)
        for parts in zip(*(mix for example in examples for mix in example.mixes), strict=True)
    )
    mean, spread = inputs.mean(axis=0), inputs.std(axis=0) + 0.05
    x, y = torch.tensor((inputs - mean) / spread), torch.tensor(played)
    network = torch.nn.Sequential(torch.nn.Linear(x.shape[1], HIDDEN), torch.nn.Tanh(), torch.nn.Linear(HIDDEN, 3))
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3, weight_decay=0.1)
    loss = torch.nn.BCEWithLogitsLoss()
    for epoch in range(EPOCHS):
        order = torch.randperm(len(x))
        for batch in order.split(1024):
            optimizer.zero_grad()
            loss(network(x[batch] + 0.2 * torch.randn_like(x[batch])), y[batch]).backward()
            optimizer.step()
        for group in optimizer.param_groups:
            group["lr"] = 5e-3 * (1 - epoch / EPOCHS) + 1e-5
    (weight, bias), (last, last_bias) = (
        (layer.weight.detach().numpy().T, layer.bias.detach().numpy()) for layer in (network[0], network[2])
    )
    scaled = weight / spread[:, None]
    return [np.vstack((scaled, bias - mean @ scaled)), np.vstack((last, last_bias))]


def judge(examples: list[Example]) -> None:
    true, found = [], []
    for fold in range(3):
        hidden, out = fit([example for i, example in enumerate(examples) if i % 3 != fold])
        for example in examples[fold::3]:
            inner = np.tanh(example.mixes[0][0].astype(np.float32) @ hidden[:-1] + hidden[-1])
            found.append(1 / (1 + np.exp(-(inner @ out[:-1] + out[-1]))))
            true.append(example.density)
    for least in (0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5):
        counts = np.array([(probabilities >= least).sum(axis=0) for probabilities in found])
        shown = (f"{stem} {np.corrcoef(np.array(true)[:, k], counts[:, k])[0, 1]:.3f}" for k, stem in enumerate(STEMS))
        print(f"{least:.2f}", *shown)


def write(layers: list[np.ndarray]) -> None:
    packed = base64.b85encode(b"".join(layer.astype(np.float16).tobytes() for layer in layers)).decode()
    lines = "\n".join(f'    "{line}"' for line in textwrap.wrap(packed, 112, break_on_hyphens=False))
    shapes = tuple(tuple(map(int, layer.shape)) for layer in layers)
    TARGET.write_text(
        '"""The fitted numbers of ``stem_onsets.py``. Written by ``benchmarks/fit_stem_onsets.py``."""\n\n'
        "#: Shape of each layer; its last row is the bias.\n"
        f"SHAPES = {shapes}\n"
        "#: The layers one after the other, float16, in base 85.\n"
        f"WEIGHTS = (\n{lines}\n)\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    examples = corpus(options.folder)
    judge(examples)
    if options.write:
        write(fit(examples))


if __name__ == "__main__":
    main()
