"""Planning moves, before any file is touched; and whether a file has a double, so that it can be removed."""

import filecmp
import os
import stat
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from mirkit.audio import Tags, read_tags
from mirkit.errors import MirkitError, MissingInput, counted, pasted, printable
from mirkit.organize.demucs_results import demucs_results
from mirkit.organize.journal import Journal, Move
from mirkit.organize.naming import folder_name
from mirkit.track import CROPS, MIX, Track, base_of, for_folder, kind_beside, list_folder, loose_files, loose_in
from mirkit.track.clip import clip_folders
from mirkit.track.names import is_audio_name, unclear_parts
from mirkit.track.user_texts import TEXT_ROLES, for_text, is_song_json, text_beside


def plan(
    path: Path | str,
    read_tags: Callable[[Path], Tags] = read_tags,
    problems: list[str] | None = None,
    *,
    video_sound: bool = False,
) -> list[Move]:
    """Plan a track folder beside each loose audio file.

    Moves that an interrupted run began come first. A file whose content is already in the track folder that it would
    get is left alone, so organizing again, or after ``--copy``, does nothing.

    Parameters
    ----------
    path : Path
        A folder of loose files, or one loose file. A track folder, or anything in one, needs no moves.
    read_tags : callable, optional
        Reader of tags.
    problems : list of str, optional
        Receives a line for each file that is left although the user may expect it to move, and for unreadable tags.
    video_sound : bool
        Whether files with a moving picture are moved too.

    Raises
    ------
    MissingInput
        There is no such file or folder.
    """
    path = Path(os.path.abspath(path))
    problems = [] if problems is None else problems
    if path.is_dir():
        root, sources = path, loose_files(path, problems, video_sound=video_sound)
    else:
        root, sources = path.parent, [_loose_file(path)]
    begun = [record.move for record in Journal(root).records() if record.state == "begun"]
    busy = {move.source: move.folder for move in begun}
    moves = list(begun)
    by_folder = defaultdict(list)
    for source in sources:
        if source not in busy:
            by_folder[source.parent].append(source)
    for folder, files in by_folder.items():
        moves += _Planner(root, folder, busy, read_tags, problems).moves(files)
    return moves


def _loose_file(path: Path) -> Path:
    if not path.is_file():
        raise MissingInput(f"{printable(path)}: there is no such file or folder")
    listing = list_folder(path.parent)
    if listing.is_track or path not in loose_in(listing):
        raise MissingInput(f"{printable(path)}: this is not a loose audio file, so there is nothing to organize")
    return path


class _Planner:
    """Plans the loose files of one folder, which is listed once."""

    def __init__(
        self,
        root: Path,
        folder: Path,
        busy: Mapping[Path, Path],
        read_tags: Callable[[Path], Tags],
        problems: list[str],
    ) -> None:
        self._root = root
        self._folder = folder
        self._read_tags = read_tags
        self._problems = problems
        self._names = names = sorted(os.listdir(folder))
        # Existing names, compared without case, as some file systems do.
        self._existing = {_folded(name): folder / name for name in names}
        self._planned = {_folded(target.name): source for source, target in busy.items() if target.parent == folder}
        self._companions: dict[str, list[tuple[str, str]]] = defaultdict(list)
        unclear = unclear_parts(names)
        for name in names:
            if name in unclear:
                continue
            base, role = kind_beside(name)
            if not role:
                base, role = text_beside(name)
                if role == "json" and not is_song_json(folder / name):
                    continue
            if role and (folder / name).is_file():
                self._companions[base].append((name, role))
        self._demucs, lines = demucs_results(folder)
        problems += lines

    def moves(self, sources: Iterable[Path]) -> list[Move]:
        sources = sorted(sources)
        bases = Counter(base_of(source.stem) for source in sources)
        moves = []
        for source in sources:
            if not source.stat().st_size:
                self._problems.append(f"{printable(source)}: the file is empty, so it is left where it is")
            elif (target := self._target(source)) is not None:
                # Results of files that differ only in the suffix have the whole file name.
                shared = bases[base_of(source.stem)] > 1
                own = [base_of(source.name)] if shared else [base_of(source.stem), source.name]
                files = self._sidecars(source, target, own)
                files.append((source, target / f"{MIX}{source.suffix.lower()}"))
                self._note_clips(source, target)
                moves.append(Move(self._root, target, tuple(files)))
        for base, count in bases.items():
            if count > 1 and self._companions[base]:
                names = ", ".join(printable(name) for name, _ in self._companions[base])
                self._problems.append(
                    f"{printable(self._folder)}: {names} may belong to any of {count} files, so they are not moved"
                )
        return moves

    def _target(self, source: Path) -> Path | None:
        """Return the first free folder, or None if the file is organized already."""
        try:
            tags: Tags | None = self._read_tags(source)
        except MirkitError as error:
            self._problems.append(f"{error}; the folder has the name of the file")
            tags = None
        name = folder_name(tags, source.stem)
        number = 1
        while True:
            target = self._folder / (name if number == 1 else f"{name} ({number})")
            folded = _folded(target.name)
            if folded not in self._existing and folded not in self._planned:
                self._planned[folded] = source
                return target
            other = self._planned.get(folded) or _mix_of(self._existing[folded])
            if other is not None and _is_copy(source, other):
                self._problems.append(
                    f"{printable(source)}: this file is already organized as {printable(target.name)}, so "
                    "it is not moved"
                )
                return None
            number += 1

    def _note_clips(self, source: Path, target: Path) -> None:
        """Add a message about clips that will no longer be beside their track, in a folder that loose files share."""
        count = len(clip_folders(Track(self._folder, loose=source.name))) if CROPS in self._names else 0
        if count:
            self._problems.append(
                f"{printable(self._folder / CROPS)}: {counted(count, 'clip')} of "
                f"{printable(source.name)} "
                f"stay there; cut them again with: mirkit crop {pasted(target)}, and remove them"
            )

    def _sidecars(self, source: Path, target: Path, bases: Iterable[str]) -> list[tuple[Path, Path]]:
        files: dict[Path, Path] = {}
        for name, role in [each for base in dict.fromkeys(bases) for each in self._companions[base]]:
            new = target / (for_text(role, target.name) if role in TEXT_ROLES else for_folder(role, target.name))
            if new in files.values():
                self._problems.append(
                    f"{printable(source.parent / name)}: another file would get the same name; it was left where it is"
                )
            else:
                files[source.parent / name] = new
        made = self._demucs.get(source.stem, {})
        if made and not any(is_audio_name(path.name) for path in files):  # stems beside the song come first
            files |= {path: target / role for role, path in made.items()}
        return list(files.items())


