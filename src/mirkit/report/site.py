"""The folder of a report: its files, which pages are out of date, and how they are written."""

import hashlib
import json
import os
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirkit import __version__, engines
from mirkit.dataset.find import iter_tracks
from mirkit.dataset.selection import nothing_found
from mirkit.dataset.statistics import read_table, statistics
from mirkit.dataset.unusable import why_unusable
from mirkit.engines import ItemResult
from mirkit.errors import InfoError, MirkitError, MissingInput, SettingsError, printable
from mirkit.report import media
from mirkit.report.attention import needs_a_look
from mirkit.report.set_page import features_content, read_copies, read_rows, rows_of, set_content, values_content
from mirkit.report.track_page import track_content
from mirkit.staleness import is_mark_current, mark_of
from mirkit.store import FileBatch, make_folder, remove_file, remove_orphans, stamp_of
from mirkit.store.output import Output, begins_with, head
from mirkit.track import Track, base_of, is_track, kind_beside
from mirkit.track.clip import clip_folders
from mirkit.track.listing import Unread

if TYPE_CHECKING:
    from jinja2 import Environment

#: Name of the report's folder in a data set; commands do not search it for tracks.
FOLDER = "mirkit-report"
#: Version of the content and the layout of a track's page. Raise it with any change to ``track_page``, ``encode``,
#: ``media`` or ``templates/track.html`` that changes a page, so that existing reports are written again.
PAGE_VERSION = 8
#: Number of pages that are written in this process, because starting others takes longer.
_FEW = 32
#: The start of a track's page, which holds a hash of its inputs.
_STAMP = re.compile(rb'<meta name="mirkit-stamp" content="(\w*)">')
#: The start of the data set's page, and of the style sheet and the scripts.
_INDEX = b'<meta name="generator" content="mirkit report">'
_MARK = b"/* mirkit report */\n"
ASSETS = ("report.css", "common.js", "shell.js", "list.js", "charts.js", "set.js", "track.js")
DATA = ("KEYS", "SET", "VALUES", "TEXTS")


@dataclass(frozen=True)
class PageJob:
    """A track's page that is to be written.

    Attributes
    ----------
    track : Track
    name : str
        Name of the track in the report.
    file : Path
        File of the page.
    stamp : str
        Hash of the page's inputs.
    with_audio : bool
        Whether audio is copied into the report.
    overwrite : bool
        Whether a file that is not a page of a report may be replaced.
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
        The folder of tracks, or the track, that the report describes.
    out : Path
        Folder of the report.
    tracks : dict
        Name -> track, without those that the user excluded.
    pages : dict
        Name -> file name of the track's page.
    pending : list of PageJob
        Pages that are missing or out of date.
    unusable : list of str
        Names of the tracks whose mix is no file, and of folders and stems that cannot be read.
    overwrite : bool
        Whether files that are not of a report may be replaced.
    where : str
        Query that the tracks match, or "".
    """

    root: Path
    out: Path
    tracks: dict[str, Track] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    pending: list[PageJob] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)
    overwrite: bool = False
    where: str = ""

    def files(self) -> Iterator[Output]:
        """Yield the files that all tracks share; each can recognize its counterpart of an earlier report."""
        for name in ASSETS:
            yield Output(self.out / "assets" / name, begins_with(_MARK), self.overwrite)
        for name in DATA:
            yield Output(self.out / "data" / f"{name.lower()}.js", begins_with(_start(name)), self.overwrite)
        yield Output(self.out / "index.html", _is_index, self.overwrite)


@dataclass(frozen=True)
class PageOutcome:
    """The outcome of one page: the track's name, a line for each problem, and whether the last run has told it."""

    name: str
    problems: tuple[str, ...] = ()
    is_known: bool = False


