"""Damaged and unusual files: ``make_zoo(folder)`` writes them, and returns the expected outcome of each.

Kinds: ``sound`` is measured, ``refused`` gives one line, ``either`` may do both, ``ignored`` is not audio of a track.
The names of the functions below are the classes by which ``benchmarks/zoo.py`` counts the outcomes.
"""

import os
import random
import struct
import zlib
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile

RATE = 44100
SECONDS = 0.5
SOUND, REFUSED, EITHER, IGNORED = "sound", "refused", "either", "ignored"


@dataclass(frozen=True)
class Animal:
    """One file: its class and its expected outcome."""

    species: str
    kind: str


def make_zoo(root: Path) -> dict[str, Animal]:
    """Write the files into a folder; return path in it -> description."""
    zoo = _Zoo(root)
    for build in (
        truncated,
        changed,
        wrong_suffix,
        unusual_samples,
        unusual_formats,
        unusual_containers,
        names,
        track_folders,
        not_regular_files,
    ):
        zoo.species = build.__name__.replace("_", " ")
        build(zoo)
    return zoo.animals


class _Zoo:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.animals: dict[str, Animal] = {}
        self.species = ""
        self._number = 0

    def path(self, name: str, kind: str) -> Path:
        self.animals[name] = Animal(self.species, kind)
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def put(self, name: str, kind: str, data: bytes) -> None:
        self.path(name, kind).write_bytes(data)

    def sound(
        self, name: str, samples: np.ndarray | None = None, rate: int = RATE, kind: str = SOUND, **how: str
    ) -> None:
        path = self.path(name, kind)
        how.setdefault("format", {".mp3": "MP3", ".ogg": "OGG", ".wav": "WAV"}.get(path.suffix.lower(), "FLAC"))
        self._number += 1  # each of its own, or organize takes them for doubles
        data = music(self._number) if samples is None else samples
        with open(path, "wb") as file:
            soundfile.write(file, data.T, rate, **how)


def music(seed: int, seconds: float = SECONDS, rate: int = RATE, channels: int = 2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate)) / rate
    tone = 0.2 * np.sin(2 * np.pi * 220 * t) + 0.3 * np.exp(-20 * (t % 0.25)) * rng.standard_normal(len(t))
    return np.stack([np.clip(tone * (1 - 0.1 * c), -0.9, 0.9) for c in range(channels)]).astype(np.float32)


def _whole(zoo: _Zoo, suffix: str) -> bytes:
    path = zoo.root / f"whole{suffix}"
    if suffix == ".m4a":
        _m4a(path, music(7))
    else:
        zoo.sound(path.name)
        del zoo.animals[path.name]
    data = path.read_bytes()
    path.unlink()
    return data


def _m4a(path: Path, samples: np.ndarray, picture: bool = False) -> None:
    with av.open(str(path), "w", format="mp4") as out:
        if picture:
            video = out.add_stream("mpeg4", rate=25)
            video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = out.add_stream("aac", rate=RATE, layout="stereo", format="fltp")
        if picture:
            for _ in range(20):
                frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
                out.mux(video.encode(frame))
            out.mux(video.encode(None))
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format="fltp", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        out.mux(audio.encode(frame))
        out.mux(audio.encode(None))