def _mix_of(path: Path) -> Path | None:
    try:
        return Track.at(path).mix if path.is_dir() else None
    except MissingInput:
        return None


def _is_copy(source: Path, other: Path) -> bool:
    try:
        return _same_content(source, other)
    except OSError:
        return False


def is_redundant(path: Path, other: Path) -> bool:
    """Return whether ``path`` can be removed without loss, because ``other`` has the same content.

    ``other`` must be a regular file itself, not a link to one, with the same content; or both are symbolic links that
    lead to the same third file. Two paths to one directory entry (a folder that is linked into itself, a disk that does
    not distinguish upper and lower case) are one file, not two.

    Raises
    ------
    OSError
        One of them does not exist or cannot be read.
    """
    status, other_status = path.lstat(), other.lstat()
    if stat.S_ISLNK(status.st_mode) and stat.S_ISLNK(other_status.st_mode):
        return _are_like_links(path, other)
    if not stat.S_ISREG(other_status.st_mode):
        return False
    if stat.S_ISLNK(status.st_mode):
        return not _is_entry(path, other) and _same_content(path, other)
    if not stat.S_ISREG(status.st_mode):
        return False
    if os.path.samestat(status, other_status):
        return other_status.st_nlink > 1 and not _is_entry(path, other)
    return _same_content(path, other)


def links_to(link: Path, path: Path) -> bool:
    """Return whether ``link`` is a symbolic link to ``path``, which is not a link itself."""
    return link.is_symlink() and not path.is_symlink() and os.path.realpath(link) == os.path.realpath(path)


def _are_like_links(path: Path, other: Path) -> bool:
    """Return whether two links lead to the same file, and neither of them passes through the other."""
    end = os.path.realpath(path)
    if _is_entry(path, other) or not os.path.isfile(end) or end != os.path.realpath(other):
        return False
    return not (_passes(path, other) or _passes(other, path))


def _passes(link: Path, other: Path) -> bool:
    """Whether the chain of links from ``link`` contains ``other``."""
    at = link
    for _ in range(40):  # the largest chain of links that operating systems allow
        if not at.is_symlink():
            return False
        at = Path(os.path.normpath(at.parent.resolve() / os.readlink(at)))
        if _is_entry(at, other):
            return True
    return True


def _is_entry(one: Path, other: Path) -> bool:
    """Whether two paths may be the same entry of the same folder."""
    if _folded(one.name) != _folded(other.name):
        return False
    try:
        return os.path.samestat(one.parent.stat(), other.parent.stat())
    except OSError:
        return True  # it is not certain that they are two entries


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _same_content(one: Path, other: Path) -> bool:
    return one.stat().st_size == other.stat().st_size and filecmp.cmp(one, other, shallow=False)
