"""Safe opening of audio files: the container, the audio stream, and the properties in the headers of its frames."""

import ctypes
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from mirkit.audio.unreadable import ENCRYPTED, is_encrypted, why_unreadable
from mirkit.errors import AudioError, as_error, printable

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


# A writer that cannot seek back to fill in the sizes leaves 0, or a value near 2**31 (SoX) or 2**32.
_PLACEHOLDER = 0x7F000000
#: The first four bytes of a wav file.
WAV = (b"RIFF", b"RF64")
_OGG_TAIL = 1 << 17  # twice the longest page
_END_OF_STREAM = 4


def magic(path: Path) -> bytes:
    """Read the first four bytes."""
    with open(path, "rb") as file:
        return file.read(4)


def wav_frames(path: Path) -> int | None:
    """Number of frames that the ``data`` chunks of a wav file state; None if they state none.

    FFmpeg derives the length from the size of the file, so it does not notice that a wav file is truncated.
    """
    with open(path, "rb") as file:
        head = file.read(12)
        if head[:4] not in WAV or (head[:4] == b"RIFF" and _is_placeholder(head[4:8], file)):
            return None
        return _frames(file, long=head[:4] == b"RF64")


def ogg_ends(path: Path) -> bool:
    """Whether the last page of an ogg file is marked as the last."""
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _OGG_TAIL))
        tail = file.read()
    last = tail.rfind(b"OggS")
    return last < 0 or any(flags & _END_OF_STREAM for flags in tail[last + 5 : last + 6])


def _frames(file: BinaryIO, *, long: bool) -> int | None:
    data_size = block = stated = 0
    while len(header := file.read(8)) == 8:
        name, size = header[:4], int.from_bytes(header[4:], "little")
        if name == b"data":
            if not long and _is_placeholder(header[4:], file):
                return None
            stated += (size := data_size if long and not stated else size)
        body = file.read(min(size, 64))
        if name == b"ds64":
            data_size = int.from_bytes(body[8:16], "little")
        elif name == b"fmt ":
            block = int.from_bytes(body[12:14], "little")
        file.seek(size + (size & 1) - len(body), os.SEEK_CUR)
    return stated // block if block and stated else None


def _is_placeholder(size: bytes, file: BinaryIO) -> bool:
    """Whether the size of a chunk, with the file at its content, was never filled in."""
    stated = int.from_bytes(size, "little")
    left = os.fstat(file.fileno()).st_size - file.tell()
    return stated == 0 or (stated >= _PLACEHOLDER and stated > left)


if TYPE_CHECKING:
    from av.audio.codeccontext import AudioCodecContext
    from av.audio.stream import AudioStream
    from av.container import InputContainer

MAX_CHANNELS = 8
MIN_RATE, MAX_RATE = 4000, 384_000
#: Longest audio (s) that is accepted if the caller sets no other limit.
MAX_SECONDS = 24 * 3600.0

# Only these demuxers and decoders are allowed. FFmpeg supports formats that open other files or the network (playlists,
# concat scripts, SDP), and it would decode a cover picture of any size while it probes the streams.
_FORMATS = "wav,w64,flac,mp3,ogg,mov,aiff,aac,caf,matroska,ape,wv,asf,tta,ac3,eac3,dsf,webm"
_PCM = ("s8", "u8", "s16le", "s16be", "s24le", "s24be", "s32le", "s32be", "s64le", "f32le", "f32be", "f64le", "f64be")
_CODECS = (
    *("aac", "alac", "flac", "mp1", "mp2", "mp1float", "mp2float", "mp3float", "vorbis", "opus"),
    *("ape", "wavpack", "tta", "wmav1", "wmav2", "wmapro", "wmalossless", "ac3", "eac3"),
    *("dsd_lsbf", "dsd_lsbf_planar", "dsd_msbf", "dsd_msbf_planar"),
    *("adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt", "pcm_alaw", "pcm_mulaw"),
    *(f"pcm_{kind}" for kind in _PCM),
)
_LOSSLESS = ("pcm_", "flac", "alac", "ape", "tta", "wmalossless", "dsd_")
_ATTACHED_PICTURE = 0x400


