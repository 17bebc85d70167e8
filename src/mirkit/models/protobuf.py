"""Reads protobuf messages, the format of ONNX files and of TensorFlow's checkpoints, without their definitions."""

from collections.abc import Iterator
from typing import Any


def fields(data: memoryview) -> Iterator[tuple[int, Any]]:
    """Yield number and value of each field: an integer, or the bytes of a string, message or packed list.

    Raises
    ------
    ValueError, IndexError
        It is no such message.
    """
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = varint(data, at)
            yield number, value
            continue
        if kind == 2:
            size, at = varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError(kind)
        if at + size > len(data):
            raise ValueError(size)
        yield number, data[at : at + size]
        at += size


def varint(data: memoryview, at: int) -> tuple[int, int]:
    """Return the integer at a position, and the position after it."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError(shift)


def varints(data: memoryview) -> list[int]:
    """Return a packed list of integers, which may be negative."""
    numbers, at = [], 0
    while at < len(data):
        value, at = varint(data, at)
        numbers.append(value - 2**64 if value >= 2**63 else value)
    return numbers
