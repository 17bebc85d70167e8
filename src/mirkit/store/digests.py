"""Digests of files, and the quick stamp that shows, without reading it, whether a file may have changed."""

import functools
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from mirkit.errors import MissingInput, as_error, printable

#: File systems whose inodes and ctimes are not stable: network file systems and FAT.
_WITHOUT_INODES = frozenset(
    [
        "9p",
        "afpfs",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "davfs",
        "exfat",
        "fat32",
        "glusterfs",
        "gpfs",
        "lustre",
        "msdos",
        "ncpfs",
        "nfs",
        "nfs4",
        "smb2",
        "smb3",
        "smbfs",
        "vboxsf",
        "vfat",
        "virtiofs",
        "webdav",
    ]
)
#: Most FUSE file systems are network ones (sshfs, s3fs, rclone); this one is a local NTFS disk.
_LOCAL_FUSE = "fuseblk"


class Stamp(NamedTuple):
    """Size, times and inode of a file, read without its content.

    Attributes
    ----------
    size : int
        Size in bytes.
    mtime_ns : int
        Time of the last change of the content, in nanoseconds.
    ctime_ns, inode : int
        Time of the last change of content or status, and number of the file; no program can set them. Both are 0 if
        they are not known or not stable: on Windows, on network file systems, on FAT.
    """

    size: int
    mtime_ns: int
    ctime_ns: int = 0
    inode: int = 0

    def matches(self, known: "Stamp") -> bool:
        """Whether a file with this stamp may be the unchanged file that had the stamp ``known``.

        Without stable inodes, size and mtime decide. With stable inodes, a stamp ``known`` without an inode does not
        match.
        """
        return self == known or (not self.inode and self[:2] == known[:2])


def stamp_of(path: str | os.PathLike[str], stat: os.stat_result | None = None) -> Stamp:
    """Return the stamp of a file; ``stat`` is its status if the caller has it already.

    Raises
    ------
    OSError
        The system refused.
    """
    now = stat or os.stat(path)
    if not has_stable_inodes(now.st_dev, path):
        return Stamp(now.st_size, now.st_mtime_ns)
    return Stamp(now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino)


_known_devices: dict[int, bool] = {}


def has_stable_inodes(device: int, path: str | bytes | os.PathLike[str]) -> bool:
    """Return whether the file system of a device, on which the path is, has inodes and ctimes that are stable."""
    if device not in _known_devices:
        kind = _file_system(os.path.realpath(os.fsdecode(path)))
        _known_devices[device] = os.name != "nt" and _has_stable_inodes(kind)
    return _known_devices[device]


def _has_stable_inodes(kind: str) -> bool:
    return kind not in _WITHOUT_INODES and (not kind.startswith("fuse") or kind == _LOCAL_FUSE)


def _file_system(path: str) -> str:
    """Return the kind of file system that a path is on; ``""`` if the system does not know."""
    mounts = _mounts()
    while path not in mounts:
        path, before = os.path.dirname(path), path
        if path == before:
            return ""
    return mounts[path]


@functools.cache
def _mounts() -> dict[str, str]:
    """Return the kind of each mounted file system, by mount point."""
    import psutil

    try:
        return {part.mountpoint: part.fstype.lower() for part in psutil.disk_partitions(all=True)}
    except OSError:  # this system has no /proc
        return {}


@dataclass(frozen=True)
class FileDigest:
    """SHA-256 and stamp of a file. Two are equal if the contents are; the stamps are not compared.

    Attributes
    ----------
    size : int
        Size in bytes.
    sha256 : str
        Hash of the content, hexadecimal.
    mtime_ns, ctime_ns, inode : int
        See :class:`Stamp`. With the size they show, without reading the file, that it is unchanged.
    """

    size: int
    sha256: str
    mtime_ns: int = field(default=0, compare=False)
    ctime_ns: int = field(default=0, compare=False)
    inode: int = field(default=0, compare=False)

    @property
    def stamp(self) -> Stamp:
        """Stamp that the file had with this content."""
        return Stamp(self.size, self.mtime_ns, self.ctime_ns, self.inode)


def file_digest(path: Path, *known: FileDigest | None) -> FileDigest:
    """Return the digest of a file, without reading it if its stamp matches that of a known digest.

    Parameters
    ----------
    path : Path
    *known : FileDigest or None
        Earlier digests of the file. The one with the stamp of the file is returned unchanged. If none has it, the
        content is hashed, and the result has the present stamp.

    Raises
    ------
    MissingInput
        There is no such file.
    InfoError
        The file cannot be read.
    """
    try:
        now = stamp_of(path)
        found: FileDigest | None = None
        last: FileDigest | None = None
        for digest in known:
            if digest is None or digest is last:
                continue
            last = digest
            if now.matches(digest.stamp):
                if found is not None and digest != found:
                    return hash_file(path)
                found = found or digest
        return found or hash_file(path)
    except FileNotFoundError as error:
        raise MissingInput(f"{printable(path)}: there is no such file") from error
    except OSError as error:
        raise as_error(error, path, "read") from error


def hash_file(path: Path) -> FileDigest:
    """Read a whole file and return its digest. Raises OSError."""
    with open(path, "rb") as file:
        now = stamp_of(path, os.fstat(file.fileno()))  # before reading, so that a later change is noticed
        return FileDigest(now.size, hashlib.file_digest(file, "sha256").hexdigest(), *now[1:])


def digest_of_text(text: str) -> FileDigest:
    """Return the digest of a text that is not a file, such as a caption in a ``.INFO``."""
    return digest_of_bytes(text.encode("utf-8", "surrogatepass"))


def digest_of_bytes(data: bytes) -> FileDigest:
    """Return the digest of data that is not yet a file."""
    return FileDigest(len(data), hashlib.sha256(data).hexdigest())
