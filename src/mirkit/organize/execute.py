"""Moves carried out, finished after an interruption, or taken back."""

import errno
import os
import shutil
from collections import defaultdict
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from mirkit.errors import InfoError, MirkitError, MissingInput
from mirkit.organize.journal import Journal, Move
from mirkit.store import (
    Provenance,
    as_error,
    atomic_file,
    keep_stamps,
    lock,
    printable,
    read_provenance,
    remove_orphans,
    update_provenance,
)
from mirkit.store.atomic import ORGANIZE_LOCK
from mirkit.store.json_files import DamagedFileError
from mirkit.store.spare import is_redundant, links_to
from mirkit.track import Track
from mirkit.track.names import CROPS, ORIGINAL_NAME, SIDECARS, is_sound, part_of
from mirkit.track.sidecar_names import for_loose_file, kind_beside, kind_in_folder

#: Method of stems and MIDI that the user brought.
_EXTERNAL = "external"
#: So many things in a folder are named.
_NAMED = 3


@dataclass(frozen=True)
class MoveReport:
    """What came of it.

    Attributes
    ----------
    moves : tuple of Move
        What was moved, or taken back.
    failures : tuple of str
        A line for each file that could not be.
    notes : tuple of str
        A line for what had to stay where it is.
    results : tuple of Path
        Of an undo: files that mirkit made in the track folders, which now lie beside the originals.
    brought : tuple of Path
        Of an undo: stems and MIDI that the user put into the track folders, which now lie beside the originals.
    """

    moves: tuple[Move, ...] = ()
    failures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    results: tuple[Path, ...] = ()
    brought: tuple[Path, ...] = ()


def apply(moves: Iterable[Move], *, copy: bool = False) -> MoveReport:
    """Carry out planned moves. A file that cannot be moved stays where it is, whole, and the others go on.

    Parameters
    ----------
    moves : iterable of Move
        What :func:`~mirkit.organize.plan` gave.
    copy : bool
        Keep the originals.

    Raises
    ------
    InfoError
        Another organize is at work there, or the journal cannot be read or written.
    """
    by_root = defaultdict(list)
    for move in moves:
        by_root[move.root].append(move)
    done: list[Move] = []
    failures: list[str] = []
    for root, planned in by_root.items():
        with lock(root, name=ORGANIZE_LOCK):
            journal = Journal(root)
            records = journal.records()
            run = 1 + max((record.run for record in records), default=0)
            finished = {record.move.source for record in records if record.state == "done"}
            for move in planned:
                if move.source in finished and not os.path.lexists(move.source):
                    continue  # another run was faster
                begun = move if move.number else journal.begin(replace(move, copy=copy), run)
                if why := _attempt(begun, journal, resumed=move is begun):
                    failures.append(why)
                else:
                    done.append(begun)
    return MoveReport(tuple(done), tuple(failures))


def undo(path: Path | str) -> MoveReport:
    """Take back what the last run of organize did in a folder; once more, the run before it.

    What was made in the track folders since (features, stems, MIDI) goes along and lies beside the loose files.

    Raises
    ------
    MissingInput
        There is nothing to take back.
    InfoError
        Another organize is at work there, or the journal cannot be read or written.
    """
    root = Path(os.path.abspath(path))
    done: list[Move] = []
    failures: list[str] = []
    left = _Left()
    tidy(root)
    with lock(root, name=ORGANIZE_LOCK):
        journal = Journal(root)
        records = [record for record in journal.records() if record.state != "undone"]
        if not records:
            journal.remove()  # a killed run may have left it with all taken back
            raise MissingInput(f"{printable(root)}: nothing to take back; organize has moved nothing here")
        sources = frozenset(record.move.source for record in records)
        for run in sorted({record.run for record in records}, reverse=True):
            for record in reversed([record for record in records if record.run == run]):
                if why := _why_left(record.move):
                    left.notes += why
                    continue
                journal.note(record.move, "begun")  # a run that is killed from here on is finished by the next
                try:
                    _put_back(record.move, left, sources)
                except MirkitError as error:
                    failures.append(str(error))
                    journal.note(record.move, record.state)
                else:
                    journal.note(record.move, "undone")
                    done.append(record.move)
            if done or failures:
                break  # where all of a run had to be left, the run before it is taken back
        if len(done) == len(records):
            journal.remove()
    return MoveReport(tuple(done), tuple(failures), tuple(left.notes), tuple(left.results), tuple(left.brought))


