"""The texts of tags, as each format stores them: ID3, Vorbis comments, MP4, ASF, RIFF INFO, AIFF, APE."""

import io
import os
import stat
import struct
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from mirkit.audio.container import open_local
from mirkit.audio.text_encoding import MARKED, marked

#: Name of a field, in lower case -> its values. Bytes of an encoding that is not stated are marked.
RawTags = dict[str, list[str]]

#: Longest tag that is read; a field that is longer is left out.
_LARGEST = 1 << 24
_ID3V1_BYTES = 128
_APE_FOOTER_BYTES = 32
_COMPRESSED, _UNSYNCHRONIZED, _HAS_LENGTH, _ENCRYPTED = 0x08, 0x02, 0x01, 0x04
#: Identifiers of chunks of wav and aiff files with one text -> name of the field.
_CHUNKS = {
    b"INAM": "title",
    b"IART": "artist",
    b"IPRD": "album",
    b"IGNR": "genre",
    b"ICRD": "year",
    b"ITRK": "track",
    b"IPRT": "track",
    b"IBPM": "bpm",
    b"ICOP": "copyright",
    b"NAME": "title",
    b"AUTH": "artist",
    b"(c) ": "copyright",
}


def read_raw_tags(path: Path) -> RawTags:
    """Read the texts of a file's tags; fields that a damaged tag does not give are absent.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for ever
        return {}
    with open(path, "rb") as file:
        head = file.read(12)
        file.seek(0)
        if head[:4] in (b"RIFF", b"RF64", b"FORM"):
            return _merged(_chunk_tags(file, "<" if head[0:1] == b"R" else ">"))
        if head[4:8] == b"ftyp" or head[:4] in (b"OggS", b"fLaC", b"\x30\x26\xb2\x75"):
            return _tinytag(file)
        if head[:4] in (b"caff", b"riff", b"\x1a\x45\xdf\xa3"):
            return _ffmpeg(path)
        # All other formats (mp3, aac, wv, ape, tta, ...) have the tags of mp3, at either end of the file.
        id3 = id3_texts(file)
        if file.read(4) == b"fLaC":
            return _tinytag(file)
        return _merged([id3, _ape_tags(file), _id3v1(file)])


def _merged(sources: Iterable[RawTags]) -> RawTags:
    """Join tags; the first source that has a field decides it."""
    merged: RawTags = {}
    for source in sources:
        merged = source | merged
    return merged


def _tinytag(file: BinaryIO) -> RawTags:
    """Read a file whose tag states its encoding, or an ID3 tag, with tinytag."""
    from tinytag import TinyTag, TinyTagException

    file.seek(0)
    try:
        fields = TinyTag.get(file_obj=file, duration=False, encoding=MARKED).as_dict()
    except TinyTagException:
        return {}
    texts = {name: values for name, values in fields.items() if isinstance(values, list)}
    return {
        name: kept for name, values in texts.items() if (kept := [text for text in values if len(text) <= _LARGEST])
    }


def _ffmpeg(path: Path) -> RawTags:
    """Read the tags of the formats that only FFmpeg knows: Matroska, WebM, CAF, W64."""
    raw: RawTags = {}
    with open_local(path) as container:
        for metadata in (container.metadata, *(stream.metadata for stream in container.streams.audio)):
            for name, value in metadata.items():
                raw.setdefault(name.lower(), [marked(value.encode("utf-8", "surrogateescape"))])
    return raw


def _chunk_tags(file: BinaryIO, order: str) -> Iterator[RawTags]:
    """Read the chunks of a wav (``<``) or aiff file (``>``)."""
    own: RawTags = defaultdict(list)
    id3: RawTags = {}
    for name, size in _chunks(file, 12, order):
        if name == b"LIST" and size <= _LARGEST:
            listed = io.BytesIO(file.read(size))
            if listed.read(4) == b"INFO":
                for inner, length in _chunks(listed, 4, order):
                    _add_chunk(own, inner, listed.read(length))
        elif name in _CHUNKS and size <= _LARGEST:
            _add_chunk(own, name, file.read(size))
        elif name in (b"id3 ", b"ID3 "):
            id3 = id3_texts(file)
    yield id3  # programs that write both keep this one up to date, and it states its encodings
    yield own


def _chunks(file: BinaryIO, at: int, order: str) -> Iterator[tuple[bytes, int]]:
    """Yield name and size of each chunk, with the file at its content."""
    end = file.seek(0, os.SEEK_END)
    while at + 8 <= end:
        file.seek(at)
        name, size = struct.unpack(f"{order}4sI", file.read(8))
        if not (name.isascii() and name.decode().isprintable()):  # the sound of a stream that states no size
            return
        yield name, min(size, end - at - 8)
        at += 8 + size + (size & 1)


def _add_chunk(tags: RawTags, name: bytes, content: bytes) -> None:
    if name in _CHUNKS:
        tags[_CHUNKS[name]] += [marked(text) for text in content.split(b"\0") if text.strip()]


def id3_texts(file: BinaryIO) -> RawTags:
    """Read the texts of the ID3v2 tag at a file's position, and move to its end; without a tag, do not move.

    Frames that are split by unsynchronization, compressed, or of the wrong size notation of early iTunes, which
    tinytag does not know, are rewritten for it.
    """
    start = file.tell()
    head = file.read(10)
    if len(head) < 10 or head[:3] != b"ID3" or head[3] not in (2, 3, 4):
        file.seek(start)
        return {}
    size = _syncsafe(head[6:10])
    whole = head[3] < 4 and head[5] & 0x80
    body: BinaryIO = io.BytesIO(_synchronized(file.read(size))) if whole else file
    if head[5] & 0x40 and head[3] > 2:  # an extended header
        length = body.read(4).ljust(4, b"\0")
        body.seek(_syncsafe(length) - 4 if head[3] == 4 else int.from_bytes(length, "big"), os.SEEK_CUR)
    end = size if whole else start + 10 + size
    frames = b"".join(_text_frames(body, end, head[3]))
    file.seek(start + 10 + size + (10 if head[5] & 0x10 else 0))
    after = file.tell()
    # tinytag stops ten bytes before the end that the tag states.
    form = b"ID3" + bytes((head[3], 0, 0)) + _as_syncsafe(len(frames) + 10)
    texts = _tinytag(io.BytesIO(form + frames + bytes(20)))
    file.seek(after)
    return texts


def _text_frames(file: BinaryIO, end: int, version: int) -> Iterator[bytes]:
    """Yield the frames of an ID3v2 tag that hold texts, without unsynchronization and compression."""
    header = 6 if version == 2 else 10
    while file.tell() + header <= end and len(head := file.read(header)) == header:
        name = head[:3] if version == 2 else head[:4]
        if not name.strip(b"\0").isalnum():
            return
        size = int.from_bytes(head[3:6], "big") if version == 2 else int.from_bytes(head[4:8], "big")
        if version == 4 and not _follows(file, size, end):
            size = _syncsafe(head[4:8])
        after = file.tell() + size
        if after > end:
            return
        if size <= _LARGEST and (name[:1] in (b"T", b"W") or name in (b"USLT", b"ULT")):
            content = _plain(file.read(size), head[9] if version == 4 else 0)
            if version == 2:
                yield name + len(content).to_bytes(3, "big") + content
            elif version == 3:
                yield name + len(content).to_bytes(4, "big") + b"\0\0" + content
            else:
                yield name + _as_syncsafe(len(content)) + b"\0\0" + content
        file.seek(after)


def _follows(file: BinaryIO, size: int, end: int) -> bool:
    """Whether a frame, the padding or the end follows if the size of a frame is no syncsafe number (early iTunes)."""
    at = file.tell()
    if size < 128 or at + size > end:
        return False
    file.seek(at + size)
    name = file.read(4)
    file.seek(at)
    return at + size == end or name == bytes(4) or (len(name) == 4 and name.isalnum() and name.isupper())


def _plain(content: bytes, flags: int) -> bytes:
    """Undo what the flags of an ID3v2.4 frame state; an unreadable frame becomes empty."""
    if flags & _ENCRYPTED:
        return b""
    if flags & _HAS_LENGTH:
        content = content[4:]
    if flags & _UNSYNCHRONIZED:
        content = _synchronized(content)
    if flags & _COMPRESSED:
        try:
            content = zlib.decompressobj().decompress(content, _LARGEST)
        except zlib.error:
            return b""
    return content


def _synchronized(data: bytes) -> bytes:
    return data.replace(b"\xff\x00", b"\xff")


def _syncsafe(data: bytes) -> int:
    return (data[0] & 127) << 21 | (data[1] & 127) << 14 | (data[2] & 127) << 7 | (data[3] & 127)


def _as_syncsafe(size: int) -> bytes:
    return bytes(size >> shift & 127 for shift in (21, 14, 7, 0))


def _id3v1(file: BinaryIO) -> RawTags:
    tail = _tail(file, _ID3V1_BYTES)
    return _tinytag(io.BytesIO(b"\xff\xfb\x90\0" + tail)) if tail[:3] == b"TAG" else {}


def _ape_tags(file: BinaryIO) -> RawTags:
    """Read an APEv2 (or v1) tag at the end of a file, before an ID3v1 tag."""
    for offset in (0, _ID3V1_BYTES):
        footer = _tail(file, offset + _APE_FOOTER_BYTES)[:_APE_FOOTER_BYTES]
        if footer[:8] == b"APETAGEX":
            size, count = struct.unpack("<II", footer[12:20])
            size = min(size, _LARGEST)
            return _ape_items(_tail(file, offset + size)[: size - _APE_FOOTER_BYTES], count)
    return {}


def _ape_items(data: bytes, count: int) -> RawTags:
    tags: RawTags = {}
    at = 0
    for _ in range(count):
        if at + 8 > len(data):
            break
        size, flags = struct.unpack_from("<II", data, at)
        end = data.find(b"\0", at + 8)
        if end < 0 or end + 1 + size > len(data):
            break
        name, value = data[at + 8 : end].decode("latin-1").lower(), data[end + 1 : end + 1 + size]
        at = end + 1 + size
        if not flags >> 1 & 3 and size <= _LARGEST:  # text; the others are binary data and addresses
            tags.setdefault(name, []).extend(marked(text) for text in value.split(b"\0") if text)
    return tags


def _tail(file: BinaryIO, count: int) -> bytes:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - count))
    return file.read() if size >= count else b""
