"""What may be overwritten where the user names a file: an earlier output, or with consent; never sound or sidecars."""

import io
import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mirkit.audio import encode
from mirkit.errors import InfoError, SettingsError
from mirkit.store import atomic
from mirkit.store.output import Output, begins_with, is_audio_data, made_by
from mirkit.track.names import base_of

NOISE = (0.1 * np.random.default_rng(7).standard_normal((2, 4410))).astype(np.float32)


def output(path: Path, overwrite: bool = False) -> Output:
    return Output(path, made_by("mirkit stats"), overwrite)


def status(path: Path) -> tuple[int, ...] | None:
    """What writing changes about a file; the check reads it, which may change the time of the last access."""
    if not os.path.lexists(path):
        return None
    now = path.lstat()
    return now.st_mode, now.st_ino, now.st_nlink, now.st_size, now.st_mtime_ns, now.st_ctime_ns


def refused(path: Path, overwrite: bool) -> str:
    """The line that a user reads; the file is as it was."""
    before = status(path)
    with pytest.raises(SettingsError) as early:
        output(path, overwrite).check()
    with pytest.raises(SettingsError) as late:
        output(path, overwrite).write(b"{}")
    assert str(early.value) == str(late.value)
    assert status(path) == before
    assert not list(path.parent.glob(".mirkit*"))
    return str(late.value)


def test_a_new_file_may_be_written_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "stats.json"
    output(path).check()
    assert not path.parent.exists(), "a check writes nothing"
    output(path).write(b"{}")
    assert path.read_bytes() == b"{}"


def test_an_earlier_output_is_replaced_and_another_is_not(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"made_by": "mirkit stats", "tracks": 1}))
    output(path).write(b'{"made_by": "mirkit stats"}')
    assert json.loads(path.read_bytes()) == {"made_by": "mirkit stats"}
    for text in (
        '{"made_by": "mirkit split"}',
        '{"tracks": 1}',
        '["mirkit stats"]',
        "made_by: mirkit stats",
        "{" * 9999,
    ):
        path.write_text(text)
        assert "add --overwrite" in refused(path, overwrite=False)
        output(path, overwrite=True).write(b"{}")
        assert path.read_bytes() == b"{}"


def test_an_empty_file_has_nothing_to_lose(tmp_path: Path) -> None:
    path = tmp_path / "made by mktemp"
    path.touch()
    output(path).write(b"{}")
    assert path.read_bytes() == b"{}"


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("suffix", ["flac", "wav", "mp3", "ogg"])
def test_sound_is_known_by_its_content(tmp_path: Path, suffix: str, overwrite: bool) -> None:
    sound = tmp_path / f"song.{suffix}"
    encode(sound, [NOISE], rate=44100, channels=2, **({"bitrate": 128} if suffix == "mp3" else {}))
    assert "audio file" in refused(sound, overwrite)
    disguised = Path(shutil.copyfile(sound, tmp_path / "table.csv"))
    assert "audio file" in refused(disguised, overwrite)
    linked = tmp_path / "hard.json"
    os.link(sound, linked)
    assert "audio file" in refused(linked, overwrite)
    empty = tmp_path / f"empty.{suffix.upper()}"
    empty.touch()
    assert "audio file" in refused(empty, overwrite)


@pytest.mark.parametrize(
    "start",
    [
        b"APETAGEX" + bytes(24) + b"\xff\xfb\x90\x64",
        b"FORM\0\0\1\0AIFF",
        b"FORM\0\0\1\0AIFC",
        b"\0\0\0\x20ftypM4A ",
        b"RF64\xff\xff\xff\xffWAVE",
        b"\xff\xfb\x90\x64",
        b"\xff\xf3\x84\x64",
        b"\0" * 700 + b"\xff\xfb\x90\x64",
        b"\xff\xf1\x50\x80",
        b"wvPk\0\0",
        b"\x1a\x45\xdf\xa3\x9f",
    ],
)
def test_other_sound(start: bytes) -> None:
    assert is_audio_data(start)


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"{}",
        b"from,source\n",
        b"RIFF\0\0\0\0WEBP",
        b"MThd\0\0\0\6",
        b"PAR1",
        b"<!doctype html>",
        "{}".encode("utf-16"),
        "from,source".encode("utf-16"),
        b"\xff\xff\xff\xff",
        b"\xff",
        b"\0" * 4096,
    ],
)
def test_no_sound(start: bytes) -> None:
    assert not is_audio_data(start)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "name",
    ["T.INFO", "t.info", "T.PROVENANCE", "T.BEATS_GRID", "T.ONSETS", "T.CURVES.npz", "drums.mid", "drums_adtof.mid"],
)
def test_files_of_a_track_stay(tmp_path: Path, name: str, overwrite: bool) -> None:
    (tmp_path / "full_mix.flac").write_bytes(b"fLaC")
    (tmp_path / name).write_text('{"made_by": "mirkit stats"}')
    assert "belongs to a track" in refused(tmp_path / name, overwrite)