@dataclass
class _Left:
    """What an undo leaves: see :class:`MoveReport`."""

    notes: list[str] = field(default_factory=list)
    results: list[Path] = field(default_factory=list)
    brought: list[Path] = field(default_factory=list)


def tidy(path: Path | str) -> None:
    """Remove the lock and the temporary files that a killed run left in a folder; nothing happens where it may not."""
    with suppress(InfoError):
        remove_orphans(Path(path) if os.path.isdir(path) else Path(path).parent)


def _why_left(move: Move) -> list[str]:
    """Say why a track folder has to be left as it is: another file, or a link, is where its sound was before."""
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
    return [f"{printable(target)}: not the same as {printable(source.name)}, which is still there; left", kept]


def _original(move: Move, source: Path) -> Path:
    """The file that a copy was made of; of a link, that to which it leads."""
    return Path(os.path.realpath(source)) if move.copy else source


def _attempt(move: Move, journal: Journal, *, resumed: bool) -> str:
    """Carry out a move that is in the journal, or leave everything as it was and say why."""
    try:
        move.folder.mkdir(exist_ok=resumed)
    except OSError as error:
        journal.note(move, "undone")
        return str(as_error(error, move.folder, "make"))
    try:
        remove_orphans(move.folder)
        with lock(move.source.parent), _stamps_kept(move.files):
            for source, target in move.files:
                _transfer(source, target, copy=move.copy)
        update_provenance(Track(move.folder).provenance, facts={ORIGINAL_NAME: {"value": move.source.name}})
    except MirkitError as error:
        try:
            _put_back(move, _Left())
        except MirkitError as worse:
            return f"{error}; {worse}"  # stays begun: the next run tries again
        journal.note(move, "undone")
        return str(error)
    journal.note(move, "done")
    return ""


def _transfer(source: Path, target: Path, *, copy: bool) -> None:
    """Move or copy one file. The target's folder is ours alone, so what is there is whole and from here."""
    try:
        there, here = os.path.lexists(target), os.path.lexists(source)
        if there and (copy or not here or links_to(source, target)):
            return  # it is there; a link that the user put in its old place stays
        if not there and not copy and _renamed(source, target):
            return
        if not there:
            _copy(source, target)
        if copy:
            return
        if not is_redundant(source, target):
            raise InfoError(f"{printable(target)}: there is such a file already; nothing was overwritten")
        source.unlink()
    except OSError as error:
        raise as_error(error, source, "copy" if copy else "move") from error


def _renamed(source: Path, target: Path) -> bool:
    """Rename, or give False where the two are on different disks."""
    if source.is_symlink() and not os.path.isabs(link := os.readlink(source)):
        # A relative link that goes down into its folder has one step more to go up, and one less on its way back.
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


def _put_back(move: Move, left: _Left, sources: frozenset[Path] = frozenset()) -> None:
    """Take a move back, as far as it went. ``sources``: all loose files that organize has moved."""
    try:
        name = _name_beside(move.source, sources)
        back = [(target, source) for source, target in _homes(move, name)]
        with _stamps_kept(back), lock(move.source.parent):
            made = _made(move)
            _forget_name(move)
            _empty(move, left, made, name)
    except OSError as error:
        raise as_error(error, move.folder, "take back") from error


