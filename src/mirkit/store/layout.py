"""Names of the files of tracks and data sets, and the root folder of a data set."""

import os
from pathlib import Path

#: Suffixes of audio files; case is ignored.
AUDIO_SUFFIXES = (".flac", ".wav", ".mp3", ".ogg", ".m4a", ".opus", ".aiff", ".aif")

#: Kinds of sidecars of a track, which are named ``<base>.<kind>``.
SIDECARS = ("INFO", "BEATS_GRID", "ONSETS", "CURVES.npz", "PROVENANCE")

#: Endings of the names of a track's MIDI files, in its folder or beside a loose file.
MIDI_ENDINGS = ("drums.mid", "_adtof.mid")

#: Settings file in the root of a data set.
SETTINGS_NAME = "mirkit.toml"


def find_root(path: Path, *, batch: bool = False) -> Path:
    """Find the root of the data set that a track, or a folder of tracks, belongs to.

    It is the nearest folder upwards with a ``mirkit.toml``; without one, the folder that contains the track, or the
    folder of tracks itself. A clip belongs to the data set of its source.

    Parameters
    ----------
    path : Path
        A track's folder or a loose audio file; with ``batch`` a folder of tracks.
    batch : bool
        Whether ``path`` contains tracks instead of being one.

    Returns
    -------
    Path
        Absolute path of the root.
    """
    start = Path(path).absolute()
    if not batch:
        start = start.parent.parent.parent if start.parent.name == "crops" else start.parent
    for folder in (start, *start.parents):
        settings = folder / SETTINGS_NAME
        if settings.is_file() or settings.is_symlink():  # a broken link is not skipped: reading it reports it
            return folder
    return start


def is_inside(root: Path, folder: Path) -> bool:
    """Return whether mirkit's own folder, relative to the root of a data set, is in it and not where a link leads."""
    return Path(os.path.realpath(root / folder)) == Path(os.path.realpath(root), folder)
