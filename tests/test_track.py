"""Tracks: which files they have, where results go, how they are found in folders as users really have them."""

import os
import sys
from pathlib import Path

import pytest

from mirkit.errors import MissingInput
from mirkit.store import atomic_write, update_info
from mirkit.track import (
    SIDECARS,
    Track,
    find_all,
    find_tracks,
    get_info_path,
    get_organized_folders,
    is_track,
    loose_files,
)

ODD_NAMES = [
    "Artist - Album, Vol. 1",
    "\U0001f3b5 emoji \U0001f468‍\U0001f469‍\U0001f467",
    "line\nbreak",
    "-rf",
    "e\u0301 decomposed",
    'quote\'s "name" `x` $HOME',
    "trailing.dots..",
    " spaces ",
    "%s {0} \\n",
    "n" * 255,
    "é" * 127,
]
if sys.platform == "linux":
    ODD_NAMES.append("stray byte \udcff")


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def names(tracks: list[Track], root: Path) -> list[str]:
    return [track.path.relative_to(root).as_posix() for track in tracks]


def test_a_track_folder_has_its_files_and_its_results(tmp_path: Path) -> None:
    folder = tmp_path / "Artist - Vol. 1"
    touch(
        folder / "full_mix.flac", folder / "drums.flac", folder / "VOCALS.MP3", folder / "cover.jpg", folder / "x.mp3"
    )
    track = Track.at(folder)
    assert track.name == "Artist - Vol. 1"
    assert track.path == track.folder == folder
    assert track.mix == folder / "full_mix.flac"
    assert track.stems == {"drums": folder / "drums.flac", "vocals": folder / "VOCALS.MP3"}
    assert list(track.sources) == ["full_mix", "drums", "vocals"]
    assert track.info == folder / "Artist - Vol. 1.INFO"
    assert track.grid == folder / "Artist - Vol. 1.BEATS_GRID"
    assert track.onsets == folder / "Artist - Vol. 1.ONSETS"
    assert track.feature_series == folder / "Artist - Vol. 1.CURVES.npz"
    assert track.provenance == folder / "Artist - Vol. 1.PROVENANCE"
    assert track.adtof_midi == folder / "drums_adtof.mid"
    assert track.drums_midi == folder / "drums.mid"
    assert track.path_of("bass.mp3") == folder / "bass.mp3"
    assert track.crops == folder / "crops"
    assert not track.unclean


def test_a_loose_file_has_its_results_beside_it(tmp_path: Path) -> None:
    sound = tmp_path / "my.song.FLAC"
    touch(sound, tmp_path / "my.song_Drums.mp3", tmp_path / "my.song two.flac", tmp_path / "my.flac")
    track = Track.at(sound)
    assert (track.name, track.path, track.mix) == ("my.song", sound, sound)
    assert track.info == tmp_path / "my.song.INFO"
    assert track.feature_series == tmp_path / "my.song.CURVES.npz"
    assert track.adtof_midi == tmp_path / "my.song_adtof.mid"
    assert track.drums_midi == tmp_path / "my.song_drums.mid"
    assert track.stems == {"drums": tmp_path / "my.song_Drums.mp3"}
    assert track.path_of("bass.flac") == tmp_path / "my.song_bass.flac"


@pytest.mark.parametrize("suffix", ["flac", "wav", "mp3", "ogg", "m4a", "opus", "aiff", "aif", "MP3", "Flac"])
def test_every_format_is_a_mix(tmp_path: Path, suffix: str) -> None:
    touch(tmp_path / "t" / f"full_mix.{suffix}")
    assert Track.at(tmp_path / "t").mix.name == f"full_mix.{suffix}"
    assert Track.at(tmp_path / "t" / f"full_mix.{suffix}") == Track.at(tmp_path / "t")


def test_two_files_for_one_stem_are_named(tmp_path: Path) -> None:
    touch(tmp_path / "t" / "full_mix.flac", tmp_path / "t" / "drums.flac", tmp_path / "t" / "drums.mp3")
    track = Track.at(tmp_path / "t")
    assert track.mix.name == "full_mix.flac"
    for ask in (lambda: track.stems, lambda: track.stem("drums"), lambda: track.sources):
        with pytest.raises(MissingInput, match=r"drums\.flac and drums\.mp3 could each be the drums"):
            ask()
    touch(tmp_path / "t" / "full_mix.wav")
    with pytest.raises(MissingInput, match=r"full_mix\.flac and full_mix\.wav"):
        _ = Track.at(tmp_path / "t").mix


