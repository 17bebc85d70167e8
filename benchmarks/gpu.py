"""Full-size networks with random weights on a card: times real time, utilization, peak memory.

Run ``python benchmarks/gpu.py [--device auto] [--seconds 180] [--models NAME ...] [--json FILE]`` from the repository.
Each model runs in a process of its own over the same music, through the path that a track takes; ``demucs (CLI)`` is
the authors' command line on the same file in the same run, start and loading included. Without a card the same runs on
the CPU, over less sound. ``x`` is seconds of sound per second of the clock (on the CPU: of CPU time), after a first
stretch that loads and tunes.

For Demucs and RoFormer also: how the segments at once (``together``) and half precision (``precision``) were chosen,
and what half precision changes (dB).
"""

import argparse
import importlib.util
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from full_size import BAGS, write_demucs, write_roformer
from tracks import make_track

from mirkit.audio import open_audio
from mirkit.models.device import pick
from mirkit.models.weights import from_path
from mirkit.settings import SeparationSettings

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

MODELS = ("htdemucs", "htdemucs_ft", "bs_roformer", "beat_this", "audiobox", "adtof", "demucs (CLI)")
ON_CPU = ("htdemucs", "beat_this", "audiobox", "adtof")
BLOCK = 1 << 16
#: Sizes of the published network.
ADTOF = {"n_bins": 84, "conv_filters": [32, 64], "gru_units": [60, 60, 60], "output_classes": 5}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="auto", help="auto, cuda, cuda:1, mps, cpu")
    parser.add_argument("--seconds", type=float, help="of sound (default: 180 on a card, 12 on the CPU)")
    parser.add_argument("--models", nargs="+", choices=MODELS, help="default: all on a card, the fast ones on the CPU")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", help=argparse.SUPPRESS)
    parser.add_argument("--track", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if importlib.util.find_spec("demucs") is None:
        print("skipped: needs pip install 'mirkit[stems]'")
        return
    device = pick(arguments.device)
    if arguments.only:
        print(json.dumps(one(arguments.only, arguments.track, device)))
        return
    seconds = arguments.seconds or (12.0 if device == "cpu" else 180.0)
    print(f"{what(device)}; {seconds:g} s of stereo sound a model\n")
    print("| model | x real time | utilization | peak memory | |\n|---|---|---|---|---|")
    rows = []
    with tempfile.TemporaryDirectory() as temp:
        track = Path(temp) / "track"
        make_track(track, seconds, stems=False)
        for name in arguments.models or (ON_CPU if device == "cpu" else MODELS):
            command = [sys.executable, __file__, "--only", name, "--device", device, "--track", str(track)]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                print(f"| {name} | failed: {done.stderr.strip().splitlines()[-1][:160]} | | | |", flush=True)
                continue
            rows.append({"model": name, "seconds": seconds, **json.loads(done.stdout.splitlines()[-1])})
            print(line(rows[-1]), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps({"device": what(device), "rows": rows}, indent=1))


def what(device: str) -> str:
    """Name of the device."""
    import torch

    if device.startswith("cuda"):
        return f"{torch.cuda.get_device_name(device)}, PyTorch {torch.__version__}"
    return f"{device}, PyTorch {torch.__version__}, {torch.get_num_threads()} threads"


def line(row: dict[str, Any]) -> str:
    used = "" if row["utilization"] is None else f"{row['utilization']:.0f} %"
    details = ", ".join(f"{key} {row[key]}" for key in ("together", "precision", "half_db") if key in row)
    return f"| {row['model']} | {row['x']:.2f} | {used} | {row['peak_mib']:.0f} MiB | {details} |"


def one(name: str, track: Path, device: str) -> dict[str, Any]:
    """Measure one model."""
    with tempfile.TemporaryDirectory() as temp:
        if name == "demucs (CLI)":
            return plain_demucs(track, device, Path(temp))
        run, more = (stems if name in (*BAGS, "bs_roformer") else stream)(name, Path(temp), device)
        audio = open_audio(track / "full_mix.flac")
        warm = audio.samples()[:, : 8 * audio.rate]
        run(warm)
        clock = time.process_time if device == "cpu" else time.perf_counter
        with watched(device) as shares:
            started = clock()
            run(audio.samples())
            spent = clock() - started
        return {"x": audio.duration / spent, **memory(device, shares), **more()}


def stems(name: str, folder: Path, device: str) -> tuple[Callable[[np.ndarray], None], Callable[[], dict[str, Any]]]:
    """A separating model."""
    from mirkit.models.demucs import load as demucs
    from mirkit.models.roformer import load as roformer
    from mirkit.models.separation.network import half_precision_sdr

    library = roformer if name == "bs_roformer" else demucs
    path = write_roformer(folder) if name == "bs_roformer" else write_demucs(folder, name)
    made = library.load(from_path(path, library.gather(path)), device)

    def run(sound: np.ndarray) -> None:
        for _ in made.separate(InMemory(sound), SeparationSettings(shifts=0)).blocks():
            pass

    def more() -> dict[str, Any]:
        details: dict[str, Any] = {"together": made.compute.batch_size, "precision": made.precision}
        if device.startswith("cuda"):
            details["half_db"] = round(half_precision_sdr(made.networks[0], device), 1)
        return details

    return run, more


def stream(name: str, folder: Path, device: str) -> tuple[Callable[[np.ndarray], None], Callable[[], dict[str, Any]]]:
    """A model that reads a track and returns activations or scores."""
    import importlib

    from mirkit.models.backend import Weights

    if name == "beat_this":
        from models.checkpoints import random_network, write

        files = (write(folder / "net.ckpt", random_network(), {}),)
    elif name == "adtof":
        from models.test_adtof import write as write_adtof

        files = (write_adtof(folder / "net.pth", ADTOF),)
    else:
        from classifiers import files_of

        files = files_of(name, folder)
    model = importlib.import_module(f"mirkit.models.{name}").load(Weights(name, files, "0"), device)

    def run(sound: np.ndarray) -> None:
        stream = model.stream()
        for first in range(0, sound.shape[1], BLOCK):
            stream.push(sound[:, first : first + BLOCK])
        stream.finish()

    return run, dict


def plain_demucs(track: Path, device: str, folder: Path) -> dict[str, Any]:
    """The authors' command line, htdemucs, in a process of its own."""
    path = write_demucs(folder / "repo", "htdemucs")
    audio = open_audio(track / "full_mix.flac")
    words = ["-n", "htdemucs", "--repo", str(path.parent), "--shifts", "0", "-d", device.partition(":")[0]]
    command = [sys.executable, "-m", "demucs", *words, "-o", str(folder / "out"), str(track / "full_mix.flac")]
    with watched(device) as shares:
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        spent = time.perf_counter() - started
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    if device == "cpu":
        spent = usage.ru_utime + usage.ru_stime
    return {"x": audio.duration / spent, "utilization": mean(shares), "peak_mib": usage.ru_maxrss / 1024}


class InMemory:
    """Sound that is decoded already, as ``Audio``."""

    path = Path("sound")

    def __init__(self, sound: np.ndarray) -> None:
        self.rate, self.channels, self.frames = 44100, len(sound), sound.shape[1]
        self._sound = sound

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield it again and again."""
        for first in range(0, self.frames, BLOCK):
            yield self._sound[:, first : first + BLOCK]


@contextmanager
def watched(device: str) -> Iterator[list[float]]:
    """Sample the utilization (%) of a card five times a second."""
    shares: list[float] = []
    if not device.startswith("cuda"):
        yield shares
        return
    ended = threading.Event()

    def watch() -> None:
        query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        query += ["-i", device.partition(":")[2] or "0"]
        while not ended.wait(0.2):
            try:
                shares.append(float(subprocess.run(query, capture_output=True, text=True, check=True).stdout))
            except (OSError, ValueError, subprocess.CalledProcessError):
                return  # a card of another make: it is not known

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield shares
    finally:
        ended.set()
        thread.join()


def memory(device: str, shares: list[float]) -> dict[str, Any]:
    """Utilization, and peak memory of the card, or of the process without one."""
    if device.startswith("cuda"):
        import torch

        peak = torch.cuda.max_memory_allocated() / 2**20
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"utilization": mean(shares), "peak_mib": peak}


def mean(shares: list[float]) -> float | None:
    return sum(shares) / len(shares) if shares else None


if __name__ == "__main__":
    main()
