"""One track through the pipeline: what is done, what is redone, what fails."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from library import beat_music, make_track, write
from mirkit.audio import Tags
from mirkit.catalog import INFO_KEYS, MEASURED, STEMS, stage
from mirkit.dataset.verify import verify
from mirkit.features.loudness import LoudnessCurve, to_energy
from mirkit.features.types import Unknown, Window
from mirkit.features.voice import _EVEN, VoiceCurve
from mirkit.pipeline.task import TrackOutcome
from mirkit.pipeline.track_task import TrackJob, process
from mirkit.stages import FUNCTIONS, Result
from mirkit.store import (
    Settings,
    origin_of,
    read_info,
    read_object,
    read_provenance,
    update_feature_series,
    update_provenance,
    with_values,
)
from mirkit.track import Track

BACKENDS = {"stems": "embedded", "beats": "embedded", "classification": "embedded", "aesthetics": ""}


def extract(folder: Path, stages: tuple[str, ...] = MEASURED, **more: object) -> TrackOutcome:
    settings = more.pop("settings", Settings())
    return process(TrackJob(folder, stages, BACKENDS, settings, **more))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_track(tmp_path_factory.mktemp("library") / "Finished", stems=True)
    assert extract(folder).ok
    return folder


@pytest.fixture
def track(finished: Path, tmp_path: Path) -> Path:
    # copy2 keeps the time of change, as moving a data set does
    return Path(shutil.copytree(finished, tmp_path / "Finished"))


def test_every_key_is_there_with_a_number_or_a_reason(finished: Path) -> None:
    info = read_info(finished / "Finished.INFO")
    assert list(info) == list(INFO_KEYS)
    entries = read_provenance(finished / "Finished.PROVENANCE").stages.values()
    reasons = {key for entry in entries for key in entry.reasons}
    assert {key for key, value in info.items() if value is None} == reasons
    assert info["bpm"] == pytest.approx(120, abs=0.1)
    assert info["lufs_vocals"] is None, "digital silence has no loudness"
    assert info["onset_density_average_bass"] is not None


def test_sidecars(finished: Path) -> None:
    grid = json.loads((finished / "Finished.BEATS_GRID").read_text())
    assert grid["total_beats"] == len(grid["beats"]) == pytest.approx(24, abs=1)
    assert (finished / "Finished.ONSETS").read_text().count("\n") >= 20
    facts = read_provenance(finished / "Finished.PROVENANCE").facts
    assert facts["duration"]["value"] == pytest.approx(12)
    assert not facts.keys() & {"key", "mode", "meter", "swing", "bpm_confidence"}, "they are in the .INFO"
    info = read_info(finished / "Finished.INFO")
    assert (info["key"], info["mode"]) == ("C", "major")
    assert info["duration_seconds"] == pytest.approx(12)
    assert not list(finished.glob(".*")), "no temporary file is left"


def test_a_second_run_does_nothing(track: Path) -> None:
    extract(track)  # the copy's files are hashed once, and their stamps stored
    before = {path.name: path.stat().st_mtime_ns for path in track.iterdir()}
    outcome = extract(track)
    assert outcome.done == ()
    assert set(outcome.skipped) == set(MEASURED)
    assert {path.name: path.stat().st_mtime_ns for path in track.iterdir()} == before


def test_results_follow_a_renamed_folder(track: Path) -> None:
    before = (track / "Finished.INFO").read_bytes()
    renamed = track.rename(track.with_name("Ärger: 2 (live)"))
    outcome = extract(renamed)
    assert outcome.done == ()
    assert any("renamed" in note for note in outcome.notes)
    assert not list(renamed.glob("Finished.*"))
    assert (renamed / "Ärger: 2 (live).INFO").read_bytes() == before


def test_a_renaming_that_was_cut_off_is_finished(track: Path) -> None:
    renamed = track.rename(track.with_name("New"))
    for kind in ("INFO", "BEATS_GRID"):
        (renamed / f"Finished.{kind}").rename(renamed / f"New.{kind}")
    assert extract(renamed).done == ()
    assert not list(renamed.glob("Finished.*"))


@pytest.mark.parametrize("left", ["Other.INFO", "New.PROVENANCE"])
def test_results_of_doubtful_origin_are_left_alone(track: Path, left: str) -> None:
    renamed = track.rename(track.with_name("New"))
    (renamed / left).write_text("{}\n")
    before = {path.name: path.read_bytes() for path in renamed.glob("Finished.*")}
    assert extract(renamed, stages=("spectral_shape",)).done
    assert {path.name: path.read_bytes() for path in renamed.glob("Finished.*")} == before


def test_the_same_sound_gives_the_same_bytes(track: Path) -> None:
    before = (track / "Finished.INFO").read_bytes()
    assert extract(track, overwrite=True).ok
    assert (track / "Finished.INFO").read_bytes() == before
    shutil.rmtree(track)
    make_track(track, stems=True)
    assert extract(track).ok
    assert (track / "Finished.INFO").read_bytes() == before


def test_a_new_stem_redoes_only_what_depends_on_it(track: Path) -> None:
    write(track / "drums.flac", beat_music(bpm=140)["drums"])
    outcome = extract(track)
    assert set(outcome.done) == {
        *("beats", "syncopation", "complexity", "stem_rhythm", "loudness", "stem_harmonic"),
        *("chords", "sections", "music_facts"),  # which need the beats
    }


def test_a_tagged_tempo_decides_the_octave_and_a_setting_goes_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_track(tmp_path / "Tagged")
    monkeypatch.setattr("mirkit.analysis.read_tags", lambda path: Tags(bpm=61.0))
    assert extract(folder, ("beats",)).ok
    provenance = read_provenance(folder / "Tagged.PROVENANCE")
    assert read_info(folder / "Tagged.INFO")["bpm"] == pytest.approx(60, abs=0.1)
    assert provenance.stages["beats"].details["hint_from"] == "tag"
    second = provenance.facts["tempo_second_candidate"]
    assert second["value"] > 61
    assert 0 <= second["confidence"] <= 0.5
    assert extract(folder, ("beats",), settings=with_values(Settings(), {"rhythm.bpm": 119.0}, "test")).ok
    assert read_info(folder / "Tagged.INFO")["bpm"] == pytest.approx(120, abs=0.1)
    assert read_provenance(folder / "Tagged.PROVENANCE").stages["beats"].details["hint_from"] == "settings"


def test_a_tempo_tag_that_is_no_octave_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_track(tmp_path / "Tagged")
    monkeypatch.setattr("mirkit.analysis.read_tags", lambda path: Tags(bpm=97.0))
    outcome = extract(folder, ("beats",))
    assert read_info(folder / "Tagged.INFO")["bpm"] == pytest.approx(120, abs=0.1)
    assert any("97 BPM, was not used" in note and "120.0 BPM" in note for note in outcome.notes)
    assert read_provenance(folder / "Tagged.PROVENANCE").facts["pulse"]["value"] is True


def test_a_missing_stem_is_a_reason_not_a_number(tmp_path: Path) -> None:
    folder = make_track(tmp_path / "Mix only")
    assert extract(folder).ok
    info = read_info(folder / "Mix only.INFO")
    provenance = read_provenance(folder / "Mix only.PROVENANCE")
    assert info["lufs_drums"] is None
    assert provenance.stages["loudness"].reasons["lufs_drums"] == "stem missing"
    assert provenance.stages["chroma"].details == {"signal": "full_mix"}


def test_stems_that_come_later_are_noticed(tmp_path: Path) -> None:
    folder = make_track(tmp_path / "Later")
    assert extract(folder).ok
    for stem, samples in beat_music().items():
        write(folder / f"{stem}.flac", samples)
    outcome = extract(folder)
    assert "bands" in outcome.skipped
    assert "chroma" in outcome.done
    assert read_info(folder / "Later.INFO")["lufs_drums"] is not None


def test_another_setting_redoes_its_stage(track: Path) -> None:
    settings = with_values(Settings(), {"rhythm.bpm_range": [50.0, 90.0]}, "test")
    outcome = extract(track, settings=settings)
    assert "beats" in outcome.done
    assert "loudness" in outcome.skipped


def test_a_touched_file_is_not_redone(track: Path) -> None:
    os.utime(track / "full_mix.flac")
    assert extract(track).done == ()


def test_foreign_keys_stay(track: Path) -> None:
    path = track / "Finished.INFO"
    content = json.loads(path.read_text()) | {"my_rating": 5}
    path.write_text(json.dumps(content))
    extract(track, ("loudness",), overwrite=True)
    assert read_info(path)["my_rating"] == 5


def test_a_deleted_grid_is_made_again(track: Path) -> None:
    (track / "Finished.BEATS_GRID").unlink()
    assert "beats" in extract(track).done
    assert (track / "Finished.BEATS_GRID").exists()


def test_unreadable_sidecars_are_set_aside(track: Path) -> None:
    (track / "Finished.INFO").write_bytes(b'{"bpm": 12')
    outcome = extract(track)
    assert outcome.ok
    assert "; it was renamed to Finished.INFO.unreadable-1, and a new file was written" in outcome.notes[0]
    assert [path.read_bytes() for path in track.glob("Finished.INFO.unreadable*")] == [b'{"bpm": 12']
    assert read_info(track / "Finished.INFO")["bpm"] == pytest.approx(120, abs=0.1)


@pytest.mark.parametrize("pair", [("INFO", "PROVENANCE"), ("CHORDS", "BEATS_GRID"), ("ONSETS", "SECTIONS")])
def test_verify_names_every_damaged_sidecar(pair: tuple[str, str], track: Path) -> None:
    extract(track)
    for suffix in pair:
        (track / f"Finished.{suffix}").write_text("{damaged")
    report = verify(Track.at(track))
    assert not report.complete
    assert all(f"Finished.{suffix}: " in report.problem for suffix in pair)


def test_sidecars_of_a_newer_format_are_left_alone_and_reported(track: Path) -> None:
    path = track / "Finished.PROVENANCE"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    before = {file: file.read_bytes() for file in track.iterdir() if file.is_file()}
    outcome = extract(track, overwrite=True)
    assert not outcome.ok
    assert not outcome.done
    assert "format 99" in outcome.failures["track"]
    assert "update mirkit" in outcome.failures["track"]
    assert {file: file.read_bytes() for file in track.iterdir() if file.is_file()} == before


def test_sidecars_without_a_format_stay_done(track: Path) -> None:
    path = track / "Finished.PROVENANCE"
    content = json.loads(path.read_text())
    del content["format"]
    path.write_text(json.dumps(content))
    assert not extract(track).done


def test_the_time_signature_of_format_0_is_read(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Format 0 calls it ``metre``, in the provenance as in the feature series."""
    path, curves = track / "Finished.PROVENANCE", track / "Finished.CURVES.npz"
    content = json.loads(path.read_text())
    del content["format"]
    content["facts"]["metre"] = {"value": "4/4"}
    path.write_text(json.dumps(content))
    with np.load(curves) as archive:
        arrays = dict(archive)
    header = json.loads(arrays.pop("header.json"))
    header["full_mix/beats"]["metre"] = header["full_mix/beats"].pop("meter")
    arrays["full_mix/beats/metre_confidence"] = arrays.pop("full_mix/beats/meter_confidence")
    curves.unlink()
    update_feature_series(curves, arrays, header=header)
    assert read_provenance(path).facts["meter"] == {"value": "4/4"}
    assert origin_of(read_object(path), path).facts["meter"] == "4/4"
    before = (track / "Finished.INFO").read_bytes()
    update_provenance(path, remove=["stages/syncopation"])
    monkeypatch.setattr("mirkit.analysis.open_audio", None)  # the beats come from the series
    assert extract(track, ("syncopation",)).done == ("syncopation",)
    assert (track / "Finished.INFO").read_bytes() == before


