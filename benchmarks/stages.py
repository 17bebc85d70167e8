"""CPU seconds of every stage on one core, and peak memory.

``python benchmarks/stages.py [--seconds 180] [--long 7200]``.

Each measurement is a process of its own, pinned to one core, after a short track has warmed the compiled kernels.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0, help="length of the track")
    parser.add_argument("--long", type=float, default=0.0, help="length of a second, long track, e.g. 7200")
    parser.add_argument("--json", type=Path, help="write the numbers there")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        _child(Path(arguments.child))
        return
    from tracks import make_track

    results = []
    with tempfile.TemporaryDirectory() as temp:
        for seconds in (arguments.seconds, arguments.long):
            if seconds:
                folder = Path(temp) / f"track-{seconds:g}"
                origin = make_track(folder, seconds, stems=False)
                results.append({"seconds": seconds, "origin": origin, **_measure(folder)})
    machine = f"{platform.processor() or platform.machine()}, Python {platform.python_version()}"
    print(f"one core, {machine}; sound: {results[0]['origin']}")
    for result in results:
        _table(result)
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine, "results": results}, indent=1))


def _measure(folder: Path) -> dict:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--child", str(folder)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, env=environment).stdout)


def _child(folder: Path) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {0})
    from tracks import make_track

    from mirkit.catalog import MEASURED, TASKS
    from mirkit.pipeline import track_task as pipeline
    from mirkit.store import Settings

    # The outcome's seconds are those of a clock; here they are to be CPU seconds, whatever else the machine does.
    pipeline.time.perf_counter = time.process_time
    backends = dict.fromkeys(TASKS, "embedded") | {"aesthetics": ""}
    with tempfile.TemporaryDirectory() as temp:
        make_track(Path(temp) / "warm", 12.0, stems=False)
        pipeline.process(pipeline.TrackJob(Path(temp) / "warm", ("separate", *MEASURED), backends, Settings()))
    seconds, peaks = {}, {}
    for stages in (("separate",), MEASURED):
        outcome = pipeline.process(pipeline.TrackJob(folder, stages, backends, Settings(), overwrite=True))
        assert outcome.ok, outcome.failures
        seconds |= outcome.seconds
        peaks["separate" if stages == ("separate",) else "extract"] = (
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        )
    print(json.dumps({"cpu_seconds": seconds, "peak_mib": peaks}))


def _table(result: dict) -> None:
    print(f"\n{result['seconds']:g} s of stereo sound, mix and four stems\n")
    print("| stage | CPU s | x real time |\n|---|---|---|")
    for name, seconds in result["cpu_seconds"].items():
        if seconds >= 0.005:
            print(f"| {name} | {seconds:.2f} | {result['seconds'] / seconds:.0f} |")
    total = sum(result["cpu_seconds"].values())
    print(f"| total | {total:.2f} | {result['seconds'] / total:.0f} |")
    peaks = ", ".join(f"{name} {peak:.0f} MiB" for name, peak in result["peak_mib"].items())
    print(f"\npeak memory so far in the process: {peaks}")


if __name__ == "__main__":
    main()
