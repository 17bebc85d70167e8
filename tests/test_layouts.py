"""Folders as other programs leave them: MUSDB, Demucs, audio-separator, UVR, cue sheets, discs, samples, clouds."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from library import beat_music, make_track, write
from mirkit.audio import encode, open_audio, read_tags
from mirkit.audio.cue_sheet import parse_cue_sheet, read_cue_sheet
from mirkit.catalog import STEMS
from mirkit.cli import main
from mirkit.dataset.duplicates.names import album_folder, album_key
from mirkit.errors import AudioError
from mirkit.track import MIX, Track, find_all, find_tracks

pytestmark = pytest.mark.usefixtures("in_process")

SOUND = beat_music(5.0)
WHOLE = sum(SOUND.values())


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def empty(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


# MUSDB


@pytest.mark.parametrize(
    ("names", "mix"),
    [
        (("mixture.wav", "drums.wav", "bass.wav", "other.wav", "vocals.wav"), "mixture.wav"),
        (("mixture.wav", "vocals.wav", "accompaniment.wav"), "mixture.wav"),
        (("Mix.flac", "Vocals.flac"), "Mix.flac"),
        (("full mix.mp3", "drums.mp3", "bass.mp3", "vocals.mp3", "click.mp3"), "full mix.mp3"),
        (("full_mix.wav", "mixture.wav", "vocals.wav"), "full_mix.wav"),
    ],
)
def test_a_mix_beside_its_stems_is_a_track_where_it_is(names: tuple[str, ...], mix: str, tmp_path: Path) -> None:
    empty(tmp_path, *(f"train/A - B/{name}" for name in names))
    (track,) = find_tracks(tmp_path)
    assert track.mix.name == mix
    assert {path.name for path in track.stems.values()} == {
        name for name in names if os.path.splitext(name)[0].lower() in STEMS
    }
    assert Track.at(tmp_path / "train" / "A - B" / mix).folder == track.folder
    assert find_all(tmp_path) == [track]


@pytest.mark.parametrize(
    "names",
    [
        ("mixture.wav",),
        ("mix.mp3", "other.mp3", "Intro.mp3"),
        ("mixture.wav", "accompaniment.wav"),
        ("mix.wav", "kick.wav", "snare.wav"),
    ],
)
def test_songs_with_such_names_stay_songs(names: tuple[str, ...], tmp_path: Path) -> None:
    empty(tmp_path, *names)
    assert [track.loose for track in find_all(tmp_path)] == sorted(names)


def test_two_mixes_are_not_guessed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty(tmp_path, *(f"x/{name}" for name in ("mixture.wav", "mix.wav", "drums.wav", "bass.wav")))
    assert main(["bands", str(tmp_path / "x")]) == 1
    assert "mix.wav and mixture.wav could each be the full_mix; keep one of them" in capsys.readouterr().err


def test_musdb_is_measured_with_its_own_stems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "test" / "Ann - Song"
    for name, samples in ({"mixture": WHOLE} | SOUND).items():
        write(folder / f"{name}.wav", samples)
    before = files(tmp_path)
    assert main(["organize", str(tmp_path), "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "1 track folder already, 1 with stems" in shown
    assert "in 1 of them the mix has another name, for example test/Ann - Song/mixture.wav" in shown
    assert main(["loudness", str(tmp_path), "--batch"]) == 0
    assert (folder / "Ann - Song.INFO").exists()
    after = files(tmp_path)
    assert {name: after[name] for name in before} == before


# Results of separators


def test_results_of_audio_separator_and_uvr_belong_to_their_song(tmp_path: Path) -> None:
    song = {f"{stem}.wav" for stem in ("x", "x_(Vocals)_model", "x_(Instrumental)_model", "1_y_(No Vocals)", "y")}
    empty(tmp_path, *song, "y_(Vocals).wav", "1_y_(Drums).wav")
    tracks = {track.loose: track for track in find_all(tmp_path)}
    assert set(tracks) == {"x.wav", "y.wav", "y_(Vocals).wav"}  # without a model or a number it may be a song
    assert tracks["x.wav"].stems == {"vocals": tmp_path / "x_(Vocals)_model.wav"}
    assert tracks["x.wav"].rests == {"no_vocals": tmp_path / "x_(Instrumental)_model.wav"}
    assert tracks["y.wav"].stems == {"drums": tmp_path / "1_y_(Drums).wav"}
    assert tracks["y.wav"].rests == {"no_vocals": tmp_path / "1_y_(No Vocals).wav"}


def test_results_of_two_models_are_not_guessed(tmp_path: Path) -> None:
    empty(tmp_path, "x.wav", "x_(Vocals)_a.wav", "x_(Vocals)_b.wav", "x_(Bass)_b.wav")
    notes: list[str] = []
    (track,) = find_all(tmp_path, notes=notes)
    assert set(track.stems) == {"bass"}
    (note,) = notes
    assert "x_(Vocals)_a.wav, x_(Vocals)_b.wav: several files could be the same part of x" in note


def test_results_without_a_song_are_reported(tmp_path: Path) -> None:
    empty(tmp_path, "x_(Vocals)_m.wav", "x_(Instrumental)_m.wav")
    notes: list[str] = []
    assert find_all(tmp_path, notes=notes) == []
    assert "there is no mix x.*" in notes[0]


def separated(root: Path, layout: Mapping[str, str]) -> None:
    for name, part in layout.items():
        write(root / name, WHOLE if part == MIX else WHOLE - SOUND["vocals"] if part == "rest" else SOUND[part])


def test_organize_takes_the_stems_along_and_puts_them_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    separated(
        tmp_path,
        {
            "Song.wav": MIX,
            **{f"separated/htdemucs/Song/{stem}.wav": stem for stem in STEMS},
            "Two.wav": MIX,
            "separated/mdx_extra/Two/vocals.wav": "vocals",
            "separated/mdx_extra/Two/no_vocals.wav": "rest",
            "Three.wav": MIX,
            "Three_(Vocals)_mel_band_roformer.wav": "vocals",
            "Six.wav": MIX,
            **{f"separated/htdemucs_6s/Six/{name}.wav": "other" for name in (*STEMS, "guitar", "piano")},
            "Both.wav": MIX,
            "separated/a/Both/vocals.wav": "vocals",
            "separated/b/Both/vocals.wav": "vocals",
        },
    )
    (tmp_path / "Three.lrc").write_text("[00:00.00]la\n")
    before = files(tmp_path)
    assert main(["organize", str(tmp_path), "--dry-run"]) == 0
    out, err = capsys.readouterr()
    assert "  separated/htdemucs/Song/drums.wav -> Song/drums.wav  (drums stem)" in out
    assert "  separated/mdx_extra/Two/no_vocals.wav -> Two/no_vocals.wav  (mix without vocals)" in out
    assert "  Three_(Vocals)_mel_band_roformer.wav -> Three/vocals.wav  (vocals stem)" in out
    assert "  Three.lrc -> Three/Three.lrc  (lyrics)" in out
    assert "these are not four stems that add up to the mix" in err
    assert "a, b each hold stems of Both" in err
    assert files(tmp_path) == before
    assert main(["organize", str(tmp_path), "-q"]) == 0
    tracks = {track.name: track for track in find_tracks(tmp_path)}
    assert {name: set(track.stems) for name, track in tracks.items()} == {
        "Song": set(STEMS),
        "Two": {"vocals"},
        "Three": {"vocals"},
        "Six": set(),
        "Both": set(),
    }
    assert main(["organize", str(tmp_path), "--undo", "-q"]) == 0
    assert files(tmp_path) == before


# Albums with a cue sheet

SHEET = """REM GENRE "{genre}"
REM DATE 1989
PERFORMER "{artist}"
TITLE "{album}"
FILE "{file}" WAVE
  TRACK 01 AUDIO
    TITLE "{one}"
    INDEX 01 00:00:00
  TRACK 02 AUDIO
    INDEX 00 00:02:50
    INDEX 01 00:03:10
    TITLE "{two}"
    PERFORMER "Guest"
  TRACK 03 AUDIO
    TITLE "{two}"
    INDEX 01 00:05:37
