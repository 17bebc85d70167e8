"""Object storage: one interface to everything that fsspec reaches (``s3://``, ``gs://``, ``file://``, ...).

Objects are read and written whole: a reader sees the old content or the new, never a part of one. Object names are
paths below the data set's URL; names that lead out of it are left out of listings and refused.
"""

import functools
import os
import secrets
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, ParamSpec, TypeVar

from mirkit.errors import InfoError, MissingExtra, printable
from mirkit.store import TEMP_PREFIX, OutsideLinkError, atomic_write, check_stays_inside, lock, machine

P = ParamSpec("P")
T = TypeVar("T")

#: Fields of a listing that change with the content, the most reliable first.
_MARKS = ("ETag", "etag", "md5Hash", "generation", "mtime", "LastModified", "last_modified", "created")
#: Packages of the extra ``cloud`` that fsspec needs for a scheme.
_PACKAGES = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs"}
#: Folder of the files of the whole data set: logs, indexes.
INTERNAL = ".mirkit"
#: Objects that are read in one request.
_CHUNK = 500


@dataclass(frozen=True)
class ObjectVersion:
    """Size of an object and a mark that changes with its content, known without reading it."""

    size: int
    mark: str


def _storage_errors() -> tuple[type[Exception], ...]:
    """Exceptions that mean that the storage refused; Amazon's client has a base class of its own."""
    amazons = getattr(sys.modules.get("botocore.exceptions"), "BotoCoreError", OSError)
    return OSError, ValueError, RuntimeError, amazons


def _as_info_error(method: Callable[P, T]) -> Callable[P, T]:
    """Turn exceptions of the storage into :class:`InfoError` with one line."""

    @functools.wraps(method)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(*args, **kwargs)
        except _storage_errors() as error:
            url = printable(str(args[0]))
            why = str(error).partition("\n")[0] or type(error).__name__
            raise InfoError(f"{url}: the storage refused: {type(error).__name__}: {why}") from error

    return wrapper


