"""Fit the embedded drum transcriber on rendered music and write its weights. Needs PyTorch and fluidsynth.

    python benchmarks/fit_drums.py FOLDER [--pieces 180] [--epochs 32] [--write]

FOLDER keeps what is rendered: the pieces of ``drum_mixes.py`` and the half "tune" of ``multitracks.py``. The network is
fitted on three kinds of signals: drums alone (with none or a little of the music, as a good separation leaves it), the
drums stem of the embedded separation, and the mix. Drums alone and mixes are mixed anew each time a piece is seen:
faders, music, tone, room, compression and noise are drawn at random. The thresholds of each kind are chosen on pieces
with other scores, kits and soundfonts. ``--write`` puts the weights into ``src/mirkit/drums/embedded/weights.py``. No
recording of music goes in; the sounds of the kits, basses, guitars and voices are recorded.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import drum_mixes
import mir_eval
import multitracks
import numpy as np
import scipy.signal
import torch
from drum_kits import GROUPS, group_of
from rhythm_corpus import DRUM_CHANNEL, compose
from torch import nn

from mirkit.drums.embedded import THRESHOLD, levels, network
from mirkit.features.peaks import parabolic, pick_peaks

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
VOICES = ("kick", "snare", "tom", "hi-hat")
#: Group of the pieces -> output of the network; percussion is no hit of the kit.
OUTPUT = np.array(
    [VOICES.index({"hat": "hi-hat", "cymbal": "hi-hat"}.get(g, g)) if g != "percussion" else -1 for g in GROUPS]
)
#: Frames that each layer reads, and its outputs.
LAYERS = (((0,), 32), (tuple(range(-4, 9)), 48), ((-8, 0, 8), 48), ((-24, 0, 24), 48), ((0,), len(VOICES)))
#: Signal of the transcriber -> levels of a piece.
LEVELS = {"stem": "drums", "separated": "stem", "mix": "mix"}
SHARES = (0.35, 0.45, 0.2)  # of the three signals among the examples
RARITY = (3.0, 3.0, 5.0, 2.0)  # what a missed hit costs against a wrong one
CHUNK, CHUNKS = 400, 8  # frames of an example, and examples of a step
PIECE = 1600  # frames of a piece that are seen at once
TARGET = Path(__file__).resolve().parents[1] / "src/mirkit/drums/embedded/weights.py"


@dataclass(frozen=True)
class Example:
    """Band levels of a piece (dB), those of its parts if they are known, and the wanted outputs."""

    levels: dict[str, np.ndarray]
    wanted: np.ndarray
    truth: tuple[np.ndarray, ...]  # seconds of the hits of each voice
    parts: np.ndarray | None = None
    rms: np.ndarray | None = None


def example(found: dict[str, np.ndarray]) -> Example:
    which = OUTPUT[found["groups"]]
    truth = tuple(np.unique(found["times"][which == voice]) for voice in range(len(VOICES)))
    kinds = {signal: found[name] for signal, name in LEVELS.items()}
    return Example(kinds, wanted(len(found["mix"]), truth), truth, found.get("parts"), found.get("rms"))


def wanted(frames: int, truth: tuple[np.ndarray, ...]) -> np.ndarray:
    """1 at the frames nearest to a hit, less beside them, shape=(frames, 4)."""
    out = np.zeros((frames, len(truth)), np.float32)
    for voice, times in enumerate(truth):
        for when in times * levels.FRAME_RATE:
            for frame in range(max(0, int(when) - 1), min(frames, int(when) + 3)):
                out[frame, voice] = max(out[frame, voice], 1 - max(0.0, abs(frame - when) - 0.5))
    return out


def multitrack(folder: Path) -> Example:
    """A piece of ``multitracks.py``."""
    kept = folder / "drum_levels.npz"
    if not kept.is_file():
        style, seed = folder.name.rsplit("_", 1)
        notes = [note for note in compose(style, int(seed)).notes if note[0] == DRUM_CHANNEL]
        notes = [note for note in notes if note[3] < multitracks.SECONDS and note[1] != 39]  # 39: a clap
        files = {"mix": "mix", "stem": "emb_drums", "drums": "true_drums"}
        np.savez(
            kept,
            times=np.array([note[3] + drum_mixes.DELAY for note in notes]),
            groups=np.array([GROUPS.index(group_of(note[1])) for note in notes], np.int64),
            **{name: drum_mixes.decibels(drum_mixes.mono(folder / f"{file}.wav")) for name, file in files.items()},
        )
    with np.load(kept) as found:
        return example(dict(found))


def altered(pieces: list[Example], index: int, signal: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Levels of a piece as another recording may have them, and the wanted outputs, of at most ``PIECE`` frames."""
    piece = pieces[index]
    if piece.parts is not None and signal != "separated" and rng.random() < (1.0 if signal == "stem" else 0.7):
        power = remixed(piece, pieces, signal, rng)
    else:
        power = toned(10 ** (piece.levels[signal].astype(np.float32) / 10), rng)
    if rng.random() < 0.5:
        power = power * rng.gamma(8, 1 / 8, power.shape).astype(np.float32)
    if rng.random() < 0.5:  # a compressor
        loud = scipy.signal.lfilter([0.3], [1, -0.7], 10 * np.log10(power.sum(axis=1) + 1e-9))
        above = np.maximum(0, loud - loud.max() + rng.uniform(5, 20))
        power = power * (10 ** (-above * rng.uniform(0.2, 0.7) / 10)[:, None]).astype(np.float32)
    noise = 10 ** (rng.uniform(-8, -5) + rng.normal(0, 0.3, levels.BANDS))
    decibels = 10 * np.log10(power + power.max() * noise.astype(np.float32) + 1e-12)
    given = levels.above_floor(decibels, float(decibels.max()))
    start = int(rng.integers(0, max(1, len(given) - PIECE + 1)))
    return given[start : start + PIECE], piece.wanted[start : start + PIECE]


