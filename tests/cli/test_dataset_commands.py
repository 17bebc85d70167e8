"""Commands on what was measured: windows, statistics, splits, exclusion; and what ``verify`` says of clips."""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from library import make_track
from mirkit.catalog import INFO_SPECS
from mirkit.cli import main


@pytest.fixture(scope="module")
def cropped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cli") / "my_music"
    for name, bpm in (("A", 120.0), ("B", 100.0)):
        make_track(root / name, seconds=9.0, bpm=bpm)
    assert run("crop", root, "--seconds", 4, "--align", "free", "--tail", "keep", "--quiet") == 0
    return root


@pytest.fixture
def library(cropped: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(cropped, tmp_path / "my_music"))


def run(*words: object) -> int:
    return main([*map(str, words), *(("--jobs", "1") if words[0] == "crop" else ())])


def test_crop_tells_its_clips(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("crop", library, "--seconds", 4, "--align", "free", "--tail", "keep") == 0
    assert "2 skipped" in capsys.readouterr().out
    words = ("--samples", 131072, "--align", "free", "--name", "short")
    assert run("crop", library / "A", *words) == 0
    assert "3 clips" in capsys.readouterr().out
    assert run("crop", library, *words, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [(track["track"], track["clips"], track["done"]) for track in told["tracks"]] == [("B", 3, ["crop"])]


def test_crop_settings_stand_in_the_file(library: Path) -> None:
    (library / "mirkit.toml").write_text('[crop]\nlength = "3 s"\nalign = "free"\n')
    assert run("crop", library, "--quiet", "--overwrite") == 0
    assert len(list((library / "A" / "crops").iterdir())) == 3
    assert run("crop", library / "A", "--seconds", 2, "--name", "short", "--quiet") == 0
    assert len(list((library / "A" / "crops").iterdir())) == 7


@pytest.mark.parametrize("more", [[], ["--dry-run"], ["--json"], ["--quiet"]])
def test_crop_deletes_no_clips_without_being_asked(
    more: list[str], library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The attack as it was: another length, and the first clips were gone without a line."""
    (library / "A" / "crops" / "A_001" / "A_001.INFO").write_text('{"my_rating": 5}')
    assert (
        run("crop", library, "--dry-run", "--seconds", 4, "--align", "free", "--tail", "keep") == 0
    )  # stores the stamps of the copied files
    capsys.readouterr()
    before = {path: path.read_bytes() for path in library.rglob("*") if path.is_file()}
    for words in (("--seconds", 3, "--align", "free"), ()):
        assert run("crop", library, *words, *more) == 2
        told = capsys.readouterr()
        assert told.err.count("\n") == 1
        assert told.err.startswith("mirkit: crop: 6 clips of 2 tracks were cut with other settings (length 4 s, now ")
        assert told.err.endswith("keep them and give the new set a name with --set, or replace them with --overwrite\n")
        after = {
            path: path.read_bytes() for path in library.rglob("*") if path.is_file() and ".mirkit" not in path.parts
        }
        assert after.items() == {path: data for path, data in before.items() if ".mirkit" not in path.parts}.items()


def test_crop_says_how_many_clips_are_replaced(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("crop", library, "--seconds", 3, "--align", "free", "--overwrite")
    for more in (["--dry-run"], []):
        assert run(*words, *more) == 0
        assert "6 clips of 2 tracks, cut with other settings, are replaced" in capsys.readouterr().out
    assert run("crop", library, "--seconds", 3, "--align", "free") == 0
    assert "2 skipped" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["crop", "{library}", "--seconds", "4", "--bars", "2"], 2, "not allowed with"),
        (["crop", "{library}", "--seconds", "-3"], 2, "--seconds must be a length from 0.1 to 36000 s, not '-3' ("),
        (["crop", "{library}", "--bars", "0"], 2, "mirkit: --bars must be a length from 1 to 1024 bars, not '0' ("),
        (["crop", "{library}", "--overlap", "1"], 2, "mirkit: --overlap must be a number from 0 to 0.99, not"),
        (["crop", "{library}", "--tail", "loop"], 2, "--tail must be one of drop, pad, keep"),
        (["crop", "{library}", "--name", "../x"], 2, "mirkit: --name must be"),
        (["crop", "{library}/A/crops/A_001"], 1, "mirkit crop"),
        (["extract", "{library}/A/crops/A_001"], 1, "mirkit crop"),
        (["window", "{library}/A", "--start", "5", "--end", "99"], 2, "is outside"),
        (["window", "{library}/A", "--slices", "0"], 2, "at least 1"),
        (["window", "{library}/Z"], 1, "there is no such file"),
        (["stats", "{library}/Z"], 1, "there is no such file"),
        (["duplicates", "{library}/Z"], 1, "there is no such file"),
        (["split", "{library}", "--val", "1.5"], 2, "less than 1"),
        (["split", "{library}", "--together", "genre"], 2, "--together must be"),
        (["exclude", "{library}/A"], 2, "--reason"),
        (["exclude", "{library}/Z", "--reason", "x"], 1, "there is no such file"),
        (["include", "{library}/A"], 1, "not excluded"),
    ],
)
def test_what_goes_wrong_is_one_line(
    words: list[str], status: int, says: str, library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([word.format(library=library) for word in words]) == status
    error = capsys.readouterr().err
    assert says in error
    assert "Traceback" not in error


def test_window(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("window", library / "A", "--start", 1, "--end", 8, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told["values"]) == [key.name for key in INFO_SPECS]
    assert told["reasons"]["depth"] == "it is computed from the audio, which was not decoded (see --samples)"
    assert run("window", library / "A" / "crops" / "A_002", "--samples") == 0
    out = capsys.readouterr().out
    assert len(out.splitlines()) == len(INFO_SPECS)
    assert "which was not decoded" not in out


def test_slices(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("window", library / "A", "--slices", 3, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["edges"] == pytest.approx([0, 3, 6, 9])
    assert all(len(values) == 3 for values in told["values"].values())
    assert told["widened"]["danceability"] == 10
    assert run("window", library / "A", "--slices", 3) == 0
    assert "(measured over 10 s)" in capsys.readouterr().out


def test_verify_looks_at_clips_when_asked(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verify", library) == 0
    assert "2 tracks: 2 complete" in capsys.readouterr().out
    assert run("verify", library, "--crops") == 0
    assert "8 tracks: 8 complete" in capsys.readouterr().out
    damaged = library / "A" / "crops" / "A_002" / "full_mix.flac"
    damaged.write_bytes(damaged.read_bytes()[:-100])
    shutil.copyfile(library / "A" / "full_mix.flac", library / "B" / "full_mix.flac")
    assert run("verify", library, "--crops") == 1
    error = capsys.readouterr().err
    assert "A_002: its audio has been altered" in error
    assert f'B_001: its source has changed; cut it again with: mirkit crop "{library / "B"}"' in error


def test_stats(library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("stats", library, "--output", tmp_path / "stats.json") == 0
    out = capsys.readouterr().out
    assert "min_val" in out
    assert "2 tracks; ranges from fewer than 200 tracks are only rough" in out
    told = json.loads((tmp_path / "stats.json").read_text())
    assert told["keys"]["bpm"]["count"] == 2
    assert run("stats", library, "--crops", "--json") == 0
    assert json.loads(capsys.readouterr().out)["tracks"] == 6


def test_what_is_not_measured_yet_is_counted_and_no_failure(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_track(library / "C", seconds=1.0)
    says = f'note     tracks that have not been measured: 1 of 3; measure them with: mirkit extract "{library}"\n'
    for command in ("stats", "duplicates", "split"):
        assert run(command, library) == 0
        told = capsys.readouterr()
        assert says in told.err
        if command != "stats":
            assert "skipped  C: not compared: it has not been measured\n" in told.out
    assert run("split", library, "--json") == 0
    split = json.loads(capsys.readouterr().out)
    assert split["not_measured"] == ["C"]
    assert sorted(split["train"] + split["val"]) == ["A", "B", "C"]
    assert run("stats", library, "--json") == 0
    assert json.loads(capsys.readouterr().out)["unmeasured"] == 1


@pytest.mark.parametrize(("suffix", "commands"), [("INFO", ["stats"]), ("CURVES.npz", ["duplicates", "split"])])
def test_what_cannot_be_read_is_a_failure(
    suffix: str, commands: list[str], library: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (library / "A" / f"A.{suffix}").write_bytes(b"rubbish")
    for command in commands:
        assert run(command, library) == 1
        told = capsys.readouterr()
        assert f"A.{suffix}: " in told.err
        assert "have not been measured" not in told.err


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_verify_names_a_link_to_nothing(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verify", library) == 0
    (library / "gone.wav").symlink_to("nowhere.wav")
    capsys.readouterr()
    assert run("verify", library) == 1
    assert "gone.wav: this is a link to nothing, or no file" in capsys.readouterr().err


def test_verify_tells_tracks_of_one_name_apart(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for disc in ("disc 1", "disc 2"):
        make_track(library / disc / "Song", seconds=1.0)
    assert run("verify", library) == 1
    out = capsys.readouterr().out
    assert "MISSING disc 1/Song: " in out
    assert "MISSING disc 2/Song: " in out
    assert run("verify", library / "disc 1" / "Song") == 1
    assert "MISSING Song: " in capsys.readouterr().out


def test_a_renamed_folder_is_told_what_to_do(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    renamed = (library / "A").rename(library / "Z")
    says = (
        f"{renamed}: renamed since it was measured, but its results are still named A; "
        f'rename them with: mirkit run "{renamed}"'
    )
    assert run("verify", library) == 1
    assert f"FAILED Z: {says}" in capsys.readouterr().err
    assert run("window", renamed) == 1
    assert capsys.readouterr().err == f"mirkit: {says}\n"
    assert run("split", library) == 0
    assert f"skipped  Z: not compared: {says}" in capsys.readouterr().out
    assert main(["loudness", str(renamed), "--jobs", "1", "--quiet"]) == 0
    assert run("verify", library) == 0


def test_exclude_and_include(library: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("exclude", library / "A", library / "B" / "crops" / "B_003", "--reason", "a cough") == 0
    assert capsys.readouterr().out == "excluded A: a cough\nexcluded B/crops/B_003: a cough\n"
    assert run("verify", library, "--crops") == 0
    out = capsys.readouterr().out
    assert "EXCLUDED A: a cough" in out
    assert "5 tracks: 3 complete, 0 incomplete, 0 out of range, 2 excluded" in out
    assert run("stats", library, "--crops", "--json") == 0
    assert json.loads(capsys.readouterr().out)["tracks"] == 2
    assert run("crop", library / "A", "--seconds", 3) == 0
    assert "A: a cough" in capsys.readouterr().out
    assert run("include", library / "A", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"included": {"A": ""}}
    assert run("verify", library) == 0
    assert "EXCLUDED" not in capsys.readouterr().out


def test_duplicates_and_split(library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(library / "A", library / "A again", ignore=shutil.ignore_patterns("crops"))
    for path in (library / "A again").glob("A.*"):
        path.rename(path.with_name(path.name.replace("A.", "A again.", 1)))
    assert run("duplicates", library) == 0
    out = capsys.readouterr().out
    assert "same file" in out
    assert "1 recording found more than once, 1 extra copy" in out
    assert run("split", library, "--val", 0.4, "--seed", 1, "--json", "-o", tmp_path / "split.json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((tmp_path / "split.json").read_text())
    assert told["groups"] == [["A", "A again"]]
    assert (told["train"], told["val"]) == (["A", "A again"], ["B"])
    assert run("split", library, "--val", 0.4) == 0
    assert "2 tracks for training, 1 for validation (33.3%)" in capsys.readouterr().out
    assert run("exclude", library / "B", "--reason", "x", "--quiet") == 0
    assert run("duplicates", library) == 0
    assert "excluded B: x" in capsys.readouterr().out
    (library / "A" / "A.CURVES.npz").write_bytes(b"no zip")
    assert run("split", library, "--quiet") == 1


def test_commands_work_on_what_a_query_finds(library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fast = "bpm:>110"
    assert run("stats", library, "--where", fast, "--json") == 0
    assert json.loads(capsys.readouterr().out)["tracks"] == 1
    assert run("stats", library, "--crops", "--where", "position:0 source:B", "--json") == 0
    assert json.loads(capsys.readouterr().out)["tracks"] == 1
    assert run("report", library, "--where", f"-{fast}", "--out", tmp_path / "pages", "--json") == 0
    assert json.loads(capsys.readouterr().out)["tracks"] == 1
    assert len(list((tmp_path / "pages" / "tracks").iterdir())) == 1
    assert run("export", "csv", library, "-o", tmp_path / "tracks.csv", "--from", "tracks", "--where", fast) == 0
    assert [line.split(",")[0] for line in (tmp_path / "tracks.csv").read_text().splitlines()[1:]] == ["A"]
    assert run("export", "csv", library, "-o", tmp_path / "clips.csv", "--where", "source:B position:0") == 0
    assert [line.split(",")[0] for line in (tmp_path / "clips.csv").read_text().splitlines()[1:]] == ["B/crops/B_001"]
    capsys.readouterr()
    assert run("crop", library, "--seconds", 3, "--name", "new", "--align", "free", "--where", fast, "--json") == 0
    assert [track["track"] for track in json.loads(capsys.readouterr().out)["tracks"]] == ["A"]
    assert (library / "A" / "crops" / "A_new_001").exists()
    assert not (library / "B" / "crops" / "B_new_001").exists()
    assert main(["ls", str(library), "--crops", "clip_set:new", "--paths"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == str(library / "A" / "crops" / "A_new_001")


@pytest.mark.parametrize(
    "words",
    [
        ("stats",),
        ("report",),
        ("extract",),
        ("crop",),
        ("export", "csv", "-o", "x.csv"),
        ("exclude", "--reason", "x"),
    ],
)
def test_a_query_that_finds_nothing_or_is_wrong_is_one_line(
    words: tuple[str, ...],
    library: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    target = words[1:2] if words[0] == "export" else ()
    rest = words[1 + len(target) :]
    for query, status, says in (("bpm:300", 1, "matches the query 'bpm:300'"), ("bmp:1", 2, "did you mean bpm?")):
        assert main([words[0], *target, str(library), *rest, "--where", query]) == status
        (line,) = capsys.readouterr().err.splitlines()
        assert says in line
    assert not (tmp_path / "x.csv").exists()


def test_explain_names_word_value_and_threshold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A test changes the number and sees the word go."""
    folder = tmp_path / "Song"
    folder.mkdir()
    (folder / "full_mix.wav").write_bytes(b"RIFF")
    info = folder / "Song.INFO"
    values = {"bpm": 124.2, "brightness": 75.5, "lufs": -12.0, "stereo_width": 0.2, "key": "A#", "mode": "major"}
    info.write_text(json.dumps(values | {"key_confidence": 0.93}))
    assert main(["export", "--explain", str(folder)]) == 0
    out = capsys.readouterr().out
    rows = [re.split(r" {2,}", line) for line in out.splitlines()[2:]]
    assert ["rhythm", "124 BPM", "bpm = 124.2", "bpm is known"] in rows
    assert ["harmony", "Bb major", "key_confidence = 0.93", "key_confidence >= 0.9"] in rows
    assert ["timbre", "bright", "brightness = 75.5", "brightness >= 70"] in rows
    info.write_text(json.dumps(values | {"brightness": 69.9, "key_confidence": 0.89}))
    assert main(["export", "--explain", str(folder), "--json"]) == 0
    assert [word["text"] for word in json.loads(capsys.readouterr().out)] == ["124 BPM"]
    info.write_text("{}")
    assert main(["export", "--explain", str(folder)]) == 1
    assert "it has not been measured, so no words are known" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"), [(["export"], "name what to export"), (["export", "sat"], "name the bundle to write")]
)
def test_an_export_without_places_is_one_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
