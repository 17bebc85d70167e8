"""The folder of a report: what is in it, which pages are out of date, and writing them."""

import hashlib
import json
import os
import re
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from mirkit import __version__, engines
from mirkit.dataset.items import iter_tracks
from mirkit.dataset.statistics import statistics
from mirkit.dataset.table import read_table
from mirkit.errors import InfoError, MirkitError, MissingInput, SettingsError
from mirkit.report import media
from mirkit.report.render import render
from mirkit.report.set_page import of_keys, of_set
from mirkit.report.track_page import gather
from mirkit.staleness import is_mark_current, mark_of
from mirkit.store import make_folder, printable, remove_file, remove_orphans
from mirkit.store.output import Output, begins_with, head
from mirkit.store.stamp import stamp_of
from mirkit.track import Track, is_track
from mirkit.track.clip import clip_folders
from mirkit.track.names import base_of
from mirkit.track.sidecar_names import kind_beside

#: Name of the folder that is made in a data set; no track is looked for in it.
FOLDER = "mirkit-report"
#: A page begins with this and what it was made of.
_STAMP = re.compile(rb'<meta name="mirkit-stamp" content="(\w*)">')
#: What the first page has near its start, and what the style sheet and the scripts begin with.
_INDEX = b'<meta name="generator" content="mirkit report">'
_MARK = b"/* mirkit report */\n"
ASSETS = ("report.css", "common.js", "set.js", "track.js")
DATA = ("KEYS", "SET", "TEXTS")


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
    overwrite : bool
        Whether a file that is no page may be replaced.
    """

    track: Track
    name: str
    file: Path
    stamp: str
    with_audio: bool
    overwrite: bool = False


@dataclass
class ReportPlan:
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
    overwrite : bool
        Whether files that are not of a report may be replaced.
    """

    root: Path
    out: Path
    tracks: dict[str, Track] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    todo: list[Page] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    overwrite: bool = False

    def files(self) -> Iterator[Output]:
        """All files that are not of one track, and how those of an earlier report are recognized."""
        for name in ASSETS:
            yield Output(self.out / "assets" / name, begins_with(_MARK), self.overwrite)
        for name in DATA:
            yield Output(self.out / "data" / f"{name.lower()}.js", begins_with(_start(name)), self.overwrite)
        yield Output(self.out / "index.html", _is_index, self.overwrite)


@dataclass(frozen=True)
class PageOutcome:
    """A page that was written, or why not, and what it lacks."""

    name: str
    problems: tuple[str, ...] = ()


def plan(root: Path, out: Path | None = None, *, with_audio: bool = False, overwrite: bool = False) -> ReportPlan:
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
        Make all pages again, and replace files in the way that are not of a report.

    Raises
    ------
    MissingInput
        There is no track.
    SettingsError
        The settings file is wrong, the report's folder holds tracks or other files that it would overwrite, or sounds
        are to be copied to where they would be taken for tracks.
    """
    root = Path(os.path.abspath(root))
    base = root if root.is_dir() else root.parent
    folder = Path(os.path.abspath(out)) if out else base / FOLDER
    if with_audio and folder.is_relative_to(base) and FOLDER not in folder.parts:
        raise SettingsError(
            f"{printable(folder)}: its sounds would be taken for tracks; choose a folder outside of {printable(base)}, "
            f"or leave --out away"
        )
    report = ReportPlan(root, folder, overwrite=overwrite)
    listed = _Listed()
    for member in iter_tracks(root, report.problems):
        if member.excluded:
            continue
        name = Path(member.name).as_posix()
        file = _file_name(name, member.track)
        stamp = _stamp(member.track, name, with_audio, listed)
        page = Page(member.track, name, folder / "tracks" / file, stamp, with_audio, overwrite)
        report.tracks[member.name], report.pages[member.name] = member.track, file
        if overwrite or not is_mark_current(page.file, _stamp_of(page.file), page.stamp):
            report.todo.append(page)
    if not report.tracks:
        raise MissingInput(f"{printable(root)}: no track in it")
    if is_track(folder) or any(_holds(folder, track) for track in report.tracks.values()):
        raise SettingsError(
            f"{printable(folder)}: holds tracks, and a report goes into a folder of its own; "
            "name another with --out, or "
            "leave --out away"
        )
    for output in (*report.files(), *(_output(page) for page in report.todo)):
        output.check()
    return report


def _holds(folder: Path, track: Track) -> bool:
    return Path(os.path.realpath(track.path)).is_relative_to(os.path.realpath(folder))


def _output(page: Page) -> Output:
    """The file of a page. One that was cut or altered is made again where the rest is a report."""
    return Output(
        page.file,
        lambda file: _stamp_of(file) is not None or _is_index(page.file.parents[1] / "index.html"),
        page.overwrite,
    )


def _is_index(file: Path) -> bool:
    """Whether a page is the first one of a report."""
    try:
        return _INDEX in head(file)
    except (OSError, InfoError):
        return False


def write(report: ReportPlan, jobs: int = 1) -> Generator[PageOutcome, None, None]:
    """Write the pages that are out of date, one outcome each, then the first page, with what all of them need.

    Raises
    ------
    InfoError
        The folder cannot be written to.
    """
    for folder in (report.out / "tracks", report.out / "data", report.out / "assets"):
        remove_orphans(make_folder(folder))
    remove_orphans(report.out)
    failed = {}
    with closing(engines.run(make, report.todo, jobs=jobs)) as results:
        for done in results:
            outcome = done.result or PageOutcome(done.item.name, (done.error,))
            if outcome.problems:
                failed[outcome.name] = list(outcome.problems)
            yield outcome
    _write_set(report, failed)
    _remove_others(report)


def make(page: Page) -> PageOutcome:
    """Write the page of one track; one that lacks something is made again the next time."""
    audio: dict[str, str] = {}
    problems: list[str] = []
    try:
        audio = media.copies(page.track, page.file) if page.with_audio else media.links(page.track, page.file.parent)
    except MirkitError as error:
        problems.append(str(error))
    content, lacking = gather(page.track, audio)
    problems += [line for line in lacking if line not in problems]
    stamp = "" if problems else page.stamp
    told = content | {"problems": problems}
    _output(page).write(render("track.html", stamp=stamp, version=__version__, page=told))
    return PageOutcome(page.name, tuple(problems))


def _write_set(report: ReportPlan, failed: dict[str, list[str]]) -> None:
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
    texts = [{"track": i, **row.pop("texts")} for i, row in enumerate(told["rows"]) if "texts" in row]
    told["texts"] = len(texts)
    title = report.root.name if report.root.is_dir() else report.root.stem
    contents = [_MARK + asset(name) for name in ASSETS]
    contents += [script("KEYS", of_keys(table, found, order)), script("SET", told), script("TEXTS", texts)]
    contents.append(render("set.html", title=title, version=__version__, found=found))
    for output, content in zip(report.files(), contents, strict=True):
        output.write(content)


def script(name: str, value: Any) -> bytes:
    """Give data as a script that sets a variable: all that a page from the disk may read."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return _start(name) + f"{text};\n".encode()


