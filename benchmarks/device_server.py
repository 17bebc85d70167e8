"""Time to send segments of Demucs to a device server and to receive their stems, without the network.

Run ``python benchmarks/device_server.py [--workers 1 2 4]``. A batch is eight segments of 7.8 s: 22 MB of input and
88 MB of output. The server is a process of its own, the workers are threads. The last column is the speed at which
audio can be transferred to the server and back.

With ``--tracks N``, a data set of N tracks of ``--seconds`` goes through ``mirkit separate`` with full-size htdemucs
(random weights), each number of workers once with a device server and once with a model in each worker: wall time in
seconds and times real time, including start and loading. Made for a GPU; without one the CPU takes its place.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from multiprocessing.connection import Listener
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from full_size import write_demucs
from tracks import make_track

from mirkit import models
from mirkit.models.backend import Weights
from mirkit.models.batching import BatchedNetwork
from mirkit.models.device import pick
from mirkit.models.device_server import DeviceServer, RemoteNetwork
from mirkit.store import digest_of_text

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = 343980
TOGETHER = 8
ROUNDS = 20
#: Seconds that a segment adds to those before it: they overlap by a quarter.
STRIDE = 0.75 * 7.8


def main() -> None:
    """Print a row for each number of workers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--tracks", type=int)
    parser.add_argument("--seconds", type=float, default=180.0)
    arguments = parser.parse_args()
    if arguments.tracks:
        runs(arguments.workers, arguments.tracks, arguments.seconds)
    else:
        transport(arguments.workers)


def transport(workers: list[int]) -> None:
    """Transfer batches to the server and back."""
    stems = np.zeros((TOGETHER, 4, 2, SAMPLES), np.float32)
    network = SimpleNamespace(
        compute=BatchedNetwork("none", "cuda", {"0": lambda sound: stems[: len(sound)]}, TOGETHER)
    )
    models.make = lambda *_: network
    with Listener(None) as stream:
        child = os.fork()
        if not child:
            DeviceServer("cpu").serve(stream)
        print("| workers | ms a batch | x real time |\n| --- | --- | --- |")
        for count in workers:
            started = time.perf_counter()
            threads = [threading.Thread(target=ask, args=(str(stream.address),)) for _ in range(count)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            spent = (time.perf_counter() - started) / count / ROUNDS
            print(f"| {count} | {1000 * spent:.0f} | {TOGETHER * STRIDE / spent:.0f} |")
        os.kill(child, signal.SIGKILL)


def runs(workers: list[int], count: int, seconds: float) -> None:
    """Run whole commands, with a device server and without."""
    device = pick("auto")
    with tempfile.TemporaryDirectory() as temp:
        library, model = Path(temp) / "library", write_demucs(Path(temp) / "model", "htdemucs")
        for number in range(count):
            make_track(library / f"Track {number}", seconds, stems=False)
        words = ["separate", str(library), "--separation", "demucs", "--model", str(model), "--shifts", "0"]
        words += ["--device", device, "--overwrite", "--quiet"]
        print(f"{count} tracks of {seconds:g} s on {device}\n")
        print("| workers | models | s | x real time |\n| --- | --- | --- | --- |")
        for jobs in workers:
            for served, models_are in ((device, "one for all"), ("", "one each")):
                environment = os.environ | {
                    "MIRKIT_DEVICE_SERVER": served.partition(":")[0],
                    "PYTHONPATH": str(ROOT / "src"),
                }
                started = time.perf_counter()
                command = [sys.executable, "-m", "mirkit", *words, "--jobs", str(jobs)]
                subprocess.run(command, check=True, env=environment)
                spent = time.perf_counter() - started
                print(f"| {jobs} | {models_are} | {spent:.0f} | {count * seconds / spent:.2f} |", flush=True)


def ask(address: str) -> None:
    """Send batches as a worker does."""
    sound = np.zeros((TOGETHER, 2, SAMPLES), np.float32)
    network = RemoteNetwork("none", Weights("none", (), digest_of_text("").sha256), "cpu", address)
    for _ in range(ROUNDS):
        network("0", sound)


if __name__ == "__main__":
    main()
