"""Paths of weights.

The cache is ``$MIRKIT_HOME/models``, or ``models`` in the platform's cache folder for mirkit; a file of a backend
lies in the backend's folder. What PyTorch or the Hugging Face tools have fetched already is used where it lies.
"""

import os
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mirkit.errors import WeightsError
from mirkit.models.backend import File, Model


def cache() -> Path:
    """Folder that fetched files go to.

    Raises
    ------
    WeightsError
        There is no home folder, as in some containers, and no variable names another.
    """
    home = os.environ.get("MIRKIT_HOME")
    if home:
        return Path(home).expanduser().absolute() / "models"
    import platformdirs

    with _at_home():
        return platformdirs.user_cache_path("mirkit", appauthor=False) / "models"


def place(row: Model, file: File) -> Path:
    """Path of a file in the cache, there or not."""
    return cache() / row.backend / file.name


def find(row: Model, file: File) -> Path | None:
    """Path of a file that is there: in the cache, else where PyTorch or the Hugging Face tools keep it."""
    candidates = [place(row, file), *_elsewhere(file)]
    return next((path for path in candidates if path.is_file()), None)


def missing(row: Model) -> list[File]:
    """Files of a model that are nowhere on this machine."""
    return [file for file in row.files if find(row, file) is None]


@contextmanager
def _at_home() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise WeightsError("there is no home folder to keep weights in; name one in MIRKIT_HOME") from error


def hub_snapshots(repository: str) -> list[Path]:
    """Folders in Hugging Face's cache that hold a repository, the newest first."""
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
        # A moving revision (main) has no folder of its own: any will do.
        yield from snapshots.glob(f"{'*' if revision == 'main' else revision}/{name}")
