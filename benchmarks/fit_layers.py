"""Fit the network that tells in which register something begins (``src/mirkit/features/rhythm/layers.py``).

    python benchmarks/fit_layers.py FOLDER [--samples DIR] [--second-font NAME] [--write]

Music of all styles of ``rhythm_corpus`` (tuning seeds) is rendered into FOLDER, the mix and the drums alone: with the
FluidR3 soundfont (some with a second one) and random drum kits, and with recorded single hits and notes
(``--samples``, a folder with an ``index.csv``; their licenses allow training). A fifth of the pieces is kept apart to
measure.
``--write`` writes ``layers_weights.py``.
"""

import argparse
import csv
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import torch
from key_corpus import SOUNDFONTS
from rhythm_corpus import DRUM_CHANNEL, RATE, TUNE_SEEDS, Piece, compose, midi
from rhythm_styles import MORE_STYLES, STYLES, UNSEEN
from torch import nn

from mirkit.features.rhythm import layers
from mirkit.features.stft import PowerStft

TARGET = Path(__file__).resolve().parents[1] / "src/mirkit/features/rhythm/layers_weights.py"
SECONDS, HIDDEN, NEAR = 22.0, 48, 0.035
LOW_DRUMS, HIGH_DRUMS = {35, 36, 41}, {42, 44, 46, 49, 51, 52, 53, 55, 57, 59, 54, 69, 70, 82}


def register(channel: int, pitch: int) -> int:
    """0 low, 1 middle, 2 high."""
    if channel == DRUM_CHANNEL:
        return 0 if pitch in LOW_DRUMS else 2 if pitch in HIGH_DRUMS else 1
    return 0 if channel == 1 else 1


def pieces() -> list[tuple[str, int]]:
    """Names of styles, and seeds."""
    styles = [style for style in (*STYLES, *MORE_STYLES) if style not in UNSEEN]
    return [(s, seed) for s in styles for seed in TUNE_SEEDS] + [("invented", i) for i in range(40)]


def rendered(
    folder: Path, style: str, seed: int, drums_only: bool, font: str
) -> tuple[np.ndarray, list[tuple[float, int]]] | None:
    """Levels of a piece, and its onsets with their registers."""
    piece = compose(style, seed)
    rng = np.random.default_rng([seed, drums_only, *style.encode()] + [1] * (font != "fluid"))
    piece.programs[DRUM_CHANNEL] = int(rng.choice((0, 0, 8, 16, 24, 25, 32, 40)))
    for channel in piece.levels:
        piece.levels[channel] = int(np.clip(piece.levels[channel] + rng.integers(-14, 15), 40, 127))
    notes = [n for n in piece.notes if n[3] < SECONDS and (n[0] == DRUM_CHANNEL or not drums_only)]
    if not any(n[0] == DRUM_CHANNEL for n in notes) and drums_only:
        return None
    truth = [(n[3], register(n[0], n[1])) for n in notes]
    kept = folder / f"{style}_{seed}_{int(drums_only)}{'' if font == 'fluid' else font}.npy"
    if not kept.exists():
        part = Piece(piece.beats, piece.downbeats, piece.meter, piece.bpm, piece.programs, piece.levels, notes)
        with tempfile.TemporaryDirectory() as scratch:
            score, sound = Path(scratch, "score.mid"), Path(scratch, "sound.wav")
            score.write_bytes(midi(part))
            command = ["fluidsynth", "-ni", "-q", "-g", "0.5", "-o", "synth.dynamic-sample-loading=1"]
            command += ["-r", str(RATE), "-F", str(sound), SOUNDFONTS[font], str(score)]
            subprocess.run(command, check=True, capture_output=True)
            mono = soundfile.read(sound, dtype="float32")[0].mean(axis=1)[: int(SECONDS * RATE)]
        np.save(kept, levels_of(mono))
    return np.load(kept), truth


_CLASSES = {
    **dict.fromkeys((35, 36), ("kick", "kick", "kick", "stomp")),
    **dict.fromkeys((38, 40), ("snare", "snare", "snare", "rimshot", "clap", "sidestick")),
    **dict.fromkeys((37,), ("sidestick", "rimshot", "claves", "woodblock")),
    **dict.fromkeys((39,), ("clap", "snap")),
    **dict.fromkeys((42, 44), ("hihat_closed", "hihat_pedal", "hihat_half")),
    **dict.fromkeys((46,), ("hihat_open", "hihat_half")),
    **dict.fromkeys((49, 52, 55, 57), ("crash", "china")),
    **dict.fromkeys((51, 53, 59), ("ride", "ride_bell")),
    **dict.fromkeys((54, 69, 70, 82), ("shaker", "tambourine", "cabasa", "maracas")),
    **dict.fromkeys((41,), ("tom_low",)),
}
_MIDDLE_PERCUSSION = ("tom_high", "tom_mid", "conga", "bongo", "tabla", "hand_drum", "cajon", "darbuka", "claves")
_EXTRA = 75


