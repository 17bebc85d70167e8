"""What questions about 100,000 tracks cost, with the library of the data set and without it.

``python benchmarks/scale.py [--tracks 100000] [--folder FOLDER] [--keep] [--only WORDS]``. One synthesized piece is run
through everything; its files are then multiplied. Each track has a name, tags, numbers and feature series of its own,
and 5 % of the tracks are broken: a damaged ``.INFO`` or ``.PROVENANCE``, no ``.INFO``, no ``full_mix``, or two of them.
Audio files are links to one file. Every command is a process of its own; files are in the cache of the system, as in
any second run. ``run`` is planned (``--dry-run``), because it would measure the broken tracks again.
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

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
#: A file system may give a file so many names, not more.
_MOST_LINKS = 30_000
_BROKEN = ("info", "provenance", "no info", "no mix", "two mixes")
_GENRES = ("Rock", "Techno", "Jazz", "Folk", "Ambient")

#: Command -> its arguments, in which ``{out}`` is a new file.
COMMANDS: dict[str, tuple[str, ...]] = {
    "run": ("run", "--dry-run", "{root}"),
    "verify": ("verify", "--quiet", "{root}"),
    "stats": ("stats", "{root}"),
    "ls": ("ls", "{root}", "bpm:120..", "--fields", "path,bpm,key"),
    "csv": ("export", "csv", "{out}.csv", "{root}", "--from", "tracks"),
    "parquet": ("export", "parquet", "{out}.parquet", "{root}", "--from", "tracks"),
    "duplicates": ("duplicates", "--quiet", "{root}"),
    "split": ("split", "--quiet", "{root}"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where to put the data set; one that is there is used again")
    parser.add_argument("--keep", action="store_true", help="leave it there")
    parser.add_argument("--only", nargs="+", choices=COMMANDS, default=list(COMMANDS), help="commands to run")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="mirkit-scale-"))
    root = folder / "library"
    try:
        if not root.exists():
            began = time.perf_counter()
            multiply(piece(folder / "template"), root, arguments.tracks)
            time.sleep(3)  # what has just been written is not kept in the library
            print(f"{arguments.tracks} tracks made in {time.perf_counter() - began:.0f} s", file=sys.stderr)
        print("| command | without: s | CPU s | with the library: s | CPU s | peak MB | load |")
        print("|---|---:|---:|---:|---:|---:|---:|", flush=True)
        for name in arguments.only:
            words = [word.format(root=root, out=folder / "table") for word in COMMANDS[name]]
            rows = []
            for state in ("without", "with"):
                if state == "without":
                    (root / ".mirkit" / "library.sqlite").unlink(missing_ok=True)
                for table in folder.glob("table.*"):
                    table.unlink()
                rows.append(measured([sys.executable, "-m", "mirkit", *words]))
            (seconds, cpu, peak), (again, cpu_again, peak_again) = rows
            numbers = f"{seconds:.1f} | {cpu:.1f} | {again:.1f} | {cpu_again:.1f} | {max(peak, peak_again):.0f}"
            print(f"| {name} | {numbers} | {os.getloadavg()[0]:.1f} |", flush=True)
    finally:
        if not arguments.keep:
            shutil.rmtree(folder)


def measured(command: list[str]) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds with its children, and peak memory (MB) of a process."""
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT, env=environment())
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read()
    assert process.returncode in (0, 1), text[-2000:]  # 1: the broken tracks
    assert "Traceback" not in text, text[-2000:]
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
    from mirkit.store import read_feature_series, read_feature_series_header, update_feature_series
    from mirkit.store.sidecars import encode_object

    dice, rng = random.Random(1), np.random.default_rng(1)
    root.mkdir()
    shutil.copy(piece.parent / "mirkit.toml", root)
    info: dict[str, Any] = json.loads((piece / "Piece.INFO").read_bytes())
    provenance = json.loads((piece / "Piece.PROVENANCE").read_text())
    provenance["facts"]["tags"] = {"value": "@TAGS@"}
    text = encode_object(provenance, levels=2).decode()
    wanted = ("tonal/chroma", "full_mix/bands", "full_mix/sound")
    curves = piece / "Piece.CURVES.npz"
    arrays = {key: array for name in wanted for key, array in read_feature_series(curves, name).items()}
    header = {key: note for key, note in read_feature_series_header(curves).items() if key in wanted}
    shared = [name for name in os.listdir(piece) if not name.endswith((".INFO", ".PROVENANCE", ".CURVES.npz"))]
    folders = []
    for number in range(count):
        artist, title = f"Artist {number // 20:05d}", f"Track {number:06d}"
        name = f"{artist} - Album {number // 10} - {title}"
        folder = root / artist / name
        folder.mkdir(parents=True)
        if number % _MOST_LINKS == 0:
            source = folder
            for file in shared:
                shutil.copy2(piece / file, folder / file.replace("Piece", name))
        else:
            for file in shared:
                os.link(source / file.replace("Piece", source.name), folder / file.replace("Piece", name))
        folders.append(folder)
    for number, folder in enumerate(folders):
        if number % 20 == 19:
            _break(folder, _BROKEN[number // 20 % len(_BROKEN)], "mix")
    for number, folder in enumerate(folders):  # after all links are made and removed, each of which changes a stamp
        name = folder.name
        artist, album, title = name.split(" - ")
        tags = {"artist": artist, "title": title, "album": album, "year": 1960 + number % 60}
        own = text.replace('"@TAGS@"', json.dumps(tags | {"genre": dice.choice(_GENRES)}))
        for file in shared:
            if (present := folder / file.replace("Piece", name)).exists():
                own = own.replace(_stamp(piece / file), _stamp(present))
        (folder / f"{name}.PROVENANCE").write_text(own)
        changed = {
            key: value * dice.uniform(0.9, 1.1) if type(value) is float else value for key, value in info.items()
        }
        (folder / f"{name}.INFO").write_text(json.dumps(changed, indent=2))
        header["full_mix/sound"] = {"sound": f"{number:064x}"}
        series = {key: _harmony(rng, value) if value.ndim == 2 else value for key, value in arrays.items()}
        update_feature_series(folder / f"{name}.CURVES.npz", series, header=header)
        if number % 20 == 19:
            _break(folder, _BROKEN[number // 20 % len(_BROKEN)], "sidecars")


def _stamp(path: Path) -> str:
    """The stamp of a file as a ``.PROVENANCE`` has it."""
    status = path.stat()
    return f'"mtime_ns": {status.st_mtime_ns}, "ctime_ns": {status.st_ctime_ns}, "inode": {status.st_ino}'


def _harmony(rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    """A series of another piece: a new row every second."""
    held = 10
    rows = rng.uniform(0, 1, (len(like) // held + 1, like.shape[1])).repeat(held, axis=0)[: len(like)]
    return (rows * like.mean()).astype(like.dtype)


def _break(folder: Path, how: str, what: str) -> None:
    """Break the mix or the sidecars of a track."""
    name = folder.name
    if what == "mix" and how == "no mix":
        (folder / "full_mix.flac").unlink()
    elif what == "mix" and how == "two mixes":
        (folder / "full_mix.wav").write_bytes(b"")
    elif what == "sidecars" and how == "info":
        (folder / f"{name}.INFO").write_text('{"bpm": 120.0, "lu')
    elif what == "sidecars" and how == "provenance":
        (folder / f"{name}.PROVENANCE").write_text('{"stages": []}')
    elif what == "sidecars" and how == "no info":
        (folder / f"{name}.INFO").unlink()


if __name__ == "__main__":
    main()
