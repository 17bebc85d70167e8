"""What 100,000 tracks cost before the first is worked on: finding, planning, verifying, statistics.

``python benchmarks/scale.py [--tracks 100000] [--folder FOLDER] [--keep]``. One synthesized piece is run through
everything; its files are then multiplied, each ``.INFO`` and ``.PROVENANCE`` with numbers and fingerprints of its own.
Every command is a process of its own; files are in the cache of the system, as in any second run.
"""

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
#: A file system may give a file so many names, not more.
_MOST_LINKS = 30_000
_PARTS = ("full_mix", "drums", "bass", "other", "vocals")

COMMANDS: dict[str, tuple[str, ...]] = {
    "scan (find every track)": ("-c", "import sys; from mirkit.track import find_tracks; find_tracks(sys.argv[1])"),
    "plan and run, all done": ("-m", "mirkit", "run"),
    "the same again": ("-m", "mirkit", "run"),
    "verify": ("-m", "mirkit", "verify"),
    "verify again": ("-m", "mirkit", "verify"),
    "stats": ("-m", "mirkit", "stats"),
    "stats again": ("-m", "mirkit", "stats"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where to put the data set; one that is there is used again")
    parser.add_argument("--keep", action="store_true", help="leave it there")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="mirkit-scale-"))
    root = folder / "library"
    try:
        if not root.exists():
            began = time.perf_counter()
            multiply(piece(folder / "template"), root, arguments.tracks)
            print(f"{arguments.tracks} tracks made in {time.perf_counter() - began:.0f} s", file=sys.stderr)
        print("| command | seconds | CPU seconds | peak MB |\n|---|---:|---:|---:|")
        for name, words in COMMANDS.items():
            seconds, cpu, peak = measured([sys.executable, *words, str(root)])
            print(f"| {name} | {seconds:.1f} | {cpu:.1f} | {peak:.0f} |", flush=True)
    finally:
        if not arguments.keep:
            shutil.rmtree(folder)


def measured(command: list[str]) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak memory (MB) of a process."""
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, env=environment())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read()
    assert process.returncode == 0, text[-2000:]
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, _bytes(usage) / 1e6


def _bytes(usage: resource.struct_rusage) -> int:
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT / "src"), "MIRKIT_OFFLINE": "1"}


def piece(folder: Path) -> Path:
    """One track with everything that a run makes."""
    from tracks import make_track

    make_track(folder / "Piece", 12.0)
    command = [sys.executable, "-m", "mirkit", "run", str(folder), "--quiet"]
    subprocess.run(command, check=True, env=environment())
    return folder / "Piece"


def multiply(piece: Path, root: Path, count: int) -> None:
    """Make tracks like one that is measured."""
    dice = random.Random(1)
    root.mkdir()
    shutil.copy(piece.parent / "mirkit.toml", root)
    info: dict[str, Any] = json.loads((piece / "Piece.INFO").read_bytes())
    provenance = (piece / "Piece.PROVENANCE").read_text()
    prints = json.loads(provenance)["stages"]["loudness"]["inputs"]
    shared = [name for name in os.listdir(piece) if not name.endswith((".INFO", ".PROVENANCE"))]
    for number in range(count):
        name = f"Artist {number // 100:04d} - Album - Track {number:06d}"
        folder = root / f"Artist {number // 100:04d}" / name
        folder.mkdir(parents=True)
        if number % _MOST_LINKS == 0:
            source = folder
            for file in shared:
                shutil.copy2(piece / file, folder / file.replace("Piece", name))
        else:
            for file in shared:
                os.link(source / file.replace("Piece", source.name), folder / file.replace("Piece", name))
        text = provenance
        for part, known in prints.items():
            mtime = (folder / f"{part}.flac").stat().st_mtime_ns
            text = text.replace(f'"mtime_ns": {known["mtime_ns"]}', f'"mtime_ns": {mtime}')
        (folder / f"{name}.PROVENANCE").write_text(text)
        changed = {
            key: value * dice.uniform(0.9, 1.1) if type(value) is float else value for key, value in info.items()
        }
        (folder / f"{name}.INFO").write_text(json.dumps(changed, indent=2))


if __name__ == "__main__":
    main()
