"""Processor time of the tables of windows of whole tracks, of this code and of another version of it.

    python benchmarks/window_tables.py [--against REPOSITORY] [--track SECONDS] [--seconds LENGTH ...]

The track is made of the demo pieces with four stems, and each version measures a copy of its own. For each length of
a window, with one window a second, the table shows seconds of the processor per 10 s of track: with the timbre, which
needs the audio, and for what the feature series tell. Both versions run one after the other, several times, and the
least of the times counts, because other processes slow all of them down. ``--against`` names another clone or work tree
of the repository, such as one that ``git worktree add`` makes.
"""

import argparse
import inspect
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 3


def main() -> None:
    """Run the versions in turn and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, help="another clone or work tree of the repository")
    parser.add_argument("--track", type=float, default=120.0, help="length of the track (s)")
    parser.add_argument("--seconds", type=float, nargs="+", default=[47.55, 11.0], help="lengths of the windows (s)")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(measured(arguments.child, arguments.track, arguments.seconds)))
        return
    versions = {"this version": ROOT} | ({"before": arguments.against.resolve()} if arguments.against else {})
    times: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as temp:
        for _ in range(ROUNDS):
            for name, tree in versions.items():
                for length, found in child(tree, Path(temp) / name, arguments).items():
                    best = times.setdefault(length, {}).setdefault(name, found)
                    times[length][name] = {what: min(best[what], found[what]) for what in found}
    print(
        f"track of {arguments.track:g} s, load {os.getloadavg()[0]:.1f}; seconds of the processor per 10 s of track\n"
    )
    print("| windows | version | all | from feature series |\n|---|---|---|---|")
    for length, by_version in times.items():
        for name, found in by_version.items():
            print(f"| {length} s | {name} | {found['all']:.3f} | {found['series']:.3f} |")


def child(tree: Path, folder: Path, arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Run one version in a process of its own."""
    words = [sys.executable, __file__, "--child", str(folder), "--track", str(arguments.track)]
    words += ["--seconds", *map(str, arguments.seconds)]
    environment = os.environ | {"PYTHONPATH": str(tree / "src"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    result: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return result


def measured(folder: Path, duration: float, lengths: list[float]) -> dict[str, dict[str, float]]:
    """Measure the track if that has not been done, and return the times for each length."""
    import numpy as np

    from mirkit.windows import WindowAnalyzer

    if not folder.exists():
        make_track(folder, duration)
    try:
        from mirkit.window_tables import table
    except ImportError:  # before they were a module of their own
        from mirkit import windows

        table = windows.table  # type: ignore[attr-defined]
    WindowAnalyzer.open(folder).at(0, min(lengths), samples=True)  # compiles
    times = {}
    for length in lengths:
        began = time.process_time()
        made: Any = table(folder, length, 1.0)
        between = time.process_time()
        if "timbre" in inspect.signature(table).parameters:
            table(folder, length, 1.0, made[1])
        else:
            track = WindowAnalyzer.open(folder)
            for start in np.minimum(np.arange(0, duration - length + 1.0, 1.0), duration - length).tolist():
                track.at(start, start + length)
        parts = {"all": between - began, "series": time.process_time() - between}
        times[f"{length:g}"] = {what: 10 * seconds / duration for what, seconds in parts.items()}
    return times


def make_track(folder: Path, duration: float) -> None:
    """Make a track of the demo pieces, one after the other, and measure it."""
    import numpy as np

    from mirkit.audio import encode
    from mirkit.demo import demo_tracks
    from mirkit.pipeline.task import TrackJob
    from mirkit.pipeline.track_task import process
    from mirkit.stages.window import FROM_SERIES
    from mirkit.store import Settings

    pieces = [piece.stems for piece in demo_tracks()]
    samples = round(44100 * duration)
    count = -(-samples // pieces[0]["bass"].shape[1])
    stems = {
        stem: np.concatenate([pieces[i % len(pieces)][stem] for i in range(count)], axis=1)[:, :samples]
        for stem in pieces[0]
    }
    folder.mkdir(parents=True)
    for name, sound in (stems | {"full_mix": np.sum(list(stems.values()), axis=0, dtype=np.float32)}).items():
        encode(folder / f"{name}.flac", [sound], rate=44100, channels=len(sound), bits=24)
    backends = {"stems": "embedded", "beats": "embedded", "classification": "embedded", "aesthetics": ""}
    outcome = process(TrackJob(folder, ("source", *FROM_SERIES), backends, Settings()))
    assert outcome.ok, outcome.failures


if __name__ == "__main__":
    main()
