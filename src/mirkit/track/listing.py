"""The listing of folders in which tracks are found."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mirkit.errors import MissingInput, printable, system_errors
from mirkit.store.atomic import LOCK_NAME, TEMP_PREFIX
from mirkit.track.names import (
    EXPORT_SUMMARY,
    SKIPPED_FOLDERS,
    is_audio_name,
    is_placeholder_name,
    is_unread_audio_name,
    mixes_in,
)


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
    unread : tuple of str
        Names of sound files in formats that are not read.
    is_export : bool
        Whether an export wrote the folder.
    has_links : bool
        Whether a visible entry is a link, whose target may change while the folder does not.
    cue_sheets : tuple of str
        Names of cue sheets.
    placeholders : int
        Number of audio files that are only placeholders of a cloud disk.
    """

    folder: Path
    audio_files: tuple[str, ...]
    folders: tuple[str, ...]
    links: frozenset[str]
    lost: tuple[str, ...]
    unclean: bool
    unread: tuple[str, ...] = ()
    is_export: bool = False
    has_links: bool = False
    cue_sheets: tuple[str, ...] = ()
    placeholders: int = 0

    @property
    def is_track(self) -> bool:
        """Whether the folder contains the mix of a track: a ``full_mix.*``, or a ``mixture.*`` beside stems."""
        return bool(mixes_in((*self.audio_files, *self.lost)))


@dataclass(frozen=True)
class Unread:
    """A folder, or a file in a track folder, that cannot be read.

    Attributes
    ----------
    path : Path
        The folder or file.
    owner : Path
        The folder, or the track that the file belongs to.
    line : str
        What is wrong, with the path.
    """

    path: Path
    owner: Path
    line: str


def is_no_file(path: Path) -> str:
    """Return the message that the name of an audio file is that of no file."""
    return f"{printable(path)}: this is a link to nothing, or no file; repair or remove it"


def list_folder(folder: Path) -> FolderListing:
    """List a folder.

    Raises
    ------
    MissingInput
        The folder cannot be read.
    """
    audio_files, folders, lost, unread, links, cues = [], [], [], [], set(), []
    unclean = is_export = has_links = False
    placeholders = 0
    with system_errors(folder, "read", MissingInput), os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if is_placeholder_name(name):
                placeholders += 1
                continue
            if name.startswith("."):
                unclean = unclean or name.startswith((TEMP_PREFIX, LOCK_NAME))
                continue
            has_links = has_links or entry.is_symlink()
            if is_audio_name(name) and _holds(entry.is_file):
                if _in_the_cloud(entry):
                    placeholders += 1
                else:
                    audio_files.append(name)
            elif name not in SKIPPED_FOLDERS and _holds(entry.is_dir):
                folders.append(name)
                # Junctions are a second kind of folder link on Windows, known from Python 3.12 on.
                if entry.is_symlink() or getattr(entry, "is_junction", bool)():
                    links.add(name)
            elif is_audio_name(name) and not _holds(entry.is_dir):
                lost.append(name)
            elif is_unread_audio_name(name):
                unread.append(name)
            elif name == EXPORT_SUMMARY:
                is_export = True
            elif name.lower().endswith(".cue"):
                cues.append(name)
    return FolderListing(
        folder,
        tuple(sorted(audio_files)),
        tuple(sorted(folders)),
        frozenset(links),
        tuple(sorted(lost)),
        unclean,
        tuple(sorted(unread)),
        is_export,
        has_links,
        tuple(sorted(cues)),
        placeholders,
    )


#: Attributes of Windows and macOS of a file whose content is still on a server.
_RECALL_ON_OPEN, _RECALL_ON_DATA, _DATALESS = 0x40000, 0x400000, 0x40000000


def _in_the_cloud(entry: "os.DirEntry[str]") -> bool:
    """Whether reading a file would first download it."""
    if sys.platform not in ("win32", "darwin"):
        return False
    status = entry.stat()
    attributes = getattr(status, "st_file_attributes", 0) & (_RECALL_ON_OPEN | _RECALL_ON_DATA)
    return bool(attributes or getattr(status, "st_flags", 0) & _DATALESS)


def _holds(test: Callable[[], bool]) -> bool:
    """Return the result of a test of an entry; False for a circular or forbidden link."""
    try:
        return test()
    except OSError:
        return False


def walk(
    root: Path,
    unread: list[Unread] | None = None,
    *,
    follow: bool,
    lister: Callable[[Path], FolderListing] = list_folder,
) -> Iterator[FolderListing]:
    """Yield the listings of a folder and all folders below it, parents first, by name; not inside tracks.

    Folders below that an export wrote are left out, because their audio files are copies.

    Parameters
    ----------
    root : Path
        Folder to begin with.
    unread : list of Unread, optional
        Receives every folder below that cannot be read, and the stems of track folders that are no files.
    follow : bool
        Whether to follow links to folders, each target once.
    lister : callable
        Lists a folder, as :func:`list_folder` does.

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
            listing = lister(folder)
        except MissingInput as error:
            if folder is root:
                raise
            if unread is not None:
                unread.append(Unread(folder, folder, str(error)))
            continue
        if listing.is_export and folder is not root:
            continue
        if unread is not None and listing.is_track:
            parts = set(listing.lost) - set(mixes_in((*listing.audio_files, *listing.lost)))
            unread += [Unread(folder / name, folder, is_no_file(folder / name)) for name in sorted(parts)]
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
