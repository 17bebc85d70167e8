"""Odd names, odd contents, odd claims: each ends in sound or in one line, and nothing else is touched."""

import os
import struct
import sys
import time
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from audio_files import KINDS, as_float, feed, id3, music, picture, write

from mirkit.audio import open_audio, probe, read_tags
from mirkit.errors import AudioError
from mirkit.track import AUDIO_SUFFIXES

POSIX = pytest.mark.skipif(os.name == "nt", reason="names and files that Windows does not have")

NAMES = [
    "with space.wav",
    "x%03d.wav",
    "%s%n%.wav",
    "a,b;c.wav",
    "ünï ☃ 🎵.wav",
    "e\u0301.wav",
    "#hash?query=1&x.wav",
    "[glob]*.wav" if os.name != "nt" else "[glob].wav",
    "no suffix",
    "UPPER.WAV",
    "wrong.mp3",
    "-dash.wav",
    "'quotes'.wav",
    "x" * 251 + ".wav",
]
POSIX_NAMES = [
    "file:x.wav",
    "http:x.wav",
    "http:",
    "pipe:0",
    "concat:a.wav|b.wav",
    "data:audio;base64,AAAA",
    "new\nline.wav",
    "tab\tand\x1b[31m.wav",
    '"double".wav',
    "back\\slash.wav",
    os.fsdecode(b"\xff\xfe latin.wav"),
]


@pytest.fixture
def sound(tmp_path: Path) -> bytes:
    write(tmp_path / "s16.wav", music(0.2))
    return (tmp_path / "s16.wav").read_bytes()


@pytest.mark.parametrize("name", [*NAMES, *(pytest.param(name, marks=POSIX) for name in POSIX_NAMES)])
@pytest.mark.parametrize("relative", [True, False])
def test_a_name_is_only_a_name(
    name: str, relative: bool, sound: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / name).write_bytes(sound)
    monkeypatch.chdir(folder)
    path = Path(name) if relative else folder / name
    assert open_audio(path).frames == 8820
    assert open_audio(str(path)).frames == 8820
    read_tags(path)
    (folder / name).write_bytes(b"nothing")
    with pytest.raises(AudioError) as caught:
        open_audio(path)
    assert str(caught.value).isprintable()


@POSIX
def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.wav")
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "loop.wav").symlink_to(tmp_path / "loop.wav")
    (tmp_path / "dangling.wav").symlink_to(tmp_path / "nowhere.wav")
    for name in ("fifo.wav", "folder.wav", "loop.wav", "dangling.wav", "absent.wav", "nul\0.wav", "y" * 300):
        with pytest.raises(AudioError) as caught:
            open_audio(tmp_path / name)
        assert str(caught.value).isprintable()
        assert read_tags(tmp_path / name).title is None


