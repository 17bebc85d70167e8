"""Whether a file can be removed without loss, because another file has the same content."""

import filecmp
import os
import stat
import unicodedata
from pathlib import Path


def is_redundant(path: Path, other: Path) -> bool:
    """Return whether ``path`` can be removed without loss, because ``other`` has the same content.

    ``other`` must be a regular file itself, not a link to one, with the same content; or both are symbolic links that
    lead to the same third file. Two paths to one directory entry (a folder that is linked into itself, a disk that does
    not distinguish upper and lower case) are one file, not two.

    Raises
    ------
    OSError
        One of them does not exist or cannot be read.
    """
    here, there = path.lstat(), other.lstat()
    if stat.S_ISLNK(here.st_mode) and stat.S_ISLNK(there.st_mode):
        return _are_like_links(path, other)
    if not stat.S_ISREG(there.st_mode):
        return False
    if stat.S_ISLNK(here.st_mode):
        return not _is_entry(path, other) and _same_content(path, other)
    if not stat.S_ISREG(here.st_mode):
        return False
    if os.path.samestat(here, there):
        return there.st_nlink > 1 and not _is_entry(path, other)
    return _same_content(path, other)


def links_to(link: Path, path: Path) -> bool:
    """Return whether ``link`` is a symbolic link to ``path``, which is not a link itself."""
    return link.is_symlink() and not path.is_symlink() and os.path.realpath(link) == os.path.realpath(path)


def _are_like_links(path: Path, other: Path) -> bool:
    """Return whether two links lead to the same file, and neither of them passes through the other."""
    end = os.path.realpath(path)
    if _is_entry(path, other) or not os.path.isfile(end) or end != os.path.realpath(other):
        return False
    return not (_passes(path, other) or _passes(other, path))


def _passes(link: Path, other: Path) -> bool:
    """Whether the chain of links from ``link`` contains ``other``."""
    at = link
    for _ in range(40):  # the largest chain of links that operating systems allow
        if not at.is_symlink():
            return False
        at = Path(os.path.normpath(at.parent.resolve() / os.readlink(at)))
        if _is_entry(at, other):
            return True
    return True


def _is_entry(one: Path, other: Path) -> bool:
    """Whether two paths may be the same entry of the same folder."""
    if _folded(one.name) != _folded(other.name):
        return False
    try:
        return os.path.samestat(one.parent.stat(), other.parent.stat())
    except OSError:
        return True  # it is not certain that they are two entries


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _same_content(one: Path, other: Path) -> bool:
    return one.stat().st_size == other.stat().st_size and filecmp.cmp(one, other, shallow=False)
