"""The text values in the header of a GGUF file, read in bounded time and memory.

A GGUF file begins with key-value pairs; the tensors follow. The file may come from anyone. Therefore each length in it
is checked against the size of the file and the bounds below before anything is read, and values that are not needed are
skipped.
"""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from mirkit.errors import WeightsError, printable, system_errors

MAGIC = b"GGUF"
#: Bounds: number of key-value pairs, array elements in total, bytes of a key, bytes of a text, bytes kept in total.
_PAIRS, _ELEMENTS, _KEY, _TEXT, _KEPT = 65_536, 2_000_000, 65_535, 65_536, 2**22
#: Type number -> bytes of a value; texts and arrays have lengths of their own.
_FIXED = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY = 8, 9
#: Largest nesting depth of arrays; real files have no nested arrays.
_DEPTH = 4


def read_texts(path: Path, beginnings: Sequence[str]) -> dict[str, str]:
    """Read the text values of a GGUF file whose keys have one of some prefixes.

    Parameters
    ----------
    path : Path
    beginnings : sequence of str
        Prefixes of the keys, such as ``general.``.

    Returns
    -------
    dict
        Key -> text. The texts of an array are joined by line breaks.

    Raises
    ------
    WeightsError
        The file cannot be read, is not a GGUF file or is truncated, or its header exceeds the bounds.
    """
    try:
        with system_errors(path, "read", WeightsError), open(path, "rb") as file:
            return _Header(file, path.stat().st_size).texts(tuple(beginnings))
    except _Damaged as error:
        raise WeightsError(f"{printable(path)}: the header of this GGUF file cannot be read: {error}") from error


class _Damaged(ValueError):  # noqa: N818 (a signal between two functions)
    """A header is damaged. The message is the reason, as one clause."""


class _Header:
    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file, self._left = file, size
        if self._take(4) != MAGIC:
            raise _Damaged("it does not begin as a GGUF file")
        raw = self._take(4)
        (version,) = struct.unpack("<I", raw)
        self._order = "<"
        if version & 0xFFFF == 0:  # a big-endian file
            (version,) = struct.unpack(">I", raw)
            self._order = ">"
        if version not in (1, 2, 3):
            raise _Damaged(f"its version is {version}; known are 1 to 3")
        self._length = "I" if version == 1 else "Q"  # version 1 has lengths of 32 bits
        self._elements, self._budget = _ELEMENTS, _KEPT

    def texts(self, beginnings: tuple[str, ...]) -> dict[str, str]:
        self._number(self._length)  # number of tensors
        pairs = self._number(self._length)
        if pairs > _PAIRS:
            raise _Damaged(f"it claims {pairs} values")
        found: dict[str, str] = {}
        for _ in range(pairs):
            key = self._text(_KEY)
            kind = self._number("I")
            wanted = key is not None and key.startswith(beginnings)
            value = self._value(kind, keep=wanted, depth=0)
            if key is not None and value:
                self._budget -= len(key)
                found[key] = "\n".join(value)
        return found

    def _value(self, kind: int, *, keep: bool, depth: int) -> list[str]:
        """Read a value; return the texts in it if ``keep`` is set."""
        if kind == _STRING:
            text = self._text(min(_TEXT, self._budget) if keep else 0)
            self._budget -= len(text or "") + 1 if keep else 0
            return [text] if text else []
        if kind != _ARRAY:
            self._skip(self._size_of(kind))
            return []
        if depth == _DEPTH:
            raise _Damaged("it nests arrays too deeply")
        inner, count = self._number("I"), self._number(self._length)
        if inner not in (_STRING, _ARRAY):
            self._skip(self._size_of(inner) * count)
            return []
        if count > self._elements:
            raise _Damaged(f"it claims an array of {count} elements")
        self._elements -= count
        texts: list[str] = []
        for _ in range(count):
            texts += self._value(inner, keep=keep, depth=depth + 1)
        return texts

    def _size_of(self, kind: int) -> int:
        if kind not in _FIXED:
            raise _Damaged(f"it has a value of the unknown type {kind}")
        return _FIXED[kind]

    def _text(self, most: int) -> str | None:
        """Read a text of at most ``most`` bytes; skip a longer one and return None."""
        length = self._number(self._length)
        if length > most:
            self._skip(length)
            return None
        return self._take(length).decode("utf-8", "replace")

    def _number(self, form: str) -> int:
        number: Any = struct.unpack(self._order + form, self._take(struct.calcsize(f"={form}")))[0]
        return int(number)

    def _take(self, count: int) -> bytes:
        self._spend(count)
        got = self._file.read(count)
        if len(got) < count:
            raise _Damaged("its end is missing")
        return got

    def _skip(self, count: int) -> None:
        self._spend(count)
        self._file.seek(count, 1)

    def _spend(self, count: int) -> None:
        if count > self._left:
            raise _Damaged("its end is missing")
        self._left -= count
