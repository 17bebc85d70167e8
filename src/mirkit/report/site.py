"""The folder of a report: what is in it, which pages are out of date, and writing them."""

import hashlib
import json
import os
import re
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from mirkit import __version__, engines
from mirkit.dataset.members import members
from mirkit.dataset.statistics import statistics
from mirkit.dataset.table import read_table
from mirkit.errors import MirkitError, MissingInput, SettingsError
from mirkit.report import sounds
from mirkit.report.render import render
from mirkit.report.setpage import of_keys, of_set
from mirkit.report.trackpage import gather
from mirkit.store import mishap, shown, sweep, write_whole
from mirkit.track import Track

#: Name of the folder that is made in a data set; no track is looked for in it.
FOLDER = "mirkit-report"
#: A page begins with this and what it was made of.
_STAMP = re.compile(rb'<meta name="mirkit-stamp" content="(\w*)">')
_HEAD_BYTES = 1024


@dataclass(frozen=True)
class Page:
    """A track's page that is to be made.

    Attributes
    ----------
    track : Track
    name : str
        What the track is called in the report.
    file : Path
        Where the page goes.
    stamp : str
        What it will be made of.
    with_audio : bool
        Whether sounds are copied into the report.
    """

    track: Track
    name: str
    file: Path
    stamp: str
    with_audio: bool


@dataclass
class Report:
    """A report that is to be written.

    Attributes
    ----------
    root : Path
        What it is about.
    out : Path
        Its folder.
    tracks : dict
        Name -> track, of those that are not left out.
    pages : dict
        Name -> name of its page's file.
    todo : list of Page
        Pages that are not there or out of date.
    problems : list of str
        A line for each folder that could not be read.
    """

    root: Path
    out: Path
    tracks: dict[str, Track] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    todo: list[Page] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """A page that was written, or why not, and what it lacks."""

    name: str
    problems: tuple[str, ...] = ()


def plan(root: Path, out: Path | None = None, *, with_audio: bool = False, overwrite: bool = False) -> Report:
    """See which pages a report needs; nothing is written.

    Parameters
    ----------
    root : Path
        A folder of tracks, or a track.
    out : Path, optional
        Folder of the report; ``mirkit-report`` in the folder of tracks by default.
    with_audio : bool
        Copy the sounds into the report, as mp3.
    overwrite : bool
        Make all pages again.

    Raises
    ------
    MissingInput
        There is no track.
    SettingsError
        The settings file is wrong, or sounds are to be copied to where they would be taken for tracks.
    """
    root = Path(os.path.abspath(root))
    base = root if root.is_dir() else root.parent
    folder = Path(os.path.abspath(out)) if out else base / FOLDER
    if with_audio and folder.is_relative_to(base) and FOLDER not in folder.parts:
        raise SettingsError(
            f"{shown(folder)}: its sounds would be taken for tracks; choose a folder outside of {shown(base)}, "
            f"or leave --out away"
        )
    report = Report(root, folder)
    for member in members(root, report.problems):
        if member.excluded:
            continue
        name = Path(member.name).as_posix()
        file = _file_name(name, member.track)
        page = Page(member.track, name, folder / "tracks" / file, _stamp(member.track, name, with_audio), with_audio)
        report.tracks[member.name], report.pages[member.name] = member.track, file
        if overwrite or not page.stamp or _stamp_of(page.file) != page.stamp:
            report.todo.append(page)
    if not report.tracks:
        raise MissingInput(f"{shown(root)}: no track in it")
    return report


def write(report: Report, jobs: int = 1) -> Generator[Outcome, None, None]:
    """Write the pages that are out of date, one outcome each, then the first page, with what all of them need.

    Raises
    ------
    InfoError
        The folder cannot be written to.
    """
    for folder in (report.out / "tracks", report.out / "data", report.out / "assets"):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise mishap(error, folder, "write") from error
        sweep(folder)
    failed = {}
    with closing(engines.run(make, report.todo, jobs=jobs)) as results:
        for done in results:
            outcome = done.result or Outcome(done.item.name, (done.error,))
            if outcome.problems:
                failed[outcome.name] = list(outcome.problems)
            yield outcome
    _write_set(report, failed)
    _remove_others(report)


