"""Names, reading and writing of sidecars: bounded reads, valid JSON, merges under a lock, the root of a data set.

A data set may come from someone else. A sidecar that is a link out of the data set is not read, because the user's file
would become part of the data set, and it is not written through or replaced.
"""

import errno
import json
import math
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from mirkit.errors import InfoError, as_error, printable, system_errors
from mirkit.store import atomic

#: Suffixes of audio files; case is ignored.
AUDIO_SUFFIXES = (
    *(".flac", ".wav", ".mp3", ".ogg", ".m4a", ".opus", ".aiff", ".aif", ".aac", ".aifc", ".caf", ".m4b", ".mka"),
    *(".mp4", ".oga", ".w64", ".wave", ".webm", ".ape", ".wv", ".wma", ".tta", ".ac3", ".eac3", ".mp2", ".dsf"),
)

#: Kinds of sidecars of a track, which are named ``<base>.<kind>``.
SIDECARS = ("INFO", "BEATS_GRID", "ONSETS", "SECTIONS", "CHORDS", "CURVES.npz", "PROVENANCE")

#: Endings of the names of a track's MIDI files, in its folder or beside a loose file.
MIDI_ENDINGS = ("drums.mid", "_adtof.mid")

#: Settings file in the root of a data set.
SETTINGS_NAME = "mirkit.toml"


def find_root(path: Path, *, batch: bool = False) -> Path:
    """Find the root of the data set that a track, or a folder of tracks, belongs to.

    It is the nearest folder upwards with a ``mirkit.toml``; without one, the folder that contains the track, or the
    folder of tracks itself. A clip belongs to the data set of its source.

    Parameters
    ----------
    path : Path
        A track's folder or a loose audio file; with ``batch`` a folder of tracks.
    batch : bool
        Whether ``path`` contains tracks instead of being one.

    Returns
    -------
    Path
        Absolute path of the root.
    """
    start = Path(path).absolute()
    if not batch:
        start = start.parent.parent.parent if start.parent.name == "crops" else start.parent
    for folder in (start, *start.parents):
        settings = folder / SETTINGS_NAME
        if settings.is_file() or settings.is_symlink():  # a broken link is not skipped: reading it reports it
            return folder
    return start


def is_inside(root: Path, folder: Path) -> bool:
    """Return whether mirkit's own folder, relative to the root of a data set, is in it and not where a link leads."""
    return Path(os.path.realpath(root / folder)) == Path(os.path.realpath(root), folder)


JsonValue: TypeAlias = "str | int | float | bool | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
JsonObject: TypeAlias = dict[str, JsonValue]

#: Largest sidecar that is read (bytes).
MAX_BYTES = 64 * 2**20
#: Largest number of bits of an integer that a float can represent.
_MOST_BITS = 1024


class DamagedFileError(InfoError):
    """A sidecar exists but has the wrong content."""


class NewerFormatError(InfoError):
    """A sidecar was written by a newer version of mirkit; it is neither used nor replaced."""


class OutsideLinkError(InfoError):
    """A sidecar is a link to a file outside the data set."""


def read_bounded(path: Path, limit: int = MAX_BYTES, *, follow: bool = False) -> bytes | None:
    """Read a whole file of limited size; None if it does not exist.

    Parameters
    ----------
    path : Path
    limit : int
        Largest allowed size in bytes.
    follow : bool
        Whether the path may be a link to any place, because it is the user's own file and not one of a data set.

    Raises
    ------
    DamagedFileError
        The file is larger than ``limit`` bytes or not a regular file.
    OutsideLinkError
        The path is a link that leads out of the data set.
    InfoError
        The file cannot be read.
    """
    try:
        with open_regular(path, follow=follow) as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise as_error(error, path, "read") from error
    if len(data) > limit:
        raise DamagedFileError(
            f"{printable(path)}: the file is larger than {limit / 2**20:.0f} MiB, so mirkit did "
            "not write it; move it away"
        )
    return data


def open_regular(path: Path, *, follow: bool = False) -> BinaryIO:
    """Open a regular file for reading. A pipe in its place is refused, because reading it may never return.

    Raises
    ------
    DamagedFileError
        It is a pipe, a device or a folder.
    OutsideLinkError
        The path is a link that leads out of the data set, and ``follow`` is false.
    OSError
        The system refused.
    """
    try:
        if not follow and not _NO_FOLLOW and path.is_symlink():  # Windows
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        file = open(path, "rb", opener=_open_non_blocking if follow else _open_without_links)  # noqa: SIM115 (the caller closes it)
    except OSError as error:
        if follow or error.errno not in (errno.ELOOP, errno.EMLINK) or not path.is_symlink():
            raise
        check_stays_inside(path)
        # Open the file that was checked, even if the link is changed in between.
        file = open(os.path.realpath(path), "rb", opener=_open_without_links)  # noqa: SIM115
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise DamagedFileError(f"{printable(path)}: this is not a regular file; move it away")


