"""The stage of tags: values, what the user says, windows, clips, exports, and musicnn with weights of a test."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from library import beat_music, make_track
from mirkit.audio import Tags, encode
from mirkit.catalog import stage
from mirkit.cli import main
from mirkit.dataset.verify import verify
from mirkit.features.types import Unknown
from mirkit.features.voice import Decision
from mirkit.models import _loaded, weights
from mirkit.pipeline.track_task import TrackJob, process
from mirkit.store import Settings, read_provenance, with_values
from mirkit.track import Track
from mirkit.windows import WindowAnalyzer
from models.musicnn_files import write_package

SETTINGS = with_values(Settings(), {"crop.length": "5 s", "crop.align": "free"}, "test")
EMBEDDED = {"beats": "embedded", "classification": "embedded", "aesthetics": "", "tags": "embedded"}
MODEL = [f"instrument_{name}" for name in ("guitar", "piano", "strings", "flute", "synthesizer", "choir")]


def do(path: Path, *stages: str, backends: dict[str, str] = EMBEDDED, **more: Any) -> Any:
    named = {f"backends.{task}": name for task, name in backends.items() if name}
    return process(TrackJob(path, stages, backends, with_values(SETTINGS, named, "test"), **more))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = make_track(tmp_path_factory.mktemp("made") / "Track", seconds=10, bpm=120, stems=True)
    assert do(path, *stage("crop").needs, "tags").ok
    return path


@pytest.fixture
def track(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "library" / "Track"))


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package musicnn with random weights."""
    _loaded.cache_clear()
    site = tmp_path / "site-packages"
    monkeypatch.syspath_prepend(site)
    monkeypatch.setattr(weights, "matches", lambda path, expected: True)
    return write_package(site)


def info(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Track.at(path).info.read_text())
    return found


def edit(path: Path, **values: Any) -> None:
    Track.at(path).info.write_text(json.dumps(info(path) | values))


def record(path: Path) -> Any:
    return read_provenance(Track.at(path).provenance).stages["tags"]


def test_instruments_of_true_stems(track: Path) -> None:
    values = info(track)
    assert values["instrument_drums"] > 0.9
    assert values["instrument_bass"] > 0.9
    assert values["instrument_vocals"] < 0.01
    assert values["instruments"] == "drums, bass"
    entry = record(track)
    assert entry.details["from"] == {"drums": "stem", "bass": "stem", "vocals": "stem"}
    assert all(values[key] is None for key in MODEL)
    assert "no model was asked" in entry.reasons["instrument_guitar"]
    assert "no model was asked" in entry.reasons["genre"]


def test_a_second_run_has_nothing_to_do(track: Path) -> None:
    assert do(track, "tags").done == ()


def test_a_mix_without_stems_and_embedded_ones(tmp_path: Path) -> None:
    alone = make_track(tmp_path / "Alone", seconds=8)
    assert do(alone, "tags").ok
    assert info(alone)["instrument_drums"] > 0.5
    assert info(alone)["instrument_bass"] is None
    assert record(alone).reasons["instrument_bass"] == "stem missing"
    assert record(alone).details["from"] == {"drums": "onsets of the mix", "vocals": "mix"}
    assert info(alone)["instrument_vocals"] <= 0.1
    assert do(alone, "separate", "tags", backends=EMBEDDED | {"stems": "embedded"}).ok
    assert info(alone)["instrument_bass"] > 0.5
    assert record(alone).details["from"]["bass"] == "embedded stem"


def test_without_drums_and_bass_none_are_named(tmp_path: Path) -> None:
    path = tmp_path / "Chord" / "full_mix.flac"
    path.parent.mkdir()
    encode(path, [beat_music(8.0)["other"]], rate=44100, channels=2)
    assert do(path.parent, "separate", "tags", backends=EMBEDDED | {"stems": "embedded"}).ok
    values = info(path.parent)
    assert values["instrument_drums"] < 0.5
    assert values["instrument_bass"] < 0.5
    assert values["instruments"] is None
    assert record(path.parent).reasons["instruments"] == "no instrument is probable enough"


