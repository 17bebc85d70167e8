"""What a second worker brings: the same tracks through the whole embedded pipeline with one and with more workers.

``python benchmarks/workers.py [--tracks 8] [--seconds 60] [--workers 2] [--rounds 3]``. Rounds alternate, and the ratio
is the median over rounds. On a machine that others use too it means little, so the load is printed beside it.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    from tracks import make_track

    with tempfile.TemporaryDirectory(prefix="mirkit-workers-") as temporary:
        template = Path(temporary) / "template"
        make_track(template / "1", arguments.seconds, stems=False)
        for number in range(2, arguments.tracks + 1):
            shutil.copytree(template / "1", template / str(number))
        ratios = []
        for _ in range(arguments.rounds):
            one, many = (measured(template, Path(temporary) / "library", jobs) for jobs in (1, arguments.workers))
            ratios.append(one / many)
            print(f"1 worker {one:.1f} s, {arguments.workers} workers {many:.1f} s: {one / many:.2f} x", flush=True)
    load = os.getloadavg()[0]
    print(f"ratio {statistics.median(ratios):.2f} on {os.cpu_count()} cores, load of the last minute {load:.1f}")


def measured(template: Path, root: Path, jobs: int) -> float:
    """Seconds of a run."""
    shutil.copytree(template, root)
    command = [sys.executable, "-m", "mirkit", "run", str(root), "--jobs", str(jobs), "--quiet"]
    began = time.perf_counter()
    subprocess.run(command, check=True, env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "MIRKIT_OFFLINE": "1"})
    seconds = time.perf_counter() - began
    shutil.rmtree(root)
    return seconds


if __name__ == "__main__":
    main()
