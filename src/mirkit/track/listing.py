"""Listing folders and walking over trees; each folder is listed once."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mirkit.errors import MissingInput, printable, system_errors
from mirkit.store.atomic import LOCK_NAME, TEMP_PREFIX
from mirkit.track.names import MIX, SKIPPED_FOLDERS, is_audio_name, source_of


@dataclass(frozen=True)
class FolderListing:
    """The audio files and folders in a folder, sorted by name.

    Attributes
    ----------
    folder : Path
    audio_files : tuple of str
        Names of the audio files, without hidden ones.
    folders : tuple of str
        Names of the folders, without hidden ones, ``separated`` and ``crops``.
    links : frozenset of str
        Names of the folders that are links.
    lost : tuple of str
        Names of audio files that cannot be read as files: broken or circular links, pipes.
    unclean : bool
        Whether the folder contains files that a killed process may have left.
    """

    folder: Path
    audio_files: tuple[str, ...]
    folders: tuple[str, ...]
    links: frozenset[str]
    lost: tuple[str, ...]
    unclean: bool

    @property
    def is_track(self) -> bool:
        """Whether the folder contains a ``full_mix.*``."""
        return any(source_of(name) == MIX for name in self.audio_files)


def list_folder(folder: Path) -> FolderListing:
    """List a folder.

    Raises
    ------
    MissingInput
        The folder cannot be read.
    """
    audio_files, folders, lost, links, unclean = [], [], [], set(), False
    with system_errors(folder, "read", MissingInput), os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name.startswith("."):
                unclean = unclean or name.startswith((TEMP_PREFIX, LOCK_NAME))
            elif is_audio_name(name) and _holds(entry.is_file):
                audio_files.append(name)
            elif name not in SKIPPED_FOLDERS and _holds(entry.is_dir):
                folders.append(name)
                # Junctions are a second kind of folder link on Windows, known from Python 3.12 on.
                if entry.is_symlink() or getattr(entry, "is_junction", bool)():
                    links.add(name)
            elif is_audio_name(name) and not _holds(entry.is_dir):
                lost.append(name)
    return FolderListing(
        folder, tuple(sorted(audio_files)), tuple(sorted(folders)), frozenset(links), tuple(sorted(lost)), unclean
    )


def _holds(test: Callable[[], bool]) -> bool:
    """Return the result of a test of an entry; False for a circular or forbidden link."""
    try:
        return test()
    except OSError:
        return False


def walk(root: Path, problems: list[str] | None = None, *, follow: bool) -> Iterator[FolderListing]:
    """Yield the listings of a folder and all folders below it, parents first, by name; not inside tracks.

    Parameters
    ----------
    root : Path
        Folder to begin with.
    problems : list of str, optional
        Receives a line for every folder below that cannot be read, and for every broken audio file.
    follow : bool
        Whether to follow links to folders, each target once.

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
            listing = list_folder(folder)
        except MissingInput as error:
            if folder is root:
                raise
            if problems is not None:
                problems.append(str(error))
            continue
        if problems is not None:
            problems += [
                f"{printable(folder / name)}: the link leads to no file; repair or remove it" for name in listing.lost
            ]
        yield listing
        if listing.is_track:
            continue
        for name in reversed(listing.folders):
            if name not in listing.links:
                todo.append((folder / name, real and real / name))
            elif follow:
                target = Path(os.path.realpath(folder / name))
                if not (target.is_relative_to(home) or home.is_relative_to(target)):
                    todo.append((folder / name, target))