def test_the_genre_of_the_file_comes_first(track: Path, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirkit.analysis.read_tags", lambda _: Tags(genre="Chamber Jazz"))
    for backend in ("embedded", "musicnn"):
        assert do(track, "tags", backends=EMBEDDED | {"tags": backend}, overwrite=True).ok
        assert (info(track)["genre"], info(track)["genre_confidence"]) == ("Chamber Jazz", 1)
        assert record(track).details["from"]["genre"] == "tags of the file"


def test_what_the_user_has_not_written_is_found(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(track, instruments="kalimba")
    monkeypatch.setattr("mirkit.analysis.read_tags", lambda _: Tags(genre="Chamber Jazz"))
    assert do(track, "tags", overwrite=True).ok
    values = info(track)
    assert (values["instruments"], values["genre"], values["genre_confidence"]) == ("kalimba", "Chamber Jazz", 1)


def test_what_the_user_has_written_stays(track: Path) -> None:
    edit(track, genre="Afrobeat", mood="joyful", instruments="kalimba, drums")
    outcome = do(track, "tags", overwrite=True)
    assert outcome.ok
    assert any("changed by hand" in line for line in outcome.notes)
    values = info(track)
    assert (values["genre"], values["genre_confidence"]) == ("Afrobeat", 1)
    assert (values["mood"], values["mood_confidence"]) == ("joyful", 1)
    assert values["instruments"] == "kalimba, drums"
    assert {"genre", "mood", "instruments"} <= set(record(track).user)
    assert do(track, "crop").ok
    (first, *_) = sorted((track / "crops").iterdir())
    clip = info(first)
    assert (clip["genre"], clip["instruments"]) == ("Afrobeat", "kalimba, drums")
    out = track.parent / "tracks.jsonl"
    assert main(["export", "jsonl", str(track.parent), "--from", "tracks", "-o", str(out)]) == 0
    row = json.loads(out.read_text())
    assert (row["genre"], row["mood"], row["instruments"]) == ("Afrobeat", "joyful", "kalimba, drums")


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A track with clips, for which no stage on request has run."""
    path = make_track(tmp_path_factory.mktemp("cut") / "Track", seconds=10, bpm=120, stems=True)
    assert do(path, *stage("crop").needs, "crop", backends=ALL).ok
    return path


ALL = EMBEDDED | {"drums": "embedded", "f0": "embedded"}


@pytest.mark.parametrize(
    ("name", "key", "file"),
    [("tags", "instrument_drums", ""), ("notes", "note_density_vocals", "bass.mid"), ("drums", "", "drums.mid")],
)
def test_clips_get_what_has_run_since_they_were_cut(name: str, key: str, file: str, cut: Path, tmp_path: Path) -> None:
    """Their audio is not cut again for it."""
    track = Path(shutil.copytree(cut, tmp_path / "Track"))
    clips = sorted((track / "crops").iterdir())
    audio = {path: path.stat().st_ino for path in (track / "crops").rglob("*.flac")}
    assert len(clips) == 2
    assert len(audio) == 10
    assert not any(verify(Track.at(clip)).older for clip in clips)
    assert do(track, name, backends=ALL).ok
    assert [verify(Track.at(clip)).older for clip in clips] == [(name,), (name,)]
    outcome = do(track, "crop", backends=ALL)
    assert outcome.ok
    assert "crop" in outcome.done
    assert {path: path.stat().st_ino for path in audio} == audio
    for clip in clips:
        assert not key or info(clip)[key] is not None
        assert not file or (clip / file).exists()
        assert not verify(Track.at(clip)).older
    assert "crop" in do(track, "crop", backends=ALL).skipped
    assert do(track, name, "crop", backends=ALL, overwrite=False).done == ()


def test_windows_and_clips(track: Path) -> None:
    assert do(track, "crop").ok
    clips = sorted((track / "crops").iterdir())
    assert len(clips) == 2
    for clip in clips:
        assert info(clip)["instrument_drums"] > 0.9
        assert info(clip)["instruments"] == "drums, bass"
        report = verify(Track.at(clip))
        assert not report.missing
        assert not report.out_of_range
    values = WindowAnalyzer.open(track).at(2.0, 6.0).values
    assert values["instruments"] == "drums, bass"


def test_musicnn(track: Path, package: Path) -> None:
    with_model = EMBEDDED | {"tags": "musicnn"}
    assert do(track, "tags", backends=with_model).ok
    values, entry = info(track), record(track)
    assert (entry.backend, entry.model) == ("musicnn", "musicnn")
    assert len(entry.weights_sha256) == 64
    assert all(0 <= values[key] <= 1 for key in MODEL)
    assert values["music_tags"]
    # Measurements come before the model.
    assert values["instrument_drums"] > 0.9
    assert entry.details["from"]["drums"] == "stem"
    assert entry.details["from"]["guitar"] == "musicnn"
    tags = read_provenance(Track.at(track).provenance).facts["music_tags"]["value"]
    assert len(tags) == 100
    assert tags["magnatagatune/piano"] == pytest.approx(values["instrument_piano"], abs=0.001)
    assert do(track, "tags", backends=with_model).done == ()
    # Clips have the tags of their span, without the model.
    shutil.rmtree(package)
    _loaded.cache_clear()
    assert do(track, "crop").ok
    first, last = (info(clip) for clip in sorted((track / "crops").iterdir()))
    assert first["instrument_guitar"] != last["instrument_guitar"]
    assert np.mean([first["instrument_guitar"], last["instrument_guitar"]]) == pytest.approx(
        values["instrument_guitar"], abs=0.2
    )


def test_a_voice_that_was_not_measured_is_the_models(
    tmp_path: Path, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unsure = Unknown("not sure")
    monkeypatch.setattr("mirkit.stages.signal.decide", lambda *_: Decision(unsure, unsure))
    path = make_track(tmp_path / "Track", seconds=8)
    assert do(path, "tags", backends=EMBEDDED | {"tags": "musicnn"}).ok
    assert record(path).details["from"]["vocals"] == "musicnn"
    assert 0 < info(path)["instrument_vocals"] <= 1


def test_audio_shorter_than_a_row_has_no_tags(tmp_path: Path, package: Path) -> None:
    path = make_track(tmp_path / "Track", seconds=2)
    assert do(path, "tags", backends=EMBEDDED | {"tags": "musicnn"}).ok
    assert info(path)["music_tags"] is None
    assert record(path).reasons["music_tags"] == "too short"


def test_verify_and_the_table_know_the_values(track: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert not verify(Track.at(track)).missing
    edit(track, instrument_drums=1.5)
    assert verify(Track.at(track)).out_of_range
    assert main(["export", "csv", str(track.parent), "--from", "tracks", "-o", str(track.parent / "t.csv")]) == 0
    header, cells = csv.reader((track.parent / "t.csv").read_text().splitlines())
    assert dict(zip(header, cells, strict=True))["instruments"] == "drums, bass"
    assert header.count("genre") == 1
    assert main(["stats", str(track.parent)]) == 0
    assert "instrument_bass" in capsys.readouterr().out


def test_the_command_and_the_option(tmp_path: Path) -> None:
    path = make_track(tmp_path / "library" / "Track", seconds=6, stems=True)
    assert main(["tags", str(path), "--quiet"]) == 0
    assert info(path)["instruments"] == "drums, bass"
    other = make_track(tmp_path / "other" / "Track", seconds=6, stems=True)
    assert main(["run", str(other), "--organize", "off", "--quiet"]) == 0
    assert "instruments" not in info(other)
    assert main(["run", str(other), "--organize", "off", "--quiet", "--tags"]) == 0
    assert info(other)["instruments"] == "drums, bass"


def test_prompts_name_the_instruments(track: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert do(track, "crop").ok
    (first, *_) = sorted((track / "crops").iterdir())
    assert main(["export", "--explain", str(first)]) == 0
    assert "instrument_drums" in capsys.readouterr().out
    assert main(["export", "sa3", str(track.parent), "-o", str(track.parent / "out"), "--variants", "1"]) == 0
    texts = [path.read_text() for path in sorted((track.parent / "out").rglob("*.txt"))]
    assert any("drums, bass" in text for text in texts)