def make(page: Page) -> Outcome:
    """Write the page of one track; one that lacks something is made again the next time."""
    audio: dict[str, str] = {}
    problems: list[str] = []
    try:
        audio = sounds.copies(page.track, page.file) if page.with_audio else sounds.links(page.track, page.file.parent)
    except MirkitError as error:
        problems.append(str(error))
    content, lacking = gather(page.track, audio)
    problems += [line for line in lacking if line not in problems]
    stamp = "" if problems else page.stamp
    write_whole(
        page.file, render("track.html", stamp=stamp, version=__version__, page=content | {"problems": problems})
    )
    return Outcome(page.name, tuple(problems))


def _write_set(report: Report, failed: dict[str, list[str]]) -> None:
    table = read_table(report.root)
    found = statistics(table)
    pages = {name: file for name, file in report.pages.items() if (report.out / "tracks" / file).exists()}
    told = of_set(table, found, report.tracks, pages)
    told["problems"] = failed
    order = [
        {"name": name, "page": pages[name], "title": row["title"]}
        for name, row in zip(told["names"], told["rows"], strict=True)
        if name in pages
    ]
    for name in ("report.css", "common.js", "set.js", "track.js"):
        write_whole(report.out / "assets" / name, asset(name))
    texts = [{"track": i, **row.pop("texts")} for i, row in enumerate(told["rows"]) if "texts" in row]
    told["texts"] = len(texts)
    script(report.out / "data" / "keys.js", "KEYS", of_keys(table, found, order))
    script(report.out / "data" / "set.js", "SET", told)
    script(report.out / "data" / "texts.js", "TEXTS", texts)
    title = report.root.name if report.root.is_dir() else report.root.stem
    write_whole(report.out / "index.html", render("set.html", title=title, version=__version__, found=found))


def script(path: Path, name: str, value: Any) -> None:
    """Write data as a script that sets a variable: all that a page from the disk may read."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    write_whole(path, f"window.{name}={text};\n".encode())


@cache
def asset(name: str) -> bytes:
    """Content of a file that comes with mirkit."""
    return (resources.files("mirkit.report") / "assets" / name).read_bytes()


def _file_name(name: str, track: Track) -> str:
    """File of a track's page: readable, of plain letters, and of no other track."""
    plain = re.sub(r"[^a-z0-9]+", "-", track.name.lower().encode("ascii", "ignore").decode()).strip("-")[:60]
    number = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain}-{number}.html" if plain else f"{number}.html"


def _stamp(track: Track, name: str, with_audio: bool) -> str:
    """What a page is made of: names, sizes and times of the track's files, and the version of the page itself."""
    parts = [name, __version__, str(with_audio), _version()]
    try:
        for folder in (track.folder, track.crops):
            if folder.is_dir():
                with os.scandir(folder) as entries:
                    parts += sorted(_of_file(entry) for entry in entries if not entry.name.startswith("."))
    except OSError:
        return ""
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _of_file(entry: "os.DirEntry[str]") -> str:
    if not entry.is_file():
        return entry.name
    stat = entry.stat()
    return f"{entry.name} {stat.st_size} {stat.st_mtime_ns}"


@cache
def _version() -> str:
    """Changes when the pages' own files do."""
    here = resources.files("mirkit.report")
    sources = [
        entry.read_bytes() for entry in sorted(here.iterdir(), key=lambda e: e.name) if entry.name.endswith(".py")
    ]
    sources.append((here / "templates" / "track.html").read_bytes())
    return hashlib.sha256(b"".join(sources)).hexdigest()


def _stamp_of(file: Path) -> str:
    try:
        with open(file, "rb") as page:
            found = _STAMP.search(page.read(_HEAD_BYTES))
    except OSError:
        return ""
    return found[1].decode() if found else ""


def _remove_others(report: Report) -> None:
    """Take away pages, and copies of sounds, of tracks that are gone; what is not ours stays."""
    kept = set(report.pages.values())
    for file in (report.out / "tracks").glob("*.html"):
        if file.name not in kept and re.search(rb'<meta name="mirkit-stamp"', file.open("rb").read(_HEAD_BYTES)):
            _unlink(file)
    sounds.remove_others(report.out, {Path(name).stem for name in kept})


def _unlink(file: Path) -> None:
    try:
        file.unlink()
    except OSError as error:
        raise mishap(error, file, "remove") from error
