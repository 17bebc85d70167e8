"""Which content a file had when something was measured on it."""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from mirkit.errors import MissingInput
from mirkit.store.os_errors import as_error, printable
from mirkit.store.stamp import Stamp, stamp_of


@dataclass(frozen=True)
class FileDigest:
    """Identity of a file's content. Two are equal when the contents are; the rest is how the file looked.

    Attributes
    ----------
    size : int
        Bytes.
    sha256 : str
        Hash of the content, hexadecimal.
    mtime_ns, ctime_ns, inode : int
        See :class:`Stamp`. With the size they tell that it is the same file still, without reading it.
    """

    size: int
    sha256: str
    mtime_ns: int = field(default=0, compare=False)
    ctime_ns: int = field(default=0, compare=False)
    inode: int = field(default=0, compare=False)

    @property
    def stamp(self) -> Stamp:
        """How the file looked when it had this content."""
        return Stamp(self.size, self.mtime_ns, self.ctime_ns, self.inode)


def file_digest(path: Path, *known: FileDigest | None) -> FileDigest:
    """Fingerprint a file, without reading it where it looks as it did when its content was known.

    Parameters
    ----------
    path : Path
        The file.
    *known : FileDigest
        What it was at earlier times. The one whose stamp the file has is given back as it is. Where it has none of
        them its content is hashed once: the result, with the stamp of now, equals the one whose content it has.

    Raises
    ------
    MissingInput
        No such file.
    InfoError
        It cannot be read.
    """
    try:
        now = stamp_of(path)
        same = [print_ for print_ in known if print_ and now.matches(print_.stamp)]
        if same and all(print_ == same[0] for print_ in same):
            return same[0]
        return hash_file(path)
    except FileNotFoundError as error:
        raise MissingInput(f"{printable(path)}: no such file") from error
    except OSError as error:
        raise as_error(error, path, "read") from error


def hash_file(path: Path) -> FileDigest:
    """Read a whole file and fingerprint it. Raises OSError."""
    with open(path, "rb") as file:
        now = stamp_of(path, os.fstat(file.fileno()))  # before the content: what is written meanwhile shows next time
        return FileDigest(now.size, hashlib.file_digest(file, "sha256").hexdigest(), *now[1:])


def digest_of_text(text: str) -> FileDigest:
    """Fingerprint a text that is no file, such as a description found in a ``.INFO``."""
    return digest_of_bytes(text.encode("utf-8", "surrogatepass"))


def digest_of_bytes(data: bytes) -> FileDigest:
    """Fingerprint what is not yet a file."""
    return FileDigest(len(data), hashlib.sha256(data).hexdigest())
