"""Drum transcription on real music: F per voice and file, timing, speed; ADTOF beside its published port.

    python benchmarks/drums.py [--data FOLDER] [--weights FILE] [--port FOLDER]

Truth: six pieces of MDB Drums: their drums stems, what the embedded separation makes of their mixes, and the mixes.
mir_eval's matching at 50 ms; a file's F counts the hits of all voices together, the mean is that of the files. Hits of
other instruments (OT: tambourine, sticks) are no truth: what is found there counts as wrong. Without ``--weights`` (the
published file) only the embedded method is measured; ``--port`` is the folder ``src`` of ADTOF-pytorch, whose front end
and network are then timed in the same run, one thread each.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import mir_eval
import numpy as np
from beats import RATE, load

from mirkit.audio import open_audio
from mirkit.drums.drum_hits import Hits
from mirkit.drums.embedded import LevelExtractor
from mirkit.drums.embedded import transcribe as transcribe_levels
from mirkit.separation import separate

#: What the annotations call the strokes of each voice, in the order of the voices.
EMBEDDED = {"kick": ("KD",), "snare": ("SD",), "tom": ("TT",), "hi-hat": ("HH", "CY")}
ADTOF = {"kick": ("KD",), "snare": ("SD",), "tom": ("TT",), "hi-hat": ("HH",), "cymbal": ("CY",)}
Truth = list[tuple[float, str]]


class Embedded:
    """The embedded transcriber as a stream."""

    def __init__(self, signal: str) -> None:
        self.signal, self.levels = signal, LevelExtractor()
        self.push = self.levels.push

    def finish(self) -> Hits:  # noqa: D102
        return transcribe_levels(self.levels.finish(), self.signal)


def transcribe(stream: object, mono: np.ndarray) -> Hits:
    for start in range(0, len(mono), 1 << 16):
        stream.push(mono[None, start : start + (1 << 16)])  # type: ignore[attr-defined]
    return stream.finish()  # type: ignore[attr-defined,no-any-return]


def compare(hits: Hits, truth: Truth, classes: dict[str, tuple[str, ...]]) -> tuple[np.ndarray, list[float]]:
    """Right, wrong and missed strokes of each voice, shape=(voices, 3), and the errors (s) of the right ones."""
    counts, errors = [], []
    for found, names in zip(hits.times, classes.values(), strict=True):
        real = np.unique([when for when, name in truth if name in names])
        pairs = mir_eval.util.match_events(real, found, 0.05) if len(real) and len(found) else []
        counts.append((len(pairs), len(found) - len(pairs), len(real) - len(pairs)))
        errors += [found[j] - real[i] for i, j in pairs]
    return np.array(counts), errors


def f_of(counts: np.ndarray) -> float:
    right, wrong, missed = counts.reshape(-1, 3).sum(axis=0)
    return float(2 * right / (2 * right + wrong + missed)) if right + wrong + missed else float("nan")


def measure(
    name: str, stream: Callable[[], object], classes: dict[str, tuple[str, ...]], files: dict[str, tuple]
) -> None:
    print(f"\n{name:16s}{'all':>8s}" + "".join(f"{voice:>10s}" for voice in classes) + f"{'x real time':>13s}")
    total, errors, fs = np.zeros((len(classes), 3)), [], []
    for file, (mono, truth) in files.items():
        started = time.process_time()
        hits = transcribe(stream(), mono)
        speed = len(mono) / RATE / (time.process_time() - started)
        counts, off = compare(hits, truth, classes)
        total, errors, fs = total + counts, errors + off, [*fs, f_of(counts)]
        print(f"{file:16s}{fs[-1]:8.3f}" + "".join(f"{f_of(row):10.3f}" for row in counts) + f"{speed:13.0f}")
    print(f"{'mean, by voice':16s}{np.mean(fs):8.3f}" + "".join(f"{f_of(row):10.3f}" for row in total))
    print(f"error of the right ones: median {1000 * np.median(errors):+.1f} ms, mean {1000 * np.mean(errors):+.1f} ms")


def port(folder: Path, weights: Path, mono: np.ndarray) -> float:
    """Seconds of CPU that the published port takes for a sound: its front end and its network."""
    import torch

    sys.path.insert(0, str(folder))
    from adtof_pytorch.audio import create_adtof_processor
    from adtof_pytorch.model import create_frame_rnn_model, load_pytorch_weights

    processor = create_adtof_processor()
    network = load_pytorch_weights(create_frame_rnn_model(n_bins=84), str(weights)).eval()
    processor.compute_stft(mono[:RATE])  # librosa compiles at its first use
    started = time.process_time()
    spectra = processor.apply_filterbank(processor.compute_stft(mono)).T[None, :, :, None]
    with torch.no_grad():
        network(torch.from_numpy(np.ascontiguousarray(spectra)).float())
    return time.process_time() - started


def annotated(path: Path) -> Truth:
    return [(float(when), kind) for when, kind in (line.split() for line in path.read_text().splitlines())]


def real_stems(data: Path) -> dict[str, tuple]:
    """The six drums stems, mono, and their hits."""
    names = {path: path.stem.removesuffix("_Drum") for path in sorted((data / "drum_only").glob("*.flac"))}
    return {
        name.removeprefix("MusicDelta_"): (load(path), annotated(data / "annotations" / f"{name}_class.txt"))
        for path, name in names.items()
    }


def real_mixes(data: Path) -> dict[str, tuple]:
    """The six mixes, shape=(channels, n), and their hits."""
    found = {
        path.stem.removeprefix("mdbraw_"): (
            samples(path.with_suffix("") / "full_mix.ogg"),
            json.loads(path.read_text()),
        )
        for path in sorted((data / "truth").glob("mdbraw_*.json"))
    }
    found = {name: (mix, [(when, kind) for when, kind in told["drums"]]) for name, (mix, told) in found.items()}
    for name in ("Rock", "Zeppelin"):
        truth = annotated(data / f"mdb/annotations/MusicDelta_{name}_class.txt")
        found[name] = samples(data / f"mdb/MusicDelta_{name}/full_mix.flac"), truth
    return found


def samples(path: Path) -> np.ndarray:
    return np.concatenate(list(open_audio(path).blocks()), axis=1)


def drums_of(mix: np.ndarray) -> np.ndarray:
    """The drums stem of the embedded separation, mono."""
    blocks = [mix[:, start : start + (1 << 16)] for start in range(0, mix.shape[1], 1 << 16)]
    return np.concatenate([stems["drums"].mean(axis=0) for stems in separate(blocks, RATE, len(mix))])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--port", type=Path)
    arguments = parser.parse_args()
    data = arguments.data / "mdb"
    if not data.is_dir():
        print(f"skipped: no {data}")
        return
    stems, mixes = real_stems(data), real_mixes(arguments.data)
    separated = {name: (drums_of(mix), truth) for name, (mix, truth) in mixes.items()}
    mono = {name: (mix.mean(axis=0), truth) for name, (mix, truth) in mixes.items()}
    measure("true stems", lambda: Embedded("stem"), EMBEDDED, stems)
    measure("separated", lambda: Embedded("separated"), EMBEDDED, separated)
    measure("mixes", lambda: Embedded("mix"), EMBEDDED, mono)
    if arguments.weights is None:
        return
    import torch

    from mirkit.models import weights
    from mirkit.models.adtof import transcriber as adtof

    torch.set_num_threads(1)
    transcriber = adtof.load(weights.from_path(arguments.weights), "cpu")
    measure("ADTOF, stems", transcriber.stream, ADTOF, stems)
    measure("ADTOF, separated", transcriber.stream, ADTOF, separated)
    if arguments.port is None:
        return
    every = np.concatenate([stem for stem, _ in stems.values()])
    started = time.process_time()
    transcribe(transcriber.stream(), every)
    ours = time.process_time() - started
    theirs = port(arguments.port, arguments.weights, every)
    seconds = len(every) / RATE
    print(f"\n{seconds:.0f} s at once, one thread: ours {seconds / ours:.0f} x, the port {seconds / theirs:.0f} x")


if __name__ == "__main__":
    main()
