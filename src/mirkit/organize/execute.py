"""Executing moves, finishing interrupted ones, and undoing them."""

import errno
import os
import shutil
from collections import defaultdict
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from mirkit.errors import InfoError, MirkitError, MissingInput, as_error, counted, printable, system_errors
from mirkit.organize.journal import Journal, Move
from mirkit.organize.plan import is_redundant, links_to
from mirkit.store import (
    EXTERNAL,
    ORGANIZE_LOCK,
    DamagedFileError,
    Provenance,
    atomic_file,
    keep_stamps,
    lock,
    read_provenance,
    remove_orphans,
    update_provenance,
)
from mirkit.track import (
    CROPS,
    ORIGINAL_NAME,
    SIDECARS,
    Track,
    base_of,
    find_cut_tracks,
    for_loose_file,
    is_audio_name,
    kind_beside,
    kind_in_folder,
    rest_of,
    source_of,
)
from mirkit.track.user_texts import for_text, text_beside

#: Number of files that a message names.
_NAMED = 3


@dataclass
class MoveReport:
    """Result of executing or undoing moves.

    Attributes
    ----------
    moves : list of Move
        Executed or undone moves.
    failures : list of str
        A line for each file that could not be moved, or whose move could not be undone.
    notes : list of str
        A line for each file or folder that was left where it is.
    results : list of Path
        After an undo: files that mirkit made in the track folders, which are now beside the originals.
    brought : list of Path
        After an undo: stems and MIDI files that the user put into the track folders, now beside the originals.
    cut : dict
        After an undo: path of an album -> folders of the tracks that were cut from it, which stay.
    """

    moves: list[Move] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    results: list[Path] = field(default_factory=list)
    brought: list[Path] = field(default_factory=list)
    cut: dict[Path, list[Path]] = field(default_factory=dict)


def apply(moves: Iterable[Move], *, copy: bool = False) -> MoveReport:
    """Execute planned moves. A file that cannot be moved stays unchanged where it is, and the others are moved.

    Parameters
    ----------
    moves : iterable of Move
        Result of :func:`~mirkit.organize.plan`.
    copy : bool
        Copy the files instead of moving them.

    Returns
    -------
    MoveReport

    Raises
    ------
    InfoError
        Another process organizes this folder, or the journal cannot be read or written.
    """
    by_root = defaultdict(list)
    for move in moves:
        by_root[move.root].append(move)
    report = MoveReport()
    for root, planned in by_root.items():
        with lock(root, name=ORGANIZE_LOCK):
            journal = Journal(root)
            records = journal.records()
            run = 1 + max((record.run for record in records), default=0)
            finished = {record.move.source for record in records if record.state == "done"}
            for move in planned:
                if move.source in finished and not os.path.lexists(move.source):
                    continue  # another run has moved it
                begun = move if move.number else journal.begin(replace(move, copy=copy), run)
                if failure := _attempt(begun, journal, resumed=move is begun):
                    report.failures.append(failure)
                else:
                    report.moves.append(begun)
    return report


def undo(path: Path | str) -> MoveReport:
    """Undo the last run of organize in a folder; called again, the run before it.

    Files that were made in the track folders since (features, stems, MIDI) are moved beside the loose files.

    Returns
    -------
    MoveReport

    Raises
    ------
    MissingInput
        There is nothing to undo.
    InfoError
        Another process organizes this folder, or the journal cannot be read or written.
    """
    root = Path(os.path.abspath(path))
    report = MoveReport(cut=find_cut_tracks(root) if root.is_dir() else {})
    kept: list[str] = []
    tidy(root)
    with lock(root, name=ORGANIZE_LOCK):
        journal = Journal(root)
        records = [record for record in journal.records() if record.state != "undone"]
        if not records:
            journal.remove()  # a killed run may have left it with everything undone
            if report.cut:
                return report
            raise MissingInput(
                f"{printable(root)}: there is nothing to undo, because mirkit organize has not moved "
                "files into this folder"
            )
        sources = frozenset(record.move.source for record in records)
        for run in sorted({record.run for record in records}, reverse=True):
            for record in reversed([record for record in records if record.run == run]):
                if reasons := _reasons_to_keep(record.move):
                    kept.append(reasons[0])
                    report.notes += reasons[1:]
                    continue
                journal.note(record.move, "begun")  # if this run is killed, the next one finishes it
                try:
                    _put_back(record.move, report, sources)
                except MirkitError as error:
                    report.failures.append(str(error))
                    journal.note(record.move, record.state)
                else:
                    journal.note(record.move, "undone")
                    report.moves.append(record.move)
            if report.moves or report.failures:
                break  # if no move of a run could be undone, the run before it is undone
        if len(report.moves) == len(records):
            journal.remove()
    report.failures += kept
    return report


