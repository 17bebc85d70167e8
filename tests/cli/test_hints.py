"""Hints of commands that were given the wrong words, and folded lines."""

import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from library import make_track, write
from mirkit import load
from mirkit.cli import main
from mirkit.cli.output import columns
from mirkit.cli.output.columns import folded
from mirkit.dataset.duplicates.find import Duplicates, best_copy
from mirkit.dataset.split import TrackFacts, split_tracks
from mirkit.errors import SettingsError
from mirkit.track import Track, find_all


@pytest.mark.parametrize("command", ["run", "extract", "crop"])
def test_no_folder_above_data_sets_becomes_one_without_being_named(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("b set", "a"):
        make_track(tmp_path / name / "t", seconds=1.0)
        (tmp_path / name / "mirkit.toml").touch()
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".mirkit").mkdir()  # as an earlier version left it
    assert main([command]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == f"mirkit: this folder is no data set, but a, b set in it are data sets: mirkit {command} a"
    assert not (tmp_path / "mirkit.toml").exists()
    (tmp_path / "a" / "mirkit.toml").unlink()
    assert main([command]) == 2
    assert capsys.readouterr().err.endswith(f'b set in it is a data set: mirkit {command} "b set"\n')
    monkeypatch.chdir(tmp_path / "b set")
    assert main(["run", "--dry-run"]) == 0


@pytest.mark.parametrize(("word", "says"), [("--bogus", ""), ("--quite", "--quiet"), ("--dryrun", "--dry-run")])
def test_only_like_options_are_proposed(word: str, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "x", word]) == 2
    error = capsys.readouterr().err
    assert (f"did you mean {says}?" in error) if says else ("did you mean" not in error)


def test_a_folder_behind_the_query_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_track(tmp_path / "my music" / "t", seconds=1.0)
    monkeypatch.chdir(tmp_path)
    assert main(["ls", "bpm:300", "my music"]) == 1
    assert 'name the folder first: mirkit ls "my music" bpm:300' in capsys.readouterr().err
    assert main(["select", "my music", "20"]) == 2
    assert 'then the folder: mirkit select N "my music"' in capsys.readouterr().err
    assert main(["ls", "my music", "bpm:300"]) == 0


def test_exclude_tells_first_that_a_path_does_not_exist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exclude", str(tmp_path / "nowhere")]) == 1
    assert "nowhere: there is no such file or folder" in capsys.readouterr().err
    make_track(tmp_path / "t", seconds=1.0)
    assert main(["exclude", str(tmp_path / "t")]) == 2
    assert "--reason: give the reason why the track is excluded" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "best"),
    [
        (("copy of 3", "3"), "3"),
        (("3 (1).wav", "3.wav"), "3.wav"),
        (("a/Song - Copy.flac", "z/Song.flac"), "z/Song.flac"),
        (("a", "b"), "a"),
        (("Copycat", "Original"), "Copycat"),
    ],
)
def test_the_original_is_kept(names: tuple[str, str], best: str, tmp_path: Path) -> None:
    path = write(tmp_path / "x.wav", np.zeros((1, 4410), np.float32))
    assert best_copy(dict.fromkeys(names, path)) == best


def test_a_single_sound_does_not_validate_songs() -> None:
    names = [f"song{i}" for i in range(6)] + ["hit"]
    tracks = [Track(Path(name)) for name in names]
    facts = [TrackFacts({}, None, 180.0)] * 6 + [TrackFacts({}, None, 0.3)]
    for seed in range(12):
        drawn = split_tracks(tracks, names, 0.05, seed, duplicates=Duplicates(), facts=facts, test_share=0.05)
        assert "hit" in drawn.train
        assert len(drawn.val) == len(drawn.test) == 1
    hits = [TrackFacts({}, None, 0.3 + i / 100) for i in range(7)]
    assert any(
        split_tracks(tracks, names, 0.05, seed, duplicates=Duplicates(), facts=hits).val == ("hit",)
        for seed in range(40)
    )


def test_two_hits_and_their_copies_are_no_pack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("kick", "snare"):
        write(tmp_path / f"{name}.wav", np.full((1, 8820), 0.1, np.float32))
    for name in ("song", "other song"):
        write(tmp_path / f"{name}.wav", np.full((1, 44100 * 5), 0.1, np.float32))
    assert len(find_all(tmp_path, samples=False)) == 4
    assert main(["organize", str(tmp_path), "--copy", "--quiet"]) == 0
    assert [track.loose for track in find_all(tmp_path, samples=False)] == [""] * 4
    capsys.readouterr()
    assert main(["organize", str(tmp_path), "--undo"]) == 0
    out = capsys.readouterr().out
    assert "4 files removed, because they are copies, 0 failed" in out
    assert "moved back" not in out
    assert f"kick{os.sep}full_mix.wav: copy of kick.wav" in out
    assert len(find_all(tmp_path)) == 4


def test_lines_are_folded_between_words_and_not_in_commands() -> None:
    text = "outlier  lufs: one (3), two (4); see: mirkit ls . lufs:..-40 sort:lufs; and more"
    assert folded(text, None) == folded(text, 200) == text
    lines = folded(text, 40).splitlines()
    assert lines == [
        "outlier  lufs: one (3), two (4); see:",
        "         mirkit ls . lufs:..-40 sort:lufs;",
        "         and more",
    ]


def test_notes_and_lines_below_tables_fit_a_narrow_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(3):
        make_track(tmp_path / f"a track with a long name {number}", seconds=1.0)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)
    assert columns.terminal_width() == 60
    for command in ("stats", "duplicates", "split", "ls"):
        assert main([command, "."]) == 0
        told = capsys.readouterr()
        lines = [re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line) for line in (told.out + told.err).splitlines()]
        assert [line for line in lines if len(line) > 60] == []


def test_an_unknown_name_of_a_data_set_says_what_to_do(tmp_path: Path) -> None:
    make_track(tmp_path / "song", seconds=1.0)
    with pytest.raises(SettingsError, match=r"no field 'song'.*load\(path, 'name:song'\)"):
        load(tmp_path)["song"]
