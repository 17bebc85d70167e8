"""Lossy files come out at their exact length and not a sample late."""

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from audio_files import id3, itunes, lag, music, without_box, write

from mirkit.audio import open_audio, probe

LENGTHS = [1.0, 2.0, 1.2345, 3.00002, 0.777]


def heard(path: Path) -> np.ndarray:
    audio = open_audio(path, rate=None)
    samples = audio.samples()
    assert audio.damage.share == audio.damage.bad_packets == 0
    return samples


@pytest.mark.parametrize("seconds", LENGTHS)
@pytest.mark.parametrize("name", ["cbr.mp3", "vbr.mp3", "aac.m4a"])
def test_length_and_offset(name: str, seconds: float, tmp_path: Path) -> None:
    x = music(seconds)
    write(tmp_path / name, x)
    y = heard(tmp_path / name)
    assert y.shape == x.shape
    assert lag(y, x) == 0
    assert np.mean((y - x) ** 2) < 0.01 * np.mean(x**2)


@pytest.mark.parametrize("seconds", LENGTHS)
def test_opus(seconds: float, tmp_path: Path) -> None:
    x = music(seconds, 48000)
    write(tmp_path / "libopus.opus", x, 48000)
    y = heard(tmp_path / "libopus.opus")
    assert y.shape == x.shape
    assert lag(y, x) == 0


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 24000, 32000, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_mp3_at_every_rate(rate: int, channels: int, tmp_path: Path) -> None:
    x = music(1.27, rate, channels)
    write(tmp_path / "cbr.mp3", x, rate, b="64k")
    y = heard(tmp_path / "cbr.mp3")
    assert y.shape == x.shape
    assert lag(y, x) == 0


@pytest.mark.reference
@pytest.mark.parametrize(
    ("suffix", "format_", "subtype", "rate"),
    [
        ("ogg", "OGG", "VORBIS", 44100),
        ("ogg", "OGG", "VORBIS", 22050),
        ("opus", "OGG", "OPUS", 48000),
        ("mp3", "MP3", "MPEG_LAYER_III", 44100),
        ("mp3", "MP3", "MPEG_LAYER_III", 24000),
    ],
)
@pytest.mark.parametrize("channels", [1, 2])
def test_what_soundfile_writes(
    suffix: str, format_: str, subtype: str, rate: int, channels: int, tmp_path: Path
) -> None:
    path, x = tmp_path / f"x.{suffix}", music(2.345, rate, channels)
    soundfile.write(path, x.T, rate, format=format_, subtype=subtype)
    theirs, _ = soundfile.read(path, dtype="float32", always_2d=True)
    y = heard(path)
    assert y.shape == theirs.T.shape == x.shape
    assert lag(y, x) == 0
    # two decoders of one file: they differ by rounding (Opus: by its float against its integer decoder)
    assert np.abs(y - theirs.T).max() < (1e-4 if subtype != "OPUS" else 2e-3)


@pytest.mark.reference
@pytest.mark.parametrize("rate", [22050, 44100, 48000])
def test_attacks_in_vorbis(rate: int, tmp_path: Path) -> None:
    """An attack has libvorbis change to short blocks, whose time stamps FFmpeg gets wrong."""
    since = np.arange(5 * rate) / rate % 0.25
    noise = np.random.default_rng(1).standard_normal(5 * rate) * np.exp(-20 * since)
    soundfile.write(tmp_path / "x.ogg", 0.2 * np.stack((noise, -noise)).T, rate, format="OGG")
    theirs, _ = soundfile.read(tmp_path / "x.ogg", dtype="float32")
    y = heard(tmp_path / "x.ogg")
    assert y.shape == theirs.T.shape == (2, 5 * rate)
    assert np.abs(y - theirs.T).max() < 1e-4


def test_m4a_whose_header_rounds_is_cut_by_its_last_packet(tmp_path: Path) -> None:
    """The edit list counts milliseconds: 44 samples. The last packet knows better."""
    for n in range(50001, 50042, 5):
        x = music(n / 44100)
        write(tmp_path / "aac.m4a", x)
        assert heard(tmp_path / "aac.m4a").shape[1] == n


@pytest.mark.parametrize("edits", [True, False])
@pytest.mark.parametrize(("padding", "shorter"), [(410, 0), (510, 100), (300, 100)])
def test_m4a_from_itunes(edits: bool, padding: int, shorter: int, tmp_path: Path) -> None:
    """66 frames of 1024: 1024 of priming, 66150 of sound, 410 of padding. The last pair contradicts itself."""
    x = music(1.5)
    write(tmp_path / "aac.m4a", x)
    m4a = (tmp_path / "aac.m4a").read_bytes()
    m4a = m4a if edits else without_box(m4a, b"edts")
    length = x.shape[1] - shorter
    (tmp_path / "itunes.m4a").write_bytes(itunes(m4a, 1024, padding, length))
    y = heard(tmp_path / "itunes.m4a")
    assert y.shape[1] == length
    assert lag(y, x[:, :length]) == 0


@pytest.mark.parametrize("total", [0, 5, 10**9])
def test_a_senseless_itunes_count_is_not_believed(total: int, tmp_path: Path) -> None:
    x = music(1.5)
    write(tmp_path / "aac.m4a", x)
    (tmp_path / "itunes.m4a").write_bytes(itunes((tmp_path / "aac.m4a").read_bytes(), 1024, 300, total))
    assert abs(heard(tmp_path / "itunes.m4a").shape[1] - x.shape[1]) < 2048


def test_vbr_mp3_without_a_header(tmp_path: Path) -> None:
    """Its length is known only by decoding; FFmpeg's guess from the first bit rate must not pass for damage."""
    x = music(6.0)
    x[:, : 3 * 44100] *= 1e-4  # a quiet half, so that bit rates differ widely
    write(tmp_path / "vbr.mp3", x, write_xing="0")
    with av.open(str(tmp_path / "vbr.mp3"), "w", format="mp3", options={"write_xing": "0"}) as out:
        stream = out.add_stream("libmp3lame", rate=44100, layout="stereo", format="fltp")
        stream.codec_context.options = {"global_quality": str(118 * 2), "flags": "+qscale"}
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(x), format="fltp", layout="stereo")
        frame.sample_rate = 44100
        out.mux([*stream.encode(frame), *stream.encode(None)])
    assert probe(tmp_path / "vbr.mp3").duration is None
    y = heard(tmp_path / "vbr.mp3")
    assert 0 <= y.shape[1] - x.shape[1] <= 3 * 1152
    assert lag(y, x) == 1105  # the encoder's and decoder's delay, of which such a file says nothing


def test_a_header_behind_tags_is_found(tmp_path: Path) -> None:
    x = music(1.0)
    write(tmp_path / "cbr.mp3", x)
    (tmp_path / "tagged.mp3").write_bytes(id3((b"TIT2", b"\3" + b"x" * 300_000)) + (tmp_path / "cbr.mp3").read_bytes())
    assert probe(tmp_path / "tagged.mp3").duration == pytest.approx(1.0)
    assert heard(tmp_path / "tagged.mp3").shape == x.shape