def test_damaged_curves_are_measured_anew(track: Path) -> None:
    before = (track / "Finished.INFO").read_bytes()
    (track / "Finished.CURVES.npz").write_bytes(b"PK nonsense")
    assert extract(track, overwrite=True).ok
    assert (track / "Finished.INFO").read_bytes() == before


def test_kept_curves_spare_the_decoding(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_sound(*_: object, **__: object) -> None:
        raise AssertionError("the sound was opened")

    monkeypatch.setattr("mirkit.analysis.open_audio", no_sound)
    before = (track / "Finished.INFO").read_bytes()
    lost = ("loudness", "spectral_shape", "bands", "chroma", "syncopation")
    update_provenance(track / "Finished.PROVENANCE", remove=[f"stages/{name}" for name in lost])
    assert set(extract(track, lost).done) == set(lost)
    assert (track / "Finished.INFO").read_bytes() == before


def test_a_rotten_mix_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "Rotten").mkdir()
    (tmp_path / "Rotten" / "full_mix.mp3").write_bytes(b"this is text " * 99)
    outcome = extract(tmp_path / "Rotten")
    assert list(outcome.failures) == ["track"]
    assert "\n" not in outcome.failures["track"]
    assert "full_mix.mp3" in outcome.failures["track"]


def test_a_rotten_stem_costs_what_depends_on_it(track: Path) -> None:
    (track / "drums.flac").write_bytes(b"no flac at all")
    outcome = extract(track)
    assert list(outcome.failures) == ["drums"]
    info = read_info(track / "Finished.INFO")
    assert info["lufs_drums"] is None
    assert info["lufs_bass"] is not None
    assert info["bpm"] == pytest.approx(120, abs=0.1)
    assert list(extract(track).failures) == ["drums"], "what failed is tried again"


