"""What FFmpeg does not tell of a file: how long a wav says it is, and whether an ogg was cut."""

import os
from pathlib import Path
from typing import BinaryIO

# 0 and sizes near 2**32 are what a writer leaves that could not go back to fill the size in.
_LARGEST_SIZE = 0xFFFFFF00
_WAV = (b"RIFF", b"RF64", b"RIFX")
_OGG_TAIL = 1 << 17  # a page is never longer than half of this
_END_OF_STREAM = 4


def is_wav(path: Path) -> bool:
    """Whether the file begins as a wav does."""
    with open(path, "rb") as file:
        return file.read(4) in _WAV


def wav_frames(path: Path) -> int | None:
    """Frames that the ``data`` chunk of a wav promises; None where it promises nothing.

    FFmpeg counts what is there, so that to it a cut wav is whole.
    """
    with open(path, "rb") as file:
        kind = file.read(12)[:4]
        if kind not in _WAV:
            return None
        return _frames(file, "big" if kind == b"RIFX" else "little", long=kind == b"RF64")


def ogg_ends(path: Path) -> bool:
    """Whether the last page of an ogg file says that it is the last."""
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _OGG_TAIL))
        tail = file.read()
    last = tail.rfind(b"OggS")
    return last < 0 or any(flags & _END_OF_STREAM for flags in tail[last + 5 : last + 6])


def _frames(file: BinaryIO, order: str, *, long: bool) -> int | None:
    data_size = block = 0
    while len(header := file.read(8)) == 8:
        name, size = header[:4], _number(header[4:], order)
        if name == b"data":
            size = data_size if long else size
            return size // block if block and size and (long or size < _LARGEST_SIZE) else None
        body = file.read(min(size, 64))
        if name == b"ds64":
            data_size = _number(body[8:16], order)
        elif name == b"fmt ":
            block = _number(body[12:14], order)
        file.seek(size + (size & 1) - len(body), os.SEEK_CUR)
    return None


def _number(data: bytes, order: str) -> int:
    return int.from_bytes(data, "big" if order == "big" else "little")