@cache
def _index(folder: Path) -> tuple[dict[str, str], ...]:
    with (folder / "index.csv").open() as table:
        return tuple(csv.DictReader(table))


@cache
def _sound(path: Path) -> np.ndarray:
    """A recorded sample at 44.1 kHz from its onset on, with a peak of 1."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)[: int(2.5 * rate)]
    mono = np.interp(np.arange(int(len(mono) * RATE / rate)) * rate / RATE, np.arange(len(mono)), mono)
    start = int(np.argmax(abs(mono) > 0.1 * abs(mono).max()))
    return (mono[start:] / max(abs(mono).max(), 1e-9)).astype(np.float32)


def sampled(
    folder: Path, samples: Path, style: str, seed: int, drums_only: bool
) -> tuple[np.ndarray, list[tuple[float, int]]] | None:
    """Levels and onsets of a piece played with recorded samples, drums and notes chosen at random."""
    piece = compose(style, seed)
    rng = np.random.default_rng([seed, 7 + drums_only, *style.encode()])
    notes = [n for n in piece.notes if n[3] < SECONDS and (n[0] == DRUM_CHANNEL or not drums_only)]
    if not any(n[0] == DRUM_CHANNEL for n in notes):
        return None
    if rng.random() < 0.4:  # hand percussion over it
        pattern, beat = rng.random(16) < rng.uniform(0.2, 0.6), float(np.median(np.diff(piece.beats)))
        times = piece.beats[0] + np.arange(int(SECONDS / beat * 4)) * beat / 4
        hits = [t for i, t in enumerate(times) if pattern[i % 16] and t < SECONDS]
        notes += [(DRUM_CHANNEL, _EXTRA, int(rng.integers(60, 120)), float(t), float(t) + 0.1) for t in hits]
    truth = [(n[3], register(n[0], n[1])) for n in notes]
    kept = folder / f"sampled_{style}_{seed}_{int(drums_only)}.npy"
    if not kept.exists():
        rows = _index(samples)
        out = np.zeros(int((SECONDS + 3) * RATE), np.float32)
        chosen: dict[tuple[int, int], tuple[np.ndarray, float, float]] = {}
        level = {0: rng.uniform(0.1, 0.3), 1: rng.uniform(0.3, 0.8), 2: rng.uniform(0.1, 0.4), 3: rng.uniform(0.1, 0.3)}
        kinds = {0: str(rng.choice(("keys", "guitar", "strings"))), 1: "bass", 2: str(rng.choice(("wind", "voice")))}
        for channel, pitch, velocity, start, end in notes:
            drum = channel == DRUM_CHANNEL
            if (channel, pitch if drum else 0) not in chosen:
                if drum:
                    classes = _CLASSES.get(pitch, _MIDDLE_PERCUSSION)
                    wanted = str(rng.choice(classes))
                    found = [r for r in rows if r["drum_class"] == wanted]
                else:
                    found = [r for r in rows if r["class"] == kinds.get(channel, "keys") and r["midi_note"]]
                row = found[int(rng.integers(len(found)))]
                note = float(row["midi_note"] or 0)
                gain = rng.uniform(0.25, 1.0) if drum and register(channel, pitch) != 2 else rng.uniform(0.08, 0.4)
                chosen[channel, pitch if drum else 0] = (_sound(samples / row["path"]), note, gain)
            sound, note, gain = chosen[channel, pitch if drum else 0]
            ratio = 2 ** ((rng.normal(0, 0.2) if drum else pitch - note) / 12)
            steps = np.arange(0, min(len(sound) - 1, (2.0 if drum else max(end - start, 0.08)) * RATE * ratio), ratio)
            tone = np.interp(steps, np.arange(len(sound)), sound)
            fade = min(len(tone), 800)
            tone[len(tone) - fade :] *= np.linspace(1, 0, fade)
            at = int(start * RATE)
            tone = tone[: len(out) - at]
            out[at : at + len(tone)] += tone * (gain if drum else level[channel]) * (velocity / 127) ** 2
        out = out[: int(SECONDS * RATE)] + rng.normal(0, 1e-5, int(SECONDS * RATE))
        np.save(kept, levels_of(out * (0.7 / abs(out).max())))
    return np.load(kept), truth


def levels_of(mono: np.ndarray) -> np.ndarray:
    """Band levels of a signal, shape=(frames, 15)."""
    extractor, stft = layers.LayerExtractor(), PowerStft()
    for power in (*stft.push(np.ascontiguousarray(mono, np.float32)), *stft.finish()):
        extractor.push_frames(power.copy())
    return np.concatenate(extractor._levels)


def examples(folder: Path, samples: Path | None, second: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs, labels and number of the piece of every rise."""
    inputs, labels, groups = [], [], []
    for number, (style, seed) in enumerate(pieces()):
        fonts = ("fluid", second) if style == "invented" or seed == 1 else ("fluid",)
        found_all = [rendered(folder, style, seed, alone, font) for alone in (False, True) for font in fonts]
        if samples:
            found_all += [sampled(folder, samples, style, seed, alone) for alone in (False, True)]
        for found in filter(None, found_all):
            rises = layers.rises_of(found[0])
            times, rows = rises.times, rises.inputs
            truth = np.zeros((len(times), 3), np.float32)
            for kind in range(3):
                onsets = np.sort([time for time, where in found[1] if where == kind])
                if len(onsets) and len(times):
                    after = np.clip(np.searchsorted(onsets, times), 1, len(onsets) - 1) if len(onsets) > 1 else 0
                    gap = np.minimum(abs(times - onsets[after]), abs(times - onsets[np.maximum(after - 1, 0)]))
                    truth[:, kind] = gap <= NEAR
            inputs.append(rows)
            labels.append(truth)
            groups.append(np.full(len(rows), number))
    return np.concatenate(inputs), np.concatenate(labels), np.concatenate(groups)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--samples", type=Path)
    parser.add_argument("--second-font", choices=tuple(SOUNDFONTS), default="timgm", help="the present weights: timgm")
    parser.add_argument("--write", action="store_true")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    inputs, labels, groups = examples(args.folder, args.samples, args.second_font)
    apart = groups % 5 == 0
    x, y = torch.from_numpy(inputs[~apart]), torch.from_numpy(labels[~apart])
    net = nn.Sequential(nn.Linear(layers.INPUTS, HIDDEN), nn.ReLU(), nn.Dropout(0.1), nn.Linear(HIDDEN, 3))
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=4000)
    for _ in range(4000):
        chosen = torch.randint(len(x), (512,))
        given = _shifted(x[chosen]) + 0.1 * torch.randn(512, layers.INPUTS)
        loss = nn.functional.binary_cross_entropy_with_logits(net(given), y[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    net.eval()
    with torch.no_grad():
        likely = torch.sigmoid(net(torch.from_numpy(inputs[apart]))).numpy()
    for kind, name in enumerate(("low", "middle", "high")):
        truth = labels[apart][:, kind] > 0.5
        scores = [(_f(likely[:, kind] >= t, truth), float(t)) for t in np.arange(0.2, 0.81, 0.05)]
        print(f"{name}: F {max(scores)[0]:.3f} at {max(scores)[1]:.2f}, {truth.mean():.2f} of {len(truth)} rises")
    matrices = [(m.weight.detach().numpy().T, m.bias.detach().numpy()) for m in net if isinstance(m, nn.Linear)]
    if args.write:
        text = layers.packed(matrices)
        lines = "\n".join(f'    "{text[i : i + 112]}"' for i in range(0, len(text), 112))
        shapes = tuple(m[0].shape for m in matrices)
        TARGET.write_text(
            '"""The fitted numbers of the network of ``layers.py``. Written by ``benchmarks/fit_layers.py``."""\n\n'
            f"#: Inputs and outputs of each layer of the network.\nSHAPES = {shapes}\n"
            f"#: See ``layers.packed``.\nWEIGHTS = (\n{lines}\n)\n"
        )


def _shifted(inputs: torch.Tensor) -> torch.Tensor:
    """Move the spectra of each example by up to one band: drums of another size."""
    count = len(inputs)
    bands = inputs[:, : layers.INPUTS // layers.BANDS * layers.BANDS].reshape(count, -1, layers.BANDS)
    by = (2 * torch.rand(count, 1, 1) - 1) * (torch.rand(count, 1, 1) < 0.7)
    up = torch.cat((bands[..., 1:], bands[..., -1:]), dim=2)
    down = torch.cat((bands[..., :1], bands[..., :-1]), dim=2)
    moved = bands + by.clamp(min=0) * (up - bands) + (-by).clamp(min=0) * (down - bands)
    return torch.cat((moved.flatten(1), inputs[:, bands.shape[1] * layers.BANDS :]), dim=1)


def _f(found: np.ndarray, truth: np.ndarray) -> float:
    return float(2 * (found & truth).sum() / max(found.sum() + truth.sum(), 1))


if __name__ == "__main__":
    main()
