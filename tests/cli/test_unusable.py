"""Links to nothing, files that are no audio and folders that cannot be read: told in a line, excluded, then silent."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from library import make_track
from mirkit.cli import main

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")

LOOKS = (
    ("ls",),
    ("stats",),
    ("rights",),
    ("duplicates",),
    ("split",),
    ("report",),
    ("export", "csv", "-o", "out.csv", "--from", "tracks", "--overwrite"),
)


def run(*words: object) -> int:
    return main([*map(str, words)])


def look(words: tuple[str, ...], folder: Path, *more: object) -> int:
    target = words[1:2] if words[0] == "export" else ()
    return run(words[0], *target, folder, *words[1 + len(target) :], *more)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cli") / "music"
    make_track(root / "A", seconds=8.0, bpm=120.0)
    make_track(root / "B", seconds=8.0, bpm=100.0)
    (root / "letter.mp3").write_text("Dear all, this is no music. " * 99)
    (root / "empty.wav").touch()
    (root / "old").mkdir()
    assert run("extract", root, "--quiet", "--jobs", 1) == 1
    (root / "gone.flac").symlink_to("nowhere.flac")
    (root / "old" / "full_mix.wav").symlink_to("nowhere.wav")
    os.mkfifo(root / "pipe.ogg")
    return root


@pytest.fixture
def music(measured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "music"
    shutil.copytree(measured, root, symlinks=True, ignore=shutil.ignore_patterns("pipe.ogg"))
    os.mkfifo(root / "pipe.ogg")
    return root


@pytest.fixture
def locked(music: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that cannot be read, also not by root."""
    folder, scandir = music / "locked", os.scandir
    make_track(folder / "C", seconds=1.0)

    def refuse(path: "Path | str") -> object:
        if Path(path) == folder:
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    return folder