@dataclass(frozen=True)
class SourceInfo:
    """Properties of the audio that the header of a file states.

    Parameters
    ----------
    sample_rate : int
        Hz.
    channels : int
        1 to 8.
    codec, container : str
        FFmpeg's names, for example ``"mp3"`` in ``"mp3"``, ``"alac"`` in ``"mov"``.
    bits : int or None
        Bits per sample of PCM, FLAC and ALAC; None for other codecs.
    duration : float or None
        Seconds that the header states; None where that is not reliable (a streamed wav, an mp3
        without an Info frame, a cut ogg). Never the decoded length: that is ``Audio.duration``.
    lossless : bool
        Whether decoding returns exactly the samples that were encoded.
    layout : tuple of str
        Names of the channels by FFmpeg, such as ``("FL", "FR", "FC")``; empty if the file does not name them.
    """

    sample_rate: int
    channels: int
    codec: str
    container: str
    bits: int | None
    duration: float | None
    lossless: bool
    layout: tuple[str, ...] = ()

    @property
    def bandwidth(self) -> float:
        """The highest frequency (Hz) that the sample rate can hold; a lossy encoder may have kept less."""
        return self.sample_rate / 2


def probe(path: str | os.PathLike[str], *, max_seconds: float = MAX_SECONDS) -> SourceInfo:
    """Read the header only.

    Parameters
    ----------
    path : path
    max_seconds : float
        Longer audio is refused.

    Returns
    -------
    SourceInfo

    Raises
    ------
    AudioError
        The file does not exist, has no readable audio, or its header states more than ``max_seconds``.
    """
    with open_container(Path(path), max_seconds=max_seconds) as (_, _, info):
        return info


@contextmanager
def open_container(
    path: Path, *, max_seconds: float = MAX_SECONDS
) -> Iterator[tuple["InputContainer", "AudioStream", SourceInfo]]:
    """Open a local file and choose its default audio stream, or else the first one."""
    with open_local(path) as container:
        if not container.streams.audio:
            kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
            raise AudioError(f"{printable(path)}: the file has no audio (only {kinds}); remove it from the data set")
        stream = next((s for s in container.streams.audio if s.disposition & 1), container.streams.audio[0])
        info = _describe(path, container, stream)
        if info.duration is not None and info.duration > max_seconds:
            raise AudioError(
                f"{printable(path)}: its header states {info.duration / 3600:.1f} h of audio; "
                f"the limit is {max_seconds / 3600:g} h; "
                "cut it into parts"
            )
        yield container, stream, info


def has_moving_picture(path: Path) -> bool:
    """Return whether a file has a video, which a cover picture is not; False for a file that cannot be read."""
    try:
        with open_local(path) as container:
            return any(not stream.disposition & _ATTACHED_PICTURE for stream in container.streams.video)
    except AudioError:
        return False


@contextmanager
def open_local(path: Path) -> Iterator["InputContainer"]:
    """Open a regular file with FFmpeg; its name is never interpreted as a URL, pattern, device or playlist."""
    import av

    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            what = "this is a folder" if stat.S_ISDIR(mode) else "this is not a regular file"
            raise AudioError(f"{printable(path)}: {what}, so mirkit does not read it as audio")
        options = {
            "format_whitelist": _FORMATS,
            "codec_whitelist": ",".join(_CODECS),
            "protocol_whitelist": "file",
        }
        begin = magic(path)
        if begin in WAV:  # FFmpeg probes 5 MB for DTS in a wav; less is enough
            options["probesize"] = str(1 << 16)
        elif begin == b"RIFX":  # FFmpeg reads RIFX with the wrong byte order
            raise AudioError(f"{printable(path)}: big-endian wav files (RIFX) are not supported; convert it to flac")
        # Without this option, PyAV 18 fails on a tag that is not UTF-8; PyAV 19 always sets it.
        errors: Any = {"metadata_errors": "surrogateescape"} if int(av.__version__.split(".")[0]) < 19 else {}
        container = av.open("file:" + os.path.abspath(path), container_options=options, **errors)
    except OSError as error:
        raise AudioError(str(as_error(error, Path(path), "read"))) from error
    except (av.FFmpegError, ValueError) as error:  # ValueError: a NUL in the name
        raise AudioError(f"{printable(path)}: {_reason(path)}") from error
    with container:
        yield container


