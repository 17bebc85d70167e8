"""SHA-256 of files of weights, remembered in mirkit's cache, so that a file is read again only if it has changed.

A file has changed if its stamp differs: size, times and inode, as for audio files
(:class:`~mirkit.store.digests.Stamp`).
"""

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from mirkit.errors import MirkitError, WeightsError, system_errors
from mirkit.models.caches import cache
from mirkit.store import FileDigest, atomic_write, digest_of_text, file_digest, stamp_of

_known: dict[Path, FileDigest] = {}


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, which is read again only if it has changed.

    Raises
    ------
    MirkitError
        It cannot be read.
    """
    path = path.absolute()
    with system_errors(path, "read"):
        path.stat()
    before = _known.get(path) or _stored(path)
    digest = file_digest(path, before)
    _known[path] = digest
    if digest is not before:
        _store(path, digest)
    return digest.sha256


def move(source: Path, target: Path) -> None:
    """Move a file within its file system; its checksum stays known."""
    sha256 = checksum(source)
    os.replace(source, target)
    forget(source)
    stamp = stamp_of(target)
    digest = FileDigest(stamp.size, sha256, *stamp[1:])
    _known[target.absolute()] = digest
    _store(target.absolute(), digest)


def hash_again(path: Path) -> str:
    """Read a file, whatever is remembered, and return its SHA-256."""
    forget(path)
    return checksum(path)


def matches(path: Path, expected: str) -> bool:
    """Return whether a file has a checksum: a SHA-256, or for small files the SHA-1 that Git gives them.

    Raises
    ------
    MirkitError
        The file cannot be read.
    """
    if len(expected) == 64:
        return checksum(path) == expected
    with system_errors(path, "read"):
        content = path.read_bytes()
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content, usedforsecurity=False).hexdigest() == expected


def is_checksum(text: str) -> bool:
    """Return whether a text is a checksum that :func:`matches` understands."""
    return len(text) in (40, 64) and not set(text) - set("0123456789abcdef")


def forget(path: Path) -> None:
    """Remove what is remembered about a file."""
    _known.pop(path.absolute(), None)
    with suppress(WeightsError, OSError):
        _note(path.absolute()).unlink(missing_ok=True)


def _note(path: Path) -> Path:
    return cache() / "checksums" / f"{digest_of_text(str(path)).sha256[:32]}"


def _stored(path: Path) -> FileDigest | None:
    try:
        sha256, size, mtime, ctime, inode = _note(path).read_text().split()[:5]
        return FileDigest(int(size), sha256, int(mtime), int(ctime), int(inode))
    except (WeightsError, OSError, ValueError):  # nothing, or nothing useful, is stored
        return None


def _store(path: Path, digest: FileDigest) -> None:
    stamp = " ".join(map(str, digest.stamp))
    with suppress(MirkitError, OSError):  # with a read-only cache, the next process reads the file again
        _note(path).parent.mkdir(parents=True, exist_ok=True)
        text = f"{digest.sha256} {stamp}\n{path}\n"
        atomic_write(_note(path), text.encode("utf-8", "surrogateescape"))