def _empty(move: Move, left: _Left, made: frozenset[str], name: str) -> None:
    """Move everything that belongs to the track out of its folder, and remove the folder.

    Parameters
    ----------
    move : Move
    left : _Left
        Gets what now lies beside the original, and what could not be moved.
    made : set of str
        Names of stems and MIDI files in the folder that mirkit made.
    name : str
        What results beside the original are called by.
    """
    if not move.folder.is_dir():
        return
    remove_orphans(move.folder)
    brought = {target for _, target in move.files}
    for source, target in _homes(move, name):
        if not os.path.lexists(target):
            continue
        if not os.path.lexists(source):
            _transfer(target, source, copy=False)
            if target not in brought:
                is_ours = target.name in made or kind_beside(source.name)[1] in SIDECARS
                (left.results if is_ours else left.brought).append(source)
        elif is_redundant(target, _original(move, source)):
            target.unlink()
        else:
            left.notes.append(
                f"{printable(target)}: not the same as {printable(source.name)}, which is still there; left"
            )
    with suppress(OSError):
        (move.folder / CROPS).rmdir()
    with suppress(OSError):
        move.folder.rmdir()
    if move.folder.is_dir():
        left.notes.append(f"{printable(move.folder)}: kept, because it holds {_content(move.folder)}")


def _content(folder: Path) -> str:
    """What is in a folder, in a few words."""
    names = sorted(os.listdir(folder))
    told = [printable(name) for name in names if name != CROPS]
    if CROPS in names:
        count = len(os.listdir(folder / CROPS))
        told.append(f"{CROPS} ({count} {'clip' if count == 1 else 'clips'})")
    return ", ".join(told[:_NAMED]) + (f" and {len(told) - _NAMED} more" if len(told) > _NAMED else "")


def _made(move: Move) -> frozenset[str]:
    """Names of the stems and MIDI files in a track folder that mirkit made, by the provenance."""
    track = Track(move.folder)
    made: set[str] = set()
    try:
        stages = read_provenance(track.provenance).stages.values()
        names = os.listdir(move.folder)
    except (InfoError, OSError):
        return frozenset()
    for entry in stages:
        if entry.backend != _EXTERNAL:
            made |= set(entry.outputs) - set(entry.external)
    return frozenset(name for name in names if name in made or part_of(name) in made)


def _name_beside(source: Path, sources: frozenset[Path]) -> str:
    """What results beside a loose file are called by: see :attr:`mirkit.track.Track.name`."""
    there = (source.parent / name for name in os.listdir(source.parent) if is_sound(name))
    others = {*there, *sources} - {source}
    is_shared = any(other.parent == source.parent and other.stem == source.stem for other in others)
    return source.name if is_shared else source.stem


def _homes(move: Move, name: str) -> list[tuple[Path, Path]]:
    """Everything that is ours in a track folder: where it belongs when the move is taken back, and where it is."""
    homes = {target: source for source, target in reversed(move.files)}
    for entry in sorted(os.listdir(move.folder)) if move.folder.is_dir() else ():
        if role := kind_in_folder(entry, move.folder.name):
            homes.setdefault(move.folder / entry, move.source.parent / for_loose_file(role, name))
    return [(source, target) for target, source in homes.items()]


def _stamps_kept(moves: Iterable[tuple[Path, Path]]) -> AbstractContextManager[None]:
    """What the block moves is not hashed again, where its provenance goes along."""
    moves = list(moves)
    records = [pair for pair in moves if pair[0].name.endswith(".PROVENANCE")]
    return keep_stamps(*records[0], moves) if records else nullcontext()


def _forget_name(move: Move) -> None:
    """Take the original name out of the provenance, and the provenance away if there is nothing else in it."""
    path = Track(move.folder).provenance
    with suppress(DamagedFileError):
        rest = read_provenance(path)
        if rest.facts.get(ORIGINAL_NAME):
            rest = update_provenance(path, remove=[f"facts/{ORIGINAL_NAME}"])
        if rest == Provenance():  # also when an earlier run was killed before it could remove it
            path.unlink(missing_ok=True)