def tidy(path: Path | str) -> None:
    """Remove the lock and temporary files of a killed run in a folder, if the folder is writable."""
    with suppress(InfoError):
        remove_orphans(Path(path) if os.path.isdir(path) else Path(path).parent)


def _reasons_to_keep(move: Move) -> list[str]:
    """Return why an undo keeps a track folder (another file or a link is in the old place), and what is in it."""
    source, target = move.source, move.target
    try:
        if not (os.path.lexists(source) and os.path.lexists(target)) or is_redundant(target, _original(move, source)):
            return []
    except OSError as error:
        return [str(as_error(error, source, "read"))]
    kept = f"{printable(move.folder)}: kept, because it holds {_content(move.folder)}"
    if links_to(source, target):
        return [
            f"{printable(target)}: {printable(source.name)} is only a link to it; remove the link and undo again",
            kept,
        ]
    return [
        f"{printable(target)}: it differs from {printable(source.name)}, which exists; left where it is",
        kept,
    ]


def _original(move: Move, source: Path) -> Path:
    """Return the file of which a copy was made; for a link, its target."""
    return Path(os.path.realpath(source)) if move.copy else source


def _attempt(move: Move, journal: Journal, *, resumed: bool) -> str:
    """Execute a move that is in the journal; if it fails, undo it and return why."""
    try:
        move.folder.mkdir(exist_ok=resumed)
    except OSError as error:
        journal.note(move, "undone")
        return str(as_error(error, move.folder, "make"))
    try:
        remove_orphans(move.folder)
        with lock(move.source.parent), _kept_stamps(move.files):
            for source, target in move.files:
                _transfer(source, target, copy=move.copy)
        update_provenance(Track(move.folder).provenance, facts={ORIGINAL_NAME: {"value": move.source.name}})
    except MirkitError as error:
        try:
            _put_back(move, MoveReport())
        except MirkitError as worse:
            return f"{error}; {worse}"  # the journal still has it as begun, so the next run tries again
        journal.note(move, "undone")
        return str(error)
    journal.note(move, "done")
    return ""


def _transfer(source: Path, target: Path, *, copy: bool) -> None:
    """Move or copy one file. Only this process writes to the target folder, so an existing target is complete."""
    with system_errors(source, "copy" if copy else "move"):
        if os.path.lexists(target):
            if copy or not os.path.lexists(source) or links_to(source, target):
                return  # moved already; a link that the user put in its old place is kept
        elif not copy and _renamed(source, target):
            return
        else:
            _copy(source, target)
        if not copy:
            if not is_redundant(source, target):
                raise InfoError(f"{printable(target)}: this file exists already and was not overwritten")
            source.unlink()


def _renamed(source: Path, target: Path) -> bool:
    """Rename a file; return False if the two paths are on different disks."""
    if source.is_symlink() and not os.path.isabs(link := os.readlink(source)):
        # A relative link that moves into the folder needs one more step up, and one less when it moves back.
        up = os.pardir + os.sep
        moved = up + link if target.parent.parent == source.parent else link.removeprefix(up)
        if os.path.realpath(target.parent / moved) != os.path.realpath(source):
            moved = os.path.relpath(os.path.realpath(source), os.path.realpath(target.parent))
        os.symlink(moved, target)
        source.unlink()
        return True
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return False
    return True


def _copy(source: Path, target: Path) -> None:
    with atomic_file(target) as temp:
        shutil.copy2(source, temp)
        if temp.stat().st_size != source.stat().st_size:
            raise InfoError(f"{printable(source)}: changed while it was copied; run the same command again")


def _put_back(move: Move, report: MoveReport, sources: frozenset[Path] = frozenset()) -> None:
    """Undo a move, as far as it was executed. ``sources``: all loose files that organize has moved."""
    with system_errors(move.folder, "undo"):
        name = _name_beside(move.source, sources)
        back = [(target, source) for source, target in _paths_after_undo(move, name)]
        with _kept_stamps(back), lock(move.source.parent):
            made = _made(move)
            _forget_name(move)
            _empty(move, report, made, name)


