"""Peak memory of long files: a synthesized mix of some hours through the whole embedded pipeline, or measured alone.

``python benchmarks/long.py [--hours 2] [--only-mix]``. The file is made block by block, of pieces that never repeat to
the bit. ``--only-mix`` leaves the separation out and measures the mix alone, which takes a fifth of the time.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
BLOCK_SECONDS = 30.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--only-mix", action="store_true", help="no stems: measure the mix alone")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mirkit-long-") as temporary:
        folder = Path(temporary) / "Long mix"
        make_mix(folder, 3600 * arguments.hours)
        command = [sys.executable, "-m", "mirkit", "extract" if arguments.only_mix else "run", str(folder)]
        began = time.perf_counter()
        process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "MIRKIT_OFFLINE": "1"})
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds, cpu = time.perf_counter() - began, usage.ru_utime + usage.ru_stime
        peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        files = sum(path.stat().st_size for path in folder.iterdir())
    print("| hours | what | seconds | CPU seconds | peak MiB | files MB | exit |\n|---:|---|---:|---:|---:|---:|---:|")
    what = "measure, mix alone" if arguments.only_mix else "separate and measure"
    numbers = f"{seconds:.0f} | {cpu:.0f} | {peak / 2**20:.0f} | {files / 1e6:.0f} | {process.returncode}"
    print(f"| {arguments.hours:g} | {what} | {numbers} |")


def make_mix(folder: Path, seconds: float) -> None:
    """Write the mix of a track."""
    sys.path[:0] = [str(ROOT / "src")]
    from mirkit.audio import encode

    folder.mkdir()
    encode(folder / "full_mix.flac", blocks(seconds), rate=44100, channels=2)


def blocks(seconds: float) -> Iterator[np.ndarray]:
    """Drums, a bass note and a chord; tempo, key and noise change from block to block."""
    dice = np.random.default_rng(1)
    t = np.arange(round(BLOCK_SECONDS * 44100)) / 44100
    for number in range(round(seconds / BLOCK_SECONDS)):
        beat = 60 / (100 + number % 40)
        since = t % beat
        root = 55 * 2 ** (number % 12 / 12)
        sound = 0.4 * np.sin(2 * np.pi * 60 * since) * np.exp(-20 * since) + 0.15 * np.sin(2 * np.pi * root * t)
        sound += sum(0.05 * np.sin(2 * np.pi * 4 * root * step * t) for step in (1, 1.26, 1.5))
        sound = sound + 0.1 * dice.standard_normal(len(t)) * np.exp(-60 * since)
        yield np.stack((sound, 0.9 * sound)).astype(np.float32)


if __name__ == "__main__":
    main()
