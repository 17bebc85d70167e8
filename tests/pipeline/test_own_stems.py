"""Stems that a user brought are compared with the mix: their offset, and whether they are of the same recording."""

import json
from pathlib import Path

import numpy as np
import pytest

from library import write
from mirkit.cli import main
from mirkit.features.stem_match import SAME, match_stems
from mirkit.store import read_info, read_provenance
from mirkit.track import Track

pytestmark = pytest.mark.usefixtures("in_process")
RATE = 44100


def song(seed: int, seconds: float = 8.0) -> dict[str, np.ndarray]:
    """Four stems with attacks and noise, other ones for each seed."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE)
    t = np.arange(n) / RATE
    beat = 60 / (90 + 10 * seed)
    since = t % beat
    drums = 0.4 * rng.standard_normal(n) * np.exp(-since * 40)
    bass = 0.2 * np.sign(np.sin(2 * np.pi * (50 + 3 * seed) * t)) * (np.floor(t / beat) % 2)
    other = sum(0.05 * np.sin(2 * np.pi * f * (1 + seed / 13) * t) * np.exp(-(t % (2 * beat))) for f in (220, 277, 330))
    vocals = 0.1 * np.sin(2 * np.pi * (200 * t + 4 * np.sin(2 * np.pi * 5 * t))) * (np.floor(t) % 3 > 0)
    parts = {"drums": drums, "bass": bass, "other": other, "vocals": vocals}
    return {name: np.stack((x, 0.9 * x)).astype(np.float32) for name, x in parts.items()}


def make(folder: Path, mix: int, stems: int, *, late: int = 0, sign: int = 1, only: tuple[str, ...] = ()) -> Track:
    write(folder / "full_mix.wav", sum(song(mix).values()))
    for name, samples in song(stems).items():
        if not only or name in only:
            write(folder / f"{name}.wav", sign * np.roll(samples, late, axis=1))
    return Track.at(folder)


def mono(parts: dict[str, np.ndarray]) -> np.ndarray:
    return sum(parts.values()).mean(axis=0)


@pytest.mark.parametrize("offset", [0, 1, -1, 441, 2205, -30000])
def test_the_offset_is_found_to_the_sample(offset: int) -> None:
    mix = mono(song(1))
    found = match_stems(mix, np.roll(mix, offset), RATE)
    assert found is not None
    assert found.offset == offset
    assert found.is_same
    assert found.residual_db < -30 or offset


@pytest.mark.parametrize("seed", range(2, 8))
def test_another_song_has_no_peak(seed: int) -> None:
    found = match_stems(mono(song(1)), mono(song(seed)), RATE)
    assert found is not None
    assert abs(found.peak) < SAME / 1.5
    assert not found.is_same


def test_one_stem_and_a_mastered_mix_belong_together() -> None:
    parts = song(3)
    mix = np.tanh(4 * mono(parts))
    for stems in (parts, {"drums": parts["drums"]}, {"drums": parts["drums"], "bass": parts["bass"]}):
        found = match_stems(mix, mono(stems), RATE)
        assert found is not None
        assert found.is_same
        assert found.offset == 0


def test_silence_says_nothing() -> None:
    assert match_stems(np.zeros(RATE), np.ones(RATE), RATE) is None


def test_a_shift_is_reported_with_its_size(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    track = make(tmp_path / "x", 1, 1, late=2205)
    assert main(["run", str(track.folder), "-v"]) == 0
    assert "the stems are 50.0 ms later than the mix" in "".join(capsys.readouterr())
    assert main(["verify", str(track.folder)]) == 0
    assert "the stems are 50.0 ms later than the mix" in capsys.readouterr().out
    value = read_provenance(track.provenance).facts["stem_match"]["value"]
    assert isinstance(value, dict)
    assert (value["same"], value["offset"]) == (True, 0.05)


def test_stems_of_another_song_are_not_used_and_stay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    track = make(tmp_path / "x", 1, 5)
    before = {path.name: path.read_bytes() for path in track.folder.iterdir()}
    assert main(["run", str(track.folder)]) == 1
    assert "the stems beside the mix are of another recording, so they are not used" in "".join(capsys.readouterr())
    info = read_info(track.info)
    assert info["lufs"] is not None
    assert info["lufs_drums"] is None
    assert main(["run", str(track.folder)]) == 1  # until they are moved
    assert {name: (track.folder / name).read_bytes() for name in before} == before
    assert main(["verify", str(track.folder)]) == 1
    assert "separate failed: the stems beside the mix are of another recording" in capsys.readouterr().out
    assert main(["separate", str(track.folder), "--replace-stems"]) == 0
    assert (track.folder / "drums.wav.replaced-1").read_bytes() == before["drums.wav"]
    assert Track.at(track.folder).stems["drums"].name == "drums.flac"
    assert main(["run", str(track.folder)]) == 0
    assert read_info(track.info)["lufs_drums"] is not None


def test_commands_that_measure_compare_the_stems_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    track = make(tmp_path / "x", 1, 5)
    assert main(["spectral_shape", str(track.folder)]) == 0  # reads the mix alone
    capsys.readouterr()
    assert main(["loudness", str(track.folder)]) == 1
    assert "the stems beside the mix are of another recording, so they are not used" in "".join(capsys.readouterr())
    info = read_info(track.info)
    assert info["lufs"] is not None
    assert info["lufs_drums"] is None
    late = make(tmp_path / "y", 1, 1, late=2205)
    assert main(["loudness", str(late.folder)]) == 0
    assert "the stems are 50.0 ms later than the mix" in "".join(capsys.readouterr())
    assert read_info(late.info)["lufs_drums"] is not None


def test_stems_that_belong_are_compared_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    track = make(tmp_path / "x", 1, 1)
    assert main(["run", str(track.folder), "-q"]) == 0
    monkeypatch.setattr("mirkit.pipeline.own_stems.check_stems", lambda *_: pytest.fail("compared again"))
    assert main(["run", str(track.folder), "-q"]) == 0
    assert main(["loudness", str(track.folder), "--overwrite", "-q"]) == 0


@pytest.mark.parametrize(("only", "status"), [(("drums", "bass"), 1), (("vocals",), 0)])
def test_some_stems_are_rejected_only_where_it_can_be_told(only: tuple[str, ...], status: int, tmp_path: Path) -> None:
    track = make(tmp_path / "x", 1, 4, only=only)
    assert main(["run", str(track.folder), "-q"]) == status
    assert (json.loads(track.info.read_text())[f"lufs_{only[0]}"] is None) == bool(status)
    assert (track.folder / f"{only[0]}.wav").exists()


@pytest.mark.parametrize(("stems", "says"), [(4.0, "4.0 s shorter"), (9.0, "1.0 s longer"), (8.1, "")])
def test_another_length_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], stems: float, says: str
) -> None:
    track = make(tmp_path / "x", 1, 1)
    for name, samples in song(1, 10.0).items():
        write(track.folder / f"{name}.wav", samples[:, : round(stems * RATE)])
    assert main(["run", str(track.folder), "-v"]) == 0
    printed = capsys.readouterr()
    assert main(["verify", str(track.folder)]) == 0
    both = printed.out + printed.err, capsys.readouterr().out
    line = f"the stems are {says} than the mix" if says else "than the mix"
    assert [line in text for text in both] == [bool(says)] * 2
