"""Damaged files: what decodes is kept, at its right time; what is lost is told."""

import re
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from audio_files import KINDS, feed, id3, lag, music, picture, write

from mirkit.audio import Audio, open_audio
from mirkit.errors import AudioError

SECONDS = 10.0
Bytes = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    for name in KINDS:
        write(folder / name, music(SECONDS, rate_of(name)), rate_of(name))
    return folder


def rate_of(name: str) -> int:
    return 48000 if name.endswith("opus") else 44100


def broken(whole: Path, name: str, how: Bytes, folder: Path) -> Audio:
    (folder / name).write_bytes(how((whole / name).read_bytes()))
    return open_audio(folder / name, rate=None)


def cut(share: float) -> Bytes:
    return lambda data: data[: int(len(data) * share)]


def overwritten(share: float, fill: str, n: int = 9000) -> Bytes:
    """Replace ``n`` bytes in the middle by zeros or noise."""

    def how(data: bytes) -> bytes:
        at = int(len(data) * share)
        new = bytes(n) if fill == "zeros" else np.random.default_rng(5).bytes(n)
        return data[:at] + new + data[at + n :]

    return how


def removed(share: float, n: int = 9000) -> Bytes:
    return lambda data: data[: int(len(data) * share)] + data[int(len(data) * share) + n :]


# Every format but those whose index is at the end of the file (mp4), which cannot be opened when it is gone.
CUTTABLE = sorted(name for name in KINDS if not name.endswith("m4a"))


@pytest.mark.parametrize("tenth", range(1, 10))
@pytest.mark.parametrize("name", CUTTABLE)
def test_cut_at_every_tenth(whole: Path, name: str, tenth: int, tmp_path: Path) -> None:
    audio = broken(whole, name, cut(tenth / 10), tmp_path)
    good = open_audio(whole / name, rate=None).samples()
    got = audio.samples()
    assert got.shape[1] == pytest.approx(good.shape[1] * tenth / 10, abs=0.05 * good.shape[1])
    n = got.shape[1] - 4096  # what overlaps with lost sound may differ
    assert np.array_equal(got[:, :n], good[:, :n])
    if name.endswith(("ogg", "opus")):  # their length stands in their last page, so only the end that is none shows
        assert audio.damage.bad_packets
    else:
        assert audio.damage.share == pytest.approx(1 - tenth / 10, abs=0.05)


@pytest.mark.parametrize("name", sorted(name for name in KINDS if name.endswith("m4a")))
def test_a_cut_m4a_has_lost_its_index(whole: Path, name: str, tmp_path: Path) -> None:
    with pytest.raises(
        AudioError, match=rf"{name}: the file is cut off: it begins as m4a, but its index is missing; .* good copy"
    ):
        broken(whole, name, cut(0.7), tmp_path)