def test_two_candidates_for_a_stem_are_named(track: Path) -> None:
    write(track / "drums.wav", beat_music()["drums"])
    outcome = extract(track)
    assert "drums.flac" in outcome.failures["track"]
    assert "drums.wav" in outcome.failures["track"]


def test_a_bug_in_a_stage_is_that_stages_failure(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setitem(FUNCTIONS, "bands", broken)
    outcome = extract(track, ("bands", "loudness"), overwrite=True)
    assert list(outcome.failures) == ["bands"]
    assert outcome.failures["bands"].startswith("ZeroDivisionError: oops (a bug: report it at http")
    assert "mirkit doctor --report" in outcome.failures["bands"]
    assert outcome.done == ("loudness",)
    assert read_provenance(track / "Finished.PROVENANCE").stages["bands"].failed
    monkeypatch.undo()
    assert extract(track).done == ("bands", "music_facts"), "the sentences name the bands"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "loud", ("silent",), None])
def test_only_numbers_reach_the_info(track: Path, monkeypatch: pytest.MonkeyPatch, value: object) -> None:
    keys = ("rms_energy_bass", "rms_energy_body", "rms_energy_mid", "rms_energy_air")
    monkeypatch.setitem(FUNCTIONS, "bands", lambda *_: Result(dict.fromkeys(keys, value)))
    outcome = extract(track, ("bands",), overwrite=True)
    assert "is not a number" in outcome.failures["bands"]
    assert read_info(track / "Finished.INFO")["rms_energy_bass"] is None


