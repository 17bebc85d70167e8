"""Writing: exact, whole or not at all, and nothing clipped in silence."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from audio_files import decoded, lag, music

from mirkit.audio import Writer, Written, encode, open_audio, probe
from mirkit.errors import AudioError


def cut(x: np.ndarray, size: int) -> list[np.ndarray]:
    return [x[:, i : i + size] for i in range(0, x.shape[1], size)]


def rounded(x: np.ndarray, bits: int) -> np.ndarray:
    steps = 2.0 ** (bits - 1)
    return (np.clip(np.rint(x.astype(np.float64) * steps), -steps, steps - 1) / steps).astype(np.float32)


@pytest.mark.parametrize("channels", range(1, 9))
@pytest.mark.parametrize(
    ("suffix", "bits", "depth"),
    [("flac", None, 24), ("flac", 16, 16), ("wav", 16, 16), ("wav", 24, 24), ("wav", None, 32)],
)
def test_lossless(suffix: str, bits: int | None, depth: int, channels: int, tmp_path: Path) -> None:
    path, x = tmp_path / f"x.{suffix}", music(0.4, channels=channels)
    written = encode(path, cut(x, 5000), rate=44100, channels=channels, bits=bits)
    assert written == Written(x.shape[1], float(np.abs(x).max()), 0)
    wanted = x if depth == 32 else rounded(x, depth)
    assert np.array_equal(decoded(path), wanted)
    theirs, rate = soundfile.read(path, dtype="float32", always_2d=True)
    assert rate == 44100
    assert np.array_equal(theirs.T, wanted)
    assert probe(path).bits == depth


@pytest.mark.parametrize("size", [1, 7, 1000, 10**6])
@pytest.mark.parametrize("suffix", ["flac", "wav", "mp3", "ogg"])
def test_bytes_do_not_depend_on_the_blocks(suffix: str, size: int, tmp_path: Path) -> None:
    x = music(0.3)[:, : 3000 if size == 1 else None]
    for name, blocks in (("a", [x]), ("b", cut(x, size))):
        encode(tmp_path / f"{name}.{suffix}", blocks, rate=44100, channels=2)
    one, other = ((tmp_path / f"{name}.{suffix}").read_bytes() for name in "ab")
    assert one == other


@pytest.mark.parametrize("rate", [8000, 22050, 48000, 96000, 192000])
def test_rates(rate: int, tmp_path: Path) -> None:
    x = music(0.1, rate)
    encode(tmp_path / "x.flac", [x], rate=rate, channels=2)
    assert open_audio(tmp_path / "x.flac").source.sample_rate == rate
    assert np.array_equal(open_audio(tmp_path / "x.flac", rate=None).samples(), rounded(x, 24))


@pytest.mark.parametrize("suffix", ["mp3", "ogg"])
def test_lossy_is_exact_in_time_at_any_length(suffix: str, tmp_path: Path) -> None:
    """With some lengths the last frame is all padding; FFmpeg's own accounts of it are off by up to 47 samples."""
    x = music(1.0)
    for n in (48, 1000, 1152, 5000, 20480, *range(20730, 20800, 7), 21503, 21504, 44100):
        encode(tmp_path / f"x.{suffix}", [x[:, :n]], rate=44100, channels=2)
        y = open_audio(tmp_path / f"x.{suffix}").samples()
        theirs, _ = soundfile.read(tmp_path / f"x.{suffix}", dtype="float32", always_2d=True)
        assert y.shape[1] == len(theirs) == n
        if n > 5000:
            assert lag(y, x[:, :n]) == 0
            assert np.abs(y - x[:, :n])[:, -500:].max() < 0.15


