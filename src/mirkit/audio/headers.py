"""What FFmpeg does not tell of a file: how long a wav says it is, whether an ogg was cut, an mp4's tempo tag."""

import os
from pathlib import Path
from typing import BinaryIO

# 0 and sizes near 2**32 are what a writer leaves that could not go back to fill the size in.
_LARGEST_SIZE = 0xFFFFFF00
#: What a wav begins with.
WAV = (b"RIFF", b"RF64")
_OGG_TAIL = 1 << 17  # a page is never longer than half of this
_END_OF_STREAM = 4


def magic(path: Path) -> bytes:
    """Read the first four bytes."""
    with open(path, "rb") as file:
        return file.read(4)


def wav_frames(path: Path) -> int | None:
    """Frames that the ``data`` chunk of a wav promises; None where it promises nothing.

    FFmpeg counts what is there, so that to it a cut wav is whole.
    """
    with open(path, "rb") as file:
        kind = file.read(12)[:4]
        return _frames(file, long=kind == b"RF64") if kind in WAV else None


def ogg_ends(path: Path) -> bool:
    """Whether the last page of an ogg file says that it is the last."""
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _OGG_TAIL))
        tail = file.read()
    last = tail.rfind(b"OggS")
    return last < 0 or any(flags & _END_OF_STREAM for flags in tail[last + 5 : last + 6])


def mp4_tempo(path: Path) -> int | None:
    """Beats a minute by the ``tmpo`` tag of an mp4; None where there is none."""
    with open(path, "rb") as file:
        end = os.fstat(file.fileno()).st_size
        for name in (b"moov", b"udta", b"meta", b"ilst", b"tmpo", b"data"):
            inner = _enter_box(file, end, name)
            if inner is None:
                return None
            end = inner
            if name == b"meta":  # a box with a version
                file.seek(4, os.SEEK_CUR)
        return int.from_bytes(file.read(16)[8:10], "big") or None  # behind its type and locale


def _enter_box(file: BinaryIO, end: int, name: bytes) -> int | None:
    """Go to the content of the next box of that name; return where it ends."""
    while (at := file.tell()) + 8 <= end:
        size, found = _big(file.read(4)), file.read(4)
        if size == 1:
            size = _big(file.read(8))
        after = end if size == 0 else at + size
        if (size and size < 8) or after > end:
            return None
        if found == name:
            return after
        file.seek(after)
    return None


def _frames(file: BinaryIO, *, long: bool) -> int | None:
    data_size = block = 0
    while len(header := file.read(8)) == 8:
        name, size = header[:4], _number(header[4:])
        if name == b"data":
            size = data_size if long else size
            return size // block if block and size and (long or size < _LARGEST_SIZE) else None
        body = file.read(min(size, 64))
        if name == b"ds64":
            data_size = _number(body[8:16])
        elif name == b"fmt ":
            block = _number(body[12:14])
        file.seek(size + (size & 1) - len(body), os.SEEK_CUR)
    return None


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _big(data: bytes) -> int:
    return int.from_bytes(data, "big")
