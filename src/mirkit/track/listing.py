"""One look at a folder, and a walk over a tree: each folder is listed once, however many tracks there are."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mirkit.errors import MissingInput
from mirkit.store.atomic import LOCK_NAME, TEMP_PREFIX
from mirkit.store.os_errors import as_error, printable
from mirkit.track.names import MIX, SKIPPED_FOLDERS, is_sound, part_of


@dataclass(frozen=True)
class FolderListing:
    """What a folder shows, sorted by name.

    Attributes
    ----------
    folder : Path
    sounds : tuple of str
        Names of the sound files; hidden files are none.
    folders : tuple of str
        Names of the folders, but hidden ones, ``separated`` and ``crops``.
    links : frozenset of str
        Those of the folders that are links.
    lost : tuple of str
        Names of sound files that are no files: links that lead nowhere or in a circle, pipes.
    unclean : bool
        Whether something lies here that a killed writer may have left.
    """

    folder: Path
    sounds: tuple[str, ...]
    folders: tuple[str, ...]
    links: frozenset[str]
    lost: tuple[str, ...]
    unclean: bool

    @property
    def is_track(self) -> bool:
        """Whether it holds a ``full_mix.*``."""
        return any(part_of(name) == MIX for name in self.sounds)


def list_folder(folder: Path) -> FolderListing:
    """List a folder.

    Raises
    ------
    MissingInput
        It cannot be read.
    """
    sounds, folders, lost, links, unclean = [], [], [], set(), False
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                name = entry.name
                if name.startswith("."):
                    unclean = unclean or name.startswith((TEMP_PREFIX, LOCK_NAME))
                elif is_sound(name) and _answer(entry.is_file):
                    sounds.append(name)
                elif name not in SKIPPED_FOLDERS and _answer(entry.is_dir):
                    folders.append(name)
                    if entry.is_symlink() or _is_junction(entry):
                        links.add(name)
                elif is_sound(name) and not _answer(entry.is_dir):
                    lost.append(name)
    except OSError as error:
        raise MissingInput(str(as_error(error, folder, "read"))) from error
    return FolderListing(
        folder, tuple(sorted(sounds)), tuple(sorted(folders)), frozenset(links), tuple(sorted(lost)), unclean
    )


def _answer(question: Callable[[], bool]) -> bool:
    """Ask an entry what it is: a link in a circle, or to where we may not look, is nothing."""
    try:
        return question()
    except OSError:
        return False


def _is_junction(entry: os.DirEntry[str]) -> bool:
    """Windows has a second kind of link to a folder; Python can tell from 3.12 on."""
    return bool(getattr(entry, "is_junction", bool)())


def walk(root: Path, problems: list[str] | None = None, *, follow: bool) -> Iterator[FolderListing]:
    """Look at a folder and all below it, parents first, in the order of their names; not inside tracks.

    Parameters
    ----------
    root : Path
        Where to begin.
    problems : list of str, optional
        Gets a line for every folder below that could not be read, and for every sound that is no file.
    follow : bool
        Whether to follow links to folders, each place once.

    Raises
    ------
    MissingInput
        ``root`` cannot be read.
    """
    home = Path(os.path.realpath(root))
    reached: set[Path] = set()  # by links, as real paths
    todo: list[tuple[Path, Path | None]] = [(root, None)]
    while todo:
        folder, real = todo.pop()
        if real is not None:
            if real in reached:
                continue
            reached.add(real)
        try:
            looked = list_folder(folder)
        except MissingInput as error:
            if folder is root:
                raise
            if problems is not None:
                problems.append(str(error))
            continue
        if problems is not None:
            problems += [f"{printable(folder / name)}: leads to no file; mend or remove it" for name in looked.lost]
        yield looked
        if looked.is_track:
            continue
        for name in reversed(looked.folders):
            if name not in looked.links:
                todo.append((folder / name, real and real / name))
            elif follow:
                target = Path(os.path.realpath(folder / name))
                if not (target.is_relative_to(home) or home.is_relative_to(target)):
                    todo.append((folder / name, target))