@pytest.mark.parametrize("name", ["aac.m4a", "s16.m4a"])
def test_a_cut_m4a_with_its_index_first(name: str, tmp_path: Path) -> None:
    codec, sample, container, options = KINDS[name]
    x = music(6.0)
    with av.open(str(tmp_path / "fast.m4a"), "w", format=container, options={"movflags": "faststart"}) as out:
        stream = out.add_stream(codec, rate=44100, layout="stereo", format=sample, options=options)
        data = x if sample == "fltp" else (x * 32768).astype(np.int16)
        feed(out, stream, data, 44100, sample, "stereo")
    data = (tmp_path / "fast.m4a").read_bytes()
    (tmp_path / "cut.m4a").write_bytes(data[: len(data) * 6 // 10])
    audio = open_audio(tmp_path / "cut.m4a")
    assert audio.duration == pytest.approx(3.6, abs=0.3)
    assert audio.damage.share == pytest.approx(0.4, abs=0.05)
    assert lag(audio.samples(), x[:, : audio.frames]) == 0


# Where time stamps, page positions or byte counts tell how much was lost. PCM has nothing that could be broken.
TIMED = ["s16.flac", "s24.flac", "cbr.mp3", "vorbis.ogg", "libopus.opus", "aac.m4a", "s16.m4a"]


@pytest.mark.parametrize("share", [0.2, 0.5, 0.75])
@pytest.mark.parametrize("fill", ["zeros", "noise"])
@pytest.mark.parametrize("name", TIMED)
def test_what_follows_damage_keeps_its_time(whole: Path, name: str, fill: str, share: float, tmp_path: Path) -> None:
    audio = broken(whole, name, overwritten(share, fill), tmp_path)
    good = open_audio(whole / name, rate=None).samples()
    got = audio.samples()
    assert got.shape == good.shape
    one = rate_of(name)
    assert lag(got[:, -one:], good[:, -one:]) == 0
    assert lag(got[:, :one], good[:, :one]) == 0
    assert 0.001 < audio.damage.share < 0.2
    assert audio.damage.bad_packets >= 1
    assert np.abs(got).max() < 1.5  # no bursts
    # Opus predicts from what was lost and finds back slowly
    same = np.isclose(got, good, atol=1e-6 if name != "libopus.opus" else 2e-3).all(axis=0).mean()
    assert same > (0.98 if name == "libopus.opus" else 0.99) - audio.damage.share


@pytest.mark.parametrize("name", ["s16.flac", "vorbis.ogg", "libopus.opus"])
def test_what_follows_a_hole_keeps_its_time(whole: Path, name: str, tmp_path: Path) -> None:
    audio = broken(whole, name, removed(0.4), tmp_path)
    good = open_audio(whole / name, rate=None).samples()
    assert audio.frames == good.shape[1]
    assert lag(audio.samples()[:, -40000:], good[:, -40000:]) == 0
    assert audio.damage.share > 0


def test_bytes_missing_from_an_mp3_are_missed_at_its_end(whole: Path, tmp_path: Path) -> None:
    audio = broken(whole, "cbr.mp3", removed(0.4), tmp_path)
    assert audio.damage.share == pytest.approx(9000 / (192000 / 8) / SECONDS, abs=0.01)


@pytest.mark.parametrize("name", ["s16.flac", "s24.flac"])
def test_a_flac_frame_with_a_flipped_bit_is_silence_not_noise(whole: Path, name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)

    def flip(data: bytes) -> bytes:
        changed = bytearray(data)
        for at in rng.integers(len(data) // 10, len(data), 6):
            changed[at] ^= 1 << int(rng.integers(8))
        return bytes(changed)

    audio = broken(whole, name, flip, tmp_path)
    good = open_audio(whole / name).samples()
    got = audio.samples()
    assert got.shape == good.shape
    frames = np.add.reduceat(np.any(got != good, axis=0), np.arange(0, got.shape[1], 4608)) > 0
    assert 1 <= frames.sum() <= 6
    wrong = np.repeat(frames, 4608)[: got.shape[1]]
    assert not got[:, wrong].any()
    assert audio.damage.share == pytest.approx(wrong.mean())


@pytest.mark.parametrize("at", ["first", "head"])
def test_a_flac_whose_first_frames_are_gone_starts_with_silence(whole: Path, at: str, tmp_path: Path) -> None:
    good = open_audio(whole / "s16.flac").samples()
    start = (whole / "s16.flac").read_bytes().index(b"\xff\xf8")
    n = 100 if at == "first" else 40_000
    audio = broken(whole, "s16.flac", lambda d: d[: start + 500] + bytes(n) + d[start + 500 + n :], tmp_path)
    got = audio.samples()
    assert got.shape == good.shape
    assert not got[:, :4608].any()
    assert np.array_equal(got[:, 50000:], good[:, 50000:])
    assert audio.damage.share > 0


def test_an_mp3_whose_first_frames_are_gone(whole: Path, tmp_path: Path) -> None:
    good = open_audio(whole / "cbr.mp3").samples()
    start = (whole / "cbr.mp3").read_bytes().index(b"Info") + 800
    audio = broken(whole, "cbr.mp3", lambda d: d[:start] + bytes(20_000) + d[start + 20_000 :], tmp_path)
    assert audio.frames == good.shape[1]
    assert lag(audio.samples()[:, 60000:], good[:, 60000:]) == 0
    assert audio.damage.share == pytest.approx(20_000 / (192000 / 8) / SECONDS, abs=0.01)


@pytest.mark.parametrize("junk", [b"TAG" + b"x" * 125, b"\0" * 5000, b"junk" * 700, id3((b"TIT2", b"\3x"))])
@pytest.mark.parametrize("name", sorted(KINDS))
def test_junk_behind_the_sound_loses_nothing(whole: Path, name: str, junk: bytes, tmp_path: Path) -> None:
    audio = broken(whole, name, lambda d: d + junk, tmp_path)
    good = open_audio(whole / name, rate=None).samples()
    assert np.array_equal(audio.samples()[:, : good.shape[1]], good)
    assert audio.frames - good.shape[1] <= 3000  # zeros behind an mp3 may pass for a frame
    assert audio.damage.share == 0


def test_joined_mp3_with_pictures_between_have_no_gaps(whole: Path, tmp_path: Path) -> None:
    tag = id3((b"TIT2", b"\3x"), picture(1000, 1000), (b"PRIV", np.random.default_rng(1).bytes(200_000)))
    audio = broken(whole, "cbr.mp3", lambda d: tag + d + tag + d, tmp_path)
    one = open_audio(whole / "cbr.mp3").frames
    assert 2 * one <= audio.frames <= 2 * one + 6 * 1152
    assert audio.damage.share == 0


@pytest.mark.parametrize("name", ["vorbis.ogg", "libopus.opus"])
def test_joined_ogg_files_follow_each_other(whole: Path, name: str, tmp_path: Path) -> None:
    audio = broken(whole, name, lambda d: d * 3, tmp_path)
    one = open_audio(whole / name, rate=None).frames
    assert audio.frames == pytest.approx(3 * one, abs=3000)
    assert audio.damage.share == 0


def test_sound_that_changes_its_rate_and_channels_on_the_way(tmp_path: Path) -> None:
    stereo, mono = music(4.0), music(4.0, 22050, 1)
    write(tmp_path / "cbr.mp3", stereo)
    write(tmp_path / "mono.mp3", mono, 22050, "cbr.mp3", b="64k")
    first, second = (tmp_path / "cbr.mp3").read_bytes(), (tmp_path / "mono.mp3").read_bytes()
    (tmp_path / "both.mp3").write_bytes(first + second + first)
    for rate in (44100, None, 48000):
        audio = open_audio(tmp_path / "both.mp3", rate=rate)
        y = audio.samples()
        assert y.shape[0] == 2
        assert audio.duration == pytest.approx(12.0, abs=0.3)
        middle = y[:, int(5.5 * audio.rate) : int(6.5 * audio.rate)]
        assert np.array_equal(middle[0], middle[1])  # the one channel, twice
        assert np.abs(y).max() < 1.2


def floats(path: Path, x: np.ndarray) -> Audio:
    write(path / "f32.wav", x)
    return open_audio(path / "f32.wav")


def test_samples_that_are_no_numbers_become_zero_and_count(tmp_path: Path) -> None:
    x = music(1.0)
    bad = x.copy()
    bad[0, 100:300] = np.nan
    bad[1, 5000] = np.inf
    bad[1, 5001] = -np.inf
    bad[0, 7000] = 1e30
    audio = floats(tmp_path, bad)
    y = audio.samples()
    wrong = ~(np.abs(bad) < 1e9)
    assert wrong.sum() == 203
    assert not y[wrong].any()
    assert np.array_equal(y[~wrong], x[~wrong])
    assert audio.damage.share == pytest.approx(203 / x.size)


def test_loud_floats_are_sound(tmp_path: Path) -> None:
    x = music(0.2) * 32768
    audio = floats(tmp_path, x)
    assert np.array_equal(audio.samples(), x)
    assert audio.damage.share == 0


def test_mostly_no_numbers_is_an_error(tmp_path: Path) -> None:
    x = music(1.0)
    x[:, 1000:] = np.nan
    with pytest.raises(AudioError, match="most samples of the file are not numbers"):
        floats(tmp_path, x).samples()


def test_doubles_beyond_float32(tmp_path: Path) -> None:
    x = music(1.0).astype(np.float64)
    x[0, 5] = 1e300
    write(tmp_path / "f64.wav", x)
    audio = open_audio(tmp_path / "f64.wav")
    assert audio.samples()[0, 5] == 0
    assert audio.damage.share == pytest.approx(1 / x.size)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_only_a_header(whole: Path, name: str, tmp_path: Path) -> None:
    for n in (0, 4, 44, 100, 300):
        outcome = attempt(lambda n=n: broken(whole, name, lambda d: d[:n], tmp_path))
        assert isinstance(outcome, Audio) or one_line(outcome, name)
        assert isinstance(outcome, AudioError) or outcome.frames < 300


@pytest.mark.parametrize("name", ["x.wav", "x.aiff", "x.flac", "x.ogg", "x.mp3"])
def test_no_sound_at_all(name: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / name, np.zeros((0, 2)), 44100)
    with pytest.raises(AudioError) as caught:
        open_audio(tmp_path / name).samples()
    assert one_line(caught.value, name)


def attempt(open_it: Callable[[], Audio]) -> Audio | AudioError:
    """What a file ends in: sound, or the one line that says why not."""
    try:
        audio = open_it()
        audio.samples()
    except AudioError as error:
        return error
    return audio


def one_line(error: AudioError, name: str) -> bool:
    text = str(error)
    return "\n" not in text and name in text and bool(re.search("replace|remove|convert", text))
