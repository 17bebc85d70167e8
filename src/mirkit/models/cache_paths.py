"""Paths of weights.

The cache is ``$MIRKIT_HOME/models``, or ``models`` in the platform's cache folder for mirkit; each backend has a folder
in it. Files that PyTorch or the Hugging Face tools have downloaded already are used from their caches.
"""

import os
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mirkit.errors import WeightsError
from mirkit.models.backend import File, Model


def cache() -> Path:
    """Return the folder for downloaded files.

    Raises
    ------
    WeightsError
        There is no home folder, as in some containers, and no environment variable names another folder.
    """
    home = os.environ.get("MIRKIT_HOME")
    if home:
        return Path(home).expanduser().absolute() / "models"
    import platformdirs

    with _at_home():
        return platformdirs.user_cache_path("mirkit", appauthor=False) / "models"


def place(row: Model, file: File) -> Path:
    """Return the path of a file in the cache; the file need not exist."""
    return cache() / row.backend / file.name


def find(row: Model, file: File) -> Path | None:
    """Return the path of a downloaded file: in the cache, else in that of PyTorch or Hugging Face; else None."""
    candidates = [place(row, file), *_elsewhere(file)]
    return next((path for path in candidates if path.is_file()), None)


def missing(row: Model) -> list[File]:
    """Return the files of a model that have not been downloaded."""
    return [file for file in row.files if find(row, file) is None]


@contextmanager
def _at_home() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise WeightsError("there is no home folder to keep weights in; name one in MIRKIT_HOME") from error


def hub_snapshots(repository: str) -> list[Path]:
    """Return the folders in Hugging Face's cache that contain a repository, the newest first."""
    folder = _hub() / f"models--{repository.replace('/', '--')}" / "snapshots"
    found = [path for path in folder.glob("*") if path.is_dir()]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def _hub() -> Path:
    with _at_home():
        home_cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    hf_home = Path(os.environ.get("HF_HOME") or home_cache / "huggingface")
    return Path(os.environ.get("HF_HUB_CACHE") or hf_home / "hub")


def _elsewhere(file: File) -> Iterator[Path]:
    with _at_home():
        home_cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    if file.torch_hub:
        torch_home = Path(os.environ.get("TORCH_HOME") or home_cache / "torch")
        yield torch_home / "hub" / "checkpoints" / file.torch_hub
    parts = urllib.parse.urlsplit(file.url)
    if parts.hostname == "huggingface.co":
        repository, _, rest = parts.path.strip("/").partition("/resolve/")
        snapshots = _hub() / f"models--{repository.replace('/', '--')}" / "snapshots"
        revision, _, name = rest.partition("/")
        # A branch such as main has no folder of its own, so any revision is used.
        yield from snapshots.glob(f"{'*' if revision == 'main' else revision}/{name}")
