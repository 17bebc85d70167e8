"""Fit the network that judges which instruments play an onset of a mix (``features/rhythm/stem_onsets.py``).

    python benchmarks/fit_stem_onsets.py FOLDER [--write]

FOLDER holds the "tune" half of ``multitracks.py``; every piece is used twice, the second time without drums, without
bass, or without both. An onset of the mix is one of a stem if the stem alone has an onset within 45 ms. Prints
precision and recall of a fit on three quarters of the pieces for the rest. Needs PyTorch.
"""

import argparse
import base64
import itertools
import textwrap
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
HIDDEN, EPOCHS, TOLERANCE = 24, 150, 0.045
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
    return extractor_of(mix).inputs(times), played


def corpus(folder: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    pieces = []
    for i, path in enumerate(render(folder, "tune")):
        found = {stem: onsets(load(path / f"true_{stem}.wav")).times for stem in STEMS}
        absent = LEFT_OUT[i % len(LEFT_OUT)]
        less = sum(load(path / f"true_{stem}.wav") for stem in (*STEMS, "vocals") if stem not in absent)
        both = rows(load(path / "mix.wav"), found), rows(less, {s: f for s, f in found.items() if s not in absent})
        pieces.append(tuple(np.concatenate(parts) for parts in zip(*both, strict=True)))
    return pieces


def fit(pieces: list[tuple[np.ndarray, np.ndarray]]) -> list[np.ndarray]:
    """Weights of the two layers on plain inputs; the last row of each is the bias."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    inputs, played = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    mean, spread = inputs.mean(axis=0), inputs.std(axis=0) + 0.05
    x, y = torch.tensor((inputs - mean) / spread), torch.tensor(played)
    network = torch.nn.Sequential(torch.nn.Linear(x.shape[1], HIDDEN), torch.nn.Tanh(), torch.nn.Linear(HIDDEN, 3))
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3, weight_decay=0.03)
    loss = torch.nn.BCEWithLogitsLoss()
    for epoch in range(EPOCHS):
        order = torch.randperm(len(x))
        for batch in order.split(1024):
            optimizer.zero_grad()
            loss(network(x[batch] + 0.1 * torch.randn_like(x[batch])), y[batch]).backward()
            optimizer.step()
        for group in optimizer.param_groups:
            group["lr"] = 5e-3 * (1 - epoch / EPOCHS) + 1e-5
    (weight, bias), (last, last_bias) = (
        (layer.weight.detach().numpy().T, layer.bias.detach().numpy()) for layer in (network[0], network[2])
    )
    scaled = weight / spread[:, None]
    return [np.vstack((scaled, bias - mean @ scaled)), np.vstack((last, last_bias))]


def judge(layers: list[np.ndarray], pieces: list[tuple[np.ndarray, np.ndarray]]) -> None:
    inputs, played = (np.concatenate(parts) for parts in zip(*pieces, strict=True))
    hidden, out = layers
    odds = np.tanh(inputs @ hidden[:-1] + hidden[-1]) @ out[:-1] + out[-1]
    for k, stem in enumerate(STEMS):
        chosen, true = odds[:, k] > np.log(0.35 / 0.65), played[:, k] > 0
        print(f"{stem:6s} precision {true[chosen].mean():.3f} recall {chosen[true].mean():.3f}")


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
    pieces = corpus(options.folder)
    held_out = pieces[::4]
    judge(fit([piece for i, piece in enumerate(pieces) if i % 4]), held_out)
    if options.write:
        write(fit(pieces))


if __name__ == "__main__":
    main()