@pytest.mark.parametrize("rate", [8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_mp3_at_every_rate(rate: int, channels: int, tmp_path: Path) -> None:
    x = music(1.3, rate, channels)
    encode(tmp_path / "x.mp3", cut(x, 4000), rate=rate, channels=channels)
    y = open_audio(tmp_path / "x.mp3", rate=None).samples()
    assert y.shape == x.shape
    assert lag(y, x) == 0


def test_bit_rate(tmp_path: Path) -> None:
    x = music(4.0)
    for bitrate in (96, 192, 320, None):
        encode(tmp_path / "x.mp3", [x], rate=44100, channels=2, bitrate=bitrate)
        assert (tmp_path / "x.mp3").stat().st_size == pytest.approx((bitrate or 320) * 125 * 4, rel=0.05)
        assert open_audio(tmp_path / "x.mp3").source.sample_rate == 44100  # never resampled behind our back


def test_what_is_too_loud_is_limited_and_told(tmp_path: Path) -> None:
    x = music(0.2)
    x[0, 100], x[1, 200:210] = 1.5, -1.25
    for name, bits in (("x.flac", None), ("x.wav", 16)):
        written = encode(tmp_path / name, cut(x, 150), rate=44100, channels=2, bits=bits)
        assert (written.peak, written.clipped) == (1.5, 11)
        y = open_audio(tmp_path / name).samples()
        assert y[0, 100] == pytest.approx(1, abs=1e-4)
        assert np.allclose(y[1, 200:210], -1)
    written = encode(tmp_path / "x.wav", [x], rate=44100, channels=2)
    assert (written.peak, written.clipped) == (1.5, 0)
    assert np.array_equal(open_audio(tmp_path / "x.wav").samples(), x)


def test_full_scale_is_not_clipping(tmp_path: Path) -> None:
    x = np.ones((1, 100), np.float32)
    assert encode(tmp_path / "x.flac", [x, -x], rate=44100, channels=1).clipped == 0
    assert np.allclose(open_audio(tmp_path / "x.flac").samples()[0, ::100], [1, -1], atol=1e-6)


def test_float64_and_views(tmp_path: Path) -> None:
    x = music(0.3).astype(np.float64)
    encode(tmp_path / "a.flac", [x[::-1, ::2]], rate=22050, channels=2)
    assert np.array_equal(
        open_audio(tmp_path / "a.flac", rate=None).samples(), rounded(x.astype(np.float32)[::-1, ::2], 24)
    )


@pytest.mark.parametrize(
    ("name", "options", "why"),
    [
        ("x.mp3", {"rate": 96000, "channels": 2}, "mp3 does not support 96000 Hz with channels: 2; choose flac"),
        ("x.mp3", {"rate": 44100, "channels": 6}, "mp3 does not support 44100 Hz with channels: 6"),
        ("x.ogg", {"rate": 44100, "channels": 1}, "2 channels only"),
        ("x.flac", {"rate": 44100, "channels": 9}, "the audio has 9 channels"),
        ("x.aac", {"rate": 44100, "channels": 2}, "cannot write .aac"),
        ("x", {"rate": 44100, "channels": 2}, "cannot write a file without a suffix"),
    ],
)
def test_what_a_format_cannot_hold(name: str, options: dict[str, int], why: str, tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=why):
        encode(tmp_path / name, [np.zeros((options["channels"], 99), np.float32)], **options)
    assert not list(tmp_path.iterdir())


def test_wrong_use_is_no_audio_error(tmp_path: Path) -> None:
    x = music(0.1)
    for options in ({"bitrate": 320}, {"bits": 8}, {"bits": 32}):
        with pytest.raises(ValueError, match=r"flac"):
            encode(tmp_path / "x.flac", [x], rate=44100, channels=2, **options)
    for block in (x[0], x[:1], np.concatenate((x, x))):
        with pytest.raises(ValueError, match="2 channels"):
            encode(tmp_path / "x.flac", [block], rate=44100, channels=2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("suffix", ["flac", "wav", "mp3", "ogg"])
def test_no_numbers_no_file(suffix: str, value: float, tmp_path: Path) -> None:
    x = music(0.3)
    bad = x.copy()
    bad[1, -1] = value
    with pytest.raises(AudioError, match="not a number"):
        encode(tmp_path / f"x.{suffix}", [x, bad], rate=44100, channels=2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("blocks", [[], [np.zeros((2, 0), np.float32)]])
def test_no_sound_no_file(blocks: list[np.ndarray], tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no samples"):
        encode(tmp_path / "x.wav", blocks, rate=44100, channels=2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt(), AudioError("source gone")])
@pytest.mark.parametrize("suffix", ["flac", "wav", "mp3", "ogg"])
def test_a_failing_source_leaves_the_old_file(suffix: str, error: BaseException, tmp_path: Path) -> None:
    path = tmp_path / f"x.{suffix}"
    encode(path, [music(0.3)], rate=44100, channels=2)
    before = path.read_bytes()

    def failing():  # type: ignore[no-untyped-def]
        yield music(1.0)
        raise error

    with pytest.raises(type(error)):
        encode(path, failing(), rate=44100, channels=2)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_seen_before_it_is_complete(tmp_path: Path) -> None:
    with Writer(tmp_path / "x.flac", rate=44100, channels=2) as writer:
        writer.write(music(1.0))
        assert not (tmp_path / "x.flac").exists()
        assert writer.written.frames == 44100
    assert [p.name for p in tmp_path.iterdir()] == ["x.flac"]
    assert open_audio(tmp_path / "x.flac").frames == 44100


def test_four_at_once(tmp_path: Path) -> None:
    writers = [Writer(tmp_path / f"{k}.flac", rate=44100, channels=2) for k in range(4)]
    from contextlib import ExitStack

    with ExitStack() as stack:
        for writer in writers:
            stack.enter_context(writer)
        for k in range(30):
            for j, writer in enumerate(writers):
                writer.write(music(0.1, seed=10 * k + j))
    assert all(open_audio(tmp_path / f"{k}.flac").frames == 3 * 44100 for k in range(4))


@pytest.mark.parametrize("missing", [1, 100, 5000, 30_000])
@pytest.mark.parametrize("suffix", ["flac", "wav", "mp3", "ogg"])
def test_a_full_disk(suffix: str, missing: int, tmp_path: Path) -> None:
    """Wherever the disk ends, there is an error in one line and no file."""
    resource = pytest.importorskip("resource")
    path, x = tmp_path / f"x.{suffix}", music(2.0)
    encode(path, [x], rate=44100, channels=2)
    size = path.stat().st_size
    path.unlink()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size - missing, hard))
    try:
        with pytest.raises(AudioError) as caught:
            encode(path, cut(x, 30_000), rate=44100, channels=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(caught.value).isprintable()
    assert str(path) in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
@pytest.mark.parametrize("folder", ["absent", "file.txt"])
def test_no_such_folder(folder: str, tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("x")
    with pytest.raises(AudioError, match="cannot write"):
        encode(tmp_path / folder / "x.flac", [music(0.1)], rate=44100, channels=2)


def test_odd_names(tmp_path: Path) -> None:
    for name in ("x%03d.flac", "a b.flac", "ü☃.mp3", "x" * 250 + ".wav", "-x.ogg", "UPPER.FLAC"):
        encode(tmp_path / name, [music(0.3)], rate=44100, channels=2)
        assert open_audio(tmp_path / name).frames == 13230
    assert len(list(tmp_path.iterdir())) == 6


def test_stems_add_up(tmp_path: Path) -> None:
    """Four stems in 24 bits make a mix again within -60 dB, however quiet it is; in 16 bits they would not."""
    rng = np.random.default_rng(1)
    mix = music(2.0) * 10 ** (-60 / 20)
    shares = rng.dirichlet(np.ones(4), mix.shape[1]).T
    for bits, holds in ((None, True), (16, False)):
        for k, share in enumerate(shares):
            encode(tmp_path / f"{k}.flac", [mix * share.astype(np.float32)], rate=44100, channels=2, bits=bits)
        total = sum(open_audio(tmp_path / f"{k}.flac").samples().astype(np.float64) for k in range(4))
        error = 10 * np.log10(np.mean((total - mix) ** 2) / np.mean(mix.astype(np.float64) ** 2))
        assert (error < -60) == holds
