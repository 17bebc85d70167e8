"""What it costs to hand segments of Demucs to the owner of a card and to get their stems back, the network left out.

Run ``python benchmarks/owner.py [--workers 1 2 4]``. A batch is eight segments of 7.8 s, 22 MB there and 88 MB back.
The owner is a process of its own, the workers are threads. The last column is the speed at which sound could go to and
fro.
"""

import argparse
import os
import threading
import time
from multiprocessing.connection import Client, Listener
from types import SimpleNamespace

import numpy as np

from mirkit import models
from mirkit.models.batches import Batches
from mirkit.models.owner import link, server
from mirkit.models.weights import Weights

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
    workers = parser.parse_args().workers
    stems = np.zeros((TOGETHER, 4, 2, SAMPLES), np.float32)
    network = SimpleNamespace(compute=Batches("none", "cuda", {"0": lambda sound: stems[: len(sound)]}, TOGETHER))
    models.make = lambda *_: network
    with Listener(None, authkey=SECRET) as listener:
        if not os.fork():
            server.Owner("cpu", listener).serve()
            os._exit(0)
        link.connect = lambda _: Client(listener.address, authkey=SECRET)
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


def ask() -> None:
    """Be a worker."""
    sound = np.zeros((TOGETHER, 2, SAMPLES), np.float32)
    owner = link.Link("cpu")
    for _ in range(ROUNDS):
        owner.compute("none", Weights("none", (), ""), "0", [sound])


if __name__ == "__main__":
    main()
