"""The name of a track in its data set."""

import os
from pathlib import Path


def name_in(root: Path, path: Path) -> str:
    """Path of a track's folder, or of a loose file without its suffix, from the data set's root."""
    return Path(os.path.relpath(path, root)).as_posix()
