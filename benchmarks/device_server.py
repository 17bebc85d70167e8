"""What it costs to hand segments of Demucs to the owner of a card and to get their stems back, the network left out.

Run ``python benchmarks/device_server.py [--workers 1 2 4]``. A batch is eight segments of 7.8 s: 22 MB in, 88 MB out.
The owner is a process of its own, the workers are threads. The last column is the speed at which sound could go to and
fro.

With ``--tracks N`` a data set of N tracks of ``--seconds`` goes through ``mirkit separate`` with full-size htdemucs
(random weights), each number of workers once with an owner and once with a model in each worker: seconds of the clock
and times real time, start and loading included. Made for a card; without one the CPU stands in for it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from multiprocessing.connection import Client, Listener
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from full_size import write_demucs
from tracks import make_track

from mirkit import models
from mirkit.models.batching import BatchedNetwork
from mirkit.models.device import pick
from mirkit.models.device_server import client, server
from mirkit.models.weights import Weights
from mirkit.store import digest_of_text

ROOT = Path(__file__).resolve().parents[1]
SECRET = b"benchmark"
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
    """Batches to and fro."""
    stems = np.zeros((TOGETHER, 4, 2, SAMPLES), np.float32)
    network = SimpleNamespace(
        compute=BatchedNetwork("none", "cuda", {"0": lambda sound: stems[: len(sound)]}, TOGETHER)
    )
    models.make = lambda *_: network
    with Listener(None) as listener:
        if not os.fork():
            server.DeviceServer("cpu", listener, SECRET).serve()
            os._exit(0)
        client.connect = lambda _: Client(listener.address, authkey=SECRET)
        print("| workers | ms a batch | x real time |\n| --- | --- | --- |")
        for count in workers:
            started = time.perf_counter()
            threads = [threading.Thread(target=ask) for _ in range(count)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            spent = (time.perf_counter() - started) / count / ROUNDS
            print(f"| {count} | {1000 * spent:.0f} | {TOGETHER * STRIDE / spent:.0f} |")


def runs(workers: list[int], count: int, seconds: float) -> None:
    """Whole runs, with an owner and without."""
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
            for owned, models_are in ((device, "one for all"), ("", "one each")):
                environment = os.environ | {"MIRKIT_OWNER": owned.partition(":")[0], "PYTHONPATH": str(ROOT / "src")}
                started = time.perf_counter()
                command = [sys.executable, "-m", "mirkit", *words, "--jobs", str(jobs)]
                subprocess.run(command, check=True, env=environment)
                spent = time.perf_counter() - started
                print(f"| {jobs} | {models_are} | {spent:.0f} | {count * seconds / spent:.2f} |", flush=True)


def ask() -> None:
    """Be a worker."""
    sound = np.zeros((TOGETHER, 2, SAMPLES), np.float32)
    owner = client.DeviceClient("cpu")
    for _ in range(ROUNDS):
        owner.compute("none", Weights("none", (), digest_of_text("").sha256), "0", [sound])


if __name__ == "__main__":
    main()