def test_two_loose_files_of_one_name_have_results_of_their_own(tmp_path: Path) -> None:
    names = ("a.flac", "a.wav", "a.wav_drums.flac", "a_bass.flac")
    touch(*(tmp_path / name for name in names))
    one, other = (Track.at(tmp_path / name) for name in names[:2])
    assert (one.mix.name, one.info.name, one.stems) == ("a.flac", "a.flac.INFO", {})
    assert (other.mix.name, other.feature_series.name) == ("a.wav", "a.wav.CURVES.npz")
    assert other.stems == {"drums": tmp_path / "a.wav_drums.flac"}, "the owner of the bass file is ambiguous"
    assert other.path_of("bass.flac").name == "a.wav_bass.flac"
    assert [track.path.name for track in find_all(tmp_path)] == ["a.flac", "a.wav"]
    assert get_info_path(tmp_path / "a.wav") == other.info
    with pytest.raises(MissingInput, match=r"this is a stem of a track; name its mix instead: .*a\.(flac|wav)"):
        Track.at(tmp_path / "a_bass.flac")


def test_stems_whose_mix_is_gone_are_no_tracks(tmp_path: Path) -> None:
    touch(tmp_path / "gone_drums.flac", tmp_path / "gone_bass.flac")
    touch(tmp_path / "left_drums.flac", tmp_path / "left.PROVENANCE", tmp_path / "song.mp3", tmp_path / "my_vocals.wav")
    notes: list[str] = []
    found = find_all(tmp_path, [], notes)
    assert [track.path.name for track in found] == ["my_vocals.wav", "song.mp3"]
    assert len(notes) == 2
    assert "gone_bass.flac, gone_drums.flac: there is no mix gone.* for these stems, so they are not used" in notes[0]


def test_loose_files_behind_a_link_are_tracks_and_are_not_moved(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere" / "a.wav")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "linked").symlink_to(tmp_path / "elsewhere")
    assert [track.path.name for track in find_all(tmp_path / "set")] == ["a.wav"]
    assert loose_files(tmp_path / "set") == []


def test_the_message_for_a_missing_stem_names_the_command(tmp_path: Path) -> None:
    touch(tmp_path / "t" / "full_mix.flac")
    track = Track.at(tmp_path / "t")
    assert track.stems == {}
    with pytest.raises(MissingInput, match=r"no bass stem; make it with: mirkit separate"):
        track.stem("bass")


def test_a_crop_is_a_track(tmp_path: Path) -> None:
    crop = tmp_path / "t" / "crops" / "t_3"
    touch(crop / "full_mix.flac")
    assert Track.at(crop).info == crop / "t_3.INFO"


def test_a_relative_path_has_the_name_of_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path / "t" / "full_mix.flac")
    monkeypatch.chdir(tmp_path / "t")
    assert Track.at(".").info == tmp_path / "t" / "t.INFO"
    assert Track.at("full_mix.flac").name == "t"
    monkeypatch.chdir(tmp_path)
    assert Track.at("t/../t/").name == "t"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("no", "no such file or folder"),
        ("set", "name one track of it"),
        ("loose", r"mirkit organize .*loose"),
        ("empty", "holds no audio files"),
        ("set/t/drums.flac", "part of a track; name its folder"),
        ("set/t/t.INFO", "not the name of an audio file"),
        ("loose/._a.mp3", "not the name of an audio file"),
        ("loop", "no such file or folder"),
    ],
)
def test_a_path_that_is_not_a_track_is_one_line(tmp_path: Path, path: str, words: str) -> None:
    touch(tmp_path / "set" / "t" / "full_mix.flac", tmp_path / "set" / "t" / "drums.flac")
    touch(tmp_path / "set" / "t" / "t.INFO", tmp_path / "loose" / "a.mp3", tmp_path / "loose" / "._a.mp3")
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(MissingInput, match=words) as caught:
        Track.at(tmp_path / path)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="names that Windows does not have")
@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_makes_a_track_with_results_that_can_be_written(tmp_path: Path, name: str) -> None:
    loose_name = os.fsdecode(os.fsencode(name)[:250]).rstrip("\udcc3") + ".flac"
    touch(tmp_path / name / "full_mix.flac", tmp_path / "loose" / loose_name)
    [found] = find_tracks(tmp_path)
    loose = Track.at(*loose_files(tmp_path))
    for track in (found, loose):
        assert track == Track.at(track.path)
        for kind in SIDECARS:
            atomic_write(track.path_of(kind), b"")
        atomic_write(track.adtof_midi, b"")
        atomic_write(track.path_of("drums.flac"), b"")
        track.info.write_bytes(b"damaged")
        update_info(track.info, {"bpm": 120.0})
        assert Track.at(track.path).stems == {"drums": track.path_of("drums.flac")}


