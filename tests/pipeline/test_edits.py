"""Values of the ``.INFO`` that the user has corrected: they are kept, and windows and clips have them too."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from library import beat_music, write
from mirkit.cli import main
from mirkit.cli.output.dataset import verified
from mirkit.dataset.verify import verify, verify_all
from mirkit.pipeline.task import TrackJob, TrackOutcome
from mirkit.pipeline.track_task import process
from mirkit.stages.window import FROM_SERIES
from mirkit.staleness import TrackState
from mirkit.store import Settings, read_grid, read_info, read_provenance, with_values
from mirkit.track import Track
from mirkit.windows import WindowAnalyzer

BACKENDS = {"stems": "embedded", "beats": "embedded", "classification": "embedded", "aesthetics": ""}
STAGES = ("source", "beats", "syncopation", "chroma", "music_facts")


def run(folder: Path, *stages: str, overwrite: bool = False) -> TrackOutcome:
    settings = with_values(Settings(), {"crop.length": "2 bars"}, "test")
    outcome = process(TrackJob(folder, stages or STAGES, BACKENDS, settings, overwrite))
    assert outcome.ok, outcome.failures
    return outcome


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("edits") / "Song"
    write(folder / "full_mix.flac", sum(beat_music(12.0).values()))
    run(folder)
    return folder


@pytest.fixture
def song(measured: Path, tmp_path: Path) -> Path:
    import shutil

    copy = Path(shutil.copytree(measured, tmp_path / "Song"))
    run(copy)  # the copy's files are hashed once
    return copy


def edit(folder: Path, **values: Any) -> None:
    path = Track.at(folder).info
    content = json.loads(path.read_text()) | values
    path.write_text(json.dumps({key: value for key, value in content.items() if value != "remove"}))


def info(folder: Path) -> dict[str, Any]:
    return dict(read_info(Track.at(folder).info))


def reasons(folder: Path) -> dict[str, str]:
    return TrackState.of(Track.at(folder)).outstanding(STAGES, BACKENDS, Settings())


def test_what_was_corrected_is_kept(song: Path) -> None:
    before = info(song)
    assert (before["key"], before["mode"]) == ("C", "major")
    edit(song, key="A", mode="minor", time_signature="3/4")
    why = reasons(song)
    assert why["chroma"] == "changed by hand: key, mode"
    assert why["beats"] == "changed by hand: time_signature"
    outcome = run(song)
    assert "key, mode: changed by hand in the .INFO, and kept; remove it there to measure it again" in outcome.notes
    after = info(song)
    assert {name: after[name] for name in ("key", "mode", "key_confidence")} == {
        "key": "A",
        "mode": "minor",
        "key_confidence": 1.0,
    }
    assert (after["time_signature"], after["time_signature_confidence"]) == ("3/4", 1.0)
    assert "in A minor" in after["music_facts"]
    assert "in 3/4 time" in after["music_facts"]
    stages = read_provenance(Track.at(song).provenance).stages
    assert stages["chroma"].user.keys() == {"key", "mode"}
    assert stages["beats"].user.keys() == {"time_signature"}
    assert not reasons(song)
    run(song, overwrite=True)
    assert info(song) == after, "not even --overwrite replaces it"
    assert not verify(Track.at(song)).out_of_range


def test_who_sets_one_of_key_and_mode_vouches_for_both(song: Path) -> None:
    edit(song, mode="minor")
    run(song)
    after = info(song)
    assert (after["key"], after["mode"], after["key_confidence"]) == ("C", "minor", 1)


def test_a_window_has_it_too(song: Path) -> None:
    edit(song, key="A")
    run(song, *FROM_SERIES)
    found = WindowAnalyzer.open(song).at(2, 8).values
    assert (found["key"], found["mode"], found["key_confidence"]) == ("A", "major", 1.0)


def test_removed_it_is_measured_again(song: Path) -> None:
    before = info(song)
    edit(song, key="E")
    run(song)
    assert (info(song)["key"], info(song)["mode"]) == ("E", "major")
    edit(song, key="remove")
    run(song)
    assert info(song) == before
    assert not read_provenance(Track.at(song).provenance).stages["chroma"].user


def test_a_value_that_is_set_back_is_ours_again(song: Path) -> None:
    before = info(song)
    edit(song, key="E")
    run(song)
    edit(song, key=before["key"])
    assert reasons(song)["chroma"] == "changed by hand: key"
    run(song)
    assert info(song) == before
    assert not reasons(song)


def test_null_is_an_answer_too(song: Path) -> None:
    edit(song, time_signature=None)
    run(song)
    assert (info(song)["time_signature"], info(song)["time_signature_confidence"]) == (None, None)
    report = verify(Track.at(song))
    assert report.nulls["time_signature"] == "set to null by hand"
    assert "time_signature" not in report.missing


def test_verify_names_what_is_no_key(song: Path) -> None:
    edit(song, key="H", true_peak="loud")
    run(song)
    assert info(song)["key"] == "H"
    report = verify(Track.at(song))
    assert report.out_of_range["key"] == "H"
    assert report.out_of_range["true_peak"] == "loud"


def test_what_was_there_before_the_first_run_is_the_users(tmp_path: Path) -> None:
    folder = tmp_path / "Song"
    write(folder / "full_mix.flac", sum(beat_music(6.0).values()))
    (folder / "Song.INFO").write_text('{"key": "F#", "mode": "minor"}')
    run(folder, "chroma")
    assert (info(folder)["key"], info(folder)["mode"], info(folder)["key_confidence"]) == ("F#", "minor", 1.0)


@pytest.mark.slow
def test_clips_have_the_users_values_and_keep_their_own(song: Path) -> None:
    edit(song, key="D", mode="minor")
    run(song, "crop")
    clips = sorted((song / "crops").iterdir())
    for clip in clips:
        assert (info(clip)["key"], info(clip)["mode"], info(clip)["key_confidence"]) == ("D", "minor", 1.0)
        assert read_provenance(Track.at(clip).provenance).stages["chroma"].user
    edit(clips[0], key="G")
    edit(song, mode="major")
    run(song, "crop")
    assert (info(clips[0])["key"], info(clips[0])["mode"]) == ("G", "minor"), "the clip's own correction is kept"
    assert (info(clips[1])["key"], info(clips[1])["mode"]) == ("D", "major")
    assert not run(song, "crop").done


def test_clips_are_older_than_an_edited_track(song: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(song, "crop")
    clips = sorted((song / "crops").iterdir())

    def older() -> list[tuple[str, ...]]:
        return [report.older for report in verify_all(song, crops=True)[1:]]

    def exported() -> str:
        capsys.readouterr()
        assert main(["export", "jsonl", str(song), "--out", str(song.parent / "out.jsonl"), "--overwrite"]) == 0
        said = capsys.readouterr()
        return said.out + said.err

    assert older() == [()] * len(clips)
    assert "has changed since they were measured" not in exported()
    edit(song, key="A", mode="minor")
    assert older() == [("chroma",)] * len(clips), "before the track is measured again"
    assert not any(report.complete for report in verify_all(song, crops=True))
    run(song)
    assert older() == [("chroma", "music_facts")] * len(clips), "and after"
    verified(verify_all(song, crops=True), {}, missing=False, quiet=False)
    assert "older than its track, of which has changed: chroma, music_facts; crop it again" in capsys.readouterr().out
    said = exported()
    assert f"{len(clips)} clips of 1 track, for example Song/crops/{clips[0].name}: the track has changed since" in said
    assert f'to date with: mirkit crop "{song}"' in said
    run(song, "crop")
    assert older() == [()] * len(clips)
    assert "has changed since they were measured" not in exported()
    moved = song.parent / "elsewhere"
    clips[0].rename(moved)
    assert verify(Track.at(moved)).older == (), "its track is not known"


def test_bars_follow_the_time_signature_that_was_set(song: Path) -> None:
    def bars() -> list[int]:
        grid = read_grid(Track.at(song).grid)
        return [int(n) for n in np.diff(np.searchsorted(grid.beats, grid.downbeats - 1e-6))]

    before, grid = info(song), read_grid(Track.at(song).grid)
    assert (before["time_signature"], set(bars())) == ("4/4", {4})
    edit(song, time_signature="3/4")
    outcome = run(song, *FROM_SERIES, "music_facts")
    assert "the bars are those of the time signature that you set, 3/4" in outcome.notes
    assert (set(bars()), info(song)["bpm"]) == ({3}, before["bpm"])
    assert np.array_equal(read_grid(Track.at(song).grid).beats, grid.beats), "the beats stay"
    record = read_provenance(Track.at(song).provenance).stages["beats"]
    assert record.user.keys() == {"time_signature"}
    assert not reasons(song)
    assert WindowAnalyzer.open(song).at(2, 8).values["time_signature"] == "3/4"
    run(song, overwrite=True)
    assert (info(song)["time_signature"], set(bars())) == ("3/4", {3}), "the user's stays, whatever is measured"
    edit(song, time_signature="other")
    note = "the time signature that you set, other, does not define bars; the downbeats are the measured ones"
    assert note in run(song).notes
    assert set(bars()) == {4}
    edit(song, time_signature="remove")
    run(song)
    assert info(song).items() >= before.items()
    assert np.array_equal(read_grid(Track.at(song).grid).downbeats, grid.downbeats)


def test_verify_names_what_was_corrected_until_the_next_run(song: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify(Track.at(song)).edited == ()
    edit(song, key="A", time_signature="3/4")
    report = verify(Track.at(song))
    assert set(report.edited) == {"key", "time_signature"}
    assert report.stale == (), "no audio has changed"
    assert not report.complete
    verified([report], {}, missing=False, quiet=False)
    out = capsys.readouterr().out
    assert "changed by hand since the last run: " in out
    assert "audio changed" not in out
    run(song)
    assert verify(Track.at(song)).edited == ()
    edit(song, key="B")
    assert verify(Track.at(song)).edited == ("key",), "a correction is corrected"
