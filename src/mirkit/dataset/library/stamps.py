"""Stamps of files and folders as bytes, which show without reading them that nothing has changed since."""

import hashlib
import os
import struct
import time
from operator import attrgetter

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


def has_file(stamp: bytes) -> bool:
    """Return whether a stamp is that of a file or folder that is there."""
    return stamp != _ABSENT


def has_inode(stamp: bytes) -> bool:
    """Return whether the time of the last change in a stamp cannot be set by a program."""
    return bool(_PACK.unpack(stamp)[3])


def row_stamps(prefix: bytes, base: bytes, mix: bytes) -> bytes:
    """Return the stamps of the sidecars and of the mix of a row; their paths begin with ``prefix``."""
    base = prefix + base
    return stamp(base + b".INFO") + stamp(base + b".PROVENANCE") + (stamp(prefix + mix) if mix else _ABSENT)


def settled(stamps: bytes) -> bytes:
    """Return the stamps, or ``UNSETTLED`` if a file has changed so recently that it might change unnoticed.

    Where no program can set the time of the last change of the status, that time decides; elsewhere that of the
    content does.
    """
    latest = (time.time() - MIN_AGE) * 1e9
    recent = any((ctime_ns or mtime_ns) > latest for _, mtime_ns, ctime_ns, _ in _PACK.iter_unpack(stamps))
    return UNSETTLED if recent else stamps


def folder_signature(folder: str) -> bytes:
    """Return a hash of the names and stamps of the visible entries of a folder; ``UNSETTLED`` if they may still change.

    It is also ``UNSETTLED`` if the folder cannot be listed.
    """
    named, numbers = list[str](), list[int]()
    latest = 0
    try:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=_name):
                if entry.name.startswith("."):
                    continue
                status = entry.stat()
                named.append(entry.name)
                numbers += (status.st_mode, status.st_size, status.st_mtime_ns)
                if has_stable_inodes(status.st_dev, folder):
                    numbers += (status.st_ctime_ns, status.st_ino)
                    latest = max(latest, status.st_ctime_ns)
                else:
                    latest = max(latest, status.st_mtime_ns)
    except OSError:
        return UNSETTLED
    if latest > (time.time() - MIN_AGE) * 1e9:
        return UNSETTLED
    content = "\0".join(named).encode("utf-8", "surrogatepass") + repr(numbers).encode()
    return hashlib.blake2b(content, digest_size=16).digest()


_name = attrgetter("name")
