"""``mirkit ls`` and ``mirkit show``: what they print, for people and for other programs, and their exit statuses."""

import csv
import io
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mirkit
from mirkit import engines
from mirkit.cli import main
from mirkit.cli.output.columns import bar, fitted, shorten, width_of
from mirkit.cli.parser import parse
from mirkit.dataset.library import stamps
from mirkit.engines import run_serially

Make = Callable[..., Path]


def write_track(folder: Path, info: dict[str, Any] | None = None, *, tags: Any = None, **stages: Any) -> Path:
    """Write a track that looks measured."""
    folder.mkdir(parents=True)
    (folder / "full_mix.flac").write_bytes(b"")
    if info is None:
        return folder
    when = {"mirkit_version": "0.1.0", "stage_version": 1, "when": "2026-11-01T12:00:00+00:00"}
    provenance = {
        "format": 1,
        "stages": {
            "beats": when | {"backend": "embedded", "reasons": {"bpm": "no pulse"} if info.get("bpm") is None else {}},
            "loudness": when | {"reasons": {"lra": "too short"}},
        }
        | {name: when | more for name, more in stages.items()},
        "facts": {
            "tags": {"value": tags or {}},
            "duration": {"value": 204.4},
            "codec": {"value": "flac"},
            "sample_rate": {"value": 44100},
            "channels": {"value": 2},
        },
    }
    (folder / f"{folder.name}.INFO").write_text(json.dumps(info))
    (folder / f"{folder.name}.PROVENANCE").write_text(json.dumps(provenance))
    return folder


ONE = {"bpm": 119.996, "bpm_is_defined": 1, "key": "A", "mode": "minor", "key_confidence": 0.93, "lufs": -14.26}
ONE |= {"time_signature": "4/4", "time_signature_confidence": 0.8, "vocal_presence": 0.0, "lra": None, "swing": 0.9}
ONE |= {"chords": "| Am | G |", "music_facts": "A slow piece.", "chroma_9": 0.9, "bpm_confidence": 0.7}
TWO = {"bpm": 92.5, "key": "A#", "mode": "major", "lufs": -8.0, "vocal_presence": 0.61}
THREE = {"bpm": None, "key": None, "mode": None, "lufs": -20.0}


