"""What all sidecars share: a bounded read, JSON that is always valid, and a merge that loses nothing.

A data set may come from a stranger. A sidecar in it that is a link to a file elsewhere is neither read, or the user's
file would become part of the data set, nor written through, nor replaced.
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

from mirkit.errors import InfoError
from mirkit.store import atomic
from mirkit.store.dataset_root import find_root
from mirkit.store.os_errors import as_error, printable

JsonValue: TypeAlias = "str | int | float | bool | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
JsonObject: TypeAlias = dict[str, JsonValue]

#: A sidecar beyond this is none of ours (bytes).
MAX_BYTES = 64 * 2**20
#: A whole number of so many bits is too large for a float.
_MOST_BITS = 1024


class DamagedFileError(InfoError):
    """A sidecar is there, but its content is not what it should be."""


class NewerFormatError(InfoError):
    """A sidecar was written by a newer version of mirkit; it is neither used nor replaced."""


class LeadsOut(InfoError):  # noqa: N818 (reads as what it says)
    """A sidecar is a link to a file outside the data set."""


def read_bounded(path: Path, limit: int = MAX_BYTES, *, follow: bool = False) -> bytes | None:
    """Give the whole content, or None where there is no such file.

    Parameters
    ----------
    path : Path
    limit : int
        Bytes that it may have.
    follow : bool
        Whether it may be a link to anywhere: the user's own file, not one of a data set.

    Raises
    ------
    Damaged
        It is larger than ``limit`` bytes, or no regular file.
    LeadsOut
        It is a link that leads out of the data set.
    InfoError
        The system does not let us read it.
    """
    try:
        with open_plain(path, follow=follow) as file:
            data = file.read(limit + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise as_error(error, path, "read") from error
    if len(data) > limit:
        raise DamagedFileError(
            f"{printable(path)}: larger than {limit / 2**20:.0f} MiB, so it is no file of mirkit; move it away"
        )
    return data


def open_plain(path: Path, *, follow: bool = False) -> BinaryIO:
    """Open a regular file to be read: a pipe that somebody put in its place would keep us waiting for ever.

    Raises
    ------
    Damaged
        It is something else: a pipe, a device.
    LeadsOut
        It is a link that leads out of the data set, and ``follow`` does not allow that.
    OSError
        The system refuses.
    """
    try:
        if not follow and not _NO_FOLLOW and path.is_symlink():  # Windows
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        file = open(path, "rb", opener=_without_waiting if follow else _without_links)  # noqa: SIM115 (the caller closes it)
    except OSError as error:
        if follow or error.errno not in (errno.ELOOP, errno.EMLINK) or not path.is_symlink():
            raise
        check_stays_inside(path)
        # The file that was looked at is the one that is read, even if the link is changed meanwhile.
        file = open(os.path.realpath(path), "rb", opener=_without_links)  # noqa: SIM115
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return file
    file.close()
    raise DamagedFileError(f"{printable(path)}: not a regular file; move it away")


def check_stays_inside(path: Path) -> None:
    """Refuse a sidecar that is a link to what may be a file of the user's own.

    It may lead to a file in its own folder, or to a sidecar of the same kind elsewhere in the data set. The kind counts
    because a track that lies in a home folder makes that folder the data set. The folder may itself be reached through
    links: that of the data set, or of a track that the user linked into it.

    Raises
    ------
    LeadsOut
        It leads elsewhere.
    """
    if not path.is_symlink():
        return
    path = path.absolute()
    home, target = Path(os.path.realpath(path.parent)), Path(os.path.realpath(path))
    if target.is_relative_to(home) and not any(part.startswith(".") for part in target.relative_to(home).parts[:-1]):
        return
    # A sidecar in a track's folder has the folder's name; the data set then begins above it.
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
    raise LeadsOut(
        f"{printable(path)}: {what}; it is not read or written: put the file itself in its place, or remove the link"
    )


#: 0 where the system has no such flag.
_NO_FOLLOW: int = getattr(os, "O_NOFOLLOW", 0)


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _without_links(path: str, flags: int) -> int:
    return _without_waiting(path, flags | _NO_FOLLOW)


def write_sidecar(path: Path, data: bytes) -> None:
    """Put ``data`` at ``path``, whole or not at all; a link out of the data set is left alone.

    Raises
    ------
    LeadsOut
        It is such a link.
    InfoError
        The system refused.
    """
    check_stays_inside(path)
    atomic.atomic_write(path, data)


def merge(path: Path, change: Callable[[bytes | None], bytes], limit: int = MAX_BYTES) -> bytes:
    """Replace a sidecar by what ``change`` makes of its content, one writer at a time.

    ``change`` gets the present content (None when there is no file) and gives the new one. It raises
    :class:`DamagedFileError` when it cannot read what is there: that file is then set aside as
    ``<name>.unreadable-<n>`` and ``change`` is asked again with None. Where nothing changes, nothing is
    written and no lock is taken.

    Returns
    -------
    bytes
        What the file now holds.
    """
    with suppress(DamagedFileError):  # looked at again under the lock: its holder may be about to mend it
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
            write_sidecar(path, new)
    return new


def _set_aside(path: Path) -> None:
    number = 1
    while os.path.lexists(aside := path.parent / f"{path.name}.unreadable-{number}"):
        number += 1
    try:
        path.rename(aside)
    except OSError as error:
        raise as_error(error, path, "set aside") from error


def parse_object(data: bytes, path: Path) -> JsonObject:
    """Read a JSON object; UTF-8 with or without byte order mark, UTF-16 and UTF-32 too.

    ``NaN``, ``Infinity`` and numbers too large to hold, which other programs write though JSON has none, become None:
    unknown is never a number.

    Raises
    ------
    Damaged
        Not JSON, or not an object.
    """
    try:
        value = loads(data)
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{printable(path)}: not readable as JSON; mend it, or move it away") from error
    if not isinstance(value, dict):
        raise DamagedFileError(
            f"{printable(path)}: JSON, but not an object of keys and values; mend it, or move it away"
        )
    return value


def check_format(content: Mapping[str, JsonValue], known: int, path: Path) -> None:
    """Look at the format number of a sidecar. A file without one is older than format numbers, and is format 0.

    Raises
    ------
    NewerFormatError
        The number is higher than ``known``: the meaning of the content is not known here.
    DamagedFileError
        It is no number.
    """
    number = content.get("format", 0)
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise DamagedFileError(f"{printable(path)}: its format is {number!r}, which is no number; move the file away")
    if number > known:
        raise NewerFormatError(
            f"{printable(path)}: written in format {number} by a newer version of mirkit, and left as it is; "
            f"this version knows formats up to {known}: update mirkit"
        )


def encode_object(content: Mapping[str, JsonValue], levels: int = 1) -> bytes:
    """Write a JSON object: ASCII, in the order given, the same bytes for the same content.

    Parameters
    ----------
    content : mapping
        What to write.
    levels : int
        How deep each key has a line of its own; below that, everything is on one line.

    Raises
    ------
    ValueError
        A number is NaN or infinite: an unknown is None.
    Damaged
        It is nested too deeply to be written.
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
    """Read JSON; a number that is none, or that no float can hold, is None. Raises ValueError, RecursionError."""
    return json.loads(data, parse_constant=lambda token: None, parse_float=_finite, parse_int=_whole)


def _whole(text: str) -> int | None:
    """Read a whole number of JSON; None where a float could not hold it."""
    value = int(text)
    return value if value.bit_length() < _MOST_BITS else None


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None