def plan_report(
    root: Path, out: Path | None = None, *, with_audio: bool = False, overwrite: bool = False, where: str = ""
) -> ReportPlan:
    """Find the pages that a report needs; nothing is written.

    Parameters
    ----------
    root : Path
        A folder of tracks, or a track.
    out : Path, optional
        Folder of the report; ``mirkit-report`` in the folder of tracks by default.
    with_audio : bool
        Copy the audio into the report, as MP3.
    overwrite : bool
        Write all pages again, and replace existing files that are not part of a report.
    where : str
        Query, as the option ``--where`` has it: only the tracks that it finds.

    Returns
    -------
    ReportPlan

    Raises
    ------
    MissingInput
        There is no track.
    SettingsError
        The settings file is wrong, the report's folder holds tracks or other files that it would overwrite, or audio
        copies would be in a place where commands would find them as tracks.
    """
    root = Path(os.path.abspath(root))
    base = root if root.is_dir() else root.parent
    folder = Path(os.path.abspath(out)) if out else base / FOLDER
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{printable(folder)}: a report needs a folder, but this is a file; name another --out")
    if with_audio and folder.is_relative_to(base) and FOLDER not in folder.parts:
        raise SettingsError(
            f"{printable(folder)}: audio in this folder would be taken for tracks; choose a folder outside of "
            f"{printable(base)}, or leave out --out"
        )
    report = ReportPlan(root, folder, overwrite=overwrite, where=where)
    loose_files = _LooseFiles()
    unread: list[Unread] = []
    for member in iter_tracks(root, unread, where=where):
        if member.excluded:
            continue
        if member.track.lost:
            report.unusable.append(member.name)
            continue
        name = Path(member.name).as_posix()
        file = _file_name(name, member.track)
        stamp = _stamp(member.track, name, with_audio, loose_files)
        page = PageJob(member.track, name, folder / "tracks" / file, stamp, with_audio, overwrite)
        report.tracks[member.name], report.pages[member.name] = member.track, file
        if overwrite or not is_mark_current(page.file, _stamp_of(page.file), page.stamp):
            report.pending.append(page)
    report.unusable += [os.path.relpath(one.path, base) for one in unread]
    if where and not report.tracks:
        raise nothing_found(root, where)
    if not report.tracks:
        raise MissingInput(f"{printable(root)}: there is no track in this folder")
    if is_track(folder) or any(_holds(folder, track) for track in report.tracks.values()):
        raise SettingsError(
            f"{printable(folder)}: the folder holds tracks, but a report needs a folder of its own; "
            "name another one with --out, or leave out --out"
        )
    for output in (*report.files(), *(_output(page) for page in report.pending)):
        output.check()
    return report


def _holds(folder: Path, track: Track) -> bool:
    return Path(os.path.realpath(track.path)).is_relative_to(os.path.realpath(folder))


def _output(page: PageJob) -> Output:
    """Return the output file of a page. A damaged page is replaced if the folder is a report."""
    return Output(
        page.file,
        lambda file: _stamp_of(file) is not None or _is_index(page.file.parents[1] / "index.html"),
        page.overwrite,
    )


def _is_index(file: Path) -> bool:
    """Whether a file is the data set's page of a report."""
    try:
        return _INDEX in head(file)
    except (OSError, InfoError):
        return False


def write_report(report: ReportPlan, jobs: int = 1) -> Generator[PageOutcome, None, None]:
    """Write the pages that are out of date, then the data set's page and the files that all pages share.

    Parameters
    ----------
    report : ReportPlan
    jobs : int
        Worker processes.

    Yields
    ------
    PageOutcome
        One for each page of a track.

    Raises
    ------
    InfoError
        The folder cannot be written.
    """
    for folder in (report.out / "tracks", report.out / "data", report.out / "assets"):
        remove_orphans(make_folder(folder))
    remove_orphans(report.out)
    failed = {}
    with closing(_written(report.pending, jobs)) as results:
        for done in results:
            outcome = done.result or PageOutcome(done.item.name, (done.error,))
            if outcome.problems:
                failed[outcome.name] = list(outcome.problems)
            yield outcome
    _write_set(report, {page.name: failed[page.name] for page in report.pending if page.name in failed})
    _remove_others(report)


def _written(pages: Sequence[PageJob], jobs: int) -> Generator[ItemResult[PageJob, PageOutcome], None, None]:
    """Write pages in all processes: many at a time, unless the audio of each has to be encoded."""
    if any(page.with_audio for page in pages):
        return engines.run(_write_page, pages, jobs=jobs)
    return engines.run_batches(write_pages, pages, jobs=jobs, few=_FEW)


def _write_page(page: PageJob) -> PageOutcome:
    return write_pages([page])[0]


def write_pages(pages: Sequence[PageJob]) -> list[PageOutcome]:
    """Write the pages of some tracks; a page with problems is written again by the next run.

    Raises
    ------
    InfoError
        A page cannot be written, for example because the disk is full.
    """
    with FileBatch() as batch:
        return [_put_page(page, batch) for page in pages]


def _put_page(page: PageJob, batch: FileBatch) -> PageOutcome:
    audio: dict[str, str] = {}
    problems: list[str] = []
    try:
        audio = media.copies(page.track, page.file) if page.with_audio else media.links(page.track, page.file.parent)
    except MirkitError as error:
        problems.append(str(error))
    try:
        content, unread = track_content(page.track, audio, page.name)
    except MirkitError as error:  # there is nothing to show
        return PageOutcome(page.name, (str(error),), bool(why_unusable(page.track)))
    problems += [line for line in unread if line not in problems]
    stamp = "" if problems else page.stamp
    content |= {"problems": problems}
    try:
        _output(page).check()
        batch.write(page.file, render("track.html", stamp=stamp, version=__version__, page=content))
    except SettingsError as error:  # a file of the user's has got the name meanwhile
        problems.append(str(error))
    return PageOutcome(page.name, tuple(problems), bool(problems and why_unusable(page.track)))