"""
WORDS = {"genre": "Rock", "artist": "Ann", "album": "Days", "file": "Days.wav", "one": "Dawn", "two": "Dusk"}
CYRILLIC = WORDS | {"genre": "Русский рок", "artist": "Кино", "album": "Звезда по имени", "one": "Песня без слов"}


def album(root: Path, sheet: bytes, name: str = "Days.flac") -> np.ndarray:
    root.mkdir(exist_ok=True)
    sound = (np.random.default_rng(0).integers(-9000, 9000, (2, 8 * 44100)) / 32768).astype(np.float32)
    encode(root / name, [sound], rate=44100, channels=2, bits=16)
    (root / "Days.cue").write_bytes(sheet)
    return sound


def test_an_album_is_cut_on_request_to_the_sample(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sound = album(tmp_path, SHEET.format(**WORDS).encode())
    write(tmp_path / "Single.wav", WHOLE)
    before = files(tmp_path)
    assert main(["organize", str(tmp_path), "--dry-run"]) == 0
    out, err = capsys.readouterr()
    assert "this file holds the 3 tracks of an album (Days.cue)" in err
    assert "Single.wav -> Single/full_mix.wav" in out
    assert [track.loose for track in find_all(tmp_path)] == ["Single.wav"]
    assert main(["organize", str(tmp_path), "--cue", "--dry-run"]) == 0
    assert "Days.flac from 0:03.13 -> Guest - Days - Dusk/full_mix.flac" in capsys.readouterr().out
    assert files(tmp_path) == before

    assert main(["organize", str(tmp_path), "--cue"]) == 0
    assert "3 tracks cut from albums; the albums stay where they are" in capsys.readouterr().out
    folders = [tmp_path / name for name in ("Ann - Days - Dawn", "Guest - Days - Dusk", "Ann - Days - Dusk")]
    parts = [open_audio(folder / "full_mix.flac", rate=None).samples() for folder in folders]
    assert [part.shape[1] for part in parts] == [3 * 44100 + 5880, 2 * 44100 + 15876, 8 * 44100 - 5 * 44100 - 21756]
    assert np.array_equal(np.concatenate(parts, axis=1), sound)
    tags = read_tags(folders[1] / "full_mix.flac")
    assert (tags.artist, tags.album, tags.title, tags.track, tags.year, tags.genre) == (
        *("Guest", "Days", "Dusk", 2, 1989, "Rock"),
    )
    assert {name: data for name, data in files(tmp_path).items() if name.startswith("Days.")} == {
        name: data for name, data in before.items() if name.startswith("Days.")
    }
    (folders[1] / "full_mix.flac").unlink()  # as after a kill
    assert main(["organize", str(tmp_path / "Days.cue"), "--cue"]) == 0
    assert "1 track cut" in capsys.readouterr().out
    assert np.array_equal(open_audio(folders[1] / "full_mix.flac", rate=None).samples(), parts[1])


def notes(path: Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What organize says about a folder."""
    capsys.readouterr()
    assert main(["organize", str(path), "--dry-run", *words]) == 0
    return capsys.readouterr().err


