"""Messages about weights that are not on this machine."""

import os

from mirkit.errors import printable
from mirkit.models.backend import File, Model
from mirkit.models.cache_paths import cache


def missing_files_message(row: Model, files: list[File], why: str) -> str:
    """Return the message about missing files: their names, the reason, and what to do."""
    names = ", ".join(file.name for file in files)
    size = sum(file.size for file in files)
    wanted = f"{names} ({megabytes(size)})" if size else names
    folder = printable(cache() / row.backend)
    source = files[0].url
    if len(files) > 1:  # their common folder
        source = os.path.commonprefix([file.url for file in files]).rpartition("/")[0]  # noqa: RUF071 (of URLs)
    return f"{row.title} needs {wanted}: {why}; mirkit models fetch {row.name}, or put it into {folder} (from {source})"


def short_message(row: Model, why: str) -> str:
    """Return the message that a model is missing, for a line of a plan."""
    return f"{row.title} ({megabytes(row.size)}): not here, {why}; mirkit models fetch {row.name}"


def megabytes(size: int) -> str:
    """Return a size in MB or GB."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(size / 1e6, 0.1):.3g} MB"
