"""The stage of chords: its file and values, what the user changes in the file, clips and windows, JAMS."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from library import write
from mirkit.catalog import MEASURED
from mirkit.cli import main
from mirkit.dataset.verify import verify
from mirkit.pipeline.task import TrackJob, TrackOutcome
from mirkit.pipeline.track_task import process
from mirkit.store import Settings, read_info, read_provenance, with_values
from mirkit.track import Track
from mirkit.windows import features_at
from notes import song

BACKENDS = {"stems": "embedded", "beats": "embedded", "classification": "embedded", "aesthetics": ""}
CHANGED = [{"start": 0, "end": 8, "symbol": "D:sus4"}, {"start": 8, "end": 16, "symbol": "A:min7/b3"}]


def run(folder: Path, *stages: str, overwrite: bool = False, **crop: object) -> TrackOutcome:
    settings = with_values(Settings(), {f"crop.{key}": value for key, value in crop.items()}, "test")
    return process(TrackJob(folder, stages or ("chords",), BACKENDS, settings, overwrite=overwrite))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library") / "Song"
    folder.mkdir()
    write(folder / "full_mix.flac", song("I vi IV V", 0, bars=8)[None])
    outcome = run(folder, *MEASURED)
    assert outcome.ok, outcome.failures
    return folder


@pytest.fixture
def track(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "Song"))


def chords_of(folder: Path, name: str = "Song") -> list[Any]:
    return list(json.loads((folder / f"{name}.CHORDS").read_text())["chords"])


def test_file_and_values(finished: Path) -> None:
    rows = [row for row in chords_of(finished) if row["symbol"] != "N"]
    assert [row["symbol"] for row in rows] == ["C:maj", "A:min", "F:maj", "G:maj"] * 2
    assert [row["start"] for row in rows] == pytest.approx(2 * np.arange(8), abs=0.1)
    info = read_info(finished / "Song.INFO")
    assert info["chord_minor_share"] == pytest.approx(0.25, abs=0.02)
    assert info["chord_major_share"] == pytest.approx(0.75, abs=0.02)
    assert info["chord_change_rate"] == pytest.approx(7 * 60 / 16)
    assert info["chord_seventh_share"] == 0
    assert str(info["chords"]).replace("|", "").split() == ["C", "Am", "F", "G"] * 2
    record = read_provenance(finished / "Song.PROVENANCE").stages["chords"]
    assert record.details == {"signal": "full_mix", "bass": "full_mix", "steps": "beats"}
    assert "CHORDS" in record.outputs
    assert not record.user
    assert not verify(Track.at(finished)).missing


def test_a_second_run_does_nothing_and_a_removed_file_is_written_again(track: Path) -> None:
    assert not run(track).done
    (track / "Song.CHORDS").unlink()
    assert "Song.CHORDS" in verify(Track.at(track)).missing
    assert run(track).done == ("chords",)
    assert chords_of(track)


def test_a_file_that_the_user_has_changed_is_kept(track: Path) -> None:
    path = track / "Song.CHORDS"
    path.write_text(json.dumps({"chords": CHANGED}))
    outcome = run(track)
    assert outcome.ok
    assert [note for note in outcome.notes if ".CHORDS: changed by hand, and kept" in note]
    assert json.loads(path.read_text()) == {"chords": CHANGED}
    info = read_info(track / "Song.INFO")
    assert (info["chord_minor_share"], info["chord_seventh_share"]) == (0.5, 0.5)
    assert info["chord_confidence"] is None
    assert "CHORDS" in read_provenance(track / "Song.PROVENANCE").stages["chords"].user
    assert not run(track).done
    assert run(track, overwrite=True).ok
    assert json.loads(path.read_text()) == {"chords": CHANGED}, "also with --overwrite"
    assert features_at(track, 9, 12)["chords"] is not None
    assert set(str(features_at(track, 9, 12)["chords"]).replace("|", "").split()) == {"Am7/C"}


def test_a_file_that_the_user_has_broken_is_kept_and_named(track: Path) -> None:
    path = track / "Song.CHORDS"
    path.write_text('{"chords": [{"start": 0, "end": 1, "symbol": "Am"}]}')
    outcome = run(track)
    assert "'Am' at 0 s is not a chord" in outcome.failures["chords"]
    assert "\n" not in outcome.failures["chords"]
    assert "Am" in path.read_text()
    assert not verify(Track.at(track)).complete


def test_clips_have_the_chords_of_their_span(track: Path) -> None:
    outcome = run(track, "crop", length="6 s")
    assert outcome.ok, outcome.failures
    clips = sorted((track / "crops").iterdir())
    assert len(clips) == 2
    for clip in clips:
        start = read_provenance(clip / f"{clip.name}.PROVENANCE").stages["cut"].details["start"]
        rows = chords_of(clip, clip.name)
        assert rows[0]["start"] == 0
        assert rows[-1]["end"] == pytest.approx(6, abs=1e-3)
        for row in rows:
            middle = start + (row["start"] + row["end"]) / 2
            assert row["symbol"] == next(r["symbol"] for r in chords_of(track) if r["start"] <= middle < r["end"])
        assert read_info(clip / f"{clip.name}.INFO")["chords"] == features_at(track, start, start + 6)["chords"]


def test_the_command_writes_jams_and_no_file_of_another_program(
    track: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["chords", str(track.parent), "--batch", "--jams", str(tmp_path / "out"), "-q", "-j", "1"]
    for _ in range(2):
        assert main(command) == 0
        annotations = json.loads((tmp_path / "out" / "Song.jams").read_text())["annotations"]
        assert annotations[0]["namespace"] == "chord"
        assert [row["value"] for row in annotations[0]["data"]] == [row["symbol"] for row in chords_of(track)]
    (tmp_path / "out" / "Song.jams").write_text('{"annotations": []}')
    assert main(command) == 1
    assert "this command did not write it" in capsys.readouterr().err
    assert main(["chords", "s3://bucket/set", "--batch", "--jams", str(tmp_path / "out")]) == 2
    assert "on this machine" in capsys.readouterr().err
    assert main(["chords", str(track), "--jams", str(tmp_path / "one.jams"), "-q", "-j", "1"]) == 0
    assert (tmp_path / "one.jams").exists()
