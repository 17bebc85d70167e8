"""The stage of sections: its file and values, what the user changes in the file, clips and windows in sections."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from form_music import song
from library import write
from mirkit.catalog import MEASURED
from mirkit.cli import main
from mirkit.dataset.verify import verify
from mirkit.pipeline.task import TrackJob, TrackOutcome
from mirkit.pipeline.track_task import process
from mirkit.report.track_page import track_content
from mirkit.store import Settings, read_info, read_provenance, with_values
from mirkit.track import Track
from mirkit.windows import features_at

BACKENDS = {"stems": "embedded", "beats": "embedded", "classification": "embedded", "aesthetics": ""}


def run(folder: Path, *stages: str, **crop: object) -> TrackOutcome:
    settings = with_values(Settings(), {f"crop.{key}": value for key, value in crop.items()}, "test")
    return process(TrackJob(folder, stages or MEASURED, BACKENDS, settings))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library") / "Song"
    folder.mkdir()
    write(folder / "full_mix.flac", song("ABA")[None])
    outcome = run(folder)
    assert outcome.ok, outcome.failures
    return folder


@pytest.fixture
def track(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "Song"))


def content(folder: Path) -> Any:
    return json.loads((folder / "Song.SECTIONS").read_text())


def test_file_and_values(finished: Path) -> None:
    sections = content(finished)["sections"]
    assert [row["label"] for row in sections] == ["A", "B", "A"]
    assert [row["start"] for row in sections] == pytest.approx([0, 16, 32], abs=0.1)
    info = read_info(finished / "Song.INFO")
    assert (info["section_count"], info["section"]) == (3, None), "no section covers half of the track"
    record = read_provenance(finished / "Song.PROVENANCE").stages["sections"]
    assert record.reasons["section"] == "several sections"
    assert record.details == {"signals": "full_mix", "grid": "downbeats"}
    assert "SECTIONS" in record.outputs
    assert not record.user


def test_a_second_run_does_nothing_and_an_older_file_is_written_again(track: Path) -> None:
    assert not run(track).done
    (track / "Song.SECTIONS").unlink()
    assert run(track).done == ("sections",)
    assert len(content(track)["sections"]) == 3


def test_a_file_that_the_user_has_changed_is_kept(track: Path) -> None:
    path = track / "Song.SECTIONS"
    mine = {"sections": [{"start": 0, "end": 40, "label": "verse", "function": "verse"}]}
    path.write_text(json.dumps(mine))
    assert verify(Track.at(track)).edited == ("SECTIONS",)
    outcome = run(track)
    assert outcome.ok
    assert not verify(Track.at(track)).edited
    assert outcome.done == ("sections",)
    assert [note for note in outcome.notes if ".SECTIONS: changed by hand, and kept" in note]
    assert content(track) == mine
    info = read_info(track / "Song.INFO")
    assert (info["section_count"], info["section"], info["section_function"]) == (1, "verse", "verse")
    assert "SECTIONS" in read_provenance(track / "Song.PROVENANCE").stages["sections"].user
    assert not run(track).done
    again = process(TrackJob(track, ("sections",), BACKENDS, Settings(), overwrite=True))
    assert again.ok
    assert content(track) == mine, "also with --overwrite"
    path.write_text(json.dumps({"sections": [{"start": 0, "end": 48, "label": "B"}]}))
    assert run(track).done == ("sections",), "a second change counts too"
    assert read_info(track / "Song.INFO")["section"] == "B"
    path.unlink()
    assert run(track).done == ("sections",)
    assert len(content(track)["sections"]) == 3
    assert not read_provenance(track / "Song.PROVENANCE").stages["sections"].user


def test_a_file_that_the_user_has_broken_is_kept_and_named(track: Path) -> None:
    path = track / "Song.SECTIONS"
    written = path.read_bytes()
    path.write_text('{"sections": [{"start": 5, "end": 1, "label": "A"}]}')
    assert "no length" in verify(Track.at(track)).problem
    outcome = run(track)
    assert "no length" in outcome.failures["sections"]
    assert "\n" not in outcome.failures["sections"]
    assert "5" in path.read_text()
    assert not verify(Track.at(track)).complete
    path.write_bytes(written)
    outcome = run(track)
    assert outcome.ok
    assert not read_provenance(track / "Song.PROVENANCE").stages["sections"].user, "mirkit's own file is no edit"


def test_windows_and_clips_have_their_section(track: Path) -> None:
    assert features_at(track, 20, 28)["section"] == "B"
    assert features_at(track, 12, 20)["section_count"] == 2
    outcome = run(track, "crop", length="10 s", align="section")
    assert outcome.ok, outcome.failures
    clips = sorted((track / "crops").iterdir())
    cuts = [read_provenance(clip / f"{clip.name}.PROVENANCE").stages["cut"].details["start"] for clip in clips]
    assert cuts == pytest.approx([0, 16, 32], abs=0.1)
    infos = [read_info(clip / f"{clip.name}.INFO") for clip in clips]
    assert [info["section"] for info in infos] == ["A", "B", "A"]
    # A change of the file reaches the clips.
    changed = content(track)
    changed["sections"][1] |= {"label": "C", "function": "chorus"}
    (track / "Song.SECTIONS").write_text(json.dumps(changed))
    run(track, "crop", length="10 s", align="section")
    info = read_info(clips[1] / f"{clips[1].name}.INFO")
    assert (info["section"], info["section_function"]) == ("C", "chorus")


def test_clips_of_a_track_without_sections_begin_on_downbeats(track: Path) -> None:
    (track / "Song.SECTIONS").write_text('{"sections": []}')
    run(track)
    outcome = run(track, "crop", length="10 s", align="section")
    assert outcome.ok
    assert any("no known sections: its clips begin on downbeats" in note for note in outcome.notes)


def test_stale_audio_with_a_changed_file(track: Path) -> None:
    (track / "Song.SECTIONS").write_text('{"sections": [{"start": 0, "end": 30, "label": "mine"}]}')
    write(track / "full_mix.flac", song("AB")[None])
    outcome = run(track)
    assert outcome.ok
    assert content(track)["sections"][0]["label"] == "mine"


def test_the_report_and_the_table_have_the_sections(finished: Path, tmp_path: Path) -> None:
    page, problems = track_content(Track.at(finished), {})
    assert not problems
    shown = page["data"]["sections"]
    assert [(row["label"], row["color"]) for row in shown] == [("A", 0), ("B", 1), ("A", 0)]
    assert shown[0].keys() == {"start", "end", "label", "function", "confidence", "color"}
    table = tmp_path / "table.csv"
    assert main(["export", "csv", str(finished), "--from", "tracks", "-o", str(table), "--quiet"]) == 0
    with table.open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["section_count"], row["section"]) == ("3", "")