@pytest.mark.parametrize("words", LOOKS, ids=lambda words: words[0])
def test_a_command_that_looks_tells_known_faults_in_one_line_and_ends_with_0(
    words: tuple[str, ...], music: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert look(words, music) == 0
    told = capsys.readouterr()
    assert "FAILED" not in told.err
    (line,) = [line for line in told.err.splitlines() if "not used, because" in line]
    assert line.endswith((f"; why: mirkit verify {music}", "; why: mirkit verify music"))
    assert sum(name in line for name in ("gone.flac", "pipe.ogg", "old")) >= 2
    assert look(words, music, "--quiet") == 0
    assert "not used" not in capsys.readouterr().err


def test_commands_that_judge_end_with_1(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("verify",), ("run", "--jobs", "1"), ("extract", "--jobs", "1")):
        assert run(words[0], music, *words[1:]) == 1
        error = capsys.readouterr().err
        for path in ("gone.flac", "pipe.ogg", "full_mix.wav"):
            assert path in error
        assert error.count("this is a link to nothing, or no file; repair or remove it") == 3


def test_a_damaged_sidecar_is_no_known_fault(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (music / "A" / "A.INFO").write_text("{broken")
    for words in (("ls",), ("stats",), LOOKS[-1]):
        assert look(words, music) == 1
        assert "A.INFO: the file cannot be read as JSON" in capsys.readouterr().err


def test_a_query_finds_what_cannot_be_read(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ls", music, "state:unreadable", "--paths", "--quiet") == 0
    found = capsys.readouterr().out.splitlines()
    assert [os.path.relpath(path, music) for path in found] == ["old", "gone.flac", "pipe.ogg"]
    assert run("ls", music, "state:failed", "--paths", "--quiet") == 0
    found = capsys.readouterr().out.splitlines()
    assert [os.path.relpath(path, music) for path in found] == ["empty.wav", "letter.mp3"]


@pytest.mark.parametrize("by", ["query", "paths"])
def test_what_cannot_be_read_is_excluded_and_then_all_commands_end_with_0(
    by: str, music: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Step 2 of the tutorial that cleans a folder."""
    if by == "query":
        assert run("exclude", music, "--where", "state:new,failed,unreadable", "--reason", "cannot be read") == 0
    else:
        names = ("gone.flac", "pipe.ogg", "old", "letter.mp3", "empty.wav")
        assert run("exclude", *(music / name for name in names), "--reason", "cannot be read") == 0
    assert capsys.readouterr().out.count("excluded ") == 5
    for words in (*LOOKS, ("verify",), ("run", "--jobs", "1", "--dry-run")):
        assert look(words, music) == 0, words
        told = capsys.readouterr()
        assert "not used" not in told.err
        assert "FAILED" not in told.err
        assert "link to nothing" not in told.err + told.out
    assert run("ls", music, "excluded:*", "--paths", "--quiet") == 0
    assert len(capsys.readouterr().out.splitlines()) == 5
    assert run("include", music / "gone.flac") == 0
    assert run("verify", music, "--quiet") == 1
    assert "gone.flac: this is a link to nothing" in capsys.readouterr().err


def test_a_link_that_leads_somewhere_again_is_a_track(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ls", music, "state:unreadable", "--quiet", "--paths") == 0
    shutil.copy2(music / "A" / "full_mix.flac", music / "nowhere.flac")
    capsys.readouterr()
    assert run("ls", music, "state:new", "--quiet", "--paths") == 0
    found = capsys.readouterr().out.splitlines()
    assert [os.path.relpath(path, music) for path in found] == ["gone.flac", "nowhere.flac"]


def test_a_folder_that_cannot_be_read_is_excluded_too(locked: Path, capsys: pytest.CaptureFixture[str]) -> None:
    music = locked.parent
    assert run("exclude", music, "--where", "state:failed,unreadable", "--reason", "x", "--quiet") == 0
    assert run("ls", music) == 0
    assert "not used, because it failed or cannot be read: locked;" in capsys.readouterr().err
    assert run("verify", music, "--quiet") == 1
    assert "locked: cannot read: no permission" in capsys.readouterr().err
    assert run("extract", music, "--jobs", 1) == 1
    assert "FAILED" in capsys.readouterr().err
    assert run("exclude", locked, "--reason", "not mine") == 0
    capsys.readouterr()
    for words in (*LOOKS, ("verify",), ("extract", "--jobs", "1")):
        assert look(words, music) == 0, words
        assert "locked" not in capsys.readouterr().err


def test_a_stem_that_is_no_file_is_of_its_track(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("gone.flac", "pipe.ogg", "letter.mp3", "empty.wav"):
        (music / name).unlink()
    shutil.rmtree(music / "old")
    assert run("verify", music) == 0
    (music / "A" / "drums.wav").symlink_to("nowhere.wav")
    capsys.readouterr()
    assert run("ls", music) == 0
    assert "A/drums.wav; why" in capsys.readouterr().err.replace(os.sep, "/")
    assert run("verify", music, "--quiet") == 1
    assert run("exclude", music / "A", "--reason", "no drums", "--quiet") == 0
    assert run("verify", music, "--quiet") == 0


def test_a_named_file_that_cannot_be_read_is_an_error(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("ls",), ("show",), ("stats",), ("verify",), ("run",), ("rights",)):
        assert run(words[0], music / "gone.flac") == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.endswith("gone.flac: this is a link to nothing, or no file; repair or remove it")


def test_files_that_failed_are_in_no_split(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("split", music, "--val", 0.4, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert sorted([*told["train"], *told["val"]]) == ["A", "B"]
    assert sorted(told["unusable"]) == ["empty.wav", "gone.flac", "letter.mp3", "old", "pipe.ogg"]
    assert "this is a link to nothing" in told["unusable"]["gone.flac"]


def test_organize_leaves_links_to_nothing_where_they_are(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("organize", music)
    assert (music / "gone.flac").is_symlink()
    assert "gone.flac: this is a link to nothing" in capsys.readouterr().err


def test_verify_proposes_to_exclude_what_another_run_cannot_measure(
    music: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("verify", music) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("next: mirkit exclude ")
    assert last.endswith(' --where state:unreadable,failed --reason "cannot be read"')
    make_track(music / "new", seconds=1.0)
    assert run("verify", music) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("next: mirkit run ")
