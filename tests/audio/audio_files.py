"""Sound files of every kind, written by PyAV directly: what mirkit reads is not tested with what mirkit writes."""

import struct
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from mirkit.audio.decode import DecodeStats, decode

Sound = npt.NDArray[Any]

LAYOUTS = ("mono", "stereo", "3.0", "quad", "5.0", "5.1", "6.1", "7.1")
SCALES = {"u8": 2.0**7, "s16": 2.0**15, "s32": 2.0**31}
TYPES = {"u8": np.uint8, "s16": np.int16, "s32": np.int32, "flt": np.float32, "dbl": np.float64}

#: name -> (codec, sample format, container, encoder options)
KINDS: dict[str, tuple[str, str, str, dict[str, str]]] = {
    "u8.wav": ("pcm_u8", "u8", "wav", {}),
    "s16.wav": ("pcm_s16le", "s16", "wav", {}),
    "s24.wav": ("pcm_s24le", "s32", "wav", {}),
    "s32.wav": ("pcm_s32le", "s32", "wav", {}),
    "f32.wav": ("pcm_f32le", "flt", "wav", {}),
    "f64.wav": ("pcm_f64le", "dbl", "wav", {}),
    "s16.flac": ("flac", "s16", "flac", {}),
    "s24.flac": ("flac", "s32", "flac", {"bits_per_raw_sample": "24"}),
    "s16.aiff": ("pcm_s16be", "s16", "aiff", {}),
    "s24.aiff": ("pcm_s24be", "s32", "aiff", {}),
    "s16.m4a": ("alac", "s16p", "ipod", {}),
    "s24.m4a": ("alac", "s32p", "ipod", {"bits_per_raw_sample": "24"}),
    "aac.m4a": ("aac", "fltp", "ipod", {"b": "256k"}),
    "cbr.mp3": ("libmp3lame", "fltp", "mp3", {"b": "192k", "compression_level": "9"}),
    "vbr.mp3": ("libmp3lame", "fltp", "mp3", {"global_quality": str(118 * 2), "flags": "+qscale"}),
    "vorbis.ogg": ("vorbis", "fltp", "ogg", {"strict": "experimental"}),
    "libopus.opus": ("libopus", "flt", "ogg", {"b": "160k"}),
}
LOSSLESS = [name for name in KINDS if name[:3] in ("u8.", "s16", "s24", "s32", "f32", "f64")]


def kind(name: str) -> str:
    """``u8``, ``s16``... of a lossless kind."""
    return name.split(".")[0]


def music(seconds: float = 2.0, rate: int = 44100, channels: int = 2, seed: int = 0) -> Sound:
    """Something that an encoder likes and a correlation finds: partials and noise that never repeat, float32."""
    rng = np.random.default_rng(seed)
    n = round(seconds * rate)
    t = np.arange(n) / rate
    sweep = np.sin(2 * np.pi * (200 * t + 300 * t**2 / max(seconds, 1)))
    noise = np.convolve(rng.standard_normal(n + 15), np.ones(16) / 16, "valid")
    rows = [0.3 * sweep * np.cos(0.7 * c + 3 * t) + 0.15 * noise for c in range(channels)]
    return np.clip(np.stack(rows), -0.95, 0.95).astype(np.float32)


def decoded(path: Path) -> Sound:
    """All channels of a file, without a downmix."""
    return np.concatenate([piece.samples for piece in decode(path, DecodeStats())], axis=1)


def as_kind(x: Sound, name: str) -> Sound:
    """The sound as integers (or floats) of a lossless kind, in the type that FFmpeg takes."""
    bits = kind(name)
    if bits in ("f32", "f64"):
        return x.astype(np.float32 if bits == "f32" else np.float64)
    depth = int(bits[1:])
    steps = np.clip(np.round(x.astype(np.float64) * 2 ** (depth - 1)), -(2 ** (depth - 1)), 2 ** (depth - 1) - 1)
    if depth == 8:
        return (steps + 128).astype(np.uint8)
    return steps.astype(np.int16) if depth == 16 else (steps.astype(np.int64) << (32 - depth)).astype(np.int32)


