"""From a folder that a user gives to the tracks, or the loose files, in it."""

import os
from pathlib import Path

from mirkit.store.mishap import shown
from mirkit.track.companions import role_beside
from mirkit.track.look import Look, look, walk
from mirkit.track.names import MIX, SKIPPED_FOLDERS, base_of, is_sound, part_of
from mirkit.track.track import Track


def is_track(path: Path | str) -> bool:
    """Tell whether a path is a track folder. Raises MissingInput where a folder cannot be read."""
    path = Path(os.path.abspath(path))
    return path.is_dir() and look(path).is_track


def find_tracks(root: Path | str, problems: list[str] | None = None) -> list[Track]:
    """Find all track folders at or below a folder, sorted by path.

    Hidden folders, ``separated`` and ``crops`` are passed over, and nothing is looked for inside a track. Links to
    folders are followed, each place once.

    Parameters
    ----------
    root : Path
        Folder to search.
    problems : list of str, optional
        Gets a line for every folder that could not be read.

    Raises
    ------
    MissingInput
        ``root`` is no folder that can be read.
    """
    root = Path(os.path.abspath(root))
    return [Track.of(looked) for looked in walk(root, problems, follow=True) if looked.is_track]


def find_all(root: Path | str, problems: list[str] | None = None) -> list[Track]:
    """Find all track folders at or below a folder, then all loose files, as tracks.

    Parameters and errors are those of :func:`find_tracks`.
    """
    root = Path(os.path.abspath(root))
    tracks, several = [], False
    for looked in walk(root, problems, follow=True):
        if looked.is_track:
            tracks.append(Track.of(looked))
        else:
            several = several or bool(looked.sounds)
    return tracks + ([Track.at(path) for path in loose_files(root)] if several else [])


def loose_files(root: Path | str, problems: list[str] | None = None) -> list[Path]:
    """Find all sound files at or below a folder that belong to no track folder, sorted by path.

    Stems of a loose file (``x_drums.flac`` beside ``x.flac``) are not files of their own, nor are stems in a folder
    that has lost its mix. Links to folders are not followed: what is found here is going to be moved.

    Parameters and errors are those of :func:`find_tracks`.
    """
    root = Path(os.path.abspath(root))
    if root.name in SKIPPED_FOLDERS:
        return []
    looks = (looked for looked in walk(root, problems, follow=False) if not looked.is_track)
    return [path for looked in looks for path in loose_in(looked, problems)]


def loose_in(looked: Look, problems: list[str] | None = None) -> list[Path]:
    """Give the loose sound files of one folder that is no track (see :func:`loose_files`)."""
    lone_stems = {part_of(name) for name in looked.sounds} - {""}
    is_stems_folder = len(lone_stems) > 1
    if is_stems_folder and problems is not None:
        problems.append(f"{shown(looked.folder)}: stems without a {MIX}.*; left as they are")
    owners = {base_of(os.path.splitext(name)[0]) for name in looked.sounds}
    return [
        looked.folder / name
        for name in looked.sounds
        if role_beside(name)[0] not in owners and not (is_stems_folder and part_of(name))
    ]


def get_organized_folders(root: Path | str) -> list[Path]:
    """Give the folders of all tracks at or below ``root``, sorted. Raises as :func:`find_tracks`."""
    return [track.folder for track in find_tracks(root)]


def get_info_path(path: Path | str) -> Path:
    """Give the ``.INFO`` of a track folder, of a file in one, or of a loose sound file; it need not exist."""
    path = Path(os.path.abspath(path))
    if path.is_dir() or not is_sound(path.name):
        return Track(path).info
    if part_of(path.name) == MIX or (part_of(path.name) and is_track(path.parent)):
        return Track(path.parent).info
    return Track(path.parent, loose=path.name).info
