"""``.CURVES.npz``: feature series, from which the features of any window are computed without decoding audio.

An ordinary ``.npz`` (``numpy.load`` opens it) whose entries are keyed ``source/kind/field``, for instance
``full_mix/loudness/energies``. A JSON entry ``header`` contains the format number of the file and, for each
``source/kind``, the data that its writer checks (digest, version, constants). No pickles are read or written, and the
same arrays give the same bytes.
"""

import io
import math
import re
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mirkit.errors import MissingInput, pasted, printable
from mirkit.store.sidecars import (
    DamagedFileError,
    JsonObject,
    JsonValue,
    check_format,
    encode_object,
    merge,
    parse_object,
    read_bounded,
)

Array = npt.NDArray[Any]

#: Version of the file, as docs/reference/format.md describes it. One without a number is format 0, which is otherwise
#: the same.
FORMAT = 1

_HEADER = "header.json"
_NPY = ".npy"

#: Largest content in bytes. Feature series of a ten-hour track with its stems take about 70 MiB.
MAX_CONTENT = 512 * 2**20
_MAX_ENTRIES = 4096

_KINDS = "biuf"
_WIDEST = 8
_EPOCH = (1980, 1, 1, 0, 0, 0)
_LEVEL = 6


def read_feature_series(path: Path, *prefixes: str) -> dict[str, Array]:
    """Read feature series, all of them or those whose key begins with one of ``prefixes``.

    Parameters
    ----------
    path : Path
        The ``.CURVES.npz``.
    *prefixes : str
        Leading parts of the key, e.g. ``"drums"`` or ``"full_mix/loudness"``.

    Returns
    -------
    dict of str to np.ndarray
        Key ``source/kind/field`` -> array.

    Raises
    ------
    MissingInput
        There is no such file.
    NewerFormatError
        A newer version of mirkit wrote the file, in a format that this version does not know.
    InfoError
        The file is damaged, larger than allowed, or contains anything but plain arrays of numbers.
    """
    with _open(path) as archive:
        _header(archive, path)  # raises if the file has a newer format
        keys = [key for name in archive.namelist() if (key := name.removesuffix(_NPY)) != name]
        chosen = [key for key in keys if not prefixes or any(_is_under(key, prefix) for prefix in prefixes)]
        return {key: _array(archive, key, path) for key in chosen}


def read_feature_series_header(path: Path) -> JsonObject:
    """Read the header: ``source/kind`` -> JSON. Raises as :func:`read_feature_series`."""
    with _open(path) as archive:
        return _header(archive, path)


def update_feature_series(
    path: Path,
    arrays: Mapping[str, npt.ArrayLike],
    drop_prefixes: Iterable[str] = (),
    header: Mapping[str, JsonValue] | None = None,
) -> None:
    """Merge feature series into a ``.CURVES.npz``, under the folder's lock and atomically.

    Parameters
    ----------
    path : Path
        The ``.CURVES.npz``, created if absent. An unreadable one is renamed.
    arrays : mapping
        Key ``source/kind/field`` -> array of numbers. The type is kept.
    drop_prefixes : iterable of str
        Entries under these leading parts are removed first, and their part of the header.
    header : mapping, optional
        Key ``source/kind`` -> JSON for the header.

    Raises
    ------
    InfoError
        The system refused, or a newer version of mirkit wrote the file.
    ValueError
        An array does not consist of plain numbers, or a key is malformed.
    """
    fresh = {_check_key(key): _encode(np.asarray(array)) for key, array in arrays.items()}
    gone = tuple(drop_prefixes)

    def change(data: bytes | None) -> bytes:
        kept: dict[str, bytes] = {}
        notes: JsonObject = {}
        if data is not None:
            with _archive(data, path) as archive:
                for key in (name.removesuffix(_NPY) for name in archive.namelist() if name.endswith(_NPY)):
                    _array(archive, key, path)  # raises an error if the entry is damaged
                    kept[key] = _content(archive, key + _NPY, path)
                notes = _header(archive, path)
        kept = {key: content for key, content in kept.items() if not any(_is_under(key, part) for part in gone)} | fresh
        notes = {key: note for key, note in notes.items() if not any(_is_under(key, part) for part in gone)}
        return _zip(kept, notes | dict(header or {}))

    merge(path, change, MAX_CONTENT)