def test_long_names_do_not_collide(tmp_path: Path) -> None:
    one, other = Track(tmp_path / ("x" * 240 + "1")), Track(tmp_path / ("x" * 240 + "2"))
    assert one.info.name != other.info.name
    assert len(os.fsencode(one.info.name)) < 255


def test_the_search_is_sorted_recursive_and_passes_over_what_is_no_track(tmp_path: Path) -> None:
    touch(
        tmp_path / "b" / "full_mix.mp3",
        tmp_path / "a" / "2" / "FULL_MIX.WAV",
        tmp_path / "a" / "10" / "full_mix.flac",
        tmp_path / "a" / "10" / "inner" / "full_mix.flac",
        tmp_path / "a" / "10" / "crops" / "10_1" / "full_mix.flac",
        tmp_path / "separated" / "htdemucs" / "x" / "full_mix.wav",
        tmp_path / "crops" / "x" / "full_mix.wav",
        tmp_path / ".hidden" / "full_mix.flac",
        tmp_path / "c" / "._full_mix.flac",
        tmp_path / "d" / "full_mix.txt",
        tmp_path / "e" / "full_mix.flac.part",
        tmp_path / "f" / "full_mix.extra.flac",
    )
    (tmp_path / "g" / "full_mix.flac").mkdir(parents=True)
    touch(tmp_path / "g" / "full_mix.flac" / "full_mix.flac")
    assert names(find_tracks(tmp_path), tmp_path) == ["a/10", "a/2", "b", "g/full_mix.flac"]
    assert get_organized_folders(str(tmp_path)) == [track.folder for track in find_tracks(tmp_path)]
    assert names(find_tracks(tmp_path / "b"), tmp_path) == ["b"]


def test_an_export_in_a_data_set_is_not_searched_but_may_be_named(tmp_path: Path) -> None:
    touch(
        tmp_path / "a" / "full_mix.wav",
        tmp_path / "b.wav",
        tmp_path / "out" / "train" / "a.flac",
        tmp_path / "out" / "val" / "b.flac",
        tmp_path / "out" / "x.flac",
        tmp_path / "out" / "mirkit_export.json",
        tmp_path / "other" / "c.flac",
        tmp_path / "other" / "export.json",
    )
    assert names(find_all(tmp_path), tmp_path) == ["a", "b.wav", "other/c.flac"]
    assert [path.name for path in loose_files(tmp_path)] == ["b.wav", "c.flac"]
    assert len(find_all(tmp_path / "out")) == 3
    assert len(find_all(tmp_path / "out" / "train")) == 1


def test_found_tracks_know_their_stems_and_what_is_unclean(tmp_path: Path) -> None:
    touch(tmp_path / "t" / "full_mix.flac", tmp_path / "t" / "bass.ogg", tmp_path / "t" / ".mirkit-tmp-00-1-ab.flac")
    [track] = find_tracks(tmp_path)
    assert track.stems == {"bass": tmp_path / "t" / "bass.ogg"}
    assert track.unclean


def test_links_are_followed_once_and_never_in_circles(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    touch(root / "t" / "full_mix.flac", elsewhere / "u" / "full_mix.flac", tmp_path / "file.flac")
    (root / "circle").symlink_to(root)
    (root / "up").symlink_to(tmp_path)
    (root / "self").symlink_to("self")
    (root / "broken").symlink_to("nowhere")
    (root / "again").symlink_to(root / "t")
    (root / "far").symlink_to(elsewhere)
    (root / "far2").symlink_to(elsewhere)
    (root / "far3").symlink_to(elsewhere / "u")
    (elsewhere / "back").symlink_to(root)
    (root / "linked").mkdir()
    (root / "linked" / "full_mix.flac").symlink_to(tmp_path / "file.flac")
    assert names(find_tracks(root), root) == ["far/u", "linked", "t"]
    (tmp_path / "entry").symlink_to(root)
    assert names(find_tracks(tmp_path / "entry"), tmp_path / "entry") == ["far/u", "linked", "t"]
    (root / "Far").symlink_to(elsewhere / "u")
    touch(elsewhere / "v" / "full_mix.flac")
    assert names(find_tracks(root), root) == ["Far", "far/v", "linked", "t"]


def test_an_unreadable_folder_is_reported_and_the_rest_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "a" / "full_mix.flac", tmp_path / "b" / "x" / "full_mix.flac")
    scandir = os.scandir

    def refuse(folder: Path) -> object:
        if Path(folder) == tmp_path / "b":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    problems: list[str] = []
    assert names(find_tracks(tmp_path, problems), tmp_path) == ["a"]
    assert len(problems) == 1
    assert f"{tmp_path / 'b'}: cannot read: no permission" in problems[0]
    with pytest.raises(MissingInput, match="cannot read"):
        find_tracks(tmp_path / "b")