def truncated(zoo: _Zoo) -> None:
    """Truncated after every tenth of the file, for the common formats."""
    for suffix, tenths in ((".flac", range(1, 10)), (".mp3", range(1, 10)), (".wav", (3, 6, 9)), (".ogg", (3, 6, 9))):
        data = _whole(zoo, suffix)
        for tenth in tenths:
            zoo.put(f"cut at {tenth} tenths{suffix}", EITHER, data[: len(data) * tenth // 10])
    data = _whole(zoo, ".m4a")
    for tenth in (5, 9):  # its index is at its end
        zoo.put(f"cut at {tenth} tenths.m4a", REFUSED, data[: len(data) * tenth // 10])


def changed(zoo: _Zoo) -> None:
    """Flipped bits, junk before and after the content, only a header."""
    for suffix in (".flac", ".mp3", ".wav", ".ogg", ".m4a"):
        data = _whole(zoo, suffix)
        dice = random.Random(suffix)
        flipped = bytearray(data)
        for _ in range(max(4, len(data) // 2000)):
            flipped[dice.randrange(200, len(data))] ^= 1 << dice.randrange(8)
        zoo.put(f"flipped bits{suffix}", EITHER, bytes(flipped))
        zoo.put(f"junk behind{suffix}", SOUND, data + dice.randbytes(5000))
        zoo.put(f"header alone{suffix}", REFUSED, data[:40])
    zoo.put("junk before.mp3", EITHER, random.Random(1).randbytes(3000) + _whole(zoo, ".mp3"))


def wrong_suffix(zoo: _Zoo) -> None:
    """The content differs from the suffix."""
    zoo.put("empty.mp3", REFUSED, b"")
    zoo.put("one byte.flac", REFUSED, b"f")
    zoo.put("text.mp3", REFUSED, b"This is a letter, and no music.\n" * 50)
    zoo.put("page.wav", REFUSED, b"<html><script>alert(1)</script></html>" * 20)
    zoo.put("noise.flac", REFUSED, random.Random(2).randbytes(20_000))
    zoo.put("zeros.mp3", REFUSED, bytes(20_000))
    zoo.put("archive.m4a", REFUSED, b"PK\3\4" + bytes(1000))
    zoo.put("playlist.mp3", REFUSED, b"#EXTM3U\n#EXTINF:1,x\n/etc/passwd\nhttp://127.0.0.1:9/x.mp3\n")
    zoo.put("concat.ogg", REFUSED, b"ffconcat version 1.0\nfile '/etc/passwd'\n")
    zoo.put("description.opus", REFUSED, b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n")
    zoo.put("a flac.mp3", SOUND, _whole(zoo, ".flac"))
    zoo.put("an mp3.wav", SOUND, _whole(zoo, ".mp3"))
    zoo.put("an ogg.flac", SOUND, _whole(zoo, ".ogg"))
    flac = bytearray(_whole(zoo, ".flac"))
    flac[21] |= 0x0F
    flac[22:26] = b"\xff\xff\xff\xff"
    zoo.put("claims 18 days.flac", REFUSED, bytes(flac))
    wav = bytearray(_whole(zoo, ".wav"))
    wav[4:8] = wav[40:44] = b"\xff\xff\xff\x7f"
    zoo.put("claims 2 GB.wav", EITHER, bytes(wav))


def unusual_samples(zoo: _Zoo) -> None:
    n = round(SECONDS * RATE)
    for count in (0, 1, 100, round(0.3 * RATE)):
        samples = music(count)[:, :count]
        zoo.sound(f"{count} samples.wav", samples, kind=REFUSED if count == 0 else SOUND)
    zoo.sound("silence.flac", np.zeros((2, n), np.float32))
    zoo.sound("direct current.flac", np.full((2, n), 0.5, np.float32))
    zoo.sound("full scale.flac", np.full((2, n), -1.0, np.float32))
    zoo.sound("clipped.flac", np.clip(20 * music(20), -1, 1))
    mono = music(21, channels=1)
    zoo.sound("anti-phase.flac", np.concatenate((mono, -mono)))
    zoo.sound("one side.flac", np.concatenate((mono, 0 * mono)))
    spoilt = music(22)
    spoilt[:, 5000:5100] = np.nan
    zoo.sound("some nan.wav", spoilt, subtype="FLOAT")
    spoilt[:, 9000:9003] = np.inf
    zoo.sound("some inf.wav", spoilt, subtype="FLOAT")
    zoo.sound("all nan.wav", spoilt * np.nan, kind=REFUSED, subtype="FLOAT")
    zoo.sound("huge numbers.wav", music(23) * 1e30, kind=EITHER, subtype="FLOAT")
    zoo.sound("tiny numbers.wav", music(24) * 1e-30, subtype="FLOAT")
    zoo.sound("one click.wav", np.eye(1, n, n // 2, dtype=np.float32))


def unusual_formats(zoo: _Zoo) -> None:
    for subtype in ("PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW", "MS_ADPCM"):
        zoo.sound(f"{subtype}.wav", subtype=subtype)
    for rate in (4000, 8000, 22050, 96000, 192000):
        zoo.sound(f"{rate} Hz.wav", music(rate, rate=rate), rate)
    zoo.sound("2000 Hz.wav", music(30, rate=2000), 2000, REFUSED)
    zoo.sound("1 channels.wav", music(31, channels=1))
    for channels in (3, 6, 8):
        zoo.sound(f"{channels} channels.flac", music(30 + channels, channels=channels))
        zoo.sound(f"{channels} channels without names.wav", music(40 + channels, channels=channels), kind=REFUSED)
    zoo.sound("12 channels.wav", music(50, channels=12), kind=REFUSED)
    zoo.sound("sound.aiff", format="AIFF")
    zoo.sound("opus in it.opus", rate=48000, format="OGG", subtype="OPUS")


def unusual_containers(zoo: _Zoo) -> None:
    zoo.sound("vbr.mp3", bitrate_mode="VARIABLE")
    mp3 = (zoo.root / "vbr.mp3").read_bytes()
    zoo.put("vbr without header.mp3", SOUND, mp3[mp3.find(b"\xff\xfb", 100) :])
    zoo.put("cover.mp3", SOUND, _id3(_png(3000)) + _whole(zoo, ".mp3"))
    zoo.put("huge tags.mp3", SOUND, _id3(bytes(3_000_000)) + _whole(zoo, ".mp3"))
    zoo.put("tags that lie.mp3", EITHER, b"ID3\4\0\0\x7f\x7f\x7f\x7f" + mp3)
    zoo.put("tags of tags.mp3", EITHER, 300 * _id3(b"") + _whole(zoo, ".mp3"))
    _m4a(zoo.path("film.m4a", SOUND), music(60), picture=True)


def _id3(picture: bytes) -> bytes:
    """A tag of version 2.3 with a cover."""
    body = b"\0image/png\0\3\0" + picture
    frame = b"APIC" + struct.pack(">I", len(body)) + b"\0\0" + body
    return b"ID3\3\0\0" + bytes((len(frame) >> shift) & 0x7F for shift in (21, 14, 7, 0)) + frame


def _png(side: int) -> bytes:
    """A large picture in few bytes."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes((1 + 3 * side) * side), 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def names(zoo: _Zoo) -> None:
    """Names that shells, web pages, tables and file systems trip over."""
    for name in (
        "UPPER.FLAC",
        "Song.flac",
        "Song.mp3",
        "Song.2.flac",
        "  spaces  .flac",
        'it\'s "quoted".flac',
        "comma, semicolon; and tab\t.flac",
        "dots....flac",
        "a..b.flac",
        "-leading dash.flac",
        "--help.flac",
        "new\nline.flac",
        "\x1b[31mred.flac",
        "emoji \U0001f3b5\U0001f468\u200d\U0001f469\u200d\U0001f467.flac",
        "combining a\u0301o\u0308.flac",
        "right \u202eto left.flac",
        "$(touch owned) `touch owned` ; touch owned.flac",
        "%s %n {0} {__class__}.flac",
        "<script>alert(1)</script>.flac".replace("/", "\u2215"),
        "=1+1.flac",
        "CON.flac",
        "back\\slash.flac",
        "x" * 250 + ".flac",
        "\u00e9" * 125 + ".flac",
    ):
        zoo.sound(name)
    raw = os.fsdecode(b"not utf-8 \xff\xfe.flac")
    zoo.sound(raw)


def track_folders(zoo: _Zoo) -> None:
    """Folders of tracks in which something is twice, damaged, or not what it should be."""

    def folder(name: str, kind: str) -> Path:
        zoo.sound(f"{name}/full_mix.flac", kind=kind)
        return zoo.root / name

    flac, text = _whole(zoo, ".flac"), b"a letter"
    (folder("two mixes", REFUSED) / "full_mix.mp3").write_bytes(_whole(zoo, ".mp3"))
    twice = folder("two drums", REFUSED)
    (twice / "drums.flac").write_bytes(flac)
    (twice / "DRUMS.wav").write_bytes(_whole(zoo, ".wav"))
    (folder("stem of another length", EITHER) / "bass.flac").write_bytes(_whole(zoo, ".ogg"))
    (folder("stem that is text", REFUSED) / "vocals.mp3").write_bytes(text)
    (folder("grid that is text", SOUND) / "grid that is text.BEATS_GRID").write_bytes(text)
    for kind in ("INFO", "PROVENANCE", "CURVES.npz"):
        (folder(f"{kind} that is text", SOUND) / f"{kind} that is text.{kind}").write_bytes(text)
    (folder("INFO that is a folder", REFUSED) / "INFO that is a folder.INFO").mkdir()
    (folder("crops that are text", SOUND) / "crops").write_bytes(text)
    for stem in ("drums", "bass"):
        zoo.put(f"stems alone/{stem}.flac", IGNORED, flac)
    zoo.path("mix that is gone/full_mix.flac", IGNORED).symlink_to("/no/such/disk/x.flac")


def not_regular_files(zoo: _Zoo) -> None:
    """What is called sound and is no file, and what is hidden."""
    root = zoo.root
    (zoo.path("circle.mp3", IGNORED)).symlink_to("circle.mp3")
    (zoo.path("dangling.mp3", IGNORED)).symlink_to(root / "nowhere.mp3")
    zoo.path("folder.flac", IGNORED).mkdir()
    os.mkfifo(zoo.path("pipe.mp3", IGNORED))
    (root / "around").mkdir()
    (root / "around" / "again").symlink_to(root, target_is_directory=True)
    for name in (".hidden.flac", "._apple double.flac"):
        zoo.sound(name, kind=IGNORED)
    zoo.put("notes.txt", IGNORED, b"no sound")
    zoo.put("cover.jpg", IGNORED, b"\xff\xd8\xff\xe0")