def _empty(move: Move, report: MoveReport, made: frozenset[str], name: str) -> None:
    """Move everything that belongs to the track out of its folder, and remove the folder.

    Parameters
    ----------
    move : Move
    report : MoveReport
        Receives the files that are now beside the original or could not be moved.
    made : set of str
        Names of stems and MIDI files in the folder that mirkit made.
    name : str
        Base of the names of results beside the original.
    """
    if not move.folder.is_dir():
        return
    remove_orphans(move.folder)
    brought = {target for _, target in move.files}
    for source, target in _paths_after_undo(move, name):
        if not os.path.lexists(target):
            continue
        if not os.path.lexists(source):
            _transfer(target, source, copy=False)
            if target not in brought:
                is_ours = target.name in made or kind_beside(source.name)[1] in SIDECARS
                (report.results if is_ours else report.brought).append(source)
        elif is_redundant(target, _original(move, source)):
            target.unlink()
        else:
            report.notes.append(
                f"{printable(target)}: it differs from {printable(source.name)}, which exists; left where it is"
            )
    with suppress(OSError):
        (move.folder / CROPS).rmdir()
    with suppress(OSError):
        move.folder.rmdir()
    if move.folder.is_dir():
        report.notes.append(f"{printable(move.folder)}: kept, because it holds {_content(move.folder)}")


def _content(folder: Path) -> str:
    """Describe the content of a folder."""
    names = sorted(os.listdir(folder))
    items = [printable(name) for name in names if name != CROPS]
    if CROPS in names:
        items.append(f"{CROPS} ({counted(len(os.listdir(folder / CROPS)), 'clip')})")
    return ", ".join(items[:_NAMED]) + (f" and {len(items) - _NAMED} more" if len(items) > _NAMED else "")


def _made(move: Move) -> frozenset[str]:
    """Return the names of the stems and MIDI files in a track folder that mirkit made, by the provenance."""
    track = Track(move.folder)
    try:
        stages = read_provenance(track.provenance).stages.values()
        names = os.listdir(move.folder)
    except (InfoError, OSError):
        return frozenset()
    ours = (entry for entry in stages if entry.backend != EXTERNAL)
    made = {name for entry in ours for name in entry.outputs if name not in entry.external}
    return frozenset(name for name in names if {name, source_of(name), rest_of(name)} & made)


def _name_beside(source: Path, sources: frozenset[Path]) -> str:
    """Return the base of the names of results beside a loose file, see :attr:`mirkit.track.Track.name`."""
    there = (source.parent / name for name in os.listdir(source.parent) if is_audio_name(name))
    others = {*there, *sources} - {source}
    is_shared = any(other.parent == source.parent and other.stem == source.stem for other in others)
    return source.name if is_shared else source.stem


def _paths_after_undo(move: Move, name: str) -> list[tuple[Path, Path]]:
    """Return the files of a track folder: (path after the undo, present path)."""
    paths = {target: source for source, target in reversed(move.files)}
    for entry in sorted(os.listdir(move.folder)) if move.folder.is_dir() else ():
        if role := kind_in_folder(entry, move.folder.name):
            paths.setdefault(move.folder / entry, move.source.parent / for_loose_file(role, name))
        elif text_beside(entry)[0] == base_of(move.folder.name):
            paths.setdefault(move.folder / entry, move.source.parent / for_text(text_beside(entry)[1], name))
    return [(source, target) for target, source in paths.items()]


def _kept_stamps(moves: Iterable[tuple[Path, Path]]) -> AbstractContextManager[None]:
    """Return a context in which files are moved without hashing them again, if their provenance is moved too."""
    moves = list(moves)
    records = [pair for pair in moves if pair[0].name.endswith(".PROVENANCE")]
    return keep_stamps(*records[0], moves) if records else nullcontext()


def _forget_name(move: Move) -> None:
    """Remove the original name from the provenance, and the provenance if nothing else is in it."""
    path = Track(move.folder).provenance
    with suppress(DamagedFileError):
        rest = read_provenance(path)
        if rest.facts.get(ORIGINAL_NAME):
            rest = update_provenance(path, remove=[f"facts/{ORIGINAL_NAME}"])
        if rest == Provenance():  # also when an earlier run was killed before it could remove it
            path.unlink(missing_ok=True)
