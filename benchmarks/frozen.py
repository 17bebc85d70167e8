"""Whether a change to the code changes any output: checksums of all that mirkit writes, before and after.

    python benchmarks/frozen.py --write before.json
    ... change the code ...
    python benchmarks/frozen.py --compare before.json

Runs the command line (``python -m mirkit``) in a temporary folder, with the embedded methods and one worker: the demo
set; two real tracks where they are at hand (``--data``), with their own stems and from the mix alone; clips of two
settings, windows, statistics, split, duplicates, verify; every export; the report; drums to MIDI. About three minutes
of CPU. The values depend on the processor and on the versions of the numerical libraries, so a file of checksums is
compared on the machine that wrote it, and is not committed.

What differs from run to run is left out before the checksum is made: times, durations of the work, the host, stamps of
files, versions, the temporary folder's name, the order of keys. Of tars, npz and parquet files the content counts, not
the container. Of a json file each top-level field has a checksum of its own.

``--keep DIR`` keeps what the checksums were made of; ``diff -r`` of two such folders shows what differs in a file.

``--rename FILE`` names what was changed on purpose, a line each, so that it counts as no difference::

    field OLD=NEW      a key of json files (an empty OLD: a new field)
    path OLD=NEW       a part of a path
    text OLD=NEW       a piece of text, in json values and in text files

What is gone on purpose cannot be named: write a new file of checksums at that commit.
"""

import argparse
import datetime
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Keys of json files that are of the run, not of its result.
VOLATILE = {
    *("when", "created", "generated", "host", "hostname", "pid", "mirkit", "mirkit_version", "version", "versions"),
    *("mtime", "mtime_ns", "ctime", "ctime_ns", "inode", "device"),
}
#: The same, in provenance only: elsewhere it is the length of a piece.
VOLATILE_IN_PROVENANCE = {"seconds"}
#: By these a report knows which of its pages and sounds are stale: they depend on the stamps of files.
MARKS = re.compile(r'(?<=-stamp" content=")[0-9a-f]+(?=")|(?<=-)[0-9a-f]{8}(?=\.mp3)')
#: Folders and files that hold caches, logs and locks.
PASSED_OVER = (".mirkit", ".lock")
TEXTS = {".txt", ".md", ".html", ".js", ".css", ".csv", ".toml", ".py", ".BEATS_GRID", ".ONSETS"}
JSONS = {".json", ".INFO", ".PROVENANCE"}
TRACKS = ("MusicDelta_Rock", "MusicDelta_Zeppelin")
STEMS = ("drums", "bass", "other", "vocals")


@dataclass
class Renames:
    """What was changed on purpose: new name -> old name."""

    fields: dict[str, str] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Renames":
        """Read the lines of a file of renames."""
        renames = cls()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            kind, _, rest = line.strip().partition(" ")
            old, equals, new = rest.strip().partition("=")
            table = {"field": renames.fields, "path": renames.paths, "text": renames.texts}.get(kind)
            if table is None or not equals or not new or not (old or kind == "field"):
                raise SystemExit(f"{path}, line {number}: expected field, path or text, and OLD=NEW; found {line!r}")
            table[new] = old
        return renames

    def path(self, name: str) -> str:
        """A path as it was called before."""
        return _replaced(name, self.paths)

    def text(self, text: str) -> str:
        """A text as it was before."""
        return _replaced(text, self.texts)


def _replaced(text: str, pairs: dict[str, str]) -> str:
    for new, old in sorted(pairs.items(), key=lambda pair: -len(pair[0])):
        text = text.replace(new, old)
    return text


