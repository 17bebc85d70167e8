"""Messages about weights that are not on this machine."""

import os

from mirkit.models.backend import File, Model
from mirkit.models.cache_paths import cache
from mirkit.store import printable


def missing_files_message(row: Model, files: list[File], why: str) -> str:
    """Name the missing files, why they are missing, and what to do."""
    names = ", ".join(file.name for file in files)
    size = sum(file.size for file in files)
    wanted = f"{names} ({megabytes(size)})" if size else names
    folder = printable(cache() / row.backend)
    source = files[0].url
    if len(files) > 1:  # the folder above all of them
        source = os.path.commonprefix([file.url for file in files]).rpartition("/")[0]  # noqa: RUF071 (of URLs)
    return f"{row.title} needs {wanted}: {why}; mirkit models fetch {row.name}, or put it into {folder} (from {source})"


def short_message(row: Model, why: str) -> str:
    """Say that a model is not here, in a line of a plan."""
    return f"{row.title} ({megabytes(row.size)}): not here, {why}; mirkit models fetch {row.name}"


def megabytes(size: int) -> str:
    """A size in MB or GB."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(size / 1e6, 0.1):.3g} MB"