def _start(name: str) -> bytes:
    return f"window.{name}=".encode()


@cache
def asset(name: str) -> bytes:
    """Content of a file that comes with mirkit."""
    return (resources.files("mirkit.report") / "assets" / name).read_bytes()


def _file_name(name: str, track: Track) -> str:
    """File of a track's page: readable, of plain letters, and of no other track."""
    plain = re.sub(r"[^a-z0-9]+", "-", track.name.lower().encode("ascii", "ignore").decode()).strip("-")[:60]
    number = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{plain}-{number}.html" if plain else f"{number}.html"


def _stamp(track: Track, name: str, with_audio: bool, listed: "_Listed") -> str:
    """What a page is made of: names and stamps of the track's files, and the version of the page itself."""
    parts = [name, __version__, str(with_audio), _version()]
    try:
        if track.loose:
            parts += sorted(map(_of_file, listed.files(track))) + sorted(folder.name for folder in clip_folders(track))
        else:
            for folder in (track.folder, track.crops):
                if folder.is_dir():
                    with os.scandir(folder) as entries:
                        parts += sorted(_of_file(entry) for entry in entries if not entry.name.startswith("."))
    except (OSError, MissingInput):
        return ""
    return mark_of(["\n".join(parts).encode("utf-8", "surrogatepass")], 32)


class _Listed:
    """The files of loose tracks. Each folder is listed once, however many tracks lie in it."""

    def __init__(self) -> None:
        self._folders: dict[Path, dict[str, list[os.DirEntry[str]]]] = {}

    def files(self, track: Track) -> list["os.DirEntry[str]"]:
        """The loose file and what is called like results of it."""
        found = self._folders.get(track.folder)
        if found is None:
            found = self._folders[track.folder] = {}
            with os.scandir(track.folder) as entries:
                for entry in entries:
                    for key in {entry.name, kind_beside(entry.name)[0]} - {""}:
                        found.setdefault(key, []).append(entry)
        return [*found.get(track.loose, []), *found.get(base_of(track.name), [])]


def _of_file(entry: "os.DirEntry[str]") -> str:
    if not entry.is_file():
        return entry.name
    return f"{entry.name} {stamp_of(entry.path, entry.stat())}"


@cache
def _version() -> str:
    """Changes when the pages' own files do."""
    here = resources.files("mirkit.report")
    sources = [
        entry.read_bytes() for entry in sorted(here.iterdir(), key=lambda e: e.name) if entry.name.endswith(".py")
    ]
    sources.append((here / "templates" / "track.html").read_bytes())
    return hashlib.sha256(b"".join(sources)).hexdigest()


def _stamp_of(file: Path) -> str | None:
    """What a page was made of; None for what is no page."""
    try:
        found = _STAMP.search(head(file))
    except (OSError, InfoError):
        return None
    return found[1].decode() if found else None


def _remove_others(report: ReportPlan) -> None:
    """Take away pages, and copies of sounds, of tracks that are gone; what is not ours stays."""
    kept = set(report.pages.values())
    for file in (report.out / "tracks").glob("*.html"):
        if file.name not in kept and _stamp_of(file) is not None:
            remove_file(file)
    media.remove_others(report.out, {Path(name).stem for name in kept})