@POSIX
@pytest.mark.skipif(os.name != "nt" and os.geteuid() == 0, reason="root may read everything")
def test_no_permission(sound: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(sound)
    (tmp_path / "x.wav").chmod(0)
    with pytest.raises(AudioError, match="permission"):
        open_audio(tmp_path / "x.wav")


# FFmpeg would follow some of these to other files or to the network, were it let.
TRAPS = {
    "ffconcat.mp3": "ffconcat version 1.0\nfile secret.wav\n",
    "m3u8.mp3": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nsecret.wav\n#EXT-X-ENDLIST\n",
    "sdp.wav": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
    "mpd.m4a": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>secret.wav</BaseURL></MPD>',
    "text.mp3": "Not music.\n" * 5000,
    "html.flac": "<html><script>alert(1)</script></html>" * 100,
    "lyrics.ogg": "[00:01.00]la la\n" * 100,
}


@pytest.mark.parametrize("name", TRAPS)
def test_text_that_is_called_music(name: str, sound: bytes, tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_bytes(sound)
    (tmp_path / name).write_text(TRAPS[name])
    kind = {
        "html.flac": "a web page, such as the error page of a download; download it again, or remove it",
        "mpd.m4a": "a text (XML); remove it, or give it its right suffix",
    }.get(name, "a text; remove it, or give it its right suffix")
    with pytest.raises(AudioError) as error:
        open_audio(tmp_path / name).samples()
    assert str(error.value) == f"{tmp_path / name}: the file is not audio but {kind}"


@pytest.mark.parametrize("suffix", sorted(AUDIO_SUFFIXES))
@pytest.mark.parametrize("seed", range(3))
def test_noise_that_is_called_music(suffix: str, seed: int, tmp_path: Path) -> None:
    (tmp_path / f"x{suffix}").write_bytes(np.random.default_rng(seed).bytes(100_000))
    with pytest.raises(AudioError):
        open_audio(tmp_path / f"x{suffix}").samples()


@pytest.mark.parametrize("name", sorted(KINDS))
def test_the_suffix_does_not_matter(name: str, tmp_path: Path) -> None:
    write(tmp_path / name, music(0.5, 48000), 48000)
    right = open_audio(tmp_path / name).samples()
    (tmp_path / name).rename(tmp_path / "x.WRONG")
    assert np.array_equal(open_audio(tmp_path / "x.WRONG").samples(), right)


def test_nothing_is_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for name in KINDS:
        write(tmp_path / name, music(1.0, 48000), 48000)
        data = bytearray((tmp_path / name).read_bytes())
        for at in range(500, len(data), 1500):
            data[at] ^= 0x55
        (tmp_path / name).write_bytes(data[: len(data) * 9 // 10])
        try:
            open_audio(tmp_path / name).samples()
        except AudioError:
            continue
    assert capfd.readouterr() == ("", "")


def test_cover_pictures_are_not_looked_at(tmp_path: Path) -> None:
    """A picture of 100 megapixels in 0.3 MB: decoding it would take 300 MB."""
    write(tmp_path / "cbr.mp3", music(1.0))
    tag = id3((b"TIT2", b"\3Hello"), picture(10_000, 10_000))
    (tmp_path / "cover.mp3").write_bytes(tag + (tmp_path / "cbr.mp3").read_bytes())
    began = resident()
    audio = open_audio(tmp_path / "cover.mp3")
    assert audio.frames == 44100
    assert read_tags(tmp_path / "cover.mp3").title == "Hello"
    assert resident() - began < 150e6


def resident() -> float:
    """Peak resident memory of this process in bytes."""
    resource = pytest.importorskip("resource")
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def film(path: Path, sounds: list[np.ndarray], default: int | None = None) -> None:
    """A film of one second with some sound tracks."""
    with av.open(str(path), "w") as out:
        video = out.add_stream("mpeg4", rate=5, width=64, height=48, pix_fmt="yuv420p")
        codec = "flac" if path.suffix == ".mkv" else "alac"
        sample = "s16" if codec == "flac" else "s16p"
        tracks = [out.add_stream(codec, rate=44100, layout="stereo", format=sample) for _ in sounds]
        if default is not None:
            for index, track in enumerate(tracks):
                track.disposition = av.stream.Disposition.default if index == default else 0
        for k in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 * k, np.uint8))
            frame.pts, frame.time_base = k, Fraction(1, 5)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        for x, track in zip(sounds, tracks, strict=True):
            feed(out, track, (x * 32768).astype(np.int16), 44100, sample, "stereo")


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".m4a"])
def test_the_sound_of_a_film(suffix: str, tmp_path: Path) -> None:
    x = music(1.0)
    film(tmp_path / f"x{suffix if suffix != '.m4a' else '.mp4'}", [x])
    audio = open_audio(tmp_path / f"x{suffix if suffix != '.m4a' else '.mp4'}")
    assert np.array_equal(audio.samples(), (x * 32768).astype(np.int16) / np.float32(32768))


def test_a_film_without_sound(tmp_path: Path) -> None:
    film(tmp_path / "x.mp4", [])
    with pytest.raises(AudioError, match=r"the file has no audio \(only video\)"):
        open_audio(tmp_path / "x.mp4")


@pytest.mark.parametrize(("default", "chosen"), [(None, 0), (0, 0), (1, 1)])
def test_of_several_tracks_the_default_one(default: int | None, chosen: int, tmp_path: Path) -> None:
    sounds = [music(1.0, seed=seed) for seed in (1, 2)]
    film(tmp_path / "x.mkv", sounds, default)
    got = open_audio(tmp_path / "x.mkv").samples()
    assert np.array_equal(got, (sounds[chosen] * 32768).astype(np.int16) / np.float32(32768))


def test_a_flac_that_claims_years(tmp_path: Path) -> None:
    """36 bits of samples: 18 days in a few kilobytes."""
    write(tmp_path / "s16.flac", music(0.2))
    data = bytearray((tmp_path / "s16.flac").read_bytes())
    data[8 + 13] |= 0x0F
    data[8 + 14 : 8 + 18] = b"\xff" * 4
    (tmp_path / "x.flac").write_bytes(data)
    tracemalloc.start()
    with pytest.raises(AudioError, match=r"states 432\.\d h of audio; the limit is 24 h"):
        open_audio(tmp_path / "x.flac")
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


