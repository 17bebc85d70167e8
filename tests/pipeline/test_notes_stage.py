"""Notes of the stems in the pipeline: files, values, what the user edits, clips, and stems that are missing."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pretty_midi
import pytest

from library import make_track
from mirkit.catalog import stage
from mirkit.cli import main
from mirkit.dataset.verify import verify
from mirkit.pipeline.track_task import TrackJob, process
from mirkit.store import Settings, read_provenance, with_values
from mirkit.track import NOTES_MIDI, Track

SETTINGS = with_values(Settings(), {"crop.length": "4 s", "crop.align": "free"}, "test")
BACKENDS = {"beats": "embedded", "classification": "embedded", "aesthetics": ""}


def do(path: Path, *stages: str, **more: Any) -> Any:
    return process(TrackJob(path, stages, BACKENDS, SETTINGS, **more))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = make_track(tmp_path_factory.mktemp("made") / "Track", seconds=10, bpm=120, stems=True)
    assert do(path, "notes").ok
    return path


@pytest.fixture
def track(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "library" / "Track"))


def info(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Track.at(path).info.read_text())
    return found


def notes(path: Path) -> list[tuple[float, int]]:
    midi = pretty_midi.PrettyMIDI(io.BytesIO(path.read_bytes()))
    return sorted((round(n.start, 2), n.pitch) for instrument in midi.instruments for n in instrument.notes)


def test_files_and_values(track: Path) -> None:
    assert {pitch for _, pitch in notes(track / "bass.mid")} == {36}
    assert {60, 64, 67} <= {pitch for _, pitch in notes(track / "other.mid")}
    assert notes(track / "vocals.mid") == []
    values = info(track)
    assert values["note_density_vocals"] == 0
    assert values["pitch_median_vocals"] is None
    assert values["polyphony_other"] > 2
    record = read_provenance(Track.at(track).provenance).stages["notes"]
    assert record.model == "basic_pitch 0.4.0"
    assert record.weights_sha256
    assert record.reasons["pitch_median_vocals"] == "no notes"


def test_a_second_run_has_nothing_to_do(track: Path) -> None:
    assert do(track, "notes").done == ()


@pytest.mark.parametrize("name", NOTES_MIDI.values())
def test_a_missing_file_is_written_again(track: Path, name: str) -> None:
    before = (track / name).read_bytes()
    (track / name).unlink()
    assert "notes" in do(track, "notes").done
    assert (track / name).read_bytes() == before


def test_a_file_that_the_user_has_edited_is_kept(track: Path) -> None:
    edited = (track / "bass.mid").read_bytes() + b"\0"
    (track / "bass.mid").write_bytes(edited)
    outcome = do(track, "notes", overwrite=True)
    assert outcome.ok
    assert any("bass.mid: changed by hand, and kept" in line for line in outcome.notes)
    assert (track / "bass.mid").read_bytes() == edited
    assert do(track, "notes").done == ()


def test_verify_names_edited_and_missing_files(track: Path) -> None:
    report = verify(Track.at(track))
    assert not report.edited
    assert not {"bass.mid", "other.mid", "vocals.mid"} & set(report.missing)
    (track / "bass.mid").write_bytes((track / "bass.mid").read_bytes() + b"\0")
    (track / "other.mid").unlink()
    report = verify(Track.at(track))
    assert report.edited == ("bass.mid",)
    assert "other.mid" in report.missing
    assert do(track, "notes").ok
    assert verify(Track.at(track)).edited == ()


def test_a_file_of_the_user_from_before_is_kept(tmp_path: Path) -> None:
    path = make_track(tmp_path / "Track", seconds=6, stems=True)
    (path / "other.mid").write_bytes(b"mine")
    assert do(path, "notes").ok
    assert (path / "other.mid").read_bytes() == b"mine"
    assert (path / "bass.mid").exists()


def test_notes_of_embedded_stems_come_with_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = make_track(tmp_path / "Track", seconds=6)
    assert main(["run", str(path), "--notes", "--separation", "embedded", "--organize", "off"]) == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if ".mid" in line]
    assert "bass.mid, other.mid, vocals.mid: these notes are unreliable, because embedded stems hold other" in line
    record = read_provenance(Track.at(path).provenance).stages["notes"]
    assert "more than half of the bass notes are wrong" in str(record.details["warning"])
    assert record.reasons["polyphony_other"] == "embedded stems do not carry it"
    assert main(["report", str(path), "--out", str(tmp_path / "report"), "--jobs", "1", "--quiet"]) == 0
    (page,) = (tmp_path / "report" / "tracks").glob("*.html")
    assert "bass.mid, other.mid, vocals.mid: these notes are unreliable" in page.read_text()


def test_notes_of_true_stems_have_no_warning(made: Path) -> None:
    assert "warning" not in read_provenance(Track.at(made).provenance).stages["notes"].details


def test_missing_stems_have_no_files(tmp_path: Path) -> None:
    path = make_track(tmp_path / "Track", seconds=6)
    assert do(path, "notes").ok
    assert not any((path / name).exists() for name in NOTES_MIDI.values())
    values = info(path)
    assert all(values[key] is None for key in stage("notes").keys)
    assert do(path, "notes").done == ()


def test_clips_have_the_notes_and_values_of_their_span(track: Path) -> None:
    assert do(track, *stage("crop").needs, "crop").ok
    clip = track / "crops" / "Track_002"
    inside = [(round(start - 4, 2), pitch) for start, pitch in notes(track / "other.mid") if 4 <= start < 8]
    found = notes(clip / "other.mid")
    assert [pitch for _, pitch in found] == [pitch for _, pitch in inside]
    np.testing.assert_allclose([start for start, _ in found], [start for start, _ in inside], atol=0.011)
    assert set(stage("notes").keys) <= info(clip).keys()


def test_the_command_and_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(make_track(tmp_path / "Track", seconds=6, stems=True))
    assert main(["run", path, "--dry-run", "--organize", "off"]) == 0
    without = capsys.readouterr().out
    assert main(["run", path, "--notes", "--dry-run", "--organize", "off"]) == 0
    assert without != capsys.readouterr().out
    assert main(["notes", path]) == 0
    assert (tmp_path / "Track" / "bass.mid").exists()
