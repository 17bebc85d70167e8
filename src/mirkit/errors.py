"""The errors of mirkit. A message says in one line what happened, with which file or track, and what to do."""

import errno
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class MirkitError(Exception):
    """Base class: mirkit reports it in one line, without a traceback, and the track or the command fails."""


class AudioError(MirkitError):
    """Audio cannot be opened, decoded or written, or an array is not valid audio."""


class InfoError(MirkitError):
    """A sidecar (``.INFO``, beat grid, feature series, provenance) cannot be read or written."""


class MissingInput(MirkitError):  # noqa: N818 (the name says what is wrong)
    """A file that a stage needs does not exist: a stem, a beat grid, a track."""


class MissingExtra(MirkitError):  # noqa: N818
    """A package that a backend needs is not installed, or a device is not available."""


class WeightsError(MirkitError):
    """Weights of a model are missing, damaged, or refused because of their license."""


class ModelError(MirkitError):
    """A model was loaded and could not compute, for instance because the GPU has no memory left."""


class SettingsError(MirkitError):
    """An option, an argument or a settings file is wrong: exit status 2."""


_FULL = "the disk is full; free some space and run the same command again"
_FORBIDDEN = "no permission; make the folder writable, or work on a copy of it"
_GONE = (
    "the file or its folder is gone; see whether it was moved or its disk unmounted, then run the same command again"
)
_WITHOUT_LOCKS = (
    "this file system cannot lock files; mount it with locks (NFS: a running lock service), or use a local disk"
)

#: Errors of file systems that cannot lock files at all.
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)

_REMEDY = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "the file is larger than this system allows; raise the limit (ulimit -f), or use another file system",
    errno.EROFS: "the disk is read-only; work on a copy of the folder",
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
    errno.EISDIR: "it is a folder, but a file is needed; name a file, or move the folder away",
    errno.ENOENT: _GONE,
    errno.ENOTDIR: _GONE,
    errno.ESTALE: _GONE,
    errno.ENODEV: _GONE,
    errno.ENAMETOOLONG: "the name is too long for this file system; give the file or folder a shorter name",
    **dict.fromkeys(NO_LOCKS, _WITHOUT_LOCKS),
    errno.EIO: "the disk reports an error; check the disk",
    errno.EMFILE: "too many open files; use fewer jobs, or raise the limit (ulimit -n)",
}

#: Error numbers for which the message contains a remedy.
REFUSED = frozenset(_REMEDY)


#: Where faults of mirkit are reported; for the placeholder OWNER see pyproject.toml.
ISSUES = "https://github.com/OWNER/mirkit/issues"


def unexpected(error: BaseException) -> str:
    """Return one line about an error that is a fault of mirkit, with what its user can do."""
    return f"{type(error).__name__}: {error} (a bug: report it at {ISSUES} with what mirkit doctor --report prints)"


def printable(path: Path | str) -> str:
    """Return a path as one printable line: newlines, control characters and stray bytes are escaped."""
    text = str(path)
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def pasted(path: Path | str) -> str:
    """Return a path in quotes, as the part of a command that can be pasted into a shell.

    Nothing in a name is run: in double quotes, a POSIX shell would run what a stranger's folder calls itself.
    """
    text = str(path)
    if sys.platform == "win32" or (text.isprintable() and not set(text) & set('"$`\\!')):
        return f'"{text}"'
    if text.isprintable():
        return shlex.quote(text)
    escaped = "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b"\\'" else f"\\x{byte:02x}" for byte in os.fsencode(text)
    )
    return f"$'{escaped}'"  # as bash and zsh read it


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, e.g. ``1 copy``, ``2 copies``."""
    if count == 1:
        return f"1 {noun}"
    return f"{count} {noun[:-1]}ies" if noun.endswith("y") else f"{count} {noun}s"


def megabytes(size: int) -> str:
    """Return a size in MB or GB."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(size / 1e6, 0.1):.3g} MB"


def as_error(error: OSError, path: Path, doing: str) -> InfoError:
    """Turn an error of the system into an :class:`InfoError` with one line.

    Parameters
    ----------
    error : OSError
        The error.
    path : Path
        The file or folder that it concerns.
    doing : str
        What was attempted, a verb: ``"write"``, ``"read"``, ``"lock"``, ``"move"``.
    """
    remedy = _REMEDY.get(error.errno or 0, error.strerror or type(error).__name__)
    if doing == "read" and remedy == _FORBIDDEN:
        remedy = "no permission; make it readable"
    return InfoError(f"{printable(path)}: cannot {doing}: {remedy}")


@contextmanager
def system_errors(path: Path, doing: str, error: type[MirkitError] = InfoError) -> Iterator[None]:
    """Turn an error of the system in the block into a :class:`MirkitError` with one line, see :func:`as_error`."""
    try:
        yield
    except OSError as cause:
        raise error(str(as_error(cause, path, doing))) from cause