def _write_set(report: ReportPlan, failed: dict[str, list[str]]) -> None:
    table = read_table(report.root, where=report.where)
    result = statistics(table)
    pages = {name: file for name, file in report.pages.items() if (report.out / "tracks" / file).exists()}
    known = read_rows(report.root)
    rows = rows_of(table, known)
    look = needs_a_look(table, result, rows, failed, read_copies(report.root))
    title = report.root.name if report.root.is_dir() else report.root.stem
    content = set_content(table, result, known, pages, look) | {"folder": title}
    order = [
        {"name": name, "page": pages[name], "title": row["title"]}
        for name, row in zip(content["names"], rows, strict=True)
        if name in pages
    ]
    texts = [{"track": i, **row["texts"]} for i, row in enumerate(rows) if "texts" in row]
    content["texts"] = len(texts)
    contents = [_MARK + asset(name) for name in ASSETS]
    contents += [script("KEYS", features_content(table, result, order, title)), script("SET", content)]
    contents += [script("VALUES", values_content(table)), script("TEXTS", texts)]
    contents.append(render("set.html", title=title, version=__version__, tracks=result.tracks))
    for output, data in zip(report.files(), contents, strict=True):
        output.write(data)


def render(template: str, **values: Any) -> bytes:
    """Fill a template of ``templates``; every value is escaped for HTML."""
    # Bytes of a name that are not UTF-8 are shown as escapes.
    return _environment().get_template(template).render(**values).encode("utf-8", "backslashreplace")


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup, escape

    def as_data(value: Any) -> Markup:
        """Encode JSON for a script element, with characters escaped that could end the element."""
        text = json.dumps(value, separators=(",", ":"), allow_nan=False)
        return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))

    environment = Environment(
        loader=PackageLoader("mirkit.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data"] = as_data
    environment.filters["breakable"] = lambda name: escape(name).replace("_", Markup("_<wbr>"))
    return environment


def script(name: str, value: Any) -> bytes:
    """Encode data as a script that sets a variable, because a page opened from the disk may read no other files."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return _start(name) + f"{text};\n".encode()


def _start(name: str) -> bytes:
    return f"window.{name}=".encode()


@cache
def asset(name: str) -> bytes:
    """Read a style sheet or script that comes with mirkit."""
    return (resources.files("mirkit.report") / "assets" / name).read_bytes()


def _file_name(name: str, track: Track) -> str:
    """File name of a track's page: readable, in ASCII, and unique by a hash of the track's name."""
    readable = re.sub(r"[^a-z0-9]+", "-", track.name.lower().encode("ascii", "ignore").decode()).strip("-")[:60]
    checksum = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{readable}-{checksum}.html" if readable else f"{checksum}.html"


def _stamp(track: Track, name: str, with_audio: bool, loose_files: "_LooseFiles") -> str:
    """Hash of a page's inputs: names and file attributes of the track's files, and the versions."""
    inputs = [name, __version__, str(with_audio), str(PAGE_VERSION)]
    try:
        if track.loose:
            inputs += sorted(map(_of_file, loose_files.files(track))) + sorted(
                folder.name for folder in clip_folders(track)
            )
        else:
            for folder in (track.folder, track.crops):
                if folder.is_dir():
                    with os.scandir(folder) as entries:
                        inputs += sorted(_of_file(entry) for entry in entries if not entry.name.startswith("."))
    except (OSError, MissingInput):
        return ""
    return mark_of(["\n".join(inputs).encode("utf-8", "surrogatepass")], 32)


class _LooseFiles:
    """The files of loose tracks. Each folder is listed once for all tracks in it."""

    def __init__(self) -> None:
        self._folders: dict[Path, dict[str, list[os.DirEntry[str]]]] = {}

    def files(self, track: Track) -> list["os.DirEntry[str]"]:
        """The loose file, and files whose names are those of its results."""
        by_name = self._folders.get(track.folder)
        if by_name is None:
            by_name = self._folders[track.folder] = {}
            with os.scandir(track.folder) as entries:
                for entry in entries:
                    for key in {entry.name, kind_beside(entry.name)[0]} - {""}:
                        by_name.setdefault(key, []).append(entry)
        return [*by_name.get(track.loose, []), *by_name.get(base_of(track.name), [])]


def _of_file(entry: "os.DirEntry[str]") -> str:
    if not entry.is_file():
        return entry.name
    return f"{entry.name} {stamp_of(entry.path, entry.stat())}"


def _stamp_of(file: Path) -> str | None:
    """Read the stamp of a page; None if the file is not a page of a report."""
    try:
        match = _STAMP.search(head(file))
    except (OSError, InfoError):
        return None
    return match[1].decode() if match else None


def _remove_others(report: ReportPlan) -> None:
    """Remove pages and audio copies of tracks that are no longer in the data set; files of the user stay."""
    kept = set(report.pages.values())
    for file in (report.out / "tracks").glob("*.html"):
        if file.name not in kept and _stamp_of(file) is not None:
            remove_file(file)
    media.remove_others(report.out, {Path(name).stem for name in kept})
