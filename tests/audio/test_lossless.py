"""What a lossless file holds comes out bit for bit, at every depth, channel count and rate."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_files import KINDS, LOSSLESS, as_float, decoded, kind, music, write

from mirkit.audio import encode, open_audio, probe


@pytest.mark.parametrize("name", LOSSLESS)
def test_bit_exact(name: str, tmp_path: Path) -> None:
    x = music(1.7)
    x[0, :3] = (1.0, -1.0, -0.5)  # both ends of the scale
    data = write(tmp_path / name, x)
    audio = open_audio(tmp_path / name)
    assert np.array_equal(audio.samples(), as_float(data))
    assert audio.damage.share == audio.damage.bad_packets == 0
    assert audio.source.lossless
    assert audio.source.bits == int(kind(name)[1:])
    assert audio.source.duration == pytest.approx(1.7)


@pytest.mark.reference
@pytest.mark.parametrize("name", [name for name in LOSSLESS if not name.endswith("m4a")])
def test_as_soundfile_reads_it(name: str, tmp_path: Path) -> None:
    write(tmp_path / name, music(0.5))
    theirs, rate = soundfile.read(tmp_path / name, dtype="float32", always_2d=True)
    audio = open_audio(tmp_path / name, rate=None)
    assert np.array_equal(audio.samples(), theirs.T)
    assert audio.rate == rate


@pytest.mark.reference
@pytest.mark.parametrize(
    ("format_", "subtype"),
    [
        ("WAV", "PCM_U8"),
        ("WAVEX", "PCM_24"),
        ("RF64", "PCM_16"),
        ("RF64", "FLOAT"),
        ("W64", "PCM_16"),
        ("AIFF", "PCM_S8"),
        ("AIFF", "PCM_32"),
        ("AIFF", "FLOAT"),
        ("CAF", "PCM_24"),
        ("FLAC", "PCM_S8"),
        ("FLAC", "PCM_24"),
        ("WAV", "ULAW"),
        ("WAV", "IMA_ADPCM"),
    ],
)
def test_what_soundfile_writes(format_: str, subtype: str, tmp_path: Path) -> None:
    path = tmp_path / "x.wav"
    soundfile.write(path, music(0.5).T, 44100, format=format_, subtype=subtype)
    theirs, _ = soundfile.read(path, dtype="float32", always_2d=True)
    audio = open_audio(path)
    assert audio.damage.share == 0
    if subtype == "IMA_ADPCM":  # libsndfile fills its last block
        assert np.array_equal(audio.samples()[:, :22050], theirs.T[:, :22050])
    else:
        assert np.array_equal(audio.samples(), theirs.T)
        assert audio.source.duration == pytest.approx(0.5)


@pytest.mark.parametrize("channels", range(1, 9))
@pytest.mark.parametrize("name", ["s16.flac", "f32.wav", "s24.aiff"])
def test_channels_keep_their_places(name: str, channels: int, tmp_path: Path) -> None:
    data = write(tmp_path / name, music(0.1, channels=channels))
    assert probe(tmp_path / name).channels == channels
    assert np.array_equal(decoded(tmp_path / name), as_float(data))


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 32000, 44100, 48000, 88200, 96000, 176400, 192000])
@pytest.mark.parametrize("name", ["s16.wav", "s24.flac"])
def test_native_rate(name: str, rate: int, tmp_path: Path) -> None:
    data = write(tmp_path / name, music(0.2, rate), rate)
    audio = open_audio(tmp_path / name, rate=None)
    assert audio.rate == rate
    assert audio.source.bandwidth == rate / 2
    assert np.array_equal(audio.samples(), as_float(data))
    assert audio.duration == pytest.approx(0.2)


@pytest.mark.parametrize("n", [1, 2, 100, 4607, 4608, 4609, 2**18, 2**18 + 1, 2**18 + 8192, 2**18 + 8193])
@pytest.mark.parametrize("name", ["s16.wav", "s16.flac", "s16.m4a"])
def test_any_length(name: str, n: int, tmp_path: Path) -> None:
    x = np.resize(music(1.0), (2, n)) if n > 44100 else music(1.0)[:, :n]
    data = write(tmp_path / name, x)
    audio = open_audio(tmp_path / name)
    assert audio.frames == n
    assert np.array_equal(audio.samples(), as_float(data))


@pytest.mark.parametrize("name", sorted(KINDS))
def test_header_is_read_without_decoding(name: str, tmp_path: Path) -> None:
    write(tmp_path / name, music(0.6, 48000), 48000)
    info = probe(tmp_path / name)
    assert (info.sample_rate, info.channels) == (48000, 2)
    assert info.duration == pytest.approx(0.6, abs=0.011)
    assert info.lossless == (name in LOSSLESS)


def test_real_music(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "mdb" / "MusicDelta_Rock" / "full_mix.flac"
    theirs, _ = soundfile.read(path, dtype="float32", always_2d=True)
    audio = open_audio(path)
    assert np.array_equal(audio.samples(), theirs.T)
    encode(tmp_path / "copy.flac", audio.blocks(), rate=44100, channels=2, bits=16)
    assert np.array_equal(open_audio(tmp_path / "copy.flac").samples(), theirs.T)