@pytest.mark.parametrize("words", [WORDS, CYRILLIC, WORDS | {"one": "", "two": ""}, WORDS | {"one": "What/If: *"}])
def test_an_album_that_was_cut_needs_no_advice(
    words: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    album(tmp_path, SHEET.format(**words).encode())
    assert "cut it with: mirkit organize --cue" in notes(tmp_path, capsys)
    assert main(["organize", str(tmp_path), "--cue"]) == 0
    assert "cut it with" not in notes(tmp_path, capsys)
    assert len(find_all(tmp_path)) == 3  # and not the album
    said: list[str] = []
    find_all(tmp_path, [], said)  # as run does
    assert said == []
    first = find_tracks(tmp_path)[0].folder
    (first / "full_mix.flac").rename(tmp_path / "elsewhere.txt")
    (first / f"{first.name}.PROVENANCE").unlink()
    assert "cut it with: mirkit organize --cue" in notes(tmp_path, capsys)


def test_undo_names_the_tracks_that_were_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "it's music"
    album(root, SHEET.format(**WORDS).encode())
    write(root / "Single.wav", WHOLE)
    assert main(["organize", str(root), "--cue"]) == 0
    capsys.readouterr()
    assert main(["organize", str(root), "--undo"]) == 0
    out = capsys.readouterr().out
    assert "1 file moved back, 0 failed" in out
    assert f"{root / 'Days.flac'}: 3 tracks cut from it stay; the album is as it was." in out
    command = out.splitlines()[-1].strip()
    assert command.startswith("rm -r -- ")
    assert (root / "Single.wav").exists()
    assert main(["organize", str(root), "--undo", "--json"]) == 0  # nothing was moved since
    told = json.loads(capsys.readouterr().out)
    assert sorted(map(len, told["cut"].values())) == [3]
    subprocess.run(command, shell=True, check=True)
    assert sorted(files(root)) == ["Days.cue", "Days.flac", "Single.wav"]
    assert main(["organize", str(root), "--undo"]) == 1
    assert "there is nothing to undo" in capsys.readouterr().err


def test_a_sheet_without_its_album_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sheet = SHEET.format(**WORDS)
    missing = "Days.cue: the audio file Days.wav, which this cue sheet divides, is not in its folder"
    (tmp_path / "lost").mkdir()
    (tmp_path / "lost" / "Days.cue").write_text(sheet)
    write(tmp_path / "Single.wav", WHOLE)
    assert missing in notes(tmp_path, capsys)
    assert main(["organize", str(tmp_path), "--cue"]) == 1
    assert capsys.readouterr().err.count(missing) == 1
    # Beside tracks, the sheet may be what is left of an album that another program has divided.
    split = tmp_path / "split"
    make_track(split / "Ann - Dawn", seconds=1.0)
    (split / "Days.cue").write_text(sheet)
    assert missing not in notes(split, capsys)
    assert main(["organize", str(split), "--cue"]) == 1
    # The album was cut, and then removed.
    album(tmp_path / "cut", sheet.encode())
    assert main(["organize", str(tmp_path / "cut"), "--cue"]) == 0
    (tmp_path / "cut" / "Days.flac").unlink()
    assert missing not in notes(tmp_path / "cut", capsys)
    capsys.readouterr()
    assert main(["organize", str(tmp_path / "cut"), "--cue"]) == 0
    assert missing not in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1251"])
def test_a_cue_sheet_is_read_in_its_encoding(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a.cue").write_bytes(SHEET.format(**CYRILLIC).encode(encoding))
    first, second, _ = read_cue_sheet(tmp_path / "a.cue")
    assert (first.artist, first.album, first.title, first.genre, first.start) == (
        *("Кино", "Звезда по имени", "Песня без слов", "Русский рок", 0),
    )
    assert (second.artist, second.start) == ("Guest", 3 * 75 + 10)


def test_a_cue_sheet_names_files_of_its_folder_only(tmp_path: Path) -> None:
    away = tmp_path / "elsewhere"
    away.mkdir()
    write(away / "x.wav", WHOLE)
    album(tmp_path / "a", SHEET.format(**WORDS | {"file": str(away / "x.wav")}).encode(), "Other.flac")
    assert [track.loose for track in find_all(tmp_path / "a")] == ["Other.flac"]
    assert parse_cue_sheet(SHEET.format(**WORDS | {"file": "C:\\music\\..\\Days.wav"}))[0].file == "Days.wav"


@pytest.mark.parametrize("text", ["", "FILE x WAVE\nTRACK 01 AUDIO\n", "TRACK 01 AUDIO\nINDEX 01 00:00:00\n", "\0" * 9])
def test_a_wrong_cue_sheet_is_one_line(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    album(tmp_path, text.encode())
    with pytest.raises(AudioError, match="names no track"):
        read_cue_sheet(tmp_path / "Days.cue")
    assert main(["organize", str(tmp_path), "--dry-run"]) == 0
    out, err = capsys.readouterr()
    assert "Days.cue: this cue sheet names no track of audio with a beginning" in err
    assert "Days.flac -> Days/full_mix.flac" in out


def test_a_sheet_that_is_longer_than_its_album_fails_with_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    album(tmp_path, SHEET.format(**WORDS).replace("00:05:37", "00:59:00").encode())
    assert main(["organize", str(tmp_path), "--cue"]) == 1
    assert "it ends at 8.0 s, before track 3 of Days.cue begins" in capsys.readouterr().err


def test_a_sheet_with_a_file_for_each_track_divides_nothing(tmp_path: Path) -> None:
    lines = [f'FILE "{n}.wav" WAVE\n TRACK {n} AUDIO\n  INDEX 01 00:00:00\n' for n in (1, 2)]
    (tmp_path / "a.cue").write_text("".join(lines))
    write(tmp_path / "1.wav", WHOLE)
    write(tmp_path / "2.wav", WHOLE)
    assert [track.loose for track in find_all(tmp_path)] == ["1.wav", "2.wav"]


# Discs, samples, cloud disks


@pytest.mark.parametrize(
    ("folders", "album"),
    [
        (["A", "X", "CD1"], "A/X"),
        (["A", "X", "CD 2 - Live"], "A/X"),
        (["A", "X", "Disc One"], "A/X"),
        (["A", "X [Disc 1]"], "A/X"),
        (["A", "X - CD2"], "A/X"),
        (["A", "Side Effects"], "A/Side Effects"),
        (["CD Baby", "LP3"], "CD Baby/LP3"),
        ([], ""),
    ],
)
def test_discs_are_one_album(folders: list[str], album: str) -> None:
    assert album_folder(folders) == album


def test_titles_of_discs_are_one_album() -> None:
    assert len({album_key(title) for title in ("X", "X (Disc 1)", "X [CD2]", "X - CD 3", "X (Disk Two)")}) == 1
    assert album_key("Side Effects") != album_key("Side")


def test_one_shots_are_left_out_until_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for n, seconds in enumerate((0.3, 1.0, 2.0, 3.9, 4.5)):
        write(tmp_path / f"{n}.wav", WHOLE[:, : round(seconds * 44100)])
    assert [track.loose for track in find_all(tmp_path, samples=False)] == ["4.wav"]
    assert len(find_all(tmp_path)) == 5
    assert main(["run", str(tmp_path), "--dry-run"]) == 0
    out = "".join(capsys.readouterr())
    assert "4 samples of less than 4 s; to use them: mirkit run --samples" in out
    assert "to do    1 track," in out
    assert main(["run", str(tmp_path), "--dry-run", "--samples"]) == 0
    assert "to do    5 tracks" in capsys.readouterr().out
    assert main(["bands", str(tmp_path / "0.wav")]) == 0
    assert len(find_all(tmp_path, samples=False)) == 5  # one has been measured, and three are no pack
    assert main(["organize", str(tmp_path), "--dry-run"]) == 0
    assert "1.wav -> 1/full_mix.wav  (sample of less than 4 s)" in capsys.readouterr().out


def test_one_shots_that_were_organized_stay_samples(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for n, seconds in enumerate((0.3, 1.0, 2.0, 3.9, 4.5)):
        write(tmp_path / f"{n}.wav", WHOLE[:, : round(seconds * 44100)])
    assert main(["organize", str(tmp_path), "-q"]) == 0
    assert [track.folder.name for track in find_all(tmp_path, samples=False)] == ["4"]
    assert len(find_all(tmp_path)) == 5
    assert main(["run", str(tmp_path), "--dry-run"]) == 0
    out = "".join(capsys.readouterr())
    assert "4 samples of less than 4 s; to use them: mirkit run --samples" in out
    assert "to do    1 track," in out
    assert main(["run", str(tmp_path), "--dry-run", "--samples"]) == 0
    assert "to do    5 tracks" in capsys.readouterr().out
    assert main(["bands", str(tmp_path / "0")]) == 0
    write(tmp_path / "5.wav", WHOLE[:, :44100])  # loose ones and organized ones are one pack
    assert [track.path.name for track in find_all(tmp_path, samples=False)] == ["0", "4"]  # one has been measured


def test_short_tracks_that_a_user_made_are_tracks(tmp_path: Path) -> None:
    for name in "abcde":
        make_track(tmp_path / name, seconds=1.0)
    assert len(find_all(tmp_path, samples=False)) == 5


def test_an_empty_file_is_named_and_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "Song.wav", WHOLE)
    empty(tmp_path, "Empty.wav", "sub/None.mp3", "Song.lrc")
    for words in (["--dry-run"], []):
        assert main(["organize", str(tmp_path), *words]) == 0
        out, err = capsys.readouterr()
        assert f"2 files of 1 track {'would be ' if words else ''}moved, 0 failed" in out.splitlines()
        for name in ("Empty.wav", "sub/None.mp3"):
            assert f"{tmp_path / name}: the file is empty, so it is left where it is" in err
    assert sorted(files(tmp_path).keys() - {".mirkit-organize.jsonl"}) == [
        *("Empty.wav", "Song/Song.PROVENANCE", "Song/Song.lrc", "Song/full_mix.wav", "sub/None.mp3"),
    ]
    assert main(["organize", str(tmp_path / "Empty.wav")]) == 0
    assert "0 files moved, 0 failed" in capsys.readouterr().out


def test_three_short_files_are_no_sample_pack(tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav", "c.wav"):
        write(tmp_path / name, WHOLE[:, :44100])
    assert len(find_all(tmp_path, samples=False)) == 3


def test_placeholders_of_cloud_disks_are_named(tmp_path: Path) -> None:
    make_track(tmp_path / "x", seconds=1.0)
    empty(tmp_path, ".A.mp3.icloud", "b/B.flac.nextcloud", "b/C.wav.owncloud", "b/notes.txt.nextcloud", ".hidden.mp3")
    notes: list[str] = []
    assert len(find_all(tmp_path, notes=notes)) == 1
    assert notes == ["left out 3 placeholders of files that are still in the cloud: download them first"]
