"""Where a data set begins."""

from pathlib import Path

SETTINGS_NAME = "mirkit.toml"


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
        settings = folder / SETTINGS_NAME
        if settings.is_file() or settings.is_symlink():  # a link to nowhere is refused by its reader, not passed over
            return folder
    return start