def test_a_wav_that_claims_hours(tmp_path: Path) -> None:
    write(tmp_path / "s16.wav", music(0.2))
    data = bytearray((tmp_path / "s16.wav").read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = struct.pack("<I", 3600 * 44100 * 4)
    (tmp_path / "x.wav").write_bytes(data)
    with pytest.raises(AudioError, match=r"states 1\.0 h of audio; the limit is 0\.5 h"):
        open_audio(tmp_path / "x.wav", max_seconds=1800)
    audio = open_audio(tmp_path / "x.wav")  # within the limit: what is there, and that nearly all is missing
    assert audio.frames == 8820
    assert audio.damage.share == pytest.approx(1 - 0.2 / 3600)
    assert audio.samples().shape == (2, 8820)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0xFFFFFF80, 0x7FFFF000, 0x7FFFFFFF, 0x80000000])
def test_a_wav_that_was_streamed_claims_nothing(size: int, tmp_path: Path) -> None:
    data = as_float(write(tmp_path / "s16.wav", music(0.5)))
    raw = bytearray((tmp_path / "s16.wav").read_bytes())
    at = raw.index(b"data") + 4
    raw[at : at + 4] = raw[4:8] = struct.pack("<I", size)
    (tmp_path / "x.wav").write_bytes(raw)
    audio = open_audio(tmp_path / "x.wav")
    assert audio.source.duration is None
    assert np.array_equal(audio.samples()[:, : data.shape[1]], data)
    assert audio.damage.share == 0


def test_a_second_data_chunk_is_reported_as_lost(tmp_path: Path) -> None:
    write(tmp_path / "s16.wav", music(0.5))
    raw = (tmp_path / "s16.wav").read_bytes()
    at = raw.index(b"data")
    (tmp_path / "x.wav").write_bytes(raw + raw[at:])
    audio = open_audio(tmp_path / "x.wav")
    assert audio.frames == 22050
    assert audio.damage.share == pytest.approx(0.5)


def test_a_chained_ogg_with_other_channels_is_reported_as_lost(tmp_path: Path) -> None:
    """FFmpeg stops at the second part; the share is estimated from the bytes."""
    write(tmp_path / "libopus.opus", music(2.0, 48000), 48000)
    stereo = (tmp_path / "libopus.opus").read_bytes()
    write(tmp_path / "libopus.opus", music(2.0, 48000)[:1], 48000)
    (tmp_path / "x.opus").write_bytes(stereo + (tmp_path / "libopus.opus").read_bytes())
    audio = open_audio(tmp_path / "x.opus")
    assert audio.frames == pytest.approx(2.0 * audio.rate, abs=0.1 * audio.rate)
    assert 0.2 < audio.damage.share < 0.7


@pytest.mark.parametrize(
    ("codec", "form", "sample", "lossless"),
    [
        ("wavpack", "wv", "s16p", True),
        ("tta", "tta", "s16", True),
        ("mp2", "mp2", "s16", False),
        ("ac3", "ac3", "fltp", False),
        ("wmav2", "asf", "fltp", False),
    ],
)
def test_less_common_formats_decode_whole(codec: str, form: str, sample: str, lossless: bool, tmp_path: Path) -> None:
    sound = music(1.0)
    path = tmp_path / f"x.{'wma' if form == 'asf' else form}"
    with av.open(path, "w", format=form) as container:
        stream = container.add_stream(codec, rate=44100, layout="stereo")
        stream.codec_context.format = av.AudioFormat(sample)
        if codec == "wmav2":  # it has no default
            stream.codec_context.bit_rate = 128_000
        stream.codec_context.open()
        size = stream.codec_context.frame_size or 1152
        resampler = av.AudioResampler(format=sample, layout="stereo", rate=44100, frame_size=size)
        frame = av.AudioFrame.from_ndarray(sound, format="fltp", layout="stereo")
        frame.sample_rate = 44100
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    audio = open_audio(path)
    assert audio.source.lossless is lossless
    assert audio.damage.share == 0
    decoded = audio.samples()
    # FFmpeg's encoder of WMA writes whole blocks only.
    assert 44100 - (2048 if codec == "wmav2" else 0) <= audio.frames < 44100 + 2 * 2048
    if lossless:
        assert np.max(np.abs(decoded - sound)) < 2.0**-15


