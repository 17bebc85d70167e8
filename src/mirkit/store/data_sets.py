"""The data sets that a folder holds."""

import os
from pathlib import Path

from mirkit.store.library_file import FOLDER
from mirkit.store.sidecars import SETTINGS_NAME

#: Folders above a data set that are searched.
_DEEPEST = 3


def data_sets_below(folder: Path) -> list[Path]:
    """Return the data sets in a folder, down to three folders deep; not those in others, and not the folder itself."""
    found: list[Path] = []
    for inner, folders, _ in os.walk(folder):
        here = Path(inner)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        is_set = here != folder and any((here / name).exists() for name in (SETTINGS_NAME, FOLDER))
        if is_set:
            found.append(here)
        if is_set or len(here.relative_to(folder).parts) >= _DEEPEST:
            folders.clear()
    return found