def test_silence_has_reasons_for_every_null(tmp_path: Path) -> None:
    folder = tmp_path / "Silence"
    write(folder / "full_mix.flac", np.zeros((2, 4 * 44100), np.float32))
    assert extract(folder).ok
    info = read_info(folder / "Silence.INFO")
    entries = read_provenance(folder / "Silence.PROVENANCE").stages.values()
    reasons = {key: why for entry in entries for key, why in entry.reasons.items()}
    assert {key for key, value in info.items() if value is None} == set(reasons)
    assert info["onset_count"] == 0
    assert info["brightness"] is None


def test_a_failed_need_is_said(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("no beats today")

    monkeypatch.setattr("mirkit.stages.rhythm.track_beats", broken)
    (track / "Finished.BEATS_GRID").unlink()
    outcome = extract(track)
    assert "no beats today" in outcome.failures["beats"]
    assert outcome.failures["syncopation"] == "needs beats, which failed"


def test_separation_then_measurement(tmp_path: Path) -> None:
    folder = make_track(tmp_path / "Split")
    outcome = extract(folder, ("separate", *MEASURED))
    assert outcome.ok
    assert outcome.done[0] == "separate"
    assert {path.stem for path in folder.glob("*.flac")} == {"full_mix", "drums", "bass", "other", "vocals"}
    assert read_info(folder / "Split.INFO")["lufs_drums"] is not None
    assert extract(folder, ("separate", *MEASURED)).done == ()


def test_the_users_stems_are_adopted_and_stay(track: Path) -> None:
    drums = (track / "drums.flac").read_bytes()
    outcome = extract(track, ("separate",))
    assert outcome.done == ()
    assert read_provenance(track / "Finished.PROVENANCE").stages["separate"].backend == "external"
    assert (track / "drums.flac").read_bytes() == drums
    assert extract(track, ("separate",), replaces=frozenset({"separate"})).done == ("separate",)
    assert (track / "drums.flac").read_bytes() != drums
    assert (track / "drums.flac.replaced-1").read_bytes() == drums


def test_a_stem_put_in_by_hand_survives_a_new_mix(tmp_path: Path) -> None:
    folder = make_track(tmp_path / "Hand")
    extract(folder, ("separate",))
    own = write(folder / "vocals.flac", beat_music(seed=5)["drums"]).read_bytes()
    write(folder / "full_mix.flac", sum(beat_music(bpm=90).values()))
    assert extract(folder, ("separate",)).done == ("separate",)
    assert (folder / "vocals.flac").read_bytes() == own


def test_another_format_replaces_the_older_files(tmp_path: Path) -> None:
    folder = make_track(tmp_path / "Format", seconds=4.0)
    extract(folder, ("separate",))
    extract(folder, ("separate",), settings=with_values(Settings(), {"separation.format": "wav"}, "test"))
    assert sorted(path.name for path in folder.glob("drums.*")) == ["drums.wav"]


def test_stages_cover_the_catalog() -> None:
    written = {key for name in MEASURED for key in stage(name).keys}
    assert written == set(INFO_KEYS)


def test_a_new_time_of_change_is_written_down(track: Path) -> None:
    os.utime(track / "full_mix.flac", ns=(1, 1))
    extract(track)
    entries = read_provenance(track / "Finished.PROVENANCE").stages.values()
    assert {entry.inputs["full_mix"].mtime_ns for entry in entries if "full_mix" in entry.inputs} == {1}


def test_a_tempo_range_in_the_settings_stays_done(track: Path) -> None:
    settings = with_values(Settings(), {"rhythm.bpm_range": [50.0, 190.0]}, "test")
    assert "beats" in extract(track, settings=settings).done
    assert extract(track, settings=settings).done == ()


def test_a_measured_loose_file_stays_done_when_it_gets_a_folder(tmp_path: Path) -> None:
    from mirkit.organize import apply, plan

    loose = write(tmp_path / "Song.flac", sum(beat_music(seconds=4.0).values()))
    assert extract(loose).ok
    apply(plan(tmp_path))
    assert extract(tmp_path / "Song").done == ()


def test_stems_of_a_killed_run_are_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_track(tmp_path / "Killed", seconds=4.0)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt  # after the stems, before they are written down

    monkeypatch.setattr("mirkit.pipeline.track_task.file_digest", killed)
    with pytest.raises(KeyboardInterrupt):
        extract(folder, ("separate",))
    monkeypatch.undo()
    assert (folder / "drums.flac").exists()
    assert extract(folder, ("separate",)).done == ("separate",)
    entry = read_provenance(folder / "Killed.PROVENANCE").stages["separate"]
    assert (entry.backend, entry.failed, len(entry.outputs)) == ("embedded", "", 4)


def test_embedded_stems_do_not_tell_whether_there_is_a_voice(track: Path, tmp_path: Path) -> None:
    split = make_track(tmp_path / "Split", seconds=4.0)
    extract(split, ("separate", "loudness", "voice"))
    fact = read_provenance(split / "Split.PROVENANCE").facts["vocals_share"]
    assert fact["value"] is None
    assert "embedded" in fact["reason"]
    info = read_info(split / "Split.INFO")
    assert info["vocal_presence"] is None
    assert info["voice"] is None, "4 s are too short"
    assert read_info(track / "Finished.INFO")["vocal_presence"] == 0.0, "these stems are the user's"
    assert read_provenance(track / "Finished.PROVENANCE").facts["vocals_share"]["value"] == 0.0


class Stub:
    """A track of 20 s at -14 LUFS, whose vocals stem is this much (LU) below it in the first half, then silent."""

    window = Window(0, 20)

    def __init__(self, backend: str, below: float) -> None:
        self.stems_backend, self.has_embedded_stems = backend, backend == "embedded"
        vocals = np.repeat([to_energy(-14 - below), 0.0], 100).astype(np.float32)
        self._curves = dict.fromkeys(("full_mix", *STEMS), LoudnessCurve(np.full(200, to_energy(-14), np.float32)))
        self._curves["vocals"] = LoudnessCurve(vocals)

    def has(self, source: str) -> bool:
        return source in self._curves

    edited_values: Mapping[str, Any] = {}
    odds = _EVEN

    def series(self, source: str, kind: str) -> LoudnessCurve | VoiceCurve:
        return VoiceCurve(np.full(72, self.odds, np.float16)) if kind == "voice" else self._curves[source]


@pytest.mark.parametrize(
    ("backend", "below", "expected"),
    [
        *(("htdemucs", 6, 0.5), ("htdemucs", 18, 0.5), ("external", 3, 0.5), ("htdemucs", 25, 0.0)),
        *(("embedded", 6, None), ("embedded", 18, None), ("embedded", 25, 0.0)),
    ],
)
def test_vocal_presence(backend: str, below: float, expected: float | None) -> None:
    """A quiet voice counts; an embedded vocals stem counts only where it holds next to nothing."""
    values = FUNCTIONS["voice"](Stub(backend, below), Settings()).values  # type: ignore[arg-type]
    found = values["vocal_presence"]
    if expected is None:
        assert isinstance(found, Unknown)
        assert "embedded" in found.reason
        assert isinstance(values["voice"], Unknown)
    else:
        assert found == pytest.approx(expected, abs=0.02)
        assert values["voice"] == ("vocals" if expected else "instrumental")
        assert values["voice_confidence"] == Unknown("decided by the vocals stem")


@pytest.mark.parametrize("below", [6, 25])
def test_the_mix_tells_of_a_voice_where_stems_are_embedded(below: float) -> None:
    track = Stub("embedded", below)
    track.odds = 4.0
    sung = FUNCTIONS["voice"](track, Settings()).values  # type: ignore[arg-type]
    assert (sung["voice"], sung["voice_confidence"]) == ("vocals", 0.99)
    assert isinstance(sung["vocal_presence"], Unknown)
    track.odds = -4.0
    played = FUNCTIONS["voice"](track, Settings()).values  # type: ignore[arg-type]
    assert (played["voice"], played["voice_confidence"], played["vocal_presence"]) == ("instrumental", 0.99, 0.0)
    track.edited_values = {"voice": "vocals"}
    corrected = FUNCTIONS["voice"](track, Settings()).values  # type: ignore[arg-type]
    assert corrected["voice"] == "instrumental", "what is measured is recorded; the user's takes its place"
    assert isinstance(corrected["vocal_presence"], Unknown)


def test_stems_put_in_after_a_failed_separation_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_track(tmp_path / "Failed", seconds=4.0)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mirkit.separation.separate", full)
    assert "the disk is full" in extract(folder, ("separate",)).failures["separate"]
    monkeypatch.undo()
    own = {stem: write(folder / f"{stem}.flac", samples).read_bytes() for stem, samples in beat_music(4.0).items()}
    assert extract(folder, ("separate",)).ok
    assert {stem: (folder / f"{stem}.flac").read_bytes() for stem in own} == own


def test_lost_curves_are_no_loss(track: Path) -> None:
    before = (track / "Finished.INFO").read_bytes()
    (track / "Finished.CURVES.npz").unlink()
    content = json.loads(before)
    del content["syncopation"]
    (track / "Finished.INFO").write_text(json.dumps(content))
    outcome = extract(track)
    assert outcome.ok
    assert "syncopation" in outcome.done
    assert json.loads((track / "Finished.INFO").read_text()) == json.loads(before)


def test_a_replaced_stem_is_told_in_the_provenance(tmp_path: Path) -> None:
    folder = make_track(tmp_path / "Swapped", seconds=4.0)
    extract(folder, ("separate",))
    write(folder / "drums.flac", 0.9 * beat_music(4.0)["drums"])
    extract(folder, ("separate",))
    record = read_provenance(folder / "Swapped.PROVENANCE").stages["separate"]
    assert record.external == ("drums",)


def test_the_plan_is_a_hint_that_the_worker_verifies(tmp_path: Path) -> None:
    """What another run has done since the plan was made is not done again, and is reported."""
    folder = make_track(tmp_path / "Shared", seconds=4.0)
    job = TrackJob(folder, ("source", "loudness"), BACKENDS, Settings(), planned={"source": "new", "loudness": "new"})
    outcome = process(job)
    assert (set(outcome.done), outcome.notes) == ({"source", "loudness"}, ())
    again = process(job)
    assert (again.done, set(again.skipped)) == ((), {"source", "loudness"})
    assert again.notes == ("source, loudness: another run has done this in the meantime",)
    assert process(replace(job, planned={})).notes == ()
    # A plan that knows less than the files decides nothing either.
    assert process(replace(job, stages=("source", "loudness", "bands"), planned={})).done == ("bands",)