def test_dsd_is_decoded_whole(tmp_path: Path) -> None:
    """A sine in one-bit samples: pulses whose width follows it, 88,200 a second, far above what is left of them."""
    rate, seconds = 2822400, 1.0
    time_of = np.arange(round(rate * seconds)) / rate
    carrier = 2 * np.abs(2 * (time_of * 88200 % 1) - 1) - 1
    bits = np.stack([0.5 * np.sin(2 * np.pi * f * time_of) > carrier for f in (440, 660)])
    packed = np.packbits(bits, axis=1, bitorder="little")
    blocks = -(-packed.shape[1] // 4096)
    data = np.zeros((2, blocks * 4096), np.uint8)
    data[:, : packed.shape[1]] = packed
    content = data.reshape(2, blocks, 4096).transpose(1, 0, 2).tobytes()
    form = struct.pack("<4sQIIIIIIQII", b"fmt ", 52, 1, 0, 2, 2, rate, 1, bits.shape[1], 4096, 0)
    head = struct.pack("<4sQQQ", b"DSD ", 28, 28 + 52 + 12 + len(content), 0)
    (tmp_path / "x.dsf").write_bytes(head + form + struct.pack("<4sQ", b"data", 12 + len(content)) + content)
    audio = open_audio(tmp_path / "x.dsf")
    assert audio.damage.share == 0
    assert audio.duration == pytest.approx(seconds, abs=4096 * 8 / rate)
    middle = audio.samples()[:, 10000:30000]
    for channel, frequency in zip(middle, (440, 660), strict=True):
        spectrum = np.abs(np.fft.rfft(channel * np.hanning(len(channel))))
        assert np.argmax(spectrum) * 44100 / len(channel) == pytest.approx(frequency, abs=2.3)
        assert np.sqrt(2) * channel.std() == pytest.approx(0.5, rel=0.1)


def test_sound_beyond_the_limit_stops(tmp_path: Path) -> None:
    """The header says nothing here, so decoding has to find out."""
    write(tmp_path / "vbr.mp3", music(5.0))
    data = (tmp_path / "vbr.mp3").read_bytes()
    (tmp_path / "x.mp3").write_bytes(data[data.index(b"Info" if b"Info" in data else b"Xing") + 400 :] * 4)
    audio = open_audio(tmp_path / "x.mp3", max_seconds=10)
    assert audio.source.duration is None
    with pytest.raises(AudioError, match=r"x\.mp3: the audio is longer than the limit"):
        audio.samples()


def test_a_time_stamp_out_of_this_world_makes_no_silence(tmp_path: Path) -> None:
    """An ogg page that says it is hours later: a jump, not hours of zeros."""
    write(tmp_path / "libopus.opus", music(6.0, 48000), 48000)
    data = (tmp_path / "libopus.opus").read_bytes()
    pages = [b"OggS" + page for page in data.split(b"OggS")[1:]]
    late = [with_granule(page, 48000 * 3600 * 5) if i > 4 else page for i, page in enumerate(pages)]
    (tmp_path / "x.opus").write_bytes(b"".join(late))
    began = time.process_time()
    audio = open_audio(tmp_path / "x.opus", rate=None)
    assert audio.duration < 70
    assert audio.damage.bad_packets >= 1
    assert time.process_time() - began < 20


def with_granule(page: bytes, more: int) -> bytes:
    """An ogg page with its position moved, and its checksum made right again."""
    changed = bytearray(page)
    changed[6:14] = struct.pack("<q", struct.unpack("<q", page[6:14])[0] + more)
    changed[22:26] = bytes(4)
    checksum = 0
    for byte in changed:
        checksum ^= byte << 24
        for _ in range(8):
            checksum = (checksum << 1 ^ (0x04C11DB7 if checksum & 0x80000000 else 0)) & 0xFFFFFFFF
    changed[22:26] = struct.pack("<I", checksum)
    return bytes(changed)


@pytest.mark.parametrize(
    ("rate", "channels", "why"), [(44100, 9, "9 channels"), (3999, 2, "3999 Hz"), (384_001, 1, "384001 Hz")]
)
def test_beyond_what_is_read(rate: int, channels: int, why: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", np.zeros((2000, channels)), rate)
    with pytest.raises(AudioError, match=why):
        open_audio(tmp_path / "x.wav")


@pytest.mark.parametrize(("rate", "channels"), [(44100, 8), (4000, 2), (384_000, 1)])
def test_the_limits_are_read(rate: int, channels: int, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", np.zeros((2000, channels)), rate)
    info = probe(tmp_path / "x.wav")
    assert (info.sample_rate, info.channels) == (rate, channels)


def test_a_big_endian_wav_is_refused_not_misread(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", music(0.1).T, 44100, endian="BIG")
    with pytest.raises(AudioError, match="big-endian"):
        open_audio(tmp_path / "x.wav")


def test_probe_says_what_open_audio_says(tmp_path: Path) -> None:
    write(tmp_path / "s24.flac", music(0.5))
    assert probe(tmp_path / "s24.flac") == open_audio(tmp_path / "s24.flac").source
    with pytest.raises(AudioError):
        probe(tmp_path / "absent.flac")
