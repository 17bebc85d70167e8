"""Tracks on object storage: one layer over everything that fsspec reaches (``s3://``, ``gs://``, ``file://``, ...).

Objects are read and written whole, so a reader sees the old one or the new one, never half of one. Names are paths
below the data set's URL; a name that would lead out of it does not exist here.
"""

import functools
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, ParamSpec, TypeVar

from mirkit.errors import InfoError, MissingExtra
from mirkit.store.atomic import atomic_write
from mirkit.store.json_files import LeadsOut, check_stays_inside
from mirkit.store.os_errors import printable

P = ParamSpec("P")
T = TypeVar("T")

#: What a file system says of itself that changes with the content, the surest first.
_MARKS = ("ETag", "etag", "md5Hash", "generation", "mtime", "LastModified", "last_modified", "created")
#: Packages that fsspec asks for by the scheme.
_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}
#: Folder of what belongs to the whole data set: logs, indexes.
INTERNAL = ".mirkit"
#: Objects asked for in one go.
_AT_ONCE = 500


@dataclass(frozen=True)
class ObjectVersion:
    """What an object is, without reading it: its size, and a mark that changes with its content."""

    size: int
    mark: str


def _refusals() -> tuple[type[Exception], ...]:
    """Errors by which storage refuses; Amazon's client has a family of its own."""
    amazons = getattr(sys.modules.get("botocore.exceptions"), "BotoCoreError", OSError)
    return OSError, ValueError, RuntimeError, amazons


def _told(method: Callable[P, T]) -> Callable[P, T]:
    """Turn what the storage refuses into one line."""

    @functools.wraps(method)
    def wrapped(*given: P.args, **named: P.kwargs) -> T:
        try:
            return method(*given, **named)
        except _refusals() as error:
            place = printable(str(given[0]))
            why = str(error).partition("\n")[0] or type(error).__name__
            raise InfoError(f"{place}: the storage refused: {type(error).__name__}: {why}") from error

    return wrapped


class ObjectStore:
    """A data set on object storage.

    Parameters
    ----------
    url : str
        Of its folder.

    Raises
    ------
    MissingExtra
        fsspec, or the package for this kind of storage, is not installed.
    InfoError
        The URL means nothing.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        try:
            from fsspec.core import url_to_fs

            self._fs, root = url_to_fs(self.url, use_listings_cache=False)
        except ImportError as error:
            package = _PACKAGES.get(url.partition("://")[0], "fsspec")
            raise MissingExtra(f"{printable(url)}: {package} is not installed; pip install {package}") from error
        except (OSError, ValueError) as error:
            raise InfoError(f"{printable(url)}: not a place that can be read: {error}") from error
        self._root = str(root).rstrip("/")

    def __str__(self) -> str:
        return self.url

    @_told
    def find(self, folder: str = "") -> dict[str, ObjectVersion]:
        """Every object below a folder: name -> what it is. One listing."""
        self._fs.invalidate_cache()
        try:
            listed: Mapping[str, Mapping[str, Any]] = self._fs.find(self._path(folder), detail=True)
        except FileNotFoundError:
            return {}
        found = {path.removeprefix(self._root).lstrip("/"): _stamp(info) for path, info in listed.items()}
        return {name: stamp for name, stamp in sorted(found.items()) if _stays_inside(name) and self._is_ours(name)}

    def leads_out(self, name: str) -> Path | None:
        """On a disk, give the file that a sidecar is a link to, where that lies outside the data set."""
        path = Path(self._path(name))
        try:
            if self._is_local:
                check_stays_inside(path)
        except LeadsOut:
            return Path(os.path.realpath(path))
        return None

    @_told
    def fetch(self, name: str, target: Path, *, follow: bool = False) -> None:
        """Copy an object to a file; on a disk, with ``follow``, one that a link leads to outside the data set, too."""
        if self._is_local and not follow:
            check_stays_inside(Path(self._path(name)))
        target.parent.mkdir(parents=True, exist_ok=True)
        self._fs.get_file(self._path(name), str(target))

    @_told
    def read(self, names: Iterable[str]) -> dict[str, bytes]:
        """Content of small objects, many at once; those that are gone are left out."""
        wanted = list(names)
        for name in wanted if self._is_local else ():
            check_stays_inside(Path(self._path(name)))
        content: dict[str, bytes] = {}
        for first in range(0, len(wanted), _AT_ONCE):
            some = {self._path(name): name for name in wanted[first : first + _AT_ONCE]}
            for path, data in self._fs.cat(list(some), on_error="return").items():
                if isinstance(data, bytes):
                    content[some[path]] = data
                elif not isinstance(data, FileNotFoundError):
                    raise data
        return content

    @_told
    def put(self, name: str, source: Path) -> None:
        """Copy a file to an object, whole."""
        if self._is_local:
            atomic_write(self._made(name), source.read_bytes())
        else:
            self._fs.put_file(str(source), self._path(name))

    @_told
    def write(self, name: str, data: bytes) -> None:
        """Write a small object, whole."""
        if self._is_local:
            atomic_write(self._made(name), data)
        else:
            self._fs.pipe_file(self._path(name), data)

    @_told
    def create(self, name: str, data: bytes) -> bool:
        """Write a small object that must not exist; tells whether it did not. Of two at once, one succeeds."""
        try:
            if self._is_local:
                with open(self._made(name), "xb") as file:
                    file.write(data)
            else:
                self._fs.pipe_file(self._path(name), data, mode="create")
        except FileExistsError:
            return False
        return True

    @_told
    def remove(self, name: str) -> None:
        """Remove an object; one that is gone already is no error."""
        with suppress(FileNotFoundError):
            self._fs.rm_file(self._path(name))

    @property
    def _is_local(self) -> bool:
        """A disk, where writing into a file is not whole."""
        protocol = self._fs.protocol
        return "file" in ((protocol,) if isinstance(protocol, str) else protocol)

    def _made(self, name: str) -> Path:
        path = Path(self._path(name))
        if not self._is_ours(name):
            raise InfoError(f"{printable(path.parent)}: leads out of the data set; remove it")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _is_ours(self, name: str) -> bool:
        """Whether an object of the whole data set lies in it, on a disk, and not where a link leads."""
        if not (self._is_local and name.startswith(f"{INTERNAL}/")):
            return True
        return Path(os.path.realpath(Path(self._path(name)).parent)).is_relative_to(os.path.realpath(self._root))

    def _path(self, name: str) -> str:
        if name and not _stays_inside(name):
            raise ValueError(f"{name!r} leads out of the data set")
        return f"{self._root}/{name}" if name else self._root


def _stamp(info: Mapping[str, Any]) -> ObjectVersion:
    mark = next((str(info[key]) for key in _MARKS if info.get(key)), "")
    return ObjectVersion(int(info.get("size") or 0), mark)


def _stays_inside(name: str) -> bool:
    path = PurePosixPath(name)
    drive = os.name == "nt" and PureWindowsPath(name).drive
    return bool(name) and not path.is_absolute() and ".." not in path.parts and "\\" not in name and not drive