def remixed(piece: Example, pieces: list[Example], signal: str, rng: np.random.Generator) -> np.ndarray:
    """Band powers of the drums of a piece with music of the same or another one."""
    assert piece.parts is not None
    assert piece.rms is not None
    count = len(GROUPS)
    drums = toned(_sum(piece.parts[:count], piece.rms[:count], 4, rng), rng)
    if rng.random() < (0.45 if signal == "stem" else 0.15):
        return drums
    remixable = [i for i, other in enumerate(pieces) if other.parts is not None]
    other = piece if rng.random() < 0.5 else pieces[int(rng.choice(remixable))]
    assert other.parts is not None
    assert other.rms is not None
    music = toned(_sum(other.parts[count:], other.rms[count:], 3, rng), rng)
    if other is not piece:
        music = np.roll(music, rng.integers(len(music)), axis=0)
    decibels = rng.normal(0, 4.5) if signal == "mix" else rng.uniform(-50, -12)
    return drums + music * np.float32(10 ** (decibels / 10))


def _sum(parts: np.ndarray, rms: np.ndarray, spread: float, rng: np.random.Generator) -> np.ndarray:
    """Sum of parts with random faders, normalized."""
    gains = 10 ** (rng.normal(0, spread, len(parts)) / 10)
    total = (10 ** (parts.astype(np.float32) / 10) * gains[:, None, None].astype(np.float32)).sum(axis=0)
    return total / np.float32(max(1e-9, (rms**2 * gains).sum()))