def _reason(path: Path) -> str:
    """Return why FFmpeg cannot open a file."""
    try:
        return why_unreadable(path)
    except ValueError:
        return "no file can have this name; give it another one"
    except OSError as error:  # it has vanished since
        return str(as_error(error, path, "read")).removeprefix(f"{printable(path)}: ")


def _describe(path: Path, container: "InputContainer", stream: "AudioStream") -> SourceInfo:
    context = stream.codec_context
    if (context is None or context.name not in _CODECS) and is_encrypted(path):
        raise AudioError(f"{printable(path)}: {ENCRYPTED}")
    if context is None:
        raise AudioError(f"{printable(path)}: the format of its audio is not supported; convert it to flac")
    rate, layout = context.sample_rate, _plain_channels(context)
    channels = len(layout)
    codec = context.name.removesuffix("float")  # FFmpeg has mp3 decoders for integers and for floating point
    name = container.format.name.split(",")[0]
    if not rate or not channels:
        raise AudioError(f"{printable(path)}: {_reason(path)}")
    if context.name not in _CODECS:
        raise AudioError(f"{printable(path)}: its audio is {codec}, which is not supported; convert it to flac")
    if channels > MAX_CHANNELS:
        raise AudioError(
            f"{printable(path)}: the file has {channels} channels, and mirkit reads at most {MAX_CHANNELS}; mix it down"
        )
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioError(
            f"{printable(path)}: the file has a sample rate of {rate} Hz, and mirkit reads "
            f"{MIN_RATE} to {MAX_RATE} Hz; resample it"
        )
    return SourceInfo(
        sample_rate=rate,
        channels=channels,
        codec=codec,
        container=name,
        bits=_bits(codec, context.extradata or b""),
        duration=_stated_seconds(path, name, stream, rate),
        lossless=codec.startswith(_LOSSLESS) or (codec == "wavpack" and not _is_hybrid(path)),
        layout=() if "NONE" in layout else layout,
    )


def _plain_channels(context: "AudioCodecContext") -> tuple[str, ...]:
    """Return the names of the channels, and discard a custom channel order of the file.

    PyAV 18 frees the list of a custom order once for each layout object that refers to it; the second time crashes the
    process. Therefore the one layout object that was created is never freed, and the decoder gets only the number of
    channels.
    """
    layout = context.layout
    names = tuple(channel.name for channel in layout.channels)
    if "(" in layout.name:  # "8 channels (FL+FR+...)"; other layouts have no list
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))
        context.layout = f"{layout.nb_channels}C"
    return names


def _bits(codec: str, extradata: bytes) -> int | None:
    if codec.startswith("pcm_"):
        return int("".join(c for c in codec if c.isdigit()) or 8)
    if codec == "flac" and len(extradata) >= 34:  # STREAMINFO: bits - 1, in 5 bits across two bytes
        return ((extradata[12] & 1) << 4 | extradata[13] >> 4) + 1
    if codec == "alac" and len(extradata) >= 36:  # ALACSpecificConfig follows 12 bytes of atom header
        return extradata[17]
    return None


def _is_hybrid(path: Path) -> bool:
    """Whether a WavPack file is the lossy part of a pair of files."""
    with open(path, "rb") as file:
        return bool(int.from_bytes(file.read(28)[24:], "little") & 8)


def _stated_seconds(path: Path, name: str, stream: "AudioStream", rate: int) -> float | None:
    """Duration that the header states (s); None if FFmpeg only estimates it from bit rate and file size."""
    if name == "wav":
        frames = wav_frames(path)
        return None if frames is None else frames / rate
    if name == "aac" or stream.duration is None or not stream.time_base:
        return None
    seconds = max(0.0, float(stream.duration * stream.time_base))
    if name != "mp3":
        return seconds
    info = info_frame(path)
    return None if info is None or info.seconds is None else min(seconds, info.seconds)
