"""Where weights lie on this machine: mirkit's own cache, those of PyTorch and Hugging Face, and installed packages.

Only mirkit's cache is written to: ``$MIRKIT_HOME/models``, or ``models`` in the platform's cache folder for mirkit;
each backend has a folder in it.
"""

import os
import re
import sys
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mirkit.errors import WeightsError
from mirkit.models.backend import File, Model

#: Server of the URLs of Hugging Face in the tables.
HUB = "huggingface.co"
#: Names of files and folders in the root of a data set, which identify one.
_DATASET_FILES = ("mirkit.toml", ".mirkit")
#: Name of a file in Hugging Face's cache: the SHA-256 of a large file, or Git's SHA-1 of a small one.
_BLOB = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


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


def elsewhere(file: File) -> Iterator[Path]:
    """Yield the paths of files with the name of ``file`` in other programs' caches, and in installed packages.

    If the file has no published checksum, only the revision of its URL counts, or, if the URL names a branch,
    any: first that of the branch, then the newest.
    """
    if file.installed:
        yield from (path for folder in search_path() if os.path.isfile(path := Path(folder, file.installed)))
    if file.torch_hub:
        yield from _files(_torch_home() / "hub" / "checkpoints", file.torch_hub)
    parts = urllib.parse.urlsplit(file.url)
    if parts.hostname == HUB:
        repository, _, rest = parts.path.strip("/").partition("/resolve/")
        revision, _, name = rest.partition("/")
        own = _snapshots(repository)
        revisions = _newest_first(own) if revision == "main" else [own / revision]
        for folder in revisions:
            yield from _files(folder, name)
        if file.sha256:
            yield from _files(own, f"*/{name}")
    if file.sha256:  # a copy of the repository under another name
        found = _files(_hub_cache(), f"models--*/snapshots/*/{file.name}")
        yield from (path for path in found if _may_be(path, file))


def _may_be(path: Path, file: File) -> bool:
    """Return whether it is worth reading a file to find out if it is ``file``: many models have the same file names."""
    if stored := blob_digest(path):
        return stored == file.sha256
    return not file.size or abs(path.stat().st_size - file.size) <= 0.1 * file.size


def blob_digest(path: Path) -> str:
    """Return the SHA-256, or Git's SHA-1, that a file in Hugging Face's cache is stored under; "" for other files."""
    try:
        target = Path(os.readlink(path)) if path.is_symlink() else Path()
    except OSError:
        return ""
    return target.name if target.parent.name == "blobs" and _BLOB.fullmatch(target.name) else ""


def search_path() -> list[str]:
    """Return the folders of installed packages: Python's search path without the working folder and data sets."""
    here = Path.cwd()
    return [
        folder
        for folder in sys.path
        if Path(folder).is_absolute()
        and Path(folder) != here
        and not any((Path(folder) / name).exists() for name in _DATASET_FILES)
    ]


def hub_snapshots(repository: str) -> list[Path]:
    """Return the folders in Hugging Face's cache that contain a repository, that of ``main`` first, then the newest."""
    return _newest_first(_snapshots(repository))


def _newest_first(snapshots: Path) -> list[Path]:
    """Return the folders of all revisions of a repository: that of the branch ``main``, then the newest ones."""
    found = [path for path in _found(snapshots, "*") if os.path.isdir(path)]
    try:
        current = (snapshots.parent / "refs" / "main").read_text(encoding="ascii").strip()
    except (OSError, ValueError):  # only other branches were downloaded
        current = ""
    return sorted(found, key=lambda path: (path.name == current, path.stat().st_mtime), reverse=True)


def hugging_face_home() -> Path:
    """Return the folder of the Hugging Face tools, which contains the cache and the token."""
    return _named("HF_HOME") or _home_cache() / "huggingface"


def _files(folder: Path, pattern: str) -> Iterator[Path]:
    """Yield the files of a pattern, without those in folders that may not be read."""
    yield from (path for path in _found(folder, pattern) if os.path.isfile(path))


def _found(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern))
    except OSError:  # the folder, or one above it, may not be read
        return []


def _snapshots(repository: str) -> Path:
    return _hub_cache() / f"models--{repository.replace('/', '--')}" / "snapshots"


def _hub_cache() -> Path:
    return _named("HF_HUB_CACHE") or _named("HUGGINGFACE_HUB_CACHE") or hugging_face_home() / "hub"


def _torch_home() -> Path:
    return _named("TORCH_HOME") or _home_cache() / "torch"


def _home_cache() -> Path:
    with _at_home():
        return _named("XDG_CACHE_HOME") or Path.home() / ".cache"


def _named(variable: str) -> Path | None:
    """Return the folder in an environment variable, or None if the variable is not set."""
    value = os.environ.get(variable)
    return Path(os.path.expandvars(os.path.expanduser(value))) if value else None


@contextmanager
def _at_home() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise WeightsError("there is no home folder to keep weights in; name one in MIRKIT_HOME") from error
