"""The tracks and loose files of a folder, or the clips that were cut from them."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from mirkit.dataset.exclusion import reason
from mirkit.store import find_root, read_settings
from mirkit.track import Track, find_all, is_track
from mirkit.track.clip import source_path


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


def iter_tracks(path: Path, problems: list[str], *, crops: bool = False) -> Iterator[DatasetItem]:
    """Find every track at or below a folder, or every clip of tracks that are not excluded, sorted by path.

    Parameters
    ----------
    path : Path
        A folder of tracks, a track, or a loose file.
    problems : list of str
        Gets a line for each folder that could not be read.
    crops : bool
        Clips instead of tracks.

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
    several = path.is_dir() and not is_track(path)
    tracks = find_all(path, problems) if several else [Track.at(path)]
    root = find_root(path if several else tracks[0].path, batch=several)
    excluded = read_settings(root).exclude
    for track, sources in _clips(tracks, root, excluded) if crops else ((track, {""}) for track in tracks):
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