def check_stays_inside(path: Path) -> None:
    """Refuse a sidecar that is a link to a file that may be the user's own.

    Allowed are links to a file in the same folder, and to a sidecar of the same kind elsewhere in the data set. The
    kind is compared because a data set may hold more than tracks: if a track lies in the user's home folder, the whole
    home folder is the data set. The path to the folder may contain links, to the data set or to a track that the user
    linked into it.

    Raises
    ------
    OutsideLinkError
        The link leads elsewhere.
    """
    if not path.is_symlink():
        return
    path = path.absolute()
    home, target = Path(os.path.realpath(path.parent)), Path(os.path.realpath(path))
    if target.is_relative_to(home) and not any(part.startswith(".") for part in target.relative_to(home).parts[:-1]):
        return
    # A sidecar in a track folder has the name of the folder; the data set then begins above it.
    in_folder = path.name.startswith(f"{path.parent.name}.")
    kind = path.name.removeprefix(path.parent.name) if in_folder else path.suffix
    inside = target.is_relative_to(os.path.realpath(find_root(path.parent if in_folder else path)))
    if inside and target.name.endswith(kind):
        return
    what = (
        f"a link to {printable(target)}, which is no {kind}"
        if inside
        else f"a link out of the data set, to {printable(target)}"
    )
    raise OutsideLinkError(
        f"{printable(path)}: {what}; it is not read or written: put the file itself in its place, or remove the link"
    )


#: 0 if the system has no such flag.
_NO_FOLLOW: int = getattr(os, "O_NOFOLLOW", 0)


def _open_non_blocking(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _open_without_links(path: str, flags: int) -> int:
    return _open_non_blocking(path, flags | _NO_FOLLOW)


def write_sidecar(path: Path, data: bytes, *, lasting: bool = True) -> None:
    """Write ``data`` to ``path`` atomically; a link out of the data set is left alone. See ``atomic_file``.

    Raises
    ------
    OutsideLinkError
        The path is such a link.
    InfoError
        The system refused.
    """
    check_stays_inside(path)
    atomic.atomic_write(path, data, lasting=lasting)


def merge(
    path: Path, change: Callable[[bytes | None], bytes], limit: int = MAX_BYTES, *, lasting: bool = True
) -> bytes:
    """Replace the content of a sidecar under the lock of its folder.

    If nothing changes, nothing is written and no lock is taken.

    Parameters
    ----------
    path : Path
    change : callable
        Receives the present content (None if there is no file) and returns the new one. If it raises
        :class:`DamagedFileError`, the file is renamed to ``<name>.unreadable-<n>``, and ``change`` is called with None.
    limit : int
        Largest allowed size in bytes.
    lasting : bool
        See ``atomic_file``.

    Returns
    -------
    bytes
        The new content.
    """
    with suppress(DamagedFileError):  # read again under the lock, whose holder may be replacing it
        data = read_bounded(path, limit)
        if data is not None and change(data) == data:
            return data
    with atomic.lock(path.parent):
        try:
            data = read_bounded(path, limit)
            new = change(data)
        except DamagedFileError:
            _set_aside(path)
            data, new = None, change(None)
        if new != data:
            write_sidecar(path, new, lasting=lasting)
    return new


def _set_aside(path: Path) -> None:
    with system_errors(path, "set aside"):
        path.rename(atomic.free_name(path, "unreadable"))


def parse_object(data: bytes, path: Path) -> JsonObject:
    """Parse a JSON object in UTF-8, with or without byte order mark, UTF-16 or UTF-32.

    ``NaN``, ``Infinity`` and numbers that no float can hold become None.

    Raises
    ------
    DamagedFileError
        The data is not JSON or not an object.
    """
    try:
        value = loads(data)
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(
            f"{printable(path)}: the file cannot be read as JSON; repair it, or move it away"
        ) from error
    if not isinstance(value, dict):
        raise DamagedFileError(
            f"{printable(path)}: the file holds JSON, but not an object of keys and values; repair it, or move it away"
        )
    return value


def read_object(path: Path) -> JsonObject:
    """Read a JSON object from a file; an absent file is empty. Raises as ``read_bounded`` and ``parse_object``."""
    data = read_bounded(path)
    return {} if data is None else parse_object(data, path)


def check_format(content: Mapping[str, JsonValue], known: int, path: Path) -> None:
    """Check the format number of a sidecar. Files without one have format 0, as older versions wrote none.

    Raises
    ------
    NewerFormatError
        The number is higher than ``known``, so the content may have another meaning.
    DamagedFileError
        The format is not a number.
    """
    number = content.get("format", 0)
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise DamagedFileError(f"{printable(path)}: its format is {number!r}, which is no number; move the file away")
    if number > known:
        raise NewerFormatError(
            f"{printable(path)}: a newer version of mirkit wrote this file in format {number}, so it is kept as it is; "
            f"this version knows formats up to {known}: update mirkit"
        )


def encode_object(content: Mapping[str, JsonValue], levels: int = 1) -> bytes:
    """Serialize a JSON object in ASCII, in its own order; the same content gives the same bytes.

    Parameters
    ----------
    content : mapping
        The object.
    levels : int
        Depth down to which each key has a line of its own.

    Raises
    ------
    ValueError
        A number is NaN or infinite.
    DamagedFileError
        The object is nested too deeply.
    """
    try:
        return (_lines(content, levels, "") + "\n").encode("ascii")
    except RecursionError as error:
        raise DamagedFileError("JSON nested too deeply to be written") from error


def _lines(value: JsonValue, levels: int, indent: str) -> str:
    if levels == 0 or not isinstance(value, Mapping) or not value:
        return json.dumps(value, allow_nan=False)
    inner = indent + "  "
    rows = (f"{inner}{json.dumps(key)}: {_lines(below, levels - 1, inner)}" for key, below in value.items())
    return "{\n" + ",\n".join(rows) + f"\n{indent}}}"


def loads(data: bytes) -> Any:
    """Parse JSON; NaN and numbers that no float can hold become None. Raises ValueError, RecursionError."""
    return json.loads(data, parse_constant=lambda token: None, parse_float=_finite, parse_int=_integer)


def _integer(text: str) -> int | None:
    """Parse an integer; None if no float can hold it."""
    value = int(text)
    return value if value.bit_length() < _MOST_BITS else None


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None