class ObjectStore:
    """A data set on object storage.

    Parameters
    ----------
    url : str
        URL of the data set's folder.

    Raises
    ------
    MissingExtra
        fsspec, or the package for this kind of storage, is not installed.
    InfoError
        The URL is of an unknown kind or is malformed.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        try:
            from fsspec.core import url_to_fs

            self._fs, root = url_to_fs(self.url, use_listings_cache=False)
        except ImportError as error:
            package = "fsspec" if error.name == "fsspec" else _PACKAGES.get(url.partition("://")[0])
            why = f"{package} is not installed; pip install 'mirkit[cloud]'" if package else error
            raise MissingExtra(f"{printable(url)}: {why}") from error
        except (OSError, ValueError) as error:
            raise InfoError(f"{printable(url)}: cannot be opened as object storage: {error}") from error
        self._root = str(root).rstrip("/")

    def __str__(self) -> str:
        return self.url

    @_as_info_error
    def find(self, folder: str = "") -> dict[str, ObjectVersion]:
        """List every object below a folder, as name -> version, by one listing."""
        self._fs.invalidate_cache()
        try:
            listed: Mapping[str, Mapping[str, Any]] = self._fs.find(self._path(folder), detail=True)
        except FileNotFoundError:
            return {}
        found = {path.removeprefix(self._root).lstrip("/"): _version_of(info) for path, info in listed.items()}
        return {name: stamp for name, stamp in sorted(found.items()) if _stays_inside(name) and self._is_ours(name)}

    def leads_out(self, name: str) -> Path | None:
        """Return the target of a sidecar that is a link out of the data set (``file://`` only), else None."""
        path = Path(self._path(name))
        try:
            if self._is_local:
                check_stays_inside(path)
        except OutsideLinkError:
            return Path(os.path.realpath(path))
        return None

    @_as_info_error
    def fetch(self, name: str, target: Path, *, follow: bool = False) -> None:
        """Copy an object to a file.

        Parameters
        ----------
        name : str
        target : Path
        follow : bool
            On ``file://``: also copy a file that a link leads to outside the data set.
        """
        if self._is_local and not follow:
            check_stays_inside(Path(self._path(name)))
        target.parent.mkdir(parents=True, exist_ok=True)
        self._fs.get_file(self._path(name), str(target))

    @_as_info_error
    def read(self, names: Iterable[str]) -> dict[str, bytes]:
        """Read small objects, many in one request; objects that do not exist are left out."""
        names_wanted = list(names)
        for name in names_wanted if self._is_local else ():
            check_stays_inside(Path(self._path(name)))
        content: dict[str, bytes] = {}
        for first in range(0, len(names_wanted), _CHUNK):
            some = {self._path(name): name for name in names_wanted[first : first + _CHUNK]}
            for path, data in self._fs.cat(list(some), on_error="return").items():
                if isinstance(data, bytes):
                    content[some[path]] = data
                elif not isinstance(data, FileNotFoundError):
                    raise data
        return content

    @_as_info_error
    def put(self, name: str, source: Path) -> None:
        """Copy a file to an object. Readers see the old object or the new one."""
        if self._is_local:
            atomic_write(self._writable_path(name), source.read_bytes())
        else:
            self._fs.put_file(str(source), self._path(name))

    @_as_info_error
    def write(self, name: str, data: bytes) -> None:
        """Write a small object. Readers see the old object or the new one."""
        if self._is_local:
            atomic_write(self._writable_path(name), data)
        else:
            self._fs.pipe_file(self._path(name), data)

    @_as_info_error
    def create(self, name: str, data: bytes) -> bool:
        """Write a small object unless one of this name exists; of several callers at once, one succeeds.

        Returns
        -------
        bool
            Whether the object was created.
        """
        try:
            if self._is_local:
                _create_file(self._writable_path(name), data)
            else:
                self._fs.pipe_file(self._path(name), data, mode="create")
        except FileExistsError:
            return False
        return True

    @_as_info_error
    def remove(self, name: str) -> None:
        """Remove an object, if it exists."""
        with suppress(FileNotFoundError):
            self._fs.rm_file(self._path(name))

    @property
    def _is_local(self) -> bool:
        """Return whether the storage is a disk, on which a plain write is not atomic."""
        protocol = self._fs.protocol
        return "file" in ((protocol,) if isinstance(protocol, str) else protocol)

    def _writable_path(self, name: str) -> Path:
        path = Path(self._path(name))
        if not self._is_ours(name):
            raise InfoError(f"{printable(path.parent)}: leads out of the data set; remove it")
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _is_ours(self, name: str) -> bool:
        """Whether, on a disk, no link leads the folder of the data set's own files out of the data set."""
        if not (self._is_local and name.startswith(f"{INTERNAL}/")):
            return True
        return Path(os.path.realpath(Path(self._path(name)).parent)).is_relative_to(os.path.realpath(self._root))

    def _path(self, name: str) -> str:
        if name and not _stays_inside(name):
            raise ValueError(f"{name!r} leads out of the data set")
        return f"{self._root}/{name}" if name else self._root


def _create_file(path: Path, data: bytes) -> None:
    """Create a file with its whole content in one step; raises ``FileExistsError`` if it exists.

    A file that is opened and then written is empty for a moment, and a reader would mistake an empty lease for an
    expired one.
    """
    temp = path.parent / f"{TEMP_PREFIX}{machine()}-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        with open(temp, "xb") as file:
            file.write(data)
        try:
            os.link(temp, path)
        except FileExistsError:
            raise
        except OSError:  # exFAT and some network disks have no hard links
            with lock(path.parent):
                if path.exists():
                    raise FileExistsError(path) from None
                os.replace(temp, path)
    finally:
        temp.unlink(missing_ok=True)


def _version_of(info: Mapping[str, Any]) -> ObjectVersion:
    mark = next((str(info[key]) for key in _MARKS if info.get(key)), "")
    return ObjectVersion(int(info.get("size") or 0), mark)


def _stays_inside(name: str) -> bool:
    path = PurePosixPath(name)
    drive = os.name == "nt" and PureWindowsPath(name).drive
    return bool(name) and not path.is_absolute() and ".." not in path.parts and "\\" not in name and not drive