def toned(power: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another room and another tone."""
    bands = np.arange(levels.BANDS)
    if rng.random() < 0.7:  # a room: an echo that dies away, its treble sooner
        fade = 10 ** (-6 / (rng.uniform(0.12, 1.2) * levels.FRAME_RATE))
        tone = 10 ** (np.interp(bands, [0, 18, 35], rng.normal((0, 0, -4), 3)) / 10)
        wet = 3 * 10 ** (rng.uniform(-20, -4) / 10)
        echo = scipy.signal.lfilter([0, 1], [1, -fade], power, axis=0)
        power = power + (wet * (1 - fade) * echo * tone).astype(np.float32)
    return power * 10 ** (np.interp(bands, np.linspace(0, 35, 7), rng.normal(0, 4, 7)) / 10).astype(np.float32)


class Net(nn.Module):
    """The layers of ``embedded.network``, to be fitted."""

    def __init__(self) -> None:
        super().__init__()
        sizes = [levels.BANDS + len(network.SIGNALS) - 1, *(outputs for _, outputs in LAYERS)]
        self.layers = nn.ModuleList(
            nn.Conv1d(sizes[i], sizes[i + 1], len(offsets), dilation=offsets[1] - offsets[0] if len(offsets) > 1 else 1)
            for i, (offsets, _) in enumerate(LAYERS)
        )
        self.before = -sum(offsets[0] for offsets, _ in LAYERS)
        self.after = sum(offsets[-1] for offsets, _ in LAYERS)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        """Levels and signal, shape=(n, frames, 38) -> outputs of the frames that have complete surroundings."""
        values = given.transpose(1, 2)
        for (offsets, _), layer in zip(LAYERS[:-1], self.layers, strict=False):
            out = torch.relu(layer(values))
            if len(offsets) > 1 and out.shape[1] == values.shape[1]:
                out = out + values[:, :, -offsets[0] : -offsets[0] + out.shape[2]]
            values = out
        return self.layers[-1](nn.functional.dropout(values, 0.1, self.training)).transpose(1, 2)

    def fitted(self) -> tuple[network.Layer, ...]:
        """The layers as the transcriber computes them."""
        return tuple(
            network.Layer(offsets, layer.weight.detach().permute(2, 1, 0).numpy(), layer.bias.detach().numpy())
            for (offsets, _), layer in zip(LAYERS, self.layers, strict=True)
        )


def batches(pieces: list[Example], net: Net, rng: np.random.Generator) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the examples of one epoch, ``CHUNKS`` at a time: every piece once, long ones twice."""
    order = np.repeat(np.arange(len(pieces)), [max(1, len(piece.wanted) // PIECE) for piece in pieces])
    order = rng.permutation(order)
    for start in range(0, len(order), 2 * CHUNKS):
        chunks = []
        for index in order[start : start + 2 * CHUNKS]:
            signal = str(rng.choice(network.SIGNALS, p=SHARES))
            given, told = altered(pieces, int(index), signal, rng)
            padded = np.pad(given, ((net.before, net.after), (0, 0)))
            kind = np.array([signal == other for other in network.SIGNALS[1:]], np.float32)
            padded = np.concatenate((padded, np.broadcast_to(kind, (len(padded), len(kind)))), axis=1)
            chunks += [
                (padded[i : i + CHUNK + net.before + net.after].astype(np.float32), told[i : i + CHUNK])
                for i in range(0, len(told) - CHUNK + 1, CHUNK)
            ]
        mixed = rng.permutation(len(chunks))
        for first in range(0, len(mixed), CHUNKS):
            some = [chunks[i] for i in mixed[first : first + CHUNKS]]
            yield np.stack([given for given, _ in some]), np.stack([told for _, told in some])


def fit(pieces: list[Example], epochs: int) -> Net:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    net = Net()
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=1e-3)
    windows = sum(max(1, len(piece.wanted) // PIECE) for piece in pieces)
    steps = epochs * (windows * (PIECE // CHUNK) // CHUNKS + 1)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=steps)
    rarity = torch.tensor(RARITY)
    started = time.process_time()
    for epoch in range(epochs):
        losses = []
        for given, told in batches(pieces, net, rng):
            optimizer.zero_grad()
            outputs = net(torch.from_numpy(given))
            loss = nn.functional.binary_cross_entropy_with_logits(outputs, torch.from_numpy(told), pos_weight=rarity)
            loss.backward()
            optimizer.step()
            if rate.last_epoch < steps - 1:
                rate.step()
            losses.append(loss.item())
        print(
            f"epoch {epoch + 1}: loss {np.mean(losses):.4f}, {time.process_time() - started:.0f} s of CPU", flush=True
        )
    return net.eval()


def thresholds(fitted: network.Network, pieces: list[Example], signal: str) -> tuple[list[float], list[float]]:
    """Find, for each voice, the least likelihood of a hit that is best for these pieces, and the F that it gives."""
    curves = [(fitted(piece.levels[signal], signal).astype(np.float64), piece.truth) for piece in pieces]
    best = []
    for voice in range(len(VOICES)):
        scores = []
        for lowest in np.arange(0.15, 0.95, 0.05):
            right = every = 0
            for curve, truth in curves:
                found = parabolic(curve[:, voice], pick_peaks(curve[:, voice], THRESHOLD, lowest)) / levels.FRAME_RATE
                there = len(truth[voice]) and len(found)
                right += 2 * len(mir_eval.util.match_events(truth[voice], found, 0.05)) if there else 0
                every += len(truth[voice]) + len(found)
            scores.append((right / max(1, every), round(float(lowest), 2)))
        best.append(max(scores))
    return [lowest for _, lowest in best], [score for score, _ in best]


def source(layers: tuple[network.Layer, ...], lowest: dict[str, list[float]]) -> str:
    """The module that holds the weights."""
    text = network.packed(layers)
    rows = "\n".join(f'    "{text[i : i + 112]}"' for i in range(0, len(text), 112))
    shapes = "".join(f"    ({layer.offsets}, {layer.weights.shape[1]}, {len(layer.bias)}),\n" for layer in layers)
    low = "".join(f'    "{signal}": ({", ".join(map(str, values))}),\n' for signal, values in lowest.items())
    return (
        '"""The fitted weights of the embedded transcriber. Written by ``benchmarks/fit_drums.py``."""\n\n'
        f"#: Offsets, inputs and outputs of each layer.\nSHAPES = (\n{shapes})\n"
        "#: Signal -> least likelihood of a hit: kick, snare, tom, hi-hat.\n"
        f"LOWEST = {{\n{low}}}\n"
        f"#: See ``network.packed``.\nWEIGHTS = (\n{rows}\n)\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--pieces", type=int, default=180)
    parser.add_argument("--held-out", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=32)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rendered = arguments.folder / "pieces"
    pieces = [example(drum_mixes.features(arguments.data, rendered, i, False)) for i in range(arguments.pieces)]
    held = [example(drum_mixes.features(arguments.data, rendered, i, True)) for i in range(arguments.held_out)]
    pieces += [multitrack(path) for path in multitracks.render(arguments.folder / "multitracks", "tune")]
    net = fit(pieces, arguments.epochs)
    torch.save(net.state_dict(), arguments.folder / "fitted.pt")
    shapes = [(layer.offsets, *layer.weights.shape[1:]) for layer in net.fitted()]
    layers = network.unpacked(network.packed(net.fitted()), shapes)  # as they are shipped, in bytes
    lowest = {}
    for signal in network.SIGNALS:
        lowest[signal], scores = thresholds(network.Network(layers), held, signal)
        print(f"{signal}: F of {', '.join(VOICES)}: {np.round(scores, 3)}, thresholds {lowest[signal]}")
    if arguments.write:
        TARGET.write_text(source(net.fitted(), lowest))


if __name__ == "__main__":
    main()
