"""Where a data set begins."""

from pathlib import Path

from mirkit.store.settings import SETTINGS_NAME


def find_root(path: Path, *, batch: bool = False) -> Path:
    """Find the root of the data set that a track, or a folder of tracks, belongs to.

    It is the nearest folder upwards with a ``mirkit.toml``; where there is none, the folder that the track lies in,
    or the folder of tracks itself. A crop belongs to the data set of its source.

    Parameters
    ----------
    path : Path
        A track's folder or a loose sound file; with ``batch`` a folder of tracks.
    batch : bool
        Whether ``path`` holds tracks rather than being one.
    """
    start = Path(path).absolute()
    if not batch:
        start = start.parent.parent.parent if start.parent.name == "crops" else start.parent
    for folder in (start, *start.parents):
        if (folder / SETTINGS_NAME).is_file():
            return folder
    return start
