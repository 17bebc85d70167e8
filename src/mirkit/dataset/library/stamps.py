"""Stamps of files and folders as bytes, which show without reading them that nothing has changed since."""

import os
import struct
import time

from mirkit.store import has_stable_inodes

#: A file that changed less than this many seconds ago may change again with the same stamp: clocks are coarse.
MIN_AGE = 2.0
#: The stamp of what has to be looked at again; no file has it.
UNSETTLED = b""
_PACK = struct.Struct("<qqqQ")
_ABSENT = bytes(_PACK.size)


def stamp(path: bytes) -> bytes:
    """Return the stamp of a file or folder; zeros if there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return _ABSENT
    if not has_stable_inodes(status.st_dev, path):
        return _PACK.pack(status.st_size, status.st_mtime_ns, 0, 0)
    return _PACK.pack(status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)


def has_inode(stamp: bytes) -> bool:
    """Return whether the time of the last change in a stamp cannot be set by a program."""
    return bool(_PACK.unpack(stamp)[3])


def sidecar_stamps(base: bytes) -> bytes:
    """Return the stamps of the ``.INFO`` and of the ``.PROVENANCE`` with a path without its suffix."""
    return stamp(base + b".INFO") + stamp(base + b".PROVENANCE")


def settled(stamps: bytes) -> bytes:
    """Return the stamps, or ``UNSETTLED`` if a file has changed so recently that it might change unnoticed.

    Where no program can set the time of the last change of the status, that time decides; elsewhere that of the
    content does.
    """
    latest = (time.time() - MIN_AGE) * 1e9
    recent = any((ctime_ns or mtime_ns) > latest for _, mtime_ns, ctime_ns, _ in _PACK.iter_unpack(stamps))
    return UNSETTLED if recent else stamps
