"""What is printed at the end of a command, and paths in messages: short, once, and ready to be pasted."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from library import make_track, write
from mirkit.cli import main
from mirkit.cli.output import about, from_here, quoted
from mirkit.errors import pasted

NAMES = ["music", "my music", "it's", 'a "b"', "$HOME", "a;b&c", "-rf", "ümläut 日本", "a\nb", "a\\b", "*", "a'\n\\'b"]


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell reads it")
@pytest.mark.parametrize("name", NAMES)
def test_a_path_can_be_pasted(name: str) -> None:
    said = subprocess.run(["bash", "-c", f"printf %s {quoted(name)}"], capture_output=True, check=True).stdout
    assert os.fsdecode(said) == (f"./{name}" if name.startswith("-") else name)
    assert quoted(name).isprintable()


def test_paths_below_the_working_folder_are_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here = str(tmp_path)
    assert from_here(f"{here}/A/x.mp3: gone; run mirkit tempo '{here}/A'") == "A/x.mp3: gone; run mirkit tempo 'A'"
    for other in (f"{here}2/x", f"/mnt{here}/x", f"{here}: no track", f"{here}/-x", "/etc/x", f"~{here}/x"):
        assert from_here(other) == other
    monkeypatch.chdir("/")
    assert from_here("/etc/x: gone") == "/etc/x: gone"


def test_an_estimate_has_no_more_digits_than_are_known() -> None:
    assert [about(seconds) for seconds in (0, 4.9, 5, 33, 89, 130, 7260)] == [
        *("less than 5 s", "less than 5 s", "about 5 s", "about 35 s", "about 90 s", "about 2 min", "about 2 h 01 min")
    ]


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    make_track(tmp_path / "my music" / "One", seconds=1)
    return Path("my music")


def test_a_failed_track_is_one_line_with_one_path(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (library / "Two").mkdir()
    (library / "Two" / "full_mix.mp3").touch()
    (library / "letter.mp3").write_text("Dear all")
    assert main(["loudness", str(library), "--batch", "--jobs", "1"]) == 1
    out, err = capsys.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("FAILED")]
    assert lines == [
        "FAILED Two: full_mix.mp3: the file is empty (0 bytes); copy or download it again, or remove it",
        "FAILED letter.mp3: the file is not audio but a text; remove it, or give it its right suffix",
    ]
    assert 'what failed, and why: mirkit status "my music"' in err
    assert "tracks   3 in my music\n" in out
    assert str(Path.cwd()) not in out + err
    assert main(["status", str(library)]) == 0
    assert "FAILED Two: full_mix.mp3: the file is empty" in capsys.readouterr().err


def test_the_next_command(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def last(*words: str) -> str:
        main(list(words))
        return capsys.readouterr().out.splitlines()[-1]

    assert last("separate", str(library), "--batch") == 'next: mirkit extract "my music"'
    assert last("verify", str(library)) == 'next: mirkit run "my music"'
    assert last("extract", str(library)) == 'next: mirkit report "my music"'
    assert last("extract", str(library / "One")) == 'next: mirkit show "my music/One"'
    assert (
        last("crop", str(library), "--seconds", "0.5", "--batch")
        == 'next: mirkit export sat -o "my music-sat" "my music"'
    )
    assert last("export", "sat", "my music", "-o", "out") == "next: mirkit export sat out --check-only"
    assert last("export", "sat", "out", "--check-only") == "next: train as out/README.md describes"
    write(library / "loose.wav", np.zeros((2, 44100), np.float32))
    assert last("organize", str(library)) == 'next: mirkit run "my music"'
    for words in (["verify", "--quiet"], ["verify", "--json"], ["extract", "--dry-run"], ["extract", "--quiet"]):
        main([words[0], str(library), *words[1:]])
        assert "next: " not in capsys.readouterr().out


def test_every_command_says_that_a_folder_does_not_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (
        *(["run", "new"], ["extract", "new"], ["crop", "new", "--batch"], ["organize", "new"], ["init", "new"]),
        *(["verify", "new"], ["stats", "new"], ["duplicates", "new"], ["split", "new"], ["report", "new"]),
        *(
            ["export", "csv", "new", "-o", "out"],
            ["exclude", "new", "--reason", "x"],
            ["rights", "new"],
            ["status", "new"],
        ),
        *(["window", "new"], ["select", "3", "new"]),
    ):
        assert main(words) in (1, 2), words
        err = capsys.readouterr().err
        assert err.count("\n") == 1, (words, err)
        assert "there is no " in err, (words, err)
        assert err.count("new") == 1, (words, err)
        assert "lock" not in err
    assert not list(tmp_path.iterdir()), "nothing is made"


HOSTILE = '$(touch pwned) `touch pwned` "x"'


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell reads it")
@pytest.mark.parametrize("name", [*NAMES, HOSTILE])
def test_commands_in_messages_run_nothing_of_a_name(name: str, tmp_path: Path) -> None:
    """A data set of a stranger may be called anything, and users paste what a message tells them to run."""
    done = subprocess.run(["bash", "-c", f"printf %s {pasted(name)}"], capture_output=True, check=True, cwd=tmp_path)
    assert os.fsdecode(done.stdout) == name
    assert pasted(name).isprintable()
    assert not list(tmp_path.iterdir())
    assert pasted("my music") == '"my music"'


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell reads it")
def test_a_message_about_a_folder_with_a_hostile_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    make_track(tmp_path / HOSTILE / "One", seconds=1)
    assert main(["run", HOSTILE, "--dry-run"]) == 0
    assert main(["export", "sat", HOSTILE, "-o", "out"]) == 1  # there are no clips: cut them with ...
    assert main(["verify", HOSTILE]) == 1
    out, err = capsys.readouterr()
    for line in (out + err).splitlines():
        _, found, command = line.partition("mirkit ")
        if found and HOSTILE in command:
            subprocess.run(["bash", "-c", f"true {command}"], capture_output=True, check=True)
    assert HOSTILE in out + err
    assert not (tmp_path / "pwned").exists()


def test_a_folder_that_is_skipped_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "crops" / "a.wav", np.zeros((2, 4410), np.float32))
    assert main(["run", str(tmp_path / "crops")]) == 1
    assert "crops: folders of this name hold copies of tracks and are skipped" in capsys.readouterr().err