class Canon:
    """Turns what a file holds into pieces that are the same for each run: name -> bytes."""

    def __init__(self, root: Path, renames: Renames) -> None:
        self._root, self._renames = root, renames
        self._today = {day.isoformat() for day in (datetime.date.today(), datetime.datetime.now(datetime.UTC).date())}

    def pieces(self, name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
        """Yield the pieces of one file."""
        suffix = Path(name).suffix
        if suffix == ".npz" or zipfile.is_zipfile(io.BytesIO(content)):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for member in sorted(archive.namelist()):
                    yield from self.pieces(f"{name}/{member}", archive.read(member))
        elif suffix == ".tar":
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                members = [member for member in archive if member.isfile()]
                yield f"{name}#order", "\n".join(member.name for member in members).encode()
                for member in members:
                    stream = archive.extractfile(member)
                    yield from self.pieces(f"{name}/{member.name}", stream.read() if stream else b"")
        elif suffix == ".parquet":
            yield name, self._parquet(content)
        elif suffix == ".jsonl":
            lines = [self._json(name, json.loads(line)) for line in content.decode("utf-8").split("\n") if line]
            yield name, _dump(lines)
        elif suffix in JSONS:
            value = self._json(name, json.loads(content))
            if isinstance(value, dict):
                yield f"{name}#", _dump(sorted(value))
                yield from ((f"{name}#{key}", _dump(part)) for key, part in value.items())
            else:
                yield name, _dump(value)
        elif suffix in TEXTS:
            yield name, self._text(content.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        else:
            yield name, content

    def _parquet(self, content: bytes) -> bytes:
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(io.BytesIO(content))
        kept = {"columns": {item.name: str(item.type) for item in table.schema}, "rows": table.to_pylist()}
        return _dump(self._json("", json.loads(json.dumps(kept, default=str))))

    def _json(self, name: str, value: Any) -> Any:
        if isinstance(value, dict):
            left_out = VOLATILE | (VOLATILE_IN_PROVENANCE if name.endswith(".PROVENANCE") else set())
            kept = {}
            for key, part in value.items():
                key = self._renames.fields.get(key, key)
                if key and key not in left_out:
                    kept[self._renames.text(key)] = self._json(name, part)
            return kept
        if isinstance(value, list):
            return [self._json(name, part) for part in value]
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        text = text.replace(str(self._root), "<root>").replace(self._root.as_uri().removeprefix("file://"), "<root>")
        text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?", "<time>", text)
        for day in self._today:
            text = text.replace(day, "<day>")
        text = MARKS.sub("<mark>", text)
        return self._renames.text(re.sub(r"\bmirkit[ /]\d+\.\d+\.\d+\S*", "mirkit <version>", text))


def _dump(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, indent=1).encode("utf-8", "surrogateescape")


class Session:
    """A temporary folder, and the commands that fill it."""

    def __init__(self, root: Path, data: Path | None, *, verbose: bool) -> None:
        self.root, self._data, self._verbose = root, data, verbose
        self.statuses: dict[str, int] = {}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MIRKIT_", "HF_", "XDG_"))}
        self._environment = kept | {
            **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "MIRKIT_OFFLINE"), "1"),
            **{name: str(root / "home") for name in ("MIRKIT_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "HF_HOME")},
            "TORCH_HOME": str(root / "home"),
            "TZ": "UTC",
            "LC_ALL": "C.UTF-8",
            "COLUMNS": "120",
            "NO_COLOR": "1",
        }

    def run(self, name: str, *words: str | Path, out: str = "", one_core: bool = False) -> None:
        """Run one command; what it prints goes into a file where it is a result."""
        command = [sys.executable, "-m", "mirkit", *map(str, words)]
        begun = time.monotonic()
        pin: Callable[[], None] | None = _one_core if one_core and hasattr(os, "sched_setaffinity") else None
        done = subprocess.run(
            command, cwd=self.root, env=self._environment, stdin=subprocess.DEVNULL, capture_output=True, preexec_fn=pin
        )
        self.statuses[name] = done.returncode
        if out:
            (self.root / "printed").mkdir(exist_ok=True)
            (self.root / "printed" / out).write_bytes(done.stdout)
        if self._verbose or done.returncode:
            print(f"{name}: exit status {done.returncode}, {time.monotonic() - begun:.0f} s", file=sys.stderr)
        if done.returncode:
            print(done.stderr.decode("utf-8", "replace")[-2000:], file=sys.stderr)

    def everything(self) -> None:
        """Run all steps."""
        self.run("demo", "demo", "demo", one_core=True)
        self._crops("demo")
        self._tables("demo")
        for target in ("sat", "sat-wds", "sa3", "webdataset", "hf"):
            self._export(target, "demo", target)
        self._export("sat", "demo", "sat-loud", "--loudness", "-14", "--unknown", "fill", "--keys", "bpm,lufs,chroma_*")
        self._export("sat", "demo", "sat-tracks", "--from", "tracks", "--sample-size", "262144")
        _make_latents(self.root / "exports" / "sat", self.root / "exports" / "latents")
        self._export("sat-latents", "demo", "latents")
        for target in ("csv", "parquet", "jsonl"):
            self._export(target, "demo", f"clips.{target}")
            self._export(target, "demo", f"tracks.{target}", "--from", "tracks")
        self.run("report demo", "report", "demo", "--out", "reports/demo", "--with-audio", "--jobs", "1")
        if self._data:
            self._real_tracks(self._data)

    def _real_tracks(self, data: Path) -> None:
        for kind, parts in (("stems", ("full_mix", *STEMS)), ("mix", ("full_mix",))):
            for track in TRACKS:
                folder = self.root / kind / track
                folder.mkdir(parents=True)
                for part in parts:
                    shutil.copy(data / "mdb" / track / f"{part}.flac", folder)
            self.run(f"run {kind}", "run", kind, "--jobs", "1")
            self._crops(kind)
            self._tables(kind)
            self._export("sat", kind, f"sat-{kind}", "--val", "0.5")
            self._export("jsonl", kind, f"{kind}.jsonl", "--set", "bars")
        track = Path("mix") / TRACKS[0]
        self.run("drums of a mix", "drums", track, "--drum-source", "mix", "--quantize", "4", "-o", "from_mix.mid")
        self.run("report stems", "report", "stems", "--out", "reports/stems", "--jobs", "1")

    def _crops(self, folder: str) -> None:
        self.run(f"crop {folder}", "crop", folder, "--batch", "--samples", "262144", "--jobs", "1")
        more = ("--bars", "2", "--overlap", "0.5", "--tail", "keep", "--name", "bars")
        self.run(f"crop {folder} by bars", "crop", folder, "--batch", *more, "--jobs", "1")

    def _tables(self, folder: str) -> None:
        made = self.root / "tables"
        made.mkdir(exist_ok=True)
        self.run(f"verify {folder}", "verify", folder, "--crops", "--json", out=f"verify-{folder}.json")
        self.run(f"stats {folder}", "stats", folder, "-o", made / f"stats-{folder}.json")
        self.run(f"stats of clips {folder}", "stats", folder, "--crops", "-o", made / f"stats-clips-{folder}.json")
        self.run(f"split {folder}", "split", folder, "--val", "0.3", "-o", made / f"split-{folder}.json")
        self.run(f"duplicates {folder}", "duplicates", folder, "-o", made / f"duplicates-{folder}.json")
        for track in sorted(path.name for path in (self.root / folder).iterdir() if any(path.glob("full_mix.*"))):
            window = ("--start", "2", "--end", "8", "--json")
            self.run(
                f"window {folder} {track}", "window", Path(folder, track), *window, out=f"window-{folder}-{track}.json"
            )
        slices = ("--start", "1", "--end", "9", "--slices", "4", "--samples", "--json")
        self.run(f"slices {folder}", "window", Path(folder, track), *slices, out=f"slices-{folder}.json")

    def _export(self, target: str, folder: str, out: str, *more: str) -> None:
        words = ("export", target, Path("exports", out), folder, "--jobs", "1", *more)
        (self.root / "exports").mkdir(exist_ok=True)
        self.run(f"export {out}", *words, *(() if "--val" in more else ("--val", "0.25")))

    def files(self) -> Iterator[Path]:
        """Yield all that lies in the folder, but caches, logs and locks."""
        for path in sorted(self.root.rglob("*")):
            parts = path.relative_to(self.root).parts
            if path.is_file() and parts[0] != "home" and not any(part.endswith(PASSED_OVER) for part in parts):
                yield path


def _one_core() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def _make_latents(bundle: Path, out: Path) -> None:
    """Write latents of the files of a bundle, as an encoder would name them; their values mean nothing."""
    import numpy as np

    out.mkdir()
    for i, path in enumerate(sorted(bundle.rglob("*.flac"))):
        np.save(out / f"{i:06d}.npy", np.random.default_rng(i).standard_normal((8, 16)).astype(np.float32))
        beside = {"relpath": path.name, "padding_mask": [1] * 16, "seconds_total": 3}
        (out / f"{i:06d}.json").write_text(json.dumps(beside), encoding="utf-8")


def checksums(session: Session, renames: Renames, keep: Path | None) -> dict[str, str]:
    """Give the checksum of each piece of each output, and the exit status of each command."""
    canon = Canon(session.root, renames)
    found = {f"exit status of {name}": str(status) for name, status in session.statuses.items()}
    for path in session.files():
        name = renames.path(MARKS.sub("<mark>", path.relative_to(session.root).as_posix()))
        for piece, content in canon.pieces(name, path.read_bytes()):
            found[piece] = hashlib.sha256(content).hexdigest()
            if keep:
                kept = keep / piece.replace("#", "/#")
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_bytes(content)
    return found


def difference(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """Say in a line each what was added, is gone, or differs."""
    lines = [f"gone     {name}" for name in sorted(before.keys() - after.keys())]
    lines += [f"added    {name}" for name in sorted(after.keys() - before.keys())]
    return lines + [f"differs  {name}" for name in sorted(before.keys() & after.keys()) if before[name] != after[name]]


def main(argv: Sequence[str] | None = None) -> int:
    """Make the checksums; write or compare them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--write", type=Path, metavar="FILE", help="write the checksums there")
    what.add_argument("--compare", type=Path, metavar="FILE", help="compare with these; exit status 1 if any differs")
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default, help="folder of mdb/MusicDelta_* (default: %(default)s)")
    parser.add_argument("--rename", type=Path, metavar="FILE", help="what was changed on purpose")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep there what the checksums were made of")
    parser.add_argument("--verbose", "-v", action="store_true", help="a line for every command")
    arguments = parser.parse_args(argv)
    renames = Renames.read(arguments.rename) if arguments.rename else Renames()
    before = json.loads(arguments.compare.read_text(encoding="utf-8")) if arguments.compare else {}
    data = arguments.data if (arguments.data / "mdb" / TRACKS[0]).is_dir() else None
    if data is None:
        print(f"no {TRACKS[0]} in {arguments.data / 'mdb'}: the demo set alone", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="mirkit-frozen-") as folder:
        session = Session(Path(folder).resolve(), data, verbose=arguments.verbose)
        session.everything()
        after = checksums(session, renames, arguments.keep)
    if arguments.write:
        arguments.write.write_text(json.dumps(after, indent=1, sort_keys=True, ensure_ascii=False), encoding="utf-8")
        print(f"{arguments.write}: {len(after)} checksums")
        return 0
    if not arguments.compare:
        print(f"{len(after)} checksums; their sum is {hashlib.sha256(_dump(after)).hexdigest()}")
        return 0
    lines = difference(before, after)
    print("\n".join(lines) or f"{len(after)} checksums, none differs")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
