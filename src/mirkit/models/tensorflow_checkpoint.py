"""Reads TensorFlow's checkpoints without TensorFlow: an index (a LevelDB table) and a file with all numbers.

*Source*: ``tensorflow/core/util/tensor_bundle`` and ``table_format.txt`` of LevelDB. Compressed tables, and checkpoints
in several files, are refused.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mirkit.errors import WeightsError, printable
from mirkit.models.protobuf import fields, varint

_MAGIC = 0xDB4775248B80FB57
#: Bytes of the footer, which ends with the magic number, and of the numbers of a block.
_FOOTER, _NUMBER = 48, 4
# Numbers of the fields of a BundleEntryProto, of its shape, and the element type that networks use.
_TYPE, _SHAPE, _SHARD, _OFFSET, _SIZE = 1, 2, 3, 4, 5
_DIMENSION, _LENGTH = 2, 1
_FLOAT = 1


def read_checkpoint(index: Path, data: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Read the arrays of a checkpoint.

    Parameters
    ----------
    index, data : Path
        The files ``*.index`` and ``*.data-00000-of-00001``.

    Returns
    -------
    dict
        Name of a variable -> array; variables of another type than float32 are left out.

    Raises
    ------
    WeightsError
        The files cannot be read, or are no such checkpoint.
    """
    try:
        table, numbers = memoryview(index.read_bytes()), memoryview(data.read_bytes())
    except OSError as error:
        raise WeightsError(f"{printable(index.parent)}: cannot be read: {error.strerror}") from error
    try:
        entries = [(name, _entry(value)) for name, value in _rows(table) if name]
        return {name: _array(entry, numbers) for name, entry in entries if entry[_TYPE] == _FLOAT}
    except (ValueError, IndexError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise WeightsError(
            f"{printable(index.parent)}: this is not a TensorFlow checkpoint, or it is damaged"
        ) from error


def _rows(table: memoryview) -> Iterator[tuple[str, memoryview]]:
    """Yield names and values of a table."""
    footer = table[-_FOOTER:]
    if len(footer) < _FOOTER or int.from_bytes(footer[-8:], "little") != _MAGIC:
        raise ValueError("no LevelDB table")
    at = 0
    for _ in range(2):  # the block of other properties, which is not needed
        _, at = varint(footer, at)
    for _, handle in _block(table, footer[at:]):
        for name, value in _block(table, handle):
            yield name.decode(), value


def _block(table: memoryview, handle: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the entries of a block: the beginning that a key shares with the one before is stored once."""
    start, at = varint(handle, 0)
    size, _ = varint(handle, at)
    block = table[start : start + size]
    if len(block) < size or table[start + size]:
        raise ValueError("cut off or compressed")
    restarts = int.from_bytes(block[-_NUMBER:], "little")
    end = size - _NUMBER * (restarts + 1)
    at, key = 0, b""
    while at < end:
        shared, at = varint(block, at)
        own, at = varint(block, at)
        length, at = varint(block, at)
        key = key[:shared] + bytes(block[at : at + own])
        yield key, block[at + own : at + own + length]
        at += own + length


def _entry(value: memoryview) -> dict[int, Any]:
    entry: dict[int, Any] = {_TYPE: 0, _SHAPE: (), _SHARD: 0, _OFFSET: 0, _SIZE: 0}
    for number, content in fields(value):
        entry[number] = _shape(content) if number == _SHAPE else content
    if entry[_SHARD]:
        raise ValueError("several files")
    return entry


def _shape(value: memoryview) -> tuple[int, ...]:
    sizes = [dict(fields(content)).get(_LENGTH, 0) for number, content in fields(value) if number == _DIMENSION]
    return tuple(int(size) for size in sizes)


def _array(entry: dict[int, Any], numbers: memoryview) -> npt.NDArray[np.float32]:
    start, size = entry[_OFFSET], entry[_SIZE]
    if start + size > len(numbers):
        raise ValueError("cut off")
    array: npt.NDArray[np.float32] = np.frombuffer(numbers[start : start + size], "<f4").reshape(entry[_SHAPE])
    return array
