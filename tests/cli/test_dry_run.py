"""``--dry-run``: the plan of a run, and nothing else."""

import json
from pathlib import Path

import pytest

from library import make_track, write
from mirkit.cli import main


@pytest.fixture
def library(tmp_path: Path) -> Path:
    for name in ("One", "Two"):
        make_track(tmp_path / "library" / name, seconds=2)
    return tmp_path / "library"


def files(folder: Path) -> set[str]:
    """All that lies there, but what is known of folders, which may go at any time."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return {name for name in found if name not in (".mirkit", ".mirkit/library.sqlite")}


def test_the_plan_is_told_and_nothing_done(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(library)
    assert main(["run", str(library), "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"tracks   2 in {library}\nmethods  stems embedded, beats embedded")
    assert "to do    2 tracks" in said
    assert "needs    " in said
    assert "not downloaded" not in said, "one line about better methods"
    assert files(library) == before


def test_a_line_of_the_plan_is_short_and_has_the_command(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(library), "--dry-run", "--verbose"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "not downloaded" in line]
    assert len(lines) == 5
    names = [line.rpartition("; mirkit models fetch ")[2] for line in lines]
    assert set(names) <= {"htdemucs_ft", "beat_this", "adtof", "essentia", "audiobox"}
    assert len(names) == len(set(names)), "one line a family"
    assert all(len(line) <= 110 for line in lines), lines


def test_as_json(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extract", str(library), "--dry-run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["tracks"], told["methods"]["beats"], told["fetch"]) == (2, "embedded", [])
    assert told["todo"][str(library / "One")]["loudness"] == "new"
    assert told["minutes"] == pytest.approx(4 / 60, rel=0.01)


def test_loose_files_stay_where_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np

    write(tmp_path / "loose.wav", np.zeros((2, 44100), np.float32))
    assert main(["run", str(tmp_path), "--dry-run"]) == 0
    assert "1 loose file; this plan leaves it where it is" in capsys.readouterr().err
    assert main(["run", str(tmp_path), "--dry-run", "--organize", "move"]) == 0
    assert "1 loose file would be moved into track folders first" in capsys.readouterr().err
    assert files(tmp_path) == {"loose.wav"}


def test_what_is_wrong_is_said_all_the_same(library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    (tmp_path / "my.ckpt").write_bytes(b"nothing")
    assert main(["tempo", str(library), "--batch", "--beat-model", str(tmp_path / "my.ckpt"), "--dry-run"]) == 1
    assert "my.ckpt: this is not a checkpoint of PyTorch: the file is a text" in capsys.readouterr().err


def test_what_a_network_costs_and_what_is_faster(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    monkeypatch.setenv("MIRKIT_HOME", str(tmp_path / "cache"))  # in which no times are remembered
    monkeypatch.setattr("mirkit.models.weights.is_offline", lambda _run: False)
    for model, takes, seconds in (
        ("htdemucs_ft", "340 s of CPU time per minute of audio; --model htdemucs 85 s, --model embedded 6 s", 25),
        ("htdemucs", "85 s of CPU time per minute of audio; --model embedded 6 s", 5),
    ):
        words = ["separate", str(library), "--model", model, "--device", "cpu", "--jobs", "1", "--dry-run"]
        assert main(words) == 0
        said = capsys.readouterr().out
        assert f"         {model} takes about {takes}\n" in said
        assert f"needs    about {seconds} s with 1 worker" in said
        assert f"download Demucs {model}: " in said