@pytest.fixture
def music(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a data set of four tracks, and enter the folder above it."""
    monkeypatch.setattr(engines, "run", lambda work, items, **_: run_serially(work, items))
    monkeypatch.setattr(stamps, "MIN_AGE", -60.0)
    root = tmp_path / "music"
    write_track(root / "Air - One", ONE, tags={"artist": "Air", "title": "One"})
    write_track(root / "Björk - 二", TWO, tags={"artist": "Björk", "title": "=cmd()", "year": 1997})
    write_track(root / "drone", THREE)
    write_track(root / "new")
    monkeypatch.chdir(tmp_path)
    return root


def run(*words: object) -> int:
    return main([str(word) for word in words])


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def listed(capsys: pytest.CaptureFixture[str], *words: object) -> list[str]:
    """Return the paths that a query finds."""
    assert run("ls", *words, "--paths") == 0
    return lines(capsys)


def test_a_table_shows_the_most_important_values(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ls", "music", "sort:bpm-") == 0
    out, error = capsys.readouterr()
    assert [line.split() for line in out.splitlines()] == [
        ["path", "bpm", "key", "time_signature", "duration", "lufs", "vocal_presence"],
        ["-" * 10, *["-" * w for w in (5, 3, 14, 8, 5, 14)]],
        ["Air", "-", "One", "120.0", "Am", "4/4", "3:24", "-14.3", "0.00"],
        ["Björk", "-", "二", "92.5", "Bb", "-", "3:24", "-8.0", "0.61"],
        ["drone", "-", "-", "-", "3:24", "-20.0", "-"],
        ["new", *["-"] * 6],
    ]
    assert error == '4 of 4 tracks; 1 not measured (measure with: mirkit extract "music")\n'


def test_the_path_is_told_from_the_query(
    music: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert listed(capsys, "music", "bpm:120") == [os.path.join("music", "Air - One")]
    assert listed(capsys, music, "air") == [str(music / "Air - One")]
    monkeypatch.chdir(music)
    assert listed(capsys, "bpm:120") == ["Air - One"]
    assert listed(capsys) == ["Air - One", "Björk - 二", "drone", "new"]
    assert listed(capsys, "Air - One") == ["Air - One"]
    assert listed(capsys, "Air - One", "bpm:90") == []
    monkeypatch.chdir(music / "Air - One")
    assert listed(capsys) == ["."]
    assert run("ls", f"no{os.sep}such") == 1
    assert "there is no such file or folder" in capsys.readouterr().err


def test_terms_may_be_negated_and_stand_behind_options(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert listed(capsys, "music", "-artist:air", "bpm:*") == [os.path.join("music", "Björk - 二")]
    assert listed(capsys, "music", "-(artist:air OR bpm:null)") == [os.path.join("music", "Björk - 二")]
    assert listed(capsys, "music", "--limit", 5, "bpm:*", "--sort", "bpm", "-key:Am") == [
        os.path.join("music", "Björk - 二")
    ]
    assert listed(capsys, "--limit", "1", "music", "sort:lufs") == [os.path.join("music", "drone")]
    assert listed(capsys, "music", "--limit=1", "--sort=lufs") == [os.path.join("music", "drone")]
    assert listed(capsys, "music", "artist:Air OR artist:björk", "key:Am") == [os.path.join("music", "Air - One")]
    assert run("ls", "music", "--nonsense") == 2
    assert "--nonsense" in capsys.readouterr().err


def test_csv_and_json_hold_all_digits(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ls", "music", "bpm:*", "--format", "csv", "--fields", "path,title,bpm,key,mode,year,measured") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert rows[0] == {
        "path": os.path.join("music", "Air - One"),
        "title": "One",
        "bpm": "119.996",
        "key": "A",
        "mode": "minor",
        "year": "",
        "measured": "2026-11-01T12:00:00+00:00",
    }
    assert rows[1]["title"] == "'=cmd()"  # no spreadsheet runs it
    assert run("ls", "music", "--json", "--fields", "name,bpm,year,reasons") == 0
    told = json.loads(capsys.readouterr().out)
    assert told[1] | {"reasons": {}} == {"name": "Björk - 二", "bpm": 92.5, "year": 1997, "reasons": {}}
    assert told[2]["reasons"]["bpm"] == "no pulse"
    assert told[2]["bpm"] is None
    assert run("ls", "music", "bpm:7", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out) == []
    assert run("ls", "music", "--json", "--fields", "all", "--limit", 1) == 0
    assert len(json.loads(capsys.readouterr().out)[0]) > 120


def test_paths_are_for_other_programs(music: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    name = "two\nlines" if sys.platform != "win32" else "two lines"
    write_track(music / name, ONE)
    assert run("ls", "music", "path:lines", "-0") == 0
    assert capfdbinary.readouterr().out == os.fsencode(os.path.join("music", name)) + b"\0"
    assert run("ls", "music", "path:lines", "--paths", "--quiet") == 0
    assert capfdbinary.readouterr() == (os.fsencode(os.path.join("music", name)) + os.linesep.encode(), b"")


@pytest.mark.skipif(sys.platform != "linux", reason="takes rights away in the way of Linux")
def test_a_name_that_is_no_utf8_is_passed_on_as_it_is(music: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    raw = os.fsencode(music) + b"/caf\xe9"
    write_track(Path(os.fsdecode(raw)), None)
    assert run("ls", music, "caf", "-0") == 0
    assert capfdbinary.readouterr().out == raw + b"\0"
    assert run("ls", music, os.fsdecode(b"caf\xe9")) == 0
    assert b"caf\\xe9" in capfdbinary.readouterr().out.replace(b"\\udce9", b"\\xe9")


def test_excluded_and_unreadable_tracks_are_told(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("exclude", music / "drone", "--reason", "no tempo", "--quiet") == 0
    (music / "new" / "new.INFO").write_text("{broken")
    assert run("ls", "music") == 1
    out, error = capsys.readouterr()
    assert [line.split("  ")[0] for line in out.splitlines()[2:]] == ["Air - One", "Björk - 二"]
    assert "FAILED" in error
    assert "new.INFO: the file cannot be read as JSON" in error
    assert "1 excluded (excluded:* lists them)" in error
    assert run("ls", "music", "excluded:tempo", "--fields", "path,excluded", "--quiet") == 1
    assert lines(capsys)[2] == "drone  no tempo"
    assert run("ls", "music", "state:unreadable", "--paths", "--quiet") == 1
    assert lines(capsys) == [os.path.join("music", "new")]


def test_nothing_found_is_no_failure(music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ls", "music", "bpm:300") == 0
    assert capsys.readouterr() == ("", "no track matches; 4 tracks searched\n")
    (tmp_path / "empty").mkdir()
    assert run("ls", tmp_path / "empty") == 1
    assert "there is no track in this folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["bmp:120"], "did you mean bpm?"),
        (["bpm:fast"], "bpm must be a number"),
        (["(bpm:1"], "a parenthesis is not closed"),
        (["--sort", "bmp"], "did you mean bpm?"),
        (["--fields", "bmp"], "did you mean bpm?"),
        (["--limit", "-1"], "--limit"),
        (["--limit=-1"], "--limit must be"),
        (["--limit", "0"], "--limit must be"),
        (["--format", "xml"], "--format"),
    ],
)
def test_wrong_queries_are_one_line(
    music: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("ls", "music", *words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


def test_the_fields_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ls", "--list-fields") == 0
    names = [line.split()[0] for line in lines(capsys)[2:] if not line.startswith(" ")]
    assert {"bpm", "key", "tonic", "state", "artist", "added", "lufs_drums"} <= set(names)


@pytest.mark.parametrize("command", ["ls", "show"])
def test_the_help_has_three_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse([command, "--help"])
    out = capsys.readouterr().out
    assert out.count(f"\n  mirkit {command} ") >= 3


def test_show_begins_with_tempo_key_and_meter(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", music / "Air - One") == 0
    out = lines(capsys)
    assert out[:3] == ["Air - One", "3:24, flac, 44.1 kHz, stereo", str(music / "Air - One")]
    assert out[4].split() == ["tempo", "120.0", "BPM", "confidence", "0.70"]
    assert out[5].split() == ["key", "A", "minor", "confidence", "0.93"]
    assert out[6].split() == ["meter", "4/4", "confidence", "0.80"]
    assert out[7].split(maxsplit=1) == ["chords", "| Am | G |"]
    rows = {line.split()[0]: line.split() for line in out if line.startswith("  ")}
    assert rows["lufs"] == ["lufs", "-14.3", "LUFS"]
    assert rows["lra"] == ["lra", "-", "too", "short"]
    assert rows["chroma_9"] == ["chroma_9", "0.90", "A"]
    assert rows["swing"] == ["swing", "0.90", "outside", "its", "range"]
    assert rows["brightness"] == ["brightness", "-", "not", "measured"]
    assert "    A slow piece." in out
    assert rows["beats"] == ["beats", "embedded"]
    assert "  mirkit 0.1.0 on 2026-11-01: beats, loudness" in out


def test_show_compares_with_the_other_tracks(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(4):
        write_track(music / f"more {number}", {"lufs": -14.26 - number % 2, "bpm": 100.0 + 10 * number})
    assert run("show", music / "Air - One") == 0
    assert not any("Bars" in line for line in lines(capsys))  # nothing says that the folder is a data set
    (music / "mirkit.toml").touch()
    assert run("show", music / "Air - One") == 0
    out = lines(capsys)
    assert "Bars: the share of 7 other tracks with a lower value." in out
    (lufs,) = (line for line in out if line.split()[:1] == ["lufs"])
    # Lower: -20, -15.26, -15.26; equal: -14.26 twice; higher: -8.
    assert lufs.split()[-2:] == ["67", "%"]
    assert run("show", music / "Air - One", "--json") == 0
    assert json.loads(capsys.readouterr().out)["ranks"] == {"lufs": 0.6667, "bpm": 0.6}


def test_show_takes_a_file_or_a_query(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        [music / "Air - One" / "full_mix.flac"],
        [music, "artist:air"],
        [music, "Air - One"],
        ["music", "bpm:120", "key:Am"],
    ):
        assert run("show", *words, "--json") == 0
        assert json.loads(capsys.readouterr().out)["name"] == "Air - One"
    (music / "loose.flac").write_bytes(b"")
    shutil.copy(music / "Air - One" / "Air - One.INFO", music / "loose.INFO")
    assert run("show", music / "loose.flac", "--json") == 0
    assert json.loads(capsys.readouterr().out)["values"]["bpm"] == 119.996


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        ([], 2, "name a track"),
        (["music"], 2, "4 tracks match; name one of them: Air - One; "),
        (["music", "artist:zappa"], 1, "no track matches 'artist:zappa' (4 tracks searched)"),
        (["music", "artits:zappa"], 2, "did you mean artist"),
        (["s3://bucket/track"], 2, "takes local folders"),
    ],
)
def test_show_says_what_is_wrong_in_one_line(
    music: Path, words: list[str], status: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("show", *words) == status
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


def test_show_a_track_that_is_not_measured(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", music / "new") == 1
    out = lines(capsys)
    assert f'not measured; measure it with: mirkit run "{music / "new"}"' in out
    assert len(out) < 10, "names without values are not listed"
    assert run("show", music / "new", "--verbose") == 1
    assert any(line.startswith("  lufs ") for line in lines(capsys))
    (music / "new" / "new.INFO").write_text("{broken")
    assert run("show", music / "new") == 1
    assert "cannot be read as JSON" in capsys.readouterr().err


def test_show_a_track_that_could_not_be_measured(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_track(music / "broken", {}, separate={"failed": "the file is empty (0 bytes)"})
    assert run("show", music / "broken") == 1
    out = lines(capsys)
    assert "measuring failed: the file is empty (0 bytes)" in out
    assert not any("not measured;" in line for line in out)


def test_show_names_failed_stages_and_values_of_the_user(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    digest = {"size": 1, "mtime_ns": 0, "ctime_ns": 0, "inode": 0, "sha256": "0" * 64}
    write_track(music / "x", ONE, drums={"failed": "out of memory"}, chroma={"user": {"key": digest}})
    assert run("show", music / "x", "--verbose") == 0
    out = lines(capsys)
    assert "  drums           FAILED: out of memory" in out
    assert "key         A minor       set by you" in out
    assert any("tempo of the stable part of the beat grid" in line for line in out)


def test_values_of_replaced_audio_are_marked(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {"full_mix": {"sha256": "0" * 64, "size": 1, "mtime_ns": 1}}
    write_track(music / "changed", ONE, loudness={"inputs": before})
    assert run("ls", "music", "bpm:120") == 0
    out, error = capsys.readouterr()
    assert [line.split()[-1] for line in out.splitlines()[2:]] == ["measured", "outdated"]
    assert "1 outdated, because the audio was replaced since it was measured" in error
    assert listed(capsys, "music", "state:outdated") == [os.path.join("music", "changed")]
    assert listed(capsys, "music", "outdated:full_mix") == [os.path.join("music", "changed")]
    assert run("ls", "music", "bpm:120", "--format", "csv", "--fields", "name,state") == 0
    assert lines(capsys) == ["name,state", "Air - One,measured", "changed,outdated"]
    assert run("stats", "music") == 0
    out, error = capsys.readouterr()
    assert "1 track left out, because the audio was replaced since it was measured (changed)" in error
    assert "4 tracks" in out
    assert run("select", "2", "music") == 0
    out, error = capsys.readouterr()
    assert "changed:" not in out
    assert "1 track left out" in error
    assert [row["state"] for row in mirkit.load("music", "bpm:120")] == ["measured", "outdated"]


def test_show_finds_the_results_of_a_renamed_folder(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (music / "Air - One").rename(music / "Air - 1")
    assert run("show", music / "Air - 1") == 0
    out = lines(capsys)
    assert "the folder was renamed, and its results are still named Air - One; mirkit run renames them" in out
    assert any(line.startswith("tempo       120.0 BPM") for line in out)
    assert run("show", music / "Air - 1", "--json") == 0
    assert json.loads(capsys.readouterr().out)["renamed_from"] == "Air - One"


@pytest.mark.parametrize("command", ["ls", "show"])
def test_a_name_that_is_no_folder_is_told(
    command: str, music: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(music / "..")
    (music / "plain").mkdir()
    (music / "plain" / "song.flac").write_bytes(b"")
    monkeypatch.chdir(music / "plain")
    assert run(command, "nothere") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "nothere: there is no such file or folder, and no track in this folder matches it as a word" in line
    assert os.listdir() == ["song.flac"]


def test_show_says_that_the_audio_has_changed(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {"full_mix": {"sha256": "0" * 64, "size": 1, "mtime_ns": 1}}
    folder = write_track(music / "changed", ONE, level={"inputs": before})
    assert run("show", folder) == 0
    out = lines(capsys)
    assert out[3:5] == [
        "outdated: the audio has changed since it was measured (level)",
        f'bring it up to date with: mirkit run "{folder}"',
    ]
    assert run("show", folder, "--json") == 0
    assert "(level)" in json.loads(capsys.readouterr().out)["outdated"]
    assert run("show", music / "Air - One", "--json") == 0
    assert json.loads(capsys.readouterr().out)["outdated"] is None


def test_texts_are_as_wide_as_a_terminal_shows_them() -> None:
    assert [width_of(text) for text in ("abc", "二重", "e\u0301", "")] == [3, 4, 1, 0]
    assert [shorten("abcdef", width) for width in (6, 5)] == ["abcdef", "abcd…"]
    assert shorten("二重二重", 5) == "二重…"
    assert bar(0.5, 4) == "██░░"
    assert (bar(0.0, 3), bar(1.0, 3)) == ("░░░", "███")


@pytest.mark.parametrize("width", [33, 40, 60, 200])
def test_tables_fit_into_the_width(width: int) -> None:
    rows = [["a" * 50, "1.5", "b" * 30], ["二" * 30, "120.0", "x\ty\x1b[31m"]]
    table = list(
        fitted(["path", "bpm", "title"], list(zip(*rows, strict=True)), numbers=[False, True, False], width=width)
    )
    assert max(map(width_of, table)) <= width
    assert len(table) == (4 if width >= 24 + 2 + 5 + 2 + 24 else 9)
    assert "\x1b" not in "".join(table)
    assert all("120.0" in line or "1.5" in line for line in table[2:4])


def test_columns_that_do_not_fit_follow_in_another_table() -> None:
    columns = [["A", "B"], ["1.25", "2"], ["first text", "a text of 21 letters."]]
    table = list(fitted(["path", "bpm", "title"], columns, numbers=[False, True, False], width=18))
    assert len(list(fitted(["path", "bpm", "title"], columns, numbers=[False, True, False], width=33))) == 4
    assert table == [
        *("path   bpm", "----  ----", "A     1.25", "B        2", ""),
        *("path  title", "----  ------------", "A     first text", "B     a text of 2…"),
    ]


def test_tracks_are_excluded_and_included_by_a_query(music: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("exclude", "music", "--where", "lufs<-10", "--reason", "quiet") == 0
    assert lines(capsys) == ["excluded Air - One: quiet", "excluded drone: quiet"]
    assert listed(capsys, "music") == [os.path.join("music", "Björk - 二"), os.path.join("music", "new")]
    assert run("exclude", "music", "--where", "lufs<-10", "--reason", "quiet") == 1
    assert "no track matches the query 'lufs<-10'" in capsys.readouterr().err
    assert run("include", "music", "--where", "-artist:air") == 0
    assert lines(capsys) == ["included drone"]
    assert run("include", "music", "--where", "excluded:quiet") == 0
    assert lines(capsys) == ["included Air - One"]
    assert run("exclude", "music", "--where", "bmp:1", "--reason", "x") == 2
    assert "did you mean bpm?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("field", "value"), [("bpm", "fast"), ("bpm", b"x"), ("bpm", float("inf")), ("artist", b"x"), ("added", "soon")]
)
def test_a_library_of_a_stranger_may_hold_anything(
    music: Path, field: str, value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert listed(capsys, "music") != []
    with sqlite3.connect(music / ".mirkit" / "library.sqlite") as connection:
        connection.execute(f'UPDATE tracks SET "{field}" = ?', (value,))
    connection.close()
    assert run("ls", "music", "--fields", f"path,{field}", "--json", "sort:path") == 0
    told, error = capsys.readouterr()
    assert "bug" not in error
    assert json.loads(told)[0]["path"] == os.path.join("music", "Air - One")
    assert json.loads(told)[0][field] in (119.996, "Air", "2026-11-01T12:00:00+00:00")
