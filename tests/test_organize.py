"""Organize: names from hostile tags, moves that lose nothing, undo that restores exactly."""

import errno
import json
import multiprocessing
import os
import random
import sys
import time
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirkit.cli import main
from mirkit.errors import AudioError, InfoError, MissingInput
from mirkit.organize import apply, execute, folder_name, plan, safe_name, undo
from mirkit.organize.journal import JOURNAL_NAME
from mirkit.organize.naming import LONGEST
from mirkit.store import ProvenanceRecord, lock, read_provenance, update_info, update_provenance
from mirkit.track import Track, find_tracks, loose_files


def test_what_moves_along_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    touch(tmp_path, "song.flac", "song.lrc", "song_bass.flac", "song_drums.flac", "song.INFO", "song.ONSETS")
    assert main(["organize", str(tmp_path), "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert (
        "song.flac -> song/full_mix.flac\n"
        "  song_drums.flac -> song/drums.flac  (drums stem)\n"
        "  song_bass.flac -> song/bass.flac  (bass stem)\n"
        "  song.lrc -> song/song.lrc  (lyrics)\n"
        "  and 2 results of mirkit\n" in shown
    )
    assert main(["organize", str(tmp_path), "--dry-run", "--json"]) == 0
    (move,) = json.loads(capsys.readouterr().out)["moves"]
    assert [str(tmp_path / "song.lrc"), str(tmp_path / "song" / "song.lrc")] in move["with"]
    assert len(move["with"]) == 5


@dataclass(frozen=True)
class Tags:
    artist: str | None = None
    album: str | None = None
    title: str | None = None


def untagged(path: Path) -> Tags:
    return Tags()


def touch(folder: Path, *names: str) -> None:
    """Make files whose content is their name, so that each can be recognized."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def tree(root: Path) -> dict[str, str]:
    """Every file below a folder with its content; links with where they lead."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.is_symlink():
            found[path.relative_to(root).as_posix()] = f"-> {os.readlink(path)}"
        elif path.is_file() and path.name != JOURNAL_NAME:
            found[path.relative_to(root).as_posix()] = path.read_text()
    return found


def sounds(root: Path) -> dict[str, str]:
    """As ``tree``, without the provenance that organize begins."""
    return {name: content for name, content in tree(root).items() if not name.endswith(".PROVENANCE")}


def organize(root: Path, tags: Any = untagged, *, copy: bool = False) -> execute.MoveReport:
    return apply(plan(root, tags), copy=copy)


# names


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        (Tags("Artist", "Album", "Track"), "Artist - Album - Track"),
        (Tags("Artist", None, "Track"), "Artist - Track"),
        (Tags(None, "Album", "Track"), "Album - Track"),
        (Tags(None, None, "Track"), "Track"),
        (Tags("Artist", "Album", None), "Artist - Album - 01 file"),
        (Tags("Artist", "", " "), "Artist - 01 file"),
        (Tags(), "01 file"),
        (None, "01 file"),
        (Tags("AC/DC", "Who: Made?", 'A "Q" <x>|*\\'), "AC-DC - Who- Made_ - A 'Q' _x_-_-"),
        (Tags("..", "..", "../../etc/passwd"), "etc-passwd"),
        (Tags(None, None, "/abs"), "abs"),
        (Tags(None, None, "C:\\Windows\\x"), "C--Windows-x"),
        (Tags(None, None, "\n\0\t"), "01 file"),
        (Tags("a\0b", None, "line\nbreak\u2028x"), "a b - line break x"),
        (Tags(None, None, "\u202egnp.exe"), "gnp.exe"),
        (Tags("Beyonce\u0301", None, "x"), "Beyoncé - x"),
        (Tags("\U0001f3b5", None, "\U0001f468‍\U0001f469‍\U0001f467"), "\U0001f3b5 - \U0001f468‍\U0001f469‍\U0001f467"),
        (Tags(None, None, "...Baby One More Time..."), "Baby One More Time"),
        (Tags(None, None, "-rf ."), "rf"),
        (Tags(None, None, "con"), "con_"),
        (Tags(None, None, "NUL.tar.gz"), "NUL_.tar.gz"),
        (Tags(None, None, "COM7"), "COM7_"),
        (Tags(None, None, "crops"), "crops_"),
        (Tags(None, None, "Separated"), "Separated_"),
        (Tags("A" * 500, "B" * 500, "Track"), f"{'A' * 60} - {'B' * 60} - Track"),
    ],
)
def test_names_from_tags(tags: Tags | None, name: str) -> None:
    assert folder_name(tags, "01 file") == name


