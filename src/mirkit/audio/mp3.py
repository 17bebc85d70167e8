"""Just enough of the mp3 frame header to see an Info frame and to count frames that damage swallowed."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.packet import Packet

# kbit/s by index, layer III
_BITRATES = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def frame_bytes(header: bytes) -> int | None:
    """Length in bytes of the layer III frame that starts with these four bytes; None when they are no such header."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return None
    version, bitrate, rate = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or bitrate in (0, 15) or rate == 3:
        return None
    first = version == 3
    return (144 if first else 72) * 1000 * _BITRATES[first][bitrate] // _RATES[version][rate] + (header[2] >> 1 & 1)


def info_frame_end(path: Path) -> int | None:
    """Offset just behind the Xing, Info or VBRI frame, which holds the true length; None when there is none."""
    with open(path, "rb") as file:
        start = 0
        head = file.read(10)
        while head[:3] == b"ID3" and len(head) == 10:  # more than one tag happens
            start += 10 + _syncsafe(head[6:10]) + (10 if head[5] & 0x10 else 0)
            file.seek(start)
            head = file.read(10)
        frame = head + file.read(4096)
    for offset in range(2048):  # padding, or junk, behind the tag
        length = frame_bytes(frame[offset : offset + 4])
        if length is not None and any(mark in frame[offset : offset + 64] for mark in (b"Xing", b"Info", b"VBRI")):
            return start + offset + length
    return None


def _syncsafe(size: bytes) -> int:
    return size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3]


class Mp3Holes:
    """Counts the frames that lie in bytes which are no frame.

    The time stamps of an mp3 are counted from its packets, so a stretch of bad bytes, which arrives as one large packet
    or not at all, would move everything behind it forward. Its length in bytes over the mean frame length tells how
    much time it was: exact at a constant bit rate, close at a variable one.

    Parameters
    ----------
    start : int or None
        Offset of the first frame where it is known.
    """

    def __init__(self, start: int | None) -> None:
        self._expected = start
        self._tag_end = 0
        self._largest = 0
        self._bytes = self._count = 0

    def missed(self, packet: "Packet[Any]", decodes: bool) -> int:
        """Frames lost before this packet's own frame, or in its place beyond the one that its time stamp counts."""
        hole, size = 0, packet.size
        if packet.pos is not None:
            hole = packet.pos - self._expected if self._expected is not None else 0
            self._expected = packet.pos + size
        if not decodes:
            hole += 0 if self._is_tag(packet) else size - self._mean(size)
        elif size > self._largest:
            data = bytes(packet)
            size = frame_bytes(data.lstrip(b"\0")[:4]) or size
            hole += packet.size - size
            self._largest = max(self._largest, size)
        if decodes:
            self._bytes += size
            self._count += 1
        return round(hole / self._mean(size)) if hole > 0 else 0

    def _is_tag(self, packet: "Packet[Any]") -> bool:
        """Whether the bytes belong to a tag: files that were joined end to end have those in the middle."""
        pos, head = packet.pos or 0, bytes(packet)[:10]
        if head[:3] == b"ID3" and len(head) == 10:
            self._tag_end = pos + 10 + _syncsafe(head[6:10])
        return pos < self._tag_end

    def _mean(self, otherwise: int) -> int:
        return max(1, round(self._bytes / self._count) if self._count else otherwise)
