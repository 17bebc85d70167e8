"""Safe opening of audio files: the container, the audio stream, and the properties in the header."""

import ctypes
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from mirkit.audio.mp3 import info_frame
from mirkit.errors import AudioError
from mirkit.store import as_error, printable

# A writer that cannot seek back to fill in the size leaves 0 or a value near 2**32.
_LARGEST_SIZE = 0xFFFFFF00
#: The first four bytes of a wav file.
WAV = (b"RIFF", b"RF64")
_OGG_TAIL = 1 << 17  # twice the longest page
_END_OF_STREAM = 4


def magic(path: Path) -> bytes:
    """Read the first four bytes."""
    with open(path, "rb") as file:
        return file.read(4)


def wav_frames(path: Path) -> int | None:
    """Number of frames that the ``data`` chunk of a wav file states; None if it states none.

    FFmpeg derives the length from the size of the file, so it does not notice that a wav file is truncated.
    """
    with open(path, "rb") as file:
        kind = file.read(12)[:4]
        return _frames(file, long=kind == b"RF64") if kind in WAV else None


def ogg_ends(path: Path) -> bool:
    """Whether the last page of an ogg file is marked as the last."""
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - _OGG_TAIL))
        tail = file.read()
    last = tail.rfind(b"OggS")
    return last < 0 or any(flags & _END_OF_STREAM for flags in tail[last + 5 : last + 6])


def mp4_tempo(path: Path) -> int | None:
    """Beats per minute from the ``tmpo`` tag of an mp4 file; None if it has none."""
    with open(path, "rb") as file:
        end = os.fstat(file.fileno()).st_size
        for name in (b"moov", b"udta", b"meta", b"ilst", b"tmpo", b"data"):
            inner = _enter_box(file, end, name)
            if inner is None:
                return None
            end = inner
            if name == b"meta":  # this box begins with a version
                file.seek(4, os.SEEK_CUR)
        return int.from_bytes(file.read(16)[8:10], "big") or None  # after its type and locale


def _enter_box(file: BinaryIO, end: int, name: bytes) -> int | None:
    """Seek to the content of the next box of that name, and return its end."""
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
_FORMATS = "wav,w64,flac,mp3,ogg,mov,aiff,aac,caf,matroska"
_PCM = ("s8", "u8", "s16le", "s16be", "s24le", "s24be", "s32le", "s32be", "s64le", "f32le", "f32be", "f64le", "f64be")
_CODECS = (
    *("aac", "alac", "flac", "mp1float", "mp2float", "mp3float", "vorbis", "opus"),
    *("adpcm_ms", "adpcm_ima_wav", "adpcm_ima_qt", "pcm_alaw", "pcm_mulaw"),
    *(f"pcm_{kind}" for kind in _PCM),
)
_LOSSLESS = ("pcm_", "flac", "alac")


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
    """

    sample_rate: int
    channels: int
    codec: str
    container: str
    bits: int | None
    duration: float | None
    lossless: bool

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
            raise AudioError(
                f"{printable(path)}: no sound in this file (only {_kinds(container)}); remove it from the data set"
            )
        stream = next((s for s in container.streams.audio if s.disposition & 1), container.streams.audio[0])
        info = _describe(path, container, stream)
        if info.duration is not None and info.duration > max_seconds:
            raise AudioError(
                f"{printable(path)}: states {info.duration / 3600:.1f} h of audio; "
                f"the limit is {max_seconds / 3600:g} h; "
                "cut it into parts"
            )
        yield container, stream, info


@contextmanager
def open_local(path: Path) -> Iterator["InputContainer"]:
    """Open a regular file with FFmpeg; its name is never interpreted as a URL, pattern, device or playlist."""
    import av

    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise AudioError(f"{printable(path)}: not a regular file, so no sound can be read from it")
        options = {
            "format_whitelist": _FORMATS,
            "codec_whitelist": ",".join(_CODECS),
            "protocol_whitelist": "file",
        }
        begin = magic(path)
        if begin in WAV:  # FFmpeg probes 5 MB for DTS in a wav; less is enough
            options["probesize"] = str(1 << 16)
        elif begin == b"RIFX":  # FFmpeg reads RIFX with the wrong byte order
            raise AudioError(f"{printable(path)}: a wav of the big-endian kind is not read here; convert it to flac")
        # Without this option, PyAV 18 fails on a tag that is not UTF-8; PyAV 19 always sets it.
        errors: Any = {"metadata_errors": "surrogateescape"} if int(av.__version__.split(".")[0]) < 19 else {}
        container = av.open("file:" + os.path.abspath(path), container_options=options, **errors)
    except OSError as error:
        raise AudioError(str(as_error(error, Path(path), "read"))) from error
    except (av.FFmpegError, ValueError) as error:  # ValueError: a NUL in the name
        raise AudioError(
            f"{printable(path)}: not a sound file that can be read, or damaged at its start; "
            "replace it with a good copy or remove it"
        ) from error
    with container:
        yield container


def _describe(path: Path, container: "InputContainer", stream: "AudioStream") -> SourceInfo:
    context = stream.codec_context
    if context is None:
        raise AudioError(f"{printable(path)}: its sound is in a format that is not read here; convert it to flac")
    rate, channels = context.sample_rate, _plain_channels(context)
    codec = context.name.removesuffix("float")  # FFmpeg has mp3 decoders for integers and for floating point
    name = container.format.name.split(",")[0]
    if not rate or not channels:
        raise AudioError(
            f"{printable(path)}: holds no sound that can be decoded; replace it with a good copy or remove it"
        )
    if context.name not in _CODECS:
        raise AudioError(f"{printable(path)}: its sound is {codec}, which is not read here; convert it to flac")
    if channels > MAX_CHANNELS:
        raise AudioError(f"{printable(path)}: has {channels} channels, at most {MAX_CHANNELS} are read; mix it down")
    if not MIN_RATE <= rate <= MAX_RATE:
        raise AudioError(f"{printable(path)}: a sample rate of {rate} Hz is outside {MIN_RATE}-{MAX_RATE} Hz")
    return SourceInfo(
        sample_rate=rate,
        channels=channels,
        codec=codec,
        container=name,
        bits=_bits(codec, context.extradata or b""),
        duration=_stated_seconds(path, name, stream, rate),
        lossless=codec.startswith(_LOSSLESS),
    )


def _plain_channels(context: "AudioCodecContext") -> int:
    """Count the channels, and discard a custom channel order of the file.

    PyAV 18 frees the list of a custom order once for each layout object that refers to it; the second time crashes the
    process. Therefore the one layout object that was created is never freed, and the decoder gets only the number of
    channels.
    """
    layout = context.layout
    if "(" in layout.name:  # "8 channels (FL+FR+...)"; other layouts have no list
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))
        context.layout = f"{layout.nb_channels}C"
    return layout.nb_channels


def _kinds(container: "InputContainer") -> str:
    return ", ".join(sorted({s.type for s in container.streams})) or "nothing"


def _bits(codec: str, extradata: bytes) -> int | None:
    if codec.startswith("pcm_"):
        return int("".join(c for c in codec if c.isdigit()) or 8)
    if codec == "flac" and len(extradata) >= 34:  # STREAMINFO: bits - 1, in 5 bits across two bytes
        return ((extradata[12] & 1) << 4 | extradata[13] >> 4) + 1
    if codec == "alac" and len(extradata) >= 36:  # ALACSpecificConfig follows 12 bytes of atom header
        return extradata[17]
    return None


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
