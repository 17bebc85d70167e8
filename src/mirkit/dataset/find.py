"""The tracks of a data set, or the clips that were cut from them, and which of them the user excluded."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mirkit.dataset.library import Library
from mirkit.dataset.library.row import exclusion, key_of
from mirkit.dataset.names import name_in
from mirkit.dataset.selection import paths_matching
from mirkit.errors import MissingInput, SettingsError, printable
from mirkit.store import find_root, read_settings, write_table
from mirkit.track import Track, is_audio_name, list_folder
from mirkit.track.clip import source_path
from mirkit.track.listing import Unread


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
    return exclusion(key_of(track, os.path.join(root, "")), track.name, excluded, loose=bool(track.loose))


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
    name = excluded_as(path)
    _write(find_root(path), {name: why})
    return name


def excluded_as(path: Path) -> str:
    """Return the name with which ``exclude`` would exclude a track or a clip.

    Raises
    ------
    MissingInput
        There is no such track.
    """
    root = find_root(path)
    try:
        track = Track.at(path)
    except MissingInput:
        if not is_unread_folder(path):
            raise
        return name_in(root, Path(os.path.abspath(path)))
    return name_in(root, track.folder / track.name if track.loose else track.folder)


def is_unread_folder(path: Path) -> bool:
    """Whether a path is that of a folder that cannot be read."""
    try:
        return path.is_dir() and not list_folder(path)
    except MissingInput:
        return True


def exclude_all(root: Path, paths: Iterable[Path], why: str) -> None:
    """Exclude many tracks or clips of a data set with one reason, at once.

    Raises
    ------
    SettingsError
        The settings file cannot be written.
    """
    _write(root, {name_in(root, path.with_suffix("") if is_audio_name(path.name) else path): why for path in paths})


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
    excluded_name = _excluded_name(root, path)
    if excluded_name is None:
        raise MissingInput(f"{printable(path)}: the track is not excluded by {printable(root / 'mirkit.toml')}")
    _write(root, {excluded_name: None})
    return excluded_name


def is_named(path: Path) -> bool:
    """Whether ``mirkit.toml`` excludes a track or clip itself, and not only the track of a clip."""
    path = Path(os.path.abspath(path))
    return _excluded_name(find_root(path), path) is not None


def _excluded_name(root: Path, path: Path) -> str | None:
    """Name by which ``mirkit.toml`` excludes a track or clip; None if it does not."""
    excluded = read_settings(root).exclude
    bare = path.with_suffix("") if is_audio_name(path.name) else path
    names = (name for each in (path, bare) for name in (name_in(root, each), each.name))
    return next((name for name in names if name in excluded), None)


def _write(root: Path, values: Mapping[str, str | None]) -> None:
    try:
        write_table(root, "exclude", values)
    except UnicodeEncodeError as error:
        raise SettingsError(
            f"{printable(next(iter(values)))}: the name is not valid UTF-8; rename the track"
        ) from error


@dataclass(frozen=True)
class DatasetItem:
    """A track, or a clip.

    Attributes
    ----------
    track : Track
        Its files.
    name : str
        Its path relative to the folder that was read.
    sources : set of str
        Source names that the provenance of a clip may have, "" for a track. A clip with another source name belongs to
        another track.
    excluded : str
        Why the user excluded it, or "".
    """

    track: Track
    name: str
    sources: frozenset[str]
    excluded: str


def iter_tracks(path: Path, unread: list[Unread], *, crops: bool = False, where: str = "") -> Iterator[DatasetItem]:
    """Find every track at or below a folder, or every clip of tracks that are not excluded, sorted by path.

    Parameters
    ----------
    path : Path
        A folder of tracks, a track, or a loose file.
    unread : list of Unread
        Gets the folders, and the stems, that cannot be read, without those that the user excluded.
    crops : bool
        Clips instead of tracks.
    where : str
        Query, as the option ``--where`` has it: only the tracks, or the clips, that it finds.

    Yields
    ------
    DatasetItem

    Raises
    ------
    MissingInput
        ``path`` is not a folder of tracks, a track or a loose file.
    SettingsError
        The settings file is wrong.
    """
    with Library.open(path) as library:
        tracks, root, several = library.find_tracks(unread), library.root, library.several
        wanted = set(paths_matching(library, where, table="clips" if crops else "tracks")) if where else None
    excluded = read_settings(root).exclude
    for track, sources in _clips(tracks, root, excluded) if crops else ((track, {""}) for track in tracks):
        if wanted is not None and track.path not in wanted:
            continue
        name = os.path.relpath(track.path, path if several else root)
        yield DatasetItem(track, name, frozenset(sources), reason(track, root, excluded))


def _clips(tracks: list[Track], root: Path, excluded: Mapping[str, str]) -> Iterator[tuple[Track, set[str]]]:
    """Yield folders that may be clips of these tracks, and the sources that they may have been cut from."""
    sources: dict[Path, set[str]] = {}  # loose files share a folder of clips
    for track in tracks:
        if not reason(track, root, excluded):
            sources.setdefault(track.crops, set()).add(source_path(track))
    for folder in sources:
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        for name in names:
            clip = Track(folder / name)
            if clip.provenance.exists():
                yield clip, sources[folder]