def test_files_of_a_loose_track_and_of_a_data_set_stay(tmp_path: Path) -> None:
    (tmp_path / "song.flac").write_bytes(b"fLaC")
    (tmp_path / f"{'long' * 60}.flac").write_bytes(b"fLaC")
    long = base_of("long" * 60)
    for name in ("song_drums.mid", "song_adtof.mid", "song.flac_drums.mid", f"{long}_drums.mid"):
        (tmp_path / name).write_bytes(b"MThd")
        assert "belongs to a track" in refused(tmp_path / name, overwrite=True)
    (tmp_path / "mirkit.toml").write_text("[run]")
    assert "belongs to a data set" in refused(tmp_path / "mirkit.toml", overwrite=True)
    (tmp_path / "beat_drums.mid").write_bytes(b"MThd")  # of no sound here
    output(tmp_path / "beat_drums.mid", overwrite=True).write(b"{}")


@pytest.mark.parametrize("overwrite", [False, True])
def test_links_folders_and_pipes_stay(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "song.json").write_bytes(b'{"made_by": "mirkit stats"}')
    (tmp_path / "link").symlink_to("song.json")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    reasons = {"link": "a link", "dangling": "a link", "folder": "a folder", "pipe": "not a regular file"}
    for name, reason in reasons.items():
        assert reason in refused(tmp_path / name, overwrite)
    with pytest.raises(SettingsError, match="not a regular file"):
        output(Path("/dev/null"), overwrite).check()
    assert not (tmp_path / "nowhere").exists()


def test_a_file_that_comes_while_we_work_stays(tmp_path: Path) -> None:
    path = tmp_path / "x.json"

    def write_slowly() -> None:
        with output(path).whole() as temp:
            temp.write_bytes(b"{}")
            path.write_text("somebody else's")

    with pytest.raises(SettingsError, match="add --overwrite"):
        write_slowly()
    assert path.read_text() == "somebody else's"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x.json"]


def test_what_killed_commands_left_beside_it_is_removed(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / f".mirkit-tmp-{atomic.machine()}-{dead.pid}-00c0ffee.json"
    mine = [tmp_path / ".mirkit-tmp-notes.txt", tmp_path / ".mirkit-lock-of-my-own"]
    for path in (left, *mine):
        path.write_text("x")
        os.utime(path, (0, 0))
    output(tmp_path / "x.json").write(b"{}")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*(path.name for path in mine), "x.json"])


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    with pytest.raises(InfoError, match="the disk is full"):
        output(tmp_path / "a" / "x.json").write(b"{}")


def test_a_start_is_a_mark(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_bytes(b"/* mirkit report */\nbody {}")
    (tmp_path / "b.css").write_bytes(b"body {}")
    assert begins_with(b"/* mirkit report */")(tmp_path / "a.css")
    assert not begins_with(b"/* mirkit report */")(tmp_path / "b.css")


def test_midi_of_ours_is_known(tmp_path: Path) -> None:
    import mido

    from mirkit.drums.drum_hits import Hits
    from mirkit.drums.tempo_map import tempo_map
    from mirkit.store.midi import format_midi, is_our_midi

    ours, theirs = tmp_path / "ours.mid", tmp_path / "theirs.mid"
    empty = np.zeros(0)
    ours.write_bytes(format_midi(Hits((), (), ()), tempo_map(empty, empty)))
    assert is_our_midi(ours)
    file = mido.MidiFile()
    file.tracks.append(mido.MidiTrack([mido.MetaMessage("track_name", name="My drums")]))
    out = io.BytesIO()
    file.save(file=out)
    for data in (out.getvalue(), b"MThd" + struct.pack(">IHHH", 6, 1, 1, 960), b"00 mirkit"):
        theirs.write_bytes(data)
        assert not is_our_midi(theirs)