def _zip(contents: Mapping[str, bytes], notes: JsonObject) -> bytes:
    """Pack in sorted order with a fixed date, so that the bytes depend on the content alone."""
    members = {_HEADER: encode_object({"format": FORMAT} | dict(sorted(notes.items())))}
    members |= {key + _NPY: contents[key] for key in sorted(contents)}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(name, _EPOCH)
            member.create_system = 3  # the same bytes on Windows
            member.external_attr = 0o644 << 16
            archive.writestr(member, content, zipfile.ZIP_DEFLATED, _LEVEL)
    return packed.getvalue()


def _encode(array: Array) -> bytes:
    if array.dtype.kind not in _KINDS or array.dtype.itemsize > _WIDEST:
        raise ValueError(f"feature series are plain numbers, not {array.dtype}")
    packed = io.BytesIO()
    little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")).reshape(array.shape)
    np.lib.format.write_array(packed, little, version=(1, 0), allow_pickle=False)
    return packed.getvalue()


def _open(path: Path) -> zipfile.ZipFile:
    data = read_bounded(path, MAX_CONTENT)
    if data is None:
        track = printable(path.parent)
        raise MissingInput(
            f"{printable(path)}: there are no feature series; compute them with: mirkit extract {pasted(track)}"
        )
    return _archive(data, path)


def _archive(data: bytes, path: Path) -> zipfile.ZipFile:
    """Open an archive and check its directory; zip bombs, encryption, other compression and duplicates are refused."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise _damaged(path, "not a zip archive") from error
    members = archive.infolist()
    if len(members) > _MAX_ENTRIES or sum(member.file_size for member in members) > MAX_CONTENT:
        raise _damaged(path, f"contains more than {MAX_CONTENT // 2**20} MiB or {_MAX_ENTRIES} entries")
    if len({member.filename for member in members}) < len(members):
        raise _damaged(path, "an entry exists twice")
    if any(member.flag_bits & 1 or member.compress_type not in (0, zipfile.ZIP_DEFLATED) for member in members):
        raise _damaged(path, "compressed in a way that mirkit does not use")
    return archive


def _content(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    try:
        return archive.read(name)  # never more bytes than the size in the directory
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError, OSError) as error:
        raise _damaged(path, f"entry {name!r} is damaged") from error


def _header(archive: zipfile.ZipFile, path: Path) -> JsonObject:
    if _HEADER not in archive.namelist():
        return {}
    header = parse_object(_content(archive, _HEADER, path), path)
    check_format(header, FORMAT, path)
    return {key: note for key, note in header.items() if key != "format"}


def _array(archive: zipfile.ZipFile, key: str, path: Path) -> Array:
    """Read one array, after checking that its header agrees with the size of its data."""
    file = io.BytesIO(_content(archive, key + _NPY, path))
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, by_column, dtype = read(file)
        body = file.read()
        if dtype.kind not in _KINDS or dtype.itemsize > _WIDEST:
            raise ValueError("not plain numbers")
        if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(body):
            raise ValueError("its header and its content disagree")
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError, OverflowError) as error:
        raise _damaged(path, f"entry {key!r} is not an array of numbers") from error
    return np.frombuffer(body, dtype).reshape(shape, order="F" if by_column else "C").copy()


def _check_key(key: str) -> str:
    if not re.fullmatch(r"\w+(/\w+)+", key, re.ASCII):
        raise ValueError(f"not a key of a feature series: {key!r}; it has the form source/kind/field")
    return key


def _is_under(key: str, prefix: str) -> bool:
    return key == prefix or key.startswith(prefix.rstrip("/") + "/")


def _damaged(path: Path, what: str) -> DamagedFileError:
    return DamagedFileError(f"{printable(path)}: {what}; remove the file, and mirkit writes it again")