def test_a_search_looks_once_at_each_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        touch(*(tmp_path / f"{number}" / f"{part}.flac" for part in ("full_mix", "drums", "bass")))
    looked: list[str] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: looked.append(str(folder)) or scandir(folder))
    monkeypatch.setattr(os, "stat", None)
    tracks = find_tracks(tmp_path)
    monkeypatch.undo()
    assert len(tracks) == 20
    assert len(looked) == len(set(looked)) == 21


def test_loose_files_are_no_stems_no_crops_and_no_parts_of_tracks(tmp_path: Path) -> None:
    touch(
        tmp_path / "b.mp3",
        tmp_path / "A.FLAC",
        tmp_path / "A_drums.flac",
        tmp_path / "lone_drums.flac",
        tmp_path / "._b.mp3",
        tmp_path / ".hidden.mp3",
        tmp_path / "notes.txt",
        tmp_path / "sub" / "c.wav",
        tmp_path / "sub" / "bass.mp3",
        tmp_path / "t" / "full_mix.flac",
        tmp_path / "t" / "drums.wav",
        tmp_path / "t" / "extra.wav",
        tmp_path / "t" / "crops" / "t_1" / "section.flac",
        tmp_path / "stems" / "drums.wav",
        tmp_path / "stems" / "vocals.wav",
        tmp_path / "separated" / "x.wav",
    )
    (tmp_path / "d.wav").mkdir()
    (tmp_path / "broken.wav").symlink_to("nowhere.wav")
    (tmp_path / "out").symlink_to(tmp_path.parent)
    problems: list[str] = []
    found = [path.relative_to(tmp_path).as_posix() for path in loose_files(tmp_path, problems)]
    assert found == ["A.FLAC", "b.mp3", "lone_drums.flac", "sub/bass.mp3", "sub/c.wav"]
    broken, stems = problems
    assert "broken.wav: this is a link to nothing, or no file" in broken
    assert "stems but no full_mix" in stems
    assert loose_files(tmp_path / "t") == []
    assert loose_files(tmp_path / "t" / "crops") == []


def test_is_track(tmp_path: Path) -> None:
    touch(tmp_path / "t" / "full_mix.flac")
    assert is_track(tmp_path / "t")
    assert not is_track(tmp_path)
    assert not is_track(tmp_path / "t" / "full_mix.flac")
    assert not is_track(tmp_path / "no")


def test_the_info_of_anything(tmp_path: Path) -> None:
    folder = tmp_path / "Vol. 1"
    touch(folder / "full_mix.flac", folder / "drums.flac", tmp_path / "x.y.mp3", tmp_path / "drums.mp3")
    info = folder / "Vol. 1.INFO"
    assert get_info_path(folder) == get_info_path(str(folder / "full_mix.flac")) == info
    assert get_info_path(folder / "drums.flac") == info
    assert get_info_path(tmp_path / "x.y.mp3") == tmp_path / "x.y.INFO"
    assert get_info_path(tmp_path / "drums.mp3") == tmp_path / "drums.INFO"
    assert get_info_path(tmp_path / "not there") == tmp_path / "not there" / "not there.INFO"


def test_what_is_not_read_is_counted_in_one_line(tmp_path: Path) -> None:
    for name in ("a.mpc", "b.MPC", "c.m4p", "d.flac", "e.wv", "f.oga", "notes.txt", ".hidden.mpc"):
        (tmp_path / name).touch()
    notes: list[str] = []
    assert [track.loose for track in find_all(tmp_path, notes=notes)] == ["d.flac", "e.wv", "f.oga"]
    assert notes == ["left out files that mirkit does not read: 1 .m4p (protected), 2 .mpc"]


def test_files_with_a_moving_picture_are_left_out_unless_asked(tmp_path: Path) -> None:
    import av
    import numpy as np

    for name, picture in (("film.mp4", True), ("song.mp4", False)):
        with av.open(tmp_path / name, "w") as container:
            streams = [container.add_stream("mpeg4", rate=25)] if picture else []
            for video in streams:
                video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
            sound = container.add_stream("aac", rate=44100, layout="mono")
            for video in streams:
                container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
                container.mux(video.encode(None))
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate = 44100
            container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
    notes: list[str] = []
    assert [path.name for path in loose_files(tmp_path, notes)] == ["song.mp4"]
    assert notes == ["left out 1 file with a moving picture; to use the sound: mirkit organize --video-sound"]
    assert [path.name for path in loose_files(tmp_path, video_sound=True)] == ["film.mp4", "song.mp4"]