def test_a_long_name_is_cut_between_letters() -> None:
    assert safe_name("é" * 300) == "é" * (LONGEST // 2)
    assert safe_name("x" + "\U0001f3b5" * 60) == "x" + "\U0001f3b5" * 49
    stacked = "q\u0323\u0307"  # no single character exists for it
    assert safe_name(stacked * 100) == stacked * (LONGEST // 5)
    assert safe_name("\u0301" * 300) == "untitled"


RESERVED = {
    "CON",
    "PRN",
    "AUX",
    "NUL",
    "CONIN$",
    "CONOUT$",
    *(f"{n}{d}" for n in ("COM", "LPT") for d in "0123456789¹²³"),
}
NASTY = st.text(st.characters() | st.sampled_from('./\\:*?"<>|- \0\n\u202e\u0301‍éCONUL~')) | st.sampled_from(
    [*RESERVED, *(f"{name}.x" for name in RESERVED), "..", ".", "", "crops", "CROPS.", " separated "]
)


@given(NASTY)
def test_any_text_is_a_safe_name(text: str) -> None:
    name = safe_name(text)
    assert name
    assert len(name.encode()) <= LONGEST + 1
    assert not set(name) & set('/\\:*?"<>|')
    assert not any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name)
    assert not name.startswith((".", "-", " "))
    assert not name.endswith((".", " "))
    assert name == unicodedata.normalize("NFC", name)
    assert name.split(".")[0].strip().upper() not in RESERVED
    assert name.casefold() not in ("crops", "separated")
    assert PurePosixPath(name).parts == (name,)
    assert PureWindowsPath(name).parts == (name,)
    assert safe_name(name) == name


@given(NASTY, NASTY, NASTY, NASTY)
def test_any_tags_make_a_safe_name(artist: str, album: str, title: str, stem: str) -> None:
    name = folder_name(Tags(artist, album, title), stem)
    assert safe_name(name) == name
    assert len(name.encode()) <= LONGEST + 1


# moves


def test_the_manual_s_example(tmp_path: Path) -> None:
    touch(tmp_path, "track1.mp3", "track2.flac", "track3.WAV", "cover.jpg")
    tags = {f"track{n}": Tags(f"Artist{n}", f"Album{n}", f"Track{n}") for n in (1, 2, 3)}
    report = organize(tmp_path, lambda path: tags[path.stem])
    assert not report.failures
    assert len(report.moves) == 3
    assert sounds(tmp_path) == {
        "Artist1 - Album1 - Track1/full_mix.mp3": "track1.mp3",
        "Artist2 - Album2 - Track2/full_mix.flac": "track2.flac",
        "Artist3 - Album3 - Track3/full_mix.wav": "track3.WAV",
        "cover.jpg": "cover.jpg",
    }
    facts = [read_provenance(track.provenance).facts["original_name"]["value"] for track in find_tracks(tmp_path)]
    assert facts == ["track1.mp3", "track2.flac", "track3.WAV"]


def test_a_file_in_a_subfolder_stays_in_it(tmp_path: Path) -> None:
    touch(tmp_path, "Artist/Album/01.mp3")
    organize(tmp_path, lambda path: Tags("Artist", "Album", "One"))
    assert "Artist/Album/Artist - Album - One/full_mix.mp3" in tree(tmp_path)


def test_organized_folders_and_their_parts_are_left_alone(tmp_path: Path) -> None:
    touch(tmp_path, "t/full_mix.flac", "t/drums.wav", "t/bass.wav", "t/notes.mp3", "t/crops/t_1/full_mix.flac")
    touch(tmp_path, "t/separated/x/drums.wav", "t/crops/section_001_full_mix.flac")
    before = tree(tmp_path)
    for path in (tmp_path, tmp_path / "t", tmp_path / "t" / "crops", tmp_path / "t" / "crops" / "t_1"):
        assert plan(path, untagged) == []
    for path in ("t/full_mix.flac", "t/drums.wav"):
        with pytest.raises(MissingInput, match="nothing to organize"):
            plan(tmp_path / path, untagged)
    with pytest.raises(MissingInput, match="there is no such file"):
        plan(tmp_path / "no", untagged)
    assert tree(tmp_path) == before


def test_a_second_run_does_nothing(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp3", "b.mp3")
    organize(tmp_path)
    before = tree(tmp_path)
    assert plan(tmp_path, untagged) == []
    assert tree(tmp_path) == before


def test_one_loose_file_can_be_organized_alone(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp3", "b.mp3")
    organize(tmp_path / "a.mp3")
    assert sounds(tmp_path) == {"a/full_mix.mp3": "a.mp3", "b.mp3": "b.mp3"}


def test_names_that_collide_get_numbers_always_the_same(tmp_path: Path) -> None:
    touch(tmp_path, "1.mp3", "2.mp3", "3.mp3", "song.mp3", "same/x.txt", "SAME (2)")
    names = {"1": "Same", "2": "same", "3": "SAM\u0045", "song": "song.mp3"}
    organize(tmp_path, lambda path: Tags(title=names[path.stem]))
    assert sounds(tmp_path) == {
        "Same (3)/full_mix.mp3": "1.mp3",
        "same (4)/full_mix.mp3": "2.mp3",
        "SAME (5)/full_mix.mp3": "3.mp3",
        "song.mp3 (2)/full_mix.mp3": "song.mp3",
        "same/x.txt": "same/x.txt",
        "SAME (2)": "SAME (2)",
    }


def test_two_formats_of_one_name_are_two_tracks_and_share_no_sidecar(tmp_path: Path) -> None:
    touch(tmp_path, "a.flac", "a.wav", "a.INFO")
    problems: list[str] = []
    apply(plan(tmp_path, untagged, problems))
    assert sounds(tmp_path) == {"a/full_mix.flac": "a.flac", "a (2)/full_mix.wav": "a.wav", "a.INFO": "a.INFO"}
    assert problems == [f"{tmp_path}: a.INFO may belong to any of 2 files, so they are not moved"]


def test_sidecars_and_stems_of_a_loose_file_go_with_it(tmp_path: Path) -> None:
    touch(tmp_path, "x.y.flac", "x.y.INFO", "x.y.BEATS_GRID", "x.y.ONSETS", "x.y.CURVES.npz", "x.y_adtof.mid")
    touch(tmp_path, "x.y_drums.mid", "x.y_Drums.MP3", "x.y.txt", "x.INFO", "x.y2.INFO", "x.y_live.flac")
    organize(tmp_path, lambda path: Tags("A", None, path.stem.upper()))
    assert sounds(tmp_path) == {
        "A - X.Y/full_mix.flac": "x.y.flac",
        "A - X.Y/A - X.Y.INFO": "x.y.INFO",
        "A - X.Y/A - X.Y.BEATS_GRID": "x.y.BEATS_GRID",
        "A - X.Y/A - X.Y.ONSETS": "x.y.ONSETS",
        "A - X.Y/A - X.Y.CURVES.npz": "x.y.CURVES.npz",
        "A - X.Y/drums_adtof.mid": "x.y_adtof.mid",
        "A - X.Y/drums.mid": "x.y_drums.mid",
        "A - X.Y/drums.mp3": "x.y_Drums.MP3",
        "A - X.Y_LIVE/full_mix.flac": "x.y_live.flac",
        "x.y.txt": "x.y.txt",
        "x.INFO": "x.INFO",
        "x.y2.INFO": "x.y2.INFO",
    }


def test_two_sidecars_for_one_place_do_not_overwrite_each_other(tmp_path: Path) -> None:
    touch(tmp_path, "x.flac", "x_drums.mp3", "x_Drums.mp3")
    if len(list(tmp_path.iterdir())) < 3:
        pytest.skip("no upper and lower case here")
    problems: list[str] = []
    apply(plan(tmp_path, untagged, problems))
    assert sorted(sounds(tmp_path).values()) == ["x.flac", "x_Drums.mp3", "x_drums.mp3"]
    assert "would get the same name" in problems[0]


def test_copies_keep_the_originals_and_are_made_once(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp3", "b.mp3", "a.INFO")
    for _ in range(2):
        report = organize(tmp_path, lambda path: Tags(title="Same"), copy=True)
        assert not report.failures
        assert sounds(tmp_path) == {
            "a.mp3": "a.mp3",
            "b.mp3": "b.mp3",
            "a.INFO": "a.INFO",
            "Same/full_mix.mp3": "a.mp3",
            "Same/Same.INFO": "a.INFO",
            "Same (2)/full_mix.mp3": "b.mp3",
        }
    assert (tmp_path / "Same" / "full_mix.mp3").stat().st_mtime_ns == (tmp_path / "a.mp3").stat().st_mtime_ns


def test_a_copy_of_a_track_is_left_and_reported(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp3")
    organize(tmp_path, lambda path: Tags(title="Song"))
    (tmp_path / "copy of a.mp3").write_text("a.mp3")
    problems: list[str] = []
    assert plan(tmp_path, lambda path: Tags(title="Song"), problems) == []
    assert problems == [f"{tmp_path / 'copy of a.mp3'}: this file is already organized as Song, so it is not moved"]


def test_unreadable_tags_are_reported_and_the_file_name_is_used(tmp_path: Path) -> None:
    touch(tmp_path, "bad.mp3", "good.mp3")

    def read(path: Path) -> Tags:
        if path.stem == "bad":
            raise AudioError(f"{path}: this is not an audio file")
        return Tags(title="Good")

    problems: list[str] = []
    apply(plan(tmp_path, read, problems))
    assert set(sounds(tmp_path)) == {"Good/full_mix.mp3", "bad/full_mix.mp3"}
    assert len(problems) == 1


@pytest.mark.parametrize(
    "title", ["..", "../../escape", "/escape", "a/../../escape", "CON", "NUL", "~/x", "\\\\host\\x"]
)
def test_no_tag_leaves_the_folder(tmp_path: Path, title: str) -> None:
    root = tmp_path / "root"
    touch(root, "a.mp3")
    (root / "escape").symlink_to(tmp_path)
    organize(root, lambda path: Tags(title=title))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["root"]
    [mix] = [path for path in root.rglob("full_mix.mp3") if not path.is_relative_to(root / "escape")]
    assert mix.parent.parent == root
    assert not mix.parent.is_symlink()


@pytest.mark.skipif(sys.platform == "win32", reason="names that Windows does not have")
def test_odd_file_names(tmp_path: Path) -> None:
    names = [
        "-rf.mp3",
        "line\nbreak.mp3",
        "\U0001f3b5.mp3",
        "e\u0301.mp3",
        f"{'n' * 251}.mp3",
        "..x.mp3",
        " .mp3",
        "CON.mp3",
    ]
    if sys.platform == "linux":
        names.append("stray \udcff.mp3")
    for name in names:
        (tmp_path / name).write_bytes(os.fsencode(name))
    (tmp_path / "._x.mp3").write_text("AppleDouble")
    before = {path.read_bytes() for path in tmp_path.iterdir()}
    report = organize(tmp_path)
    assert not report.failures
    found = find_tracks(tmp_path)
    assert loose_files(tmp_path) == []
    assert len(found) == sum(not name.startswith(".") for name in names)
    kept = {track.mix.read_bytes() for track in found}
    assert before - kept == {b"..x.mp3", b"AppleDouble"}
    undo(tmp_path)
    assert {path.read_bytes() for path in tmp_path.iterdir()} == before


def test_links_to_files_still_lead_to_them(tmp_path: Path) -> None:
    root = tmp_path / "root"
    touch(tmp_path, "store/far.mp3", "store/near.mp3")
    root.mkdir()
    (root / "absolute.mp3").symlink_to(tmp_path / "store" / "far.mp3")
    (root / "relative.mp3").symlink_to(os.path.join("..", "store", "near.mp3"))
    before = tree(root)
    organize(root)
    assert (root / "absolute" / "full_mix.mp3").read_text() == "store/far.mp3"
    assert (root / "relative" / "full_mix.mp3").read_text() == "store/near.mp3"
    undo(root)
    assert tree(root) == before


# undo


def test_undo_restores_exactly(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp3", "sub/b.FLAC", "a.INFO", "a_adtof.mid", "keep.txt", "full/full_mix.wav")
    update_provenance(tmp_path / "a.PROVENANCE", [ProvenanceRecord("loudness", "0.1", 1)])
    before = tree(tmp_path)
    organize(tmp_path, lambda path: Tags("A", None, path.stem))
    assert tree(tmp_path) != before
    report = undo(tmp_path)
    assert not report.failures
    assert not report.notes
    assert tree(tmp_path) == before
    assert not (tmp_path / JOURNAL_NAME).exists()
    assert {path.name for path in tmp_path.rglob("*") if path.is_dir()} == {"sub", "full"}
    with pytest.raises(MissingInput, match="nothing to undo"):
        undo(tmp_path)


def test_undo_of_copies_removes_them(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp3", "a.INFO")
    before = tree(tmp_path)
    organize(tmp_path, copy=True)
    undo(tmp_path)
    assert tree(tmp_path) == before
    assert not (tmp_path / "a").exists()


def test_undo_takes_back_run_by_run(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp3")
    organize(tmp_path)
    touch(tmp_path, "b.mp3")
    organize(tmp_path)
    undo(tmp_path)
    assert sounds(tmp_path) == {"a/full_mix.mp3": "a.mp3", "b.mp3": "b.mp3"}
    undo(tmp_path)
    assert tree(tmp_path) == {"a.mp3": "a.mp3", "b.mp3": "b.mp3"}
    organize(tmp_path)
    assert len(find_tracks(tmp_path)) == 2


def test_what_was_made_since_goes_back_too_and_comes_again(tmp_path: Path) -> None:
    touch(tmp_path, "x.mp3")
    organize(tmp_path, lambda path: Tags(title="Song"))
    track = Track.at(tmp_path / "Song")
    update_info(track.info, {"bpm": 120.0})
    update_provenance(track.provenance, [ProvenanceRecord("loudness", "0.1", 1)])
    touch(track.folder, "drums.flac", "drums_adtof.mid", "drums.mid", "notes.txt")
    made = tree(tmp_path)
    report = undo(tmp_path)
    assert report.notes == [f"{tmp_path / 'Song'}: kept, because it holds notes.txt"]
    assert {path.name for path in report.results} == {"x.INFO", "x.PROVENANCE"}
    assert {path.name for path in report.brought} == {"x_drums.flac", "x_adtof.mid", "x_drums.mid"}
    assert set(tree(tmp_path)) == {
        "x.mp3",
        "x.INFO",
        "x.PROVENANCE",
        "x_drums.flac",
        "x_adtof.mid",
        "x_drums.mid",
        "Song/notes.txt",
    }
    (tmp_path / "Song" / "notes.txt").unlink()
    (tmp_path / "Song").rmdir()
    organize(tmp_path, lambda path: Tags(title="Song"))
    assert tree(tmp_path) == {name: content for name, content in made.items() if name != "Song/notes.txt"}


def test_undo_overwrites_nothing(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp3")
    organize(tmp_path)
    (tmp_path / "a.mp3").write_text("a new song of the same name")
    report = undo(tmp_path)
    assert (len(report.failures), len(report.notes)) == (1, 1)
    assert (tmp_path / "a.mp3").read_text() == "a new song of the same name"
    assert (tmp_path / "a" / "full_mix.mp3").read_text() == "a.mp3"


@pytest.mark.parametrize("kind", ["relative", "absolute", "chain", "folder"])
@pytest.mark.parametrize("copy", [False, True])
def test_undo_keeps_a_file_that_a_link_at_its_old_place_points_to(tmp_path: Path, kind: str, copy: bool) -> None:
    """The attack as it was: a link in the old place, which a playlist needs; undo removed the file behind it."""
    touch(tmp_path, "a.mp3", "a.INFO", "b.mp3")
    organize(tmp_path, copy=copy)
    if copy:
        (tmp_path / "a.mp3").unlink()
    song = tmp_path / "a" / "full_mix.mp3"
    if kind == "chain":
        (tmp_path / "hop").symlink_to(song)
    if kind == "folder":
        (tmp_path / "linked").symlink_to(tmp_path / "a")
    to = {"relative": "a/full_mix.mp3", "absolute": song, "chain": "hop", "folder": "linked/full_mix.mp3"}[kind]
    (tmp_path / "a.mp3").symlink_to(to)
    report = undo(tmp_path)
    assert song.read_text() == "a.mp3"
    assert (tmp_path / "a.mp3").is_symlink()
    assert (tmp_path / "a.mp3").read_text() == "a.mp3"
    assert "a.mp3 is only a link to it; remove the link and undo again" in report.failures[0]
    assert [move.source.name for move in report.moves] == ["b.mp3"]
    assert (tmp_path / "a" / "a.INFO").read_text() == "a.INFO", "a folder that is left is left whole"
    (tmp_path / "a.mp3").unlink()
    assert [move.source.name for move in undo(tmp_path).moves] == ["a.mp3"]
    assert sounds(tmp_path)["a.mp3"] == "a.mp3"
    assert not (tmp_path / "a").exists()


def test_organize_keeps_a_link_in_place_of_a_file(tmp_path: Path) -> None:
    """A move that was begun and not noted as done, and a link in the old place since: the file behind it stays."""
    touch(tmp_path, "a.mp3")
    organize(tmp_path)
    (tmp_path / "a.mp3").symlink_to("a/full_mix.mp3")
    with open(tmp_path / JOURNAL_NAME, "a") as journal:
        journal.write('{"number": 1, "state": "begun"}\n')
    assert not organize(tmp_path).failures
    assert (tmp_path / "a" / "full_mix.mp3").read_text() == "a.mp3"
    assert not (tmp_path / "a" / "full_mix.mp3").is_symlink()
    assert (tmp_path / "a.mp3").is_symlink()


def test_undo_removes_one_of_two_hard_links(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp3")
    organize(tmp_path)
    os.link(tmp_path / "a" / "full_mix.mp3", tmp_path / "a.mp3")
    assert len(undo(tmp_path).moves) == 1
    assert tree(tmp_path) == {"a.mp3": "a.mp3"}


def test_undo_of_a_copy_of_a_link_removes_the_copy(tmp_path: Path) -> None:
    root = tmp_path / "root"
    touch(tmp_path, "store/far.mp3")
    root.mkdir()
    (root / "a.mp3").symlink_to(tmp_path / "store" / "far.mp3")
    before = tree(root)
    organize(root, copy=True)
    assert not undo(root).notes
    assert tree(root) == before
    assert (root / "a.mp3").read_text() == "store/far.mp3"


def test_undo_goes_on_to_the_run_before_where_all_of_the_last_has_to_stay(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp3")
    organize(tmp_path)
    touch(tmp_path, "b.mp3")
    organize(tmp_path)
    (tmp_path / "b.mp3").write_text("a new song of the same name")
    assert [move.source.name for move in undo(tmp_path).moves] == ["a.mp3"]
    assert (tmp_path / "b" / "full_mix.mp3").read_text() == "b.mp3"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_undo_killed_before_any_of_its_steps_is_finished_by_the_next(tmp_path: Path) -> None:
    """Nothing is lost at any of them, and no empty provenance or lock is left beside the songs."""
    for step in range(1, 60):
        root = tmp_path / str(step)
        touch(root, "a.mp3", "a.INFO", "b.mp3")
        before = tree(root)
        organize(root)
        child = os.fork()
        if not child:
            _die_before(step)
            undo(root)
            os._exit(0)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert set(before.values()) <= {path.read_text() for path in root.rglob("*") if path.is_file()}
        with suppress(MissingInput):  # killed when all was taken back
            undo(root)
        assert tree(root) == before, step
        assert not (root / JOURNAL_NAME).exists()
        assert not [path for path in root.rglob("*") if path.is_dir()]
        if ended:
            return
    pytest.fail("undo has more steps than were tried")


def _die_before(step: int) -> None:
    """End this process, as a kill does, before its n-th change of a name."""
    left = [step]

    def dying(change: Any) -> Any:
        def changed(*arguments: Any, **more: Any) -> Any:
            left[0] -= 1
            if not left[0]:
                os._exit(9)
            return change(*arguments, **more)

        return changed

    for name in ("rename", "replace", "unlink", "rmdir", "fsync"):
        setattr(os, name, dying(getattr(os, name)))


# interruptions and refusals


def _organize_slowly(root: Path) -> None:
    rename = os.rename

    def slowly(source: Any, target: Any) -> None:
        time.sleep(0.001)
        rename(source, target)

    os.rename = slowly
    apply(plan(root, lambda path: Tags("A", None, "Same" if path.stem < "15" else path.stem)))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_a_kill_at_any_point_is_finished_by_the_next_run(tmp_path: Path) -> None:
    names = [f"{number:02}.mp3" for number in range(30)]
    sidecars = [f"{number:02}.{kind}" for number in range(30) for kind in ("INFO", "ONSETS")]
    root, plain = tmp_path / "killed", tmp_path / "plain"
    for folder in (root, plain):
        touch(folder, *names, *sidecars)
    before = tree(root)
    _in_process(plain)
    expected = tree(plain)
    pause = random.Random(3)
    kills = 0
    for _ in range(60):
        if _in_process(root, kill_after=pause.uniform(0.0, 0.06)):
            kills += 1
        elif set(tree(root)) == set(expected):
            break
        everything = [path.read_text() for path in root.rglob("*") if path.is_file()]
        assert set(names) | set(sidecars) <= set(everything)
    _in_process(root)
    assert kills > 5
    assert tree(root) == expected
    assert not [path for path in root.rglob(".*") if path.name != JOURNAL_NAME], "nothing is left of the killed"
    while (root / JOURNAL_NAME).exists():
        undo(root)
    assert tree(root) == before


def _in_process(root: Path, kill_after: float | None = None) -> bool:
    """Organize in a process of its own; tell whether it was killed."""
    process = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn").Process(
        target=_organize_slowly, args=(root,)
    )
    process.start()
    process.join(kill_after)
    if process.exitcode is None:
        process.kill()
    process.join()
    return process.exitcode != 0


def test_a_move_that_fails_in_the_middle_leaves_that_file_and_takes_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a.mp3", "b.mp3", "b.INFO", "c.mp3")
    rename = os.rename

    def refuse(source: Path, target: Path) -> None:
        if Path(source).name == "b.mp3":
            raise PermissionError(errno.EACCES, "Permission denied")
        rename(source, target)

    moves = plan(tmp_path, untagged)
    monkeypatch.setattr(os, "rename", refuse)
    report = apply(moves)
    monkeypatch.undo()
    assert len(report.failures) == 1
    assert report.failures[0].startswith(f"{tmp_path / 'b.mp3'}: cannot move: no permission")
    assert sounds(tmp_path) == {
        "a/full_mix.mp3": "a.mp3",
        "b.mp3": "b.mp3",
        "b.INFO": "b.INFO",
        "c/full_mix.mp3": "c.mp3",
    }
    assert not (tmp_path / "b").exists()
    organize(tmp_path)
    assert len(find_tracks(tmp_path)) == 3


def test_files_move_to_another_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.mp3", "a.INFO")
    os.utime(tmp_path / "a.mp3", ns=(10**18, 10**18))

    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "rename", refuse)
    report = organize(tmp_path)
    assert not report.failures
    assert sounds(tmp_path) == {"a/full_mix.mp3": "a.mp3", "a/a.INFO": "a.INFO"}
    assert (tmp_path / "a" / "full_mix.mp3").stat().st_mtime_ns == 10**18
    undo(tmp_path)
    assert tree(tmp_path) == {"a.mp3": "a.mp3", "a.INFO": "a.INFO"}


def test_a_full_disk_between_two_disks_leaves_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.mp3")

    def other_disk(source: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    def full(source: Path, target: Path) -> None:
        Path(target).write_bytes(b"a")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "rename", other_disk)
    monkeypatch.setattr("shutil.copy2", full)
    report = organize(tmp_path)
    assert "disk is full" in report.failures[0]
    assert tree(tmp_path) == {"a.mp3": "a.mp3"}
    assert not (tmp_path / "a").exists()


def test_a_folder_that_appears_meanwhile_is_not_touched(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp3")
    moves = plan(tmp_path, untagged)
    touch(tmp_path, "a/full_mix.mp3", "a/a.INFO")
    report = apply(moves)
    assert len(report.failures) == 1
    assert sounds(tmp_path) == {"a.mp3": "a.mp3", "a/full_mix.mp3": "a/full_mix.mp3", "a/a.INFO": "a/a.INFO"}
    organize(tmp_path)
    assert sounds(tmp_path)["a (2)/full_mix.mp3"] == "a.mp3"


def test_two_runs_at_once_are_refused_and_a_late_one_finds_nothing_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "a.mp3")
    late = plan(tmp_path, untagged)
    organize(tmp_path)
    report = apply(late)
    assert report == execute.MoveReport()
    touch(tmp_path, "b.mp3")
    monkeypatch.setattr(execute, "lock", lambda folder, name: lock(folder, 0.05, name))
    with lock(tmp_path, name=".mirkit-organize-lock"), pytest.raises(InfoError, match="another process of mirkit"):
        organize(tmp_path)


def test_an_interrupted_move_keeps_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before its folder was made: no other file may get the name."""
    touch(tmp_path, "a.mp3", "b.mp3")

    def same(path: Path) -> Tags:
        return Tags(title="Same")

    def kill(folder: Path, exist_ok: bool = False) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", kill)
        with pytest.raises(KeyboardInterrupt):
            organize(tmp_path, same)
    assert tree(tmp_path) == {"a.mp3": "a.mp3", "b.mp3": "b.mp3"}
    organize(tmp_path, same)
    assert sounds(tmp_path) == {"Same/full_mix.mp3": "a.mp3", "Same (2)/full_mix.mp3": "b.mp3"}


def test_a_cut_journal_line_counts_as_not_written(tmp_path: Path) -> None:
    touch(tmp_path, "a.mp3", "b.mp3")
    apply(plan(tmp_path, untagged)[:1])
    journal = tmp_path / JOURNAL_NAME
    with open(journal, "ab") as file:
        file.write(b'{"number": 2, "state": "beg')
    organize(tmp_path)
    assert len(find_tracks(tmp_path)) == 2
    while journal.exists():
        undo(tmp_path)
    assert tree(tmp_path) == {"a.mp3": "a.mp3", "b.mp3": "b.mp3"}


@pytest.mark.parametrize("escape", ["../victim", "/{outside}/victim", "a/../../victim", "link/victim"])
def test_the_journal_of_a_data_set_reaches_nothing_outside(tmp_path: Path, escape: str) -> None:
    root = tmp_path / "root"
    touch(tmp_path, "victim", "root/x.mp3")
    (root / "link").symlink_to(tmp_path)
    escape = escape.format(outside=str(tmp_path).lstrip("/"))
    for files in ([["x.mp3", escape]], [[escape, "t/full_mix.mp3"]]):
        line = {"number": 1, "state": "begun", "run": 1, "copy": False, "folder": "t", "files": files}
        (root / JOURNAL_NAME).write_text(json.dumps(line) + "\n")
        for work in (lambda: organize(root), lambda: undo(root)):
            with pytest.raises(InfoError, match="outside its folder"):
                work()
    assert (tmp_path / "victim").read_text() == "victim"
    assert (root / "x.mp3").read_text() == "root/x.mp3"
