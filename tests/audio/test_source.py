"""``Audio``: held or streamed, in blocks of any size, by windows: always the same sound, in bounded memory."""

import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from audio_files import KINDS, as_float, music, write

from mirkit.audio import open_audio
from mirkit.errors import AudioError
from mirkit.features.types import Window

SRC = Path(__file__).resolve().parents[2] / "src"


@pytest.fixture(scope="module")
def flac(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sound of 15 s, so more than two chunks."""
    path = tmp_path_factory.mktemp("sound") / "s16.flac"
    write(path, music(15.0))
    return path


def joined(blocks: object) -> np.ndarray:
    return np.concatenate(list(blocks), axis=1)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("name", "rate"), [*((name, 44100) for name in sorted(KINDS)), *((name, None) for name in ("s16.flac", "cbr.mp3"))]
)
def test_streamed_is_held(name: str, rate: int | None, tmp_path: Path) -> None:
    write(tmp_path / name, music(7.0, 48000), 48000)
    held = open_audio(tmp_path / name, rate=rate)
    streamed = open_audio(tmp_path / name, rate=rate, hold_seconds=0)
    first, second = joined(streamed.blocks()), joined(streamed.blocks(1000))
    assert np.array_equal(first, held.samples())
    assert np.array_equal(second, first)
    assert streamed.frames == held.frames == first.shape[1]
    assert streamed.damage == held.damage


@pytest.mark.parametrize("size", [1, 999, 44100, 2**18 - 1, 2**18, 2**18 + 1, 10**7])
def test_blocks_of_any_size(flac: Path, size: int) -> None:
    audio = open_audio(flac)
    if size == 1:
        assert next(iter(audio.blocks(1))).shape == (2, 1)
        return
    blocks = list(audio.blocks(size))
    assert {b.shape[1] for b in blocks[:-1]} <= {size}
    assert 0 < blocks[-1].shape[1] <= size
    assert all(b.dtype == np.float32 and len(b) == 2 for b in blocks)
    assert np.array_equal(joined(blocks), audio.samples())
    assert np.array_equal(joined(audio.blocks(size)), audio.samples())


def test_blocks_cannot_be_changed(flac: Path) -> None:
    for audio in (open_audio(flac), open_audio(flac, hold_seconds=0)):
        for block in audio.blocks(10**5):
            with pytest.raises(ValueError, match="read-only"):
                block *= 2
    with pytest.raises(ValueError, match="read-only"):
        open_audio(flac).samples()[:] = 0


def test_a_pass_that_was_left_half_way_spoils_nothing(flac: Path) -> None:
    audio = open_audio(flac)
    for _ in audio.blocks(1000):
        break
    one, other = iter(audio.blocks(5000)), iter(audio.blocks(5000))
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert audio.frames == 15 * 44100


def test_held_sound_is_decoded_once(flac: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    audio = open_audio(flac)
    whole = joined(audio.blocks())
    monkeypatch.setattr("mirkit.audio.source.decode", None)
    assert np.array_equal(joined(audio.blocks(777)), whole)
    assert np.array_equal(audio.samples(), whole)
    assert audio.samples() is audio.samples()


def test_samples_of_long_sound_are_refused(flac: Path) -> None:
    with pytest.raises(AudioError, match=r"s16.flac: 15 s of audio .*limit 14 s.*blocks"):
        open_audio(flac, hold_seconds=14).samples()


@pytest.mark.parametrize("hold", [600, 0])
def test_windows(flac: Path, hold: float) -> None:
    audio = open_audio(flac, hold_seconds=hold)
    whole = open_audio(flac).samples()
    spans = [(0, 0), (0, 1), (0.5, 7.25), (0.5, 0.6), (6, 6.00001), (7.1, 14), (13, 15), (14.5, 99), (15, 20), (90, 91)]
    for (start, end), got in zip(spans, audio.windows(Window(*s) for s in spans), strict=True):
        assert np.array_equal(got, whole[:, round(start * 44100) : round(end * 44100)])
        assert not got.flags.writeable or not got.size or got.base is None
    assert np.array_equal(audio.window(3.3, 4.4), whole[:, round(3.3 * 44100) : round(4.4 * 44100)])


def test_windows_out_of_order_are_a_mistake(flac: Path) -> None:
    with pytest.raises(ValueError, match="order"):
        list(open_audio(flac).windows([Window(2, 3), Window(1, 2)]))


def test_one_pass_for_many_windows(flac: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mirkit.audio.source as module

    passes = []
    decode = module.decode
    monkeypatch.setattr(module, "decode", lambda *a, **k: passes.append(1) or decode(*a, **k))
    audio = open_audio(flac, hold_seconds=0)
    assert sum(w.shape[1] for w in audio.windows(Window(t, t + 2) for t in range(13))) == 13 * 2 * 44100
    assert len(passes) == 1


def test_memory_is_bounded_whatever_the_duration(tmp_path: Path) -> None:
    write(tmp_path / "s16.flac", np.tile(music(10.0, 8000, 1), 48), 8000)  # 8 minutes: 31 MB at 16 kHz
    audio = open_audio(tmp_path / "s16.flac", rate=16000, hold_seconds=20)
    tracemalloc.start()
    assert sum(b.shape[1] for b in audio.blocks()) == audio.frames == 8 * 60 * 16000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 16000 * 4 + 10e6


def test_what_is_held_is_bounded_by_bytes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write(tmp_path / "s16.wav", music(1.0, 192000), 192000)
    audio = open_audio(tmp_path / "s16.wav", rate=None)
    assert np.array_equal(audio.samples(), as_float(data))
    monkeypatch.setattr("mirkit.audio.source.HOLD_BYTES", 10**6)
    with pytest.raises(AudioError, match="too long"):
        open_audio(tmp_path / "s16.wav", rate=None).samples()


def test_importing_is_light() -> None:
    code = "import sys, mirkit.audio; print([m for m in ('av', 'soxr', 'scipy', 'numba') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=SRC, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
