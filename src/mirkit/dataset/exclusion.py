"""Tracks that the user excluded, with the reason: ``[exclude]`` of ``mirkit.toml``."""

import os
from collections.abc import Mapping
from pathlib import Path

from mirkit.errors import MissingInput, SettingsError
from mirkit.store import find_root, printable, read_settings, write_table
from mirkit.track import Track, is_sound


def reason(track: Track, root: Path, excluded: Mapping[str, str]) -> str:
    """Return why a track is excluded, or "" if it is not.

    Parameters
    ----------
    track : Track
    root : Path
        The data set's folder.
    excluded : mapping
        ``[exclude]``: a track's name, or its path from the root with forward slashes -> the reason.
    """
    if not excluded:
        return ""
    paths = [track.folder / track.name, track.folder / Path(track.loose).stem] if track.loose else [track.folder]
    names = (name for path in paths for name in (name_in(root, path), path.name))
    return next((excluded[name] for name in names if name in excluded), "")


def exclude(path: Path, why: str) -> str:
    """Exclude a track or a clip.

    Parameters
    ----------
    path : Path
    why : str
        The reason.

    Returns
    -------
    str
        Its name in ``mirkit.toml``.

    Raises
    ------
    MissingInput
        There is no such track.
    SettingsError
        The reason is empty, or the settings file cannot be written.
    """
    if not why.strip():
        raise SettingsError("--reason: give the reason why the track is excluded")
    track = Track.at(path)
    root = find_root(track.path)
    name = name_in(root, track.folder / track.name if track.loose else track.folder)
    _write(root, {name: why})
    return name


def include(path: Path) -> str:
    """Include an excluded track again; its files may have been removed.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str
        Its name in ``mirkit.toml``.

    Raises
    ------
    MissingInput
        The track is not excluded.
    SettingsError
        The settings file is wrong.
    """
    path = Path(os.path.abspath(path))
    root = find_root(path)
    excluded = read_settings(root).exclude
    bare = path.with_suffix("") if is_sound(path.name) else path
    names = (name for each in (path, bare) for name in (name_in(root, each), each.name))
    excluded_name = next((name for name in names if name in excluded), None)
    if excluded_name is None:
        raise MissingInput(f"{printable(path)}: the track is not excluded by {printable(root / 'mirkit.toml')}")
    _write(root, {excluded_name: None})
    return excluded_name


def name_in(root: Path, path: Path) -> str:
    """Path of a track's folder, or of a loose file without its suffix, from the data set's root."""
    return Path(os.path.relpath(path, root)).as_posix()


def _write(root: Path, values: Mapping[str, str | None]) -> None:
    try:
        write_table(root, "exclude", values)
    except UnicodeEncodeError as error:
        raise SettingsError(
            f"{printable(next(iter(values)))}: the name is not valid UTF-8; rename the track"
        ) from error
