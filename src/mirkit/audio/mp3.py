"""A minimal parser of mp3 frame headers, for the Info frame and for counting frames that are lost by damage."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from av.packet import Packet

# kbit/s by index, layer III
_BITRATES = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MARKS = (b"Xing", b"Info", b"VBRI")
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def frame_bytes(header: bytes) -> int | None:
    """Length in bytes of the layer III frame with this header (four bytes); None if they are not such a header."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE6 != 0xE2:
        return None
    version, bitrate, rate = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or bitrate in (0, 15) or rate == 3:
        return None
    first = version == 3
    return (144 if first else 72) * 1000 * _BITRATES[first][bitrate] // _RATES[version][rate] + (header[2] >> 1 & 1)


class InfoFrame(NamedTuple):
    """The Xing, Info or VBRI frame at the start of an mp3.

    Parameters
    ----------
    end : int
        Offset of the end of the Info frame, where the first frame with audio begins.
    seconds : float or None
        Duration of the frames that it states, with encoder delay and padding.
    """

    end: int
    seconds: float | None


def info_frame(path: Path) -> InfoFrame | None:
    """Find the Info frame, which states the true length of an mp3; None if there is none."""
    with open(path, "rb") as file:
        start = 0
        head = file.read(10)
        while head[:3] == b"ID3" and len(head) == 10:  # there may be several tags
            start += 10 + _syncsafe(head[6:10]) + (10 if head[5] & 0x10 else 0)
            file.seek(start)
            head = file.read(10)
        data = head + file.read(4096)
    for offset in range(2048):  # padding or garbage after the tag
        length = frame_bytes(data[offset : offset + 4])
        if length is not None:
            mark = next((at for m in _MARKS if (at := data.find(m, offset, offset + 64)) >= 0), None)
            if mark is not None:
                return InfoFrame(start + offset + length, _counted_seconds(data, offset, mark))
    return None


def _counted_seconds(data: bytes, header: int, mark: int) -> float | None:
    version, rate = data[header + 1] >> 3 & 3, data[header + 2] >> 2 & 3
    vbri = data[mark : mark + 4] == b"VBRI"
    if not vbri and not data[mark + 7] & 1:  # flag: the number of frames is present
        return None
    at = mark + (14 if vbri else 8)
    frames = int.from_bytes(data[at : at + 4], "big")
    return frames * (1152 if version == 3 else 576) / _RATES[version][rate] or None


class Mp3Gaps:
    """Estimates the number of frames that are missing because of damaged bytes.

    FFmpeg counts the time stamps of an mp3 from its packets, one frame each. Damaged bytes arrive as a few packets of
    any size, or not at all, which would shift all later audio. The number of lost frames is the number of damaged bytes
    over the mean frame length: exact for a constant bit rate, approximate for a variable one.

    Parameters
    ----------
    start : int or None
        Offset of the first frame, if it is known.
    """

    def __init__(self, start: int | None) -> None:
        self._expected = start
        self._tag_end = 0
        self._largest = 0
        self._bytes = self.frames = 0  # of good packets
        # Bytes since the last good packet, and number of frames by which the time stamps advanced for them.
        self._junk = self._counted = 0

    def is_tag(self, packet: "Packet[Any]") -> bool:
        """Whether the packet is part of a tag, which concatenated files have in the middle."""
        if packet.pos is None or not packet.size:
            return False
        head = bytes(memoryview(packet)[:10])
        if head[:3] == b"ID3" and len(head) == 10:
            self._tag_end = packet.pos + 10 + _syncsafe(head[6:10])
        if packet.pos >= self._tag_end:
            return False
        self._counted += 1
        self._expected = packet.pos + packet.size
        return True

    def missed(self, packet: "Packet[Any]", decodes: bool) -> int:
        """Number of frames lost before this packet minus those that its time stamp includes; it may be negative."""
        size = packet.size
        if packet.pos is not None:
            if self._expected is not None:
                self._junk += packet.pos - self._expected
            self._expected = packet.pos + size
        if not decodes:
            self._junk += size
            self._counted += 1
            return 0
        if size > self._largest:  # may hold damaged bytes and a frame
            size = frame_bytes(bytes(packet).lstrip(b"\0")[:4]) or size
            self._junk += packet.size - size
            self._largest = max(self._largest, size)
        self._bytes += size
        self.frames += 1
        if not (self._junk or self._counted):
            return 0
        missed = round(self._junk * self.frames / self._bytes) - self._counted
        self._junk = self._counted = 0
        return missed


def _syncsafe(size: Sequence[int]) -> int:
    return size[0] << 21 | size[1] << 14 | size[2] << 7 | size[3]