def as_float(data: Sound) -> Sound:
    """What a reader must make of such numbers: full scale is 1."""
    if data.dtype.kind == "f":
        return data.astype(np.float32)
    if data.dtype == np.uint8:
        return ((data.astype(np.float64) - 128) / 128).astype(np.float32)
    return (data / 2.0 ** (8 * data.dtype.itemsize - 1)).astype(np.float32)


def write(
    path: Path, x: Sound, rate: int = 44100, name: str | None = None, tags: dict[str, str] | None = None, **options: str
) -> Sound:
    """Write a file of a kind (by default the one that the file is called after); return what went to the encoder."""
    codec, sample, container, settings = KINDS[name or path.name]
    pages = {"page_duration": "200000"} if container == "ogg" else {}  # as libvorbis and libopus write them
    with av.open(str(path), "w", format=container, container_options=pages) as out:
        out.metadata.update(tags or {})
        data = as_kind(x, name or path.name) if (name or path.name) in LOSSLESS else x.astype(np.float32)
        layout = LAYOUTS[len(x) - 1]
        stream = out.add_stream(codec, rate=rate, layout=layout, format=sample, options=settings | options)
        feed(out, stream, data, rate, sample, layout)
    return data


def feed(out: Any, stream: Any, data: Sound, rate: int, sample: str, layout: str) -> None:
    """Encode, in frames of about a second."""
    for start in range(0, data.shape[1], 44100):
        part = data[:, start : start + 44100]
        flat = part if sample.endswith("p") else part.T.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(flat), format=sample, layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


def lag(heard: Sound, meant: Sound) -> int:
    """By how many samples the first comes later than the second."""
    a, b = heard.mean(axis=0), meant.mean(axis=0)
    size = 1 << (len(a) + len(b)).bit_length()
    found = np.fft.irfft(np.fft.rfft(a, size) * np.conj(np.fft.rfft(b, size)), size)
    at = int(np.argmax(found))
    return at - size if at > size // 2 else at


def id3(*frames: tuple[bytes, bytes]) -> bytes:
    """An ID3v2.4 tag."""
    body = b"".join(name + _syncsafe(len(data)) + b"\0\0" + data for name, data in frames)
    return b"ID3\4\0\0" + _syncsafe(len(body)) + body


def picture(width: int, height: int) -> tuple[bytes, bytes]:
    """A cover as an ID3 frame: a PNG of one color."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(bytes(1 + 3 * width)) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"APIC", b"\3image/png\0\3\0" + png


def itunes(m4a: bytes, priming: int, padding: int, total: int) -> bytes:
    """Add an iTunSMPB tag to an mp4 whose ``moov`` is the last box (so that no offset moves)."""

    def box(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", 8 + len(data)) + name + data

    text = f" 00000000 {priming:08X} {padding:08X} {total:016X}".encode() + b" 00000000" * 8
    name = b"mean", b"\0\0\0\0com.apple.iTunes"
    free = box(*name) + box(b"name", b"\0\0\0\0iTunSMPB") + box(b"data", struct.pack(">II", 1, 0) + text)
    handler = box(b"hdlr", bytes(8) + b"mdirappl" + bytes(9))
    udta = box(b"udta", box(b"meta", bytes(4) + handler + box(b"ilst", box(b"----", free))))
    at = m4a.rindex(b"moov") - 4
    size = struct.unpack(">I", m4a[at : at + 4])[0]
    assert at + size == len(m4a)
    return m4a[:at] + struct.pack(">I", size + len(udta)) + m4a[at + 4 :] + udta


def without_box(m4a: bytes, name: bytes) -> bytes:
    """Turn every box of that name into free space."""
    return m4a.replace(name, b"free")


def _syncsafe(n: int) -> bytes:
    return bytes((n >> shift) & 127 for shift in (21, 14, 7, 0))
