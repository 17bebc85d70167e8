"""Seconds and memory of exports of many clips: ``sat --link``, copies, wav files with texts, ``csv`` and ``parquet``.

    python benchmarks/export_scale.py [CLIPS] [FOLDER] [--against REPOSITORY] [--only EXPORT ...]

The clips (20,000 by default, ten a track) are copies of ten short ones, with features of their own, below FOLDER
(default: a temporary folder). Each export runs in a process of its own, with one worker and with one per core, and then
again. ``--against`` names another clone or work tree of the repository, whose code exports the same clips with one
worker.
"""

import argparse
import hashlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]

from export.measured import make_clips  # noqa: E402

PER_TRACK = 10
#: Name of an export -> its target and options.
EXPORTS = {
    "links": ("sat", "--link"),
    "copies": ("sat",),
    "texts": ("sa3",),
    "csv": ("csv",),
    "parquet": ("parquet",),
}


def main() -> None:
    """Make the data set and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=int, nargs="?", default=20_000, help="number of clips")
    parser.add_argument("folder", type=Path, nargs="?", help="where the clips are made")
    parser.add_argument("--against", type=Path, help="another clone or work tree of the repository")
    parser.add_argument("--only", nargs="+", choices=EXPORTS, default=list(EXPORTS), help="exports to run")
    arguments = parser.parse_args()
    versions = [("", ROOT, 1), ("", ROOT, os.cpu_count() or 1)]
    if arguments.against:
        versions.insert(0, ("before, ", arguments.against.resolve(), 1))
    with tempfile.TemporaryDirectory(dir=arguments.folder) as temp:
        root = make_library(Path(temp), arguments.clips)
        print(
            f"| {arguments.clips:,} clips, load {os.getloadavg()[0]:.1f} | first run, s | CPU, s | memory, MiB | "
            "again, s | CPU, s |\n|---|---|---|---|---|---|"
        )
        for way in arguments.only:
            target, *more = EXPORTS[way]
            for name, tree, jobs in versions:
                out = Path(temp) / f"out.{way}.{jobs}.{len(name)}.{target}"  # links stay: removing one changes the clip
                first, again = [run(target, root, out, [*more, "-j", str(jobs)], tree) for _ in range(2)]
                print(
                    f"| `{' '.join(EXPORTS[way])}` ({name}{jobs} worker{'s' * (jobs > 1)}) | {first[0]:.1f} | "
                    f"{first[1]:.1f} | {first[2]:.0f} | {again[0]:.1f} | {again[1]:.1f} |",
                    flush=True,
                )


def make_library(temp: Path, clips: int) -> Path:
    """Multiply a track of ten clips; each file has its own stamps in the provenance, as after ``mirkit crop``."""
    (template,) = (
        path
        for path in make_clips(temp / "template", tracks=1, clips=PER_TRACK, sound=_tone).iterdir()
        if path.is_dir()
    )
    root, rng = temp / "data", random.Random(0)
    sums = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in template.rglob("*.flac")}
    for number in range(clips // PER_TRACK):
        track = root / f"Artist {number // 8} - Track {number}"
        digests: dict[str, dict[str, object]] = {}  # of the track, which comes before its clips
        for folder, _, names in os.walk(template):
            place = track / Path(folder).relative_to(template).as_posix().replace(template.name, track.name)
            place.mkdir(parents=True)
            own = {name: _copied(Path(folder) / name, place / name, sums) for name in names if name.endswith(".flac")}
            digests = digests or {name.removesuffix(".flac"): digest for name, digest in own.items()}
            for name in sorted(set(names) - own.keys()):
                content = (Path(folder) / name).read_bytes()
                if name.endswith(".INFO"):
                    info = json.loads(content)
                    varied = {k: v * rng.uniform(0.9, 1.1) for k, v in info.items() if isinstance(v, float)}
                    content = json.dumps(info | varied).encode()
                elif name.endswith(".PROVENANCE"):
                    record = json.loads(content)
                    for entry in record["stages"].values():
                        entry["inputs"] = {source: digests[source] for source in entry["inputs"]}
                        entry["outputs"] = {source: own[f"{source}.flac"] for source in entry["outputs"]}
                    record["facts"] |= {"peak": {"value": -12.0}, "channels": {"value": 2}}  # as mirkit crop writes
                    content = json.dumps(record).encode()
                (place / name.replace(template.name, track.name)).write_bytes(content)
    return root


def _tone(_rng: np.random.Generator, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    return np.broadcast_to(0.25 * np.sin(np.arange(shape[1]) / 64), shape).astype(np.float32)


def _copied(source: Path, target: Path, sums: Mapping[Path, str]) -> dict[str, object]:
    """Copy a file, and return its entry in a provenance."""
    shutil.copyfile(source, target)
    found = target.stat()
    stamps = {"mtime_ns": found.st_mtime_ns, "ctime_ns": found.st_ctime_ns, "inode": found.st_ino}
    return {"size": found.st_size, "sha256": sums[source], **stamps}


def run(target: str, root: Path, out: Path, more: list[str], tree: Path) -> tuple[float, float, float]:
    """Wall-clock time (s), CPU time (s) and peak memory (MiB) of one export by the code of a work tree."""
    words = [sys.executable, "-m", "mirkit", "export", target, str(root), "-o", str(out), "-q", *more]
    environment = os.environ | {"PYTHONPATH": str(tree / "src")}
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    timed = ["/usr/bin/env", "time", "-f", "%M", *words]
    done = subprocess.run(timed, stderr=subprocess.PIPE, text=True, check=False, env=environment)
    seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stderr)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, cpu, int(done.stderr.split()[-1]) / 1024


if __name__ == "__main__":
    main()
