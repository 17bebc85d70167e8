"""Which content a file had when something was measured on it."""

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from mirkit.errors import MissingInput
from mirkit.store.mishap import mishap, shown


@dataclass(frozen=True)
class Fingerprint:
    """Identity of a file's content. Two are equal when the contents are: the time of change does not count.

    Attributes
    ----------
    size : int
        Bytes.
    sha256 : str
        Hash of the content, hexadecimal.
    mtime_ns : int
        When it was last changed, in nanoseconds: with the size, the cheap sign that it is the same file still.
    """

    size: int
    sha256: str
    mtime_ns: int = field(default=0, compare=False)


def fingerprint(path: Path, known: Fingerprint | None = None, stat: os.stat_result | None = None) -> Fingerprint:
    """Fingerprint a file, without reading it where its size and time of change are those already known.

    Parameters
    ----------
    path : Path
        The file.
    known : Fingerprint, optional
        What it was before. Given back as it is when size and time agree; when only the time differs the content is
        hashed, and the result equals ``known`` if the content does.
    stat : os.stat_result, optional
        Its status, where a folder scan has it already.

    Raises
    ------
    MissingInput
        No such file.
    InfoError
        It cannot be read.
    """
    try:
        if known is not None:
            now = stat or path.stat()
            if (now.st_size, now.st_mtime_ns) == (known.size, known.mtime_ns):
                return known
        with open(path, "rb") as file:
            now = os.fstat(file.fileno())  # before the content: what is written meanwhile shows next time
            return Fingerprint(now.st_size, hashlib.file_digest(file, "sha256").hexdigest(), now.st_mtime_ns)
    except FileNotFoundError as error:
        raise MissingInput(f"{shown(path)}: no such file") from error
    except OSError as error:
        raise mishap(error, path, "read") from error


def fingerprint_text(text: str) -> Fingerprint:
    """Fingerprint a text that is no file, such as a description found in a ``.INFO``."""
    return fingerprint_bytes(text.encode("utf-8", "surrogatepass"))


def fingerprint_bytes(data: bytes) -> Fingerprint:
    """Fingerprint what is not yet a file."""
    return Fingerprint(len(data), hashlib.sha256(data).hexdigest())
