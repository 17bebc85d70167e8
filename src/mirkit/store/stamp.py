"""The quick look at a file: whether it may still be the one that was seen before, without reading it."""

import functools
import os
from typing import NamedTuple

#: File systems whose inodes and times of status change say nothing lasting: those of a network, and FAT.
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
#: Most file systems in user space are network ones (sshfs, s3fs, rclone); this one is a local NTFS disk.
_LOCAL_FUSE = "fuseblk"


class Stamp(NamedTuple):
    """What a quick look sees of a file.

    Attributes
    ----------
    size : int
        Bytes.
    mtime_ns : int
        When the content was last changed, in nanoseconds.
    ctime_ns, inode : int
        When content or status was last changed, and the number of the file: no program can set them. Both 0 where they
        are not known, or say nothing: on Windows, on network file systems, on FAT.
    """

    size: int
    mtime_ns: int
    ctime_ns: int = 0
    inode: int = 0

    def matches(self, known: "Stamp") -> bool:
        """Whether a file that looks like this now may be the one that looked like ``known``.

        Where this file system has no inodes, size and time of change decide. Where it has, a ``known`` without them
        does not match.
        """
        return self == known or (not self.inode and self[:2] == known[:2])


def stamp_of(path: str | os.PathLike[str], stat: os.stat_result | None = None) -> Stamp:
    """Take a quick look at a file; ``stat`` is its status where a caller has it already.

    Raises
    ------
    OSError
        The system refuses.
    """
    now = stat or os.stat(path)
    if os.name == "nt" or not _has_inodes(now.st_dev, path):
        return Stamp(now.st_size, now.st_mtime_ns)
    return Stamp(now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino)


_known_devices: dict[int, bool] = {}


def _has_inodes(device: int, path: str | os.PathLike[str]) -> bool:
    """Whether the file system of a device, which holds the path, has inodes that last."""
    if device not in _known_devices:
        _known_devices[device] = _lasting(_file_system(os.path.realpath(path)))
    return _known_devices[device]


def _lasting(kind: str) -> bool:
    return kind not in _WITHOUT_INODES and (not kind.startswith("fuse") or kind == _LOCAL_FUSE)


def _file_system(path: str) -> str:
    """Name the kind of file system that a path is on; "" where the system does not say."""
    mounts = _mounts()
    while path not in mounts:
        path, before = os.path.dirname(path), path
        if path == before:
            return ""
    return mounts[path]


@functools.cache
def _mounts() -> dict[str, str]:
    """Where file systems are mounted, and of which kind they are."""
    import psutil

    try:
        return {part.mountpoint: part.fstype.lower() for part in psutil.disk_partitions(all=True)}
    except OSError:  # no /proc here
        return {}
