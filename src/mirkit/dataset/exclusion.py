"""Tracks that are left out of everything, with the reason: ``[exclude]`` of ``mirkit.toml``."""

import os
from collections.abc import Mapping
from pathlib import Path

from mirkit.errors import MissingInput, SettingsError
from mirkit.store import find_root, printable, read_settings, write_table
from mirkit.track import Track, is_sound


def reason(track: Track, root: Path, excluded: Mapping[str, str]) -> str:
    """Say why a track is left out, or "" when it is not.

    Parameters
    ----------
    track : Track
    root : Path
        The data set's folder.
    excluded : mapping
        ``[exclude]``: a track's name, or its path from the root with forward slashes -> why.
    """
    if not excluded:
        return ""
    paths = [track.folder / track.name, track.folder / Path(track.loose).stem] if track.loose else [track.folder]
    names = (name for path in paths for name in (name_in(root, path), path.name))
    return next((excluded[name] for name in names if name in excluded), "")


def exclude(path: Path, why: str) -> str:
    """Leave a track, or a clip, out from now on; give the name under which it stands in ``mirkit.toml``.

    Raises
    ------
    MissingInput
        There is no such track.
    SettingsError
        There is no reason, or the settings file cannot be written.
    """
    if not why.strip():
        raise SettingsError("--reason: a track is left out for a reason; say it")
    track = Track.at(path)
    root = find_root(track.path)
    name = name_in(root, track.folder / track.name if track.loose else track.folder)
    _write(root, {name: why})
    return name


def include(path: Path) -> str:
    """Take a track, which need not exist any more, back in; give the name under which it stood.

    Raises
    ------
    MissingInput
        It is not left out.
    SettingsError
        The settings file is wrong.
    """
    path = Path(os.path.abspath(path))
    root = find_root(path)
    excluded = read_settings(root).exclude
    bare = path.with_suffix("") if is_sound(path.name) else path
    names = (name for each in (path, bare) for name in (name_in(root, each), each.name))
    found = next((name for name in names if name in excluded), None)
    if found is None:
        raise MissingInput(f"{printable(path)}: not excluded by {printable(root / 'mirkit.toml')}")
    _write(root, {found: None})
    return found


def name_in(root: Path, path: Path) -> str:
    """Name a track's folder, or a loose file without its suffix, from the data set's root."""
    return Path(os.path.relpath(path, root)).as_posix()


def _write(root: Path, values: Mapping[str, str | None]) -> None:
    try:
        write_table(root, "exclude", values)
    except UnicodeEncodeError as error:
        raise SettingsError(f"{printable(next(iter(values)))}: a name that is no text; rename the track") from error
