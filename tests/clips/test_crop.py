"""Clips on disk: their sound, their numbers, and what a second run, a kill and other settings make of them."""

import errno
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from library import beat_music, write
from mirkit.analysis import TrackAnalysis
from mirkit.audio import encode, open_audio
from mirkit.catalog import FEATURES, INFO_SPECS, MEASURED, STAGES, STEMS, stage
from mirkit.dataset.verify import verify_all
from mirkit.errors import SettingsError
from mirkit.pipeline.task import TrackJob, TrackOutcome
from mirkit.pipeline.track_task import process
from mirkit.stages import FUNCTIONS, Result
from mirkit.store import Settings, read_grid, read_info, read_onsets, read_provenance, with_values
from mirkit.track import Track, find_tracks
from mirkit.track.clip import clip_folders, cut_in
from mirkit.windows import WindowAnalyzer, features_at

BACKENDS = {"stems": "embedded", "beats": "embedded", "classification": "embedded", "aesthetics": ""}
SOURCES = ("full_mix", *STEMS)
SECONDS = 20.0


def crop(folder: Path, **options: object) -> TrackOutcome:
    overwrite = bool(options.pop("overwrite", False))
    values = {f"crop.{key}": value for key, value in ({"length": "2 bars"} | options).items()}
    return process(TrackJob(folder, ("crop",), BACKENDS, with_values(Settings(), values, "test"), overwrite))


def clips(folder: Path) -> list[Path]:
    return sorted((folder / "crops").iterdir())


def numbers(values: Mapping[str, object]) -> dict[str, float]:
    return {key: value for key, value in values.items() if isinstance(value, int | float)}


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    files = (path for path in (folder / "crops").rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


@pytest.fixture(scope="module")
def cropped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 24-bit track with 16-bit stems, cut into clips of two bars."""
    folder = tmp_path_factory.mktemp("library") / "Piece"
    stems = beat_music(SECONDS)
    folder.mkdir()
    noise = 1e-5 * np.random.default_rng(1).standard_normal((2, stems["drums"].shape[1]))
    mix = (sum(stems.values()) + noise).astype(np.float32)
    encode(folder / "full_mix.flac", [mix], rate=44100, channels=2, bits=24)
    for stem, samples in stems.items():
        encode(folder / f"{stem}.flac", [samples], rate=44100, channels=2, bits=16)
    outcome = crop(folder)
    assert outcome.ok, outcome.failures
    assert outcome.clips == len(clips(folder)) >= 3
    return folder


@pytest.fixture
def track(cropped: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(cropped, tmp_path / "Piece"))


def test_the_samples_are_the_sources_to_the_bit(cropped: Path) -> None:
    for folder in clips(cropped):
        cut = cut_in(folder)
        assert cut is not None
        for part in SOURCES:
            source = soundfile.read(cropped / f"{part}.flac", dtype="int32")[0][cut.first : cut.last]
            clip = soundfile.read(folder / f"{part}.flac", dtype="int32")[0]
            assert np.array_equal(clip, source), part
            assert np.any(clip) or part == "vocals"
        assert soundfile.info(folder / "full_mix.flac").subtype == "PCM_24"
        assert soundfile.info(folder / "drums.flac").subtype == "PCM_16"


def test_a_clip_is_a_track_with_all_78_numbers(cropped: Path) -> None:
    for folder in clips(cropped):
        clip = Track.at(folder)
        info = read_info(clip.info)
        assert list(info) == [key.name for key in INFO_SPECS]
        provenance = read_provenance(clip.provenance)
        reasons = {key for entry in provenance.stages.values() for key in entry.reasons}
        assert {key for key, value in info.items() if value is None} == reasons
        assert all(info[key.name] is not None for key in FEATURES if key.stage == "timbral")
        cut = cut_in(folder)
        assert cut is not None
        assert info["position"] == pytest.approx(cut.first / 44100 / SECONDS, rel=1e-5)
        assert provenance.facts["duration"]["value"] == pytest.approx(cut.length / 44100, rel=1e-5)
        assert provenance.stages["cut"].inputs.keys() == set(SOURCES)


def test_grid_and_onsets_are_rebased(cropped: Path) -> None:
    source = Track.at(cropped)
    grid, onsets = read_grid(source.grid), read_onsets(source.onsets)
    for folder in clips(cropped):
        clip, cut = Track.at(folder), cut_in(folder)
        assert cut is not None
        own, start, end = read_grid(clip.grid), cut.window.start, cut.window.end
        assert own.beats + start == pytest.approx(grid.beats[(grid.beats >= start) & (grid.beats < end)], abs=1e-5)
        assert len(own.downbeats) == 2
        assert own.downbeats[0] == pytest.approx(0.005, abs=1e-4)
        assert set(own.downbeats) <= set(own.beats)
        assert own.bpm == pytest.approx(120, abs=0.5)
        inside = onsets[(onsets >= start) & (onsets < end)]
        assert read_onsets(clip.onsets) + start == pytest.approx(inside, abs=1e-5)
        assert read_info(clip.info)["beat_count"] == len(own.beats)
        assert read_info(clip.info)["onset_count"] == len(inside)


def test_the_numbers_are_those_of_the_window(cropped: Path) -> None:
    folder = clips(cropped)[1]
    cut, info = cut_in(folder), read_info(Track.at(folder).info)
    assert cut is not None
    values = features_at(cropped, cut.window.start, cut.window.end, samples=True)
    assert numbers(values) == pytest.approx(numbers(info), rel=1e-5, abs=1e-5)


def test_a_clip_can_be_looked_into(cropped: Path) -> None:
    folder = clips(cropped)[1]
    cut = cut_in(folder)
    assert cut is not None
    inside = WindowAnalyzer.open(folder)
    assert inside.duration == pytest.approx(cut.window.duration)
    same = features_at(cropped, cut.window.start + 1, cut.window.start + 3)
    assert inside.at(1, 3).values == pytest.approx(same)
    with pytest.raises(SettingsError):
        inside.at(1, cut.window.duration + 1)


def test_a_clip_is_measured_with_its_source_not_alone(cropped: Path) -> None:
    assert find_tracks(cropped.parent) == [Track(cropped)]


def test_a_second_run_does_nothing(track: Path) -> None:
    before = snapshot(track)
    outcome = crop(track)
    assert outcome.skipped == ("crop",)
    assert snapshot(track) == before


def test_the_same_source_gives_the_same_bytes(track: Path) -> None:
    before = {path: path.read_bytes() for path in (track / "crops").rglob("*.[!P]*") if path.is_file()}
    shutil.rmtree(track / "crops")
    assert crop(track).ok
    assert {path: path.read_bytes() for path in before} == before


def test_what_a_kill_left_is_made_anew_and_the_rest_is_kept(track: Path) -> None:
    verify_all(track, crops=True)  # stores the stamps of the copied files
    first, second, third = clips(track)[:3]
    contents = {path: path.read_bytes() for path in (second / "full_mix.flac", second / "Piece_002.INFO")}
    provenance = second / "Piece_002.PROVENANCE"
    record = json.loads(provenance.read_text())
    record["stages"] = {"cut": record["stages"]["cut"] | {"failed": "interrupted", "outputs": {}}}
    provenance.write_text(json.dumps(record))
    (second / "full_mix.flac").unlink()
    (second / ".mirkit-tmp-x").write_bytes(b"half")
    (third / "drums.flac").write_bytes((third / "drums.flac").read_bytes()[:-999])
    before = {path: path.stat().st_mtime_ns for path in first.iterdir()}
    assert crop(track).done == ("crop",)
    assert {path: path.stat().st_mtime_ns for path in first.iterdir()} == before
    assert {path: path.read_bytes() for path in contents} == contents
    assert not list(second.glob(".mirkit*"))
    assert soundfile.info(third / "drums.flac").frames == soundfile.info(third / "full_mix.flac").frames


@pytest.mark.parametrize(
    "settings", [{"length": "4 bars"}, {"length": "3 s"}, {"overlap": 0.5}, {"align": "free", "length": "3 s"}]
)
def test_clips_of_other_settings_stay_unless_asked(track: Path, settings: dict[str, object]) -> None:
    verify_all(track, crops=True)  # stores the stamps of the copied files
    before = {path: path.read_bytes() for path in track.rglob("*") if path.is_file()}
    count = len(clips(track))
    failure = crop(track, **settings).failures["crop"]
    assert failure.startswith(f"{count} clips were cut with other settings (")
    assert "give the new set a name with --set, or replace them with --overwrite" in failure
    assert "length 2 bars, now" in failure or "length" not in settings
    assert {path: path.read_bytes() for path in track.rglob("*") if path.is_file()} == before
    assert crop(track).skipped == ("crop",), "the refusal changes nothing"


def test_clips_of_other_settings_go_when_asked(track: Path) -> None:
    outcome = crop(track, length="4 bars", overwrite=True)
    assert outcome.clips == len(clips(track)) == 2
    assert all(len(read_grid(Track.at(folder).grid).downbeats) == 4 for folder in clips(track))
    assert crop(track, length="4 bars").skipped == ("crop",)


def test_named_sets_stand_beside_each_other(track: Path) -> None:
    before = snapshot(track)
    assert crop(track, length="5 s", name="five").clips == 3
    assert [path.name for path in clip_folders(Track.at(track), "five")] == [f"Piece_five_{n:03d}" for n in (1, 2, 3)]
    assert snapshot(track).items() >= before.items()
    assert crop(track, length="5 s", name="five").skipped == crop(track).skipped == ("crop",)
    assert "give the new set another name with --set" in crop(track, length="7 s", name="five").failures["crop"]
    assert crop(track, length="7 s", name="five", overwrite=True).clips == 2
    assert len(clip_folders(Track.at(track))) == 2 + len(clip_folders(Track.at(track), ""))


def test_where_settings_are_not_known_only_the_same_clips_are_cut_again(track: Path) -> None:
    """The provenance of the track is lost: its clips are known by their own."""
    (track / "Piece.PROVENANCE").unlink()
    before = snapshot(track)
    failure = crop(track, length="4 bars").failures["crop"]
    assert f"{len(clips(track))} clips were cut with other settings (settings are not known)" in failure
    assert snapshot(track) == before
    assert crop(track).ok


def test_a_killed_change_of_settings_goes_on_without_being_asked_again(
    track: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("mirkit.clips.cut._write_clip", killed)
        with pytest.raises(KeyboardInterrupt):
            crop(track, length="4 bars", overwrite=True)
    assert "clips were cut with other settings" in crop(track).failures["crop"], "of which some may be there"
    assert crop(track, length="4 bars").clips == len(clips(track)) == 2


def test_a_full_disk_is_reported_as_one(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No space for the folder of clips, for that of a clip, and for any other step of the system's."""
    mkdir = Path.mkdir

    def full(self: Path, *arguments: object, **more: object) -> None:
        if self.name == name:
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        mkdir(self, *arguments, **more)  # type: ignore[arg-type]

    shutil.rmtree(track / "crops")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", full)
        for name in ("crops", "Piece_002"):
            failure = crop(track).failures["crop"]
            assert failure.endswith(
                f"{name}: cannot make: the disk is full; free some space and run the same command again"
            )

    def full_link(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("mirkit.clips.cut.file_digest", full_link)
        failure = crop(track).failures["crop"]
    assert failure == "cannot work on it: the disk is full; free some space and run the same command again"
    assert crop(track).ok


def test_a_lock_that_a_kill_left_in_a_clip_is_removed(track: Path) -> None:
    (clips(track)[0] / ".mirkit-lock").touch()
    (clips(track)[1] / "bass.flac").unlink()
    assert crop(track).done == ("crop",)
    assert not list(track.rglob(".mirkit*"))


def test_the_users_own_folder_stays(track: Path) -> None:
    shutil.rmtree(track / "crops")
    own = write(track / "crops" / "Piece_002" / "full_mix.flac", beat_music(2.0)["drums"])
    before = own.read_bytes()
    assert "--name" in crop(track).failures["crop"]
    assert own.read_bytes() == before
    assert crop(track, name="mine").ok


def test_the_users_files_in_a_clip_stay(track: Path) -> None:
    last = clips(track)[-1]
    (last / "notes.txt").write_text("the best one")
    outcome = crop(track, length="4 bars", overwrite=True)
    assert any(last.name in note for note in outcome.notes)
    assert [path.name for path in last.iterdir()] == ["notes.txt"]


def test_the_users_audio_and_midi_in_a_clip_that_is_cut_again_stay(track: Path) -> None:
    clip = clips(track)[0]
    (clip / "drums.mid").write_bytes(b"MThd of the user")
    (clip / "vocals.wav").write_bytes(b"RIFF of the user")
    samples, rate = soundfile.read(track / "full_mix.flac", dtype="int32")
    soundfile.write(track / "full_mix.flac", samples // 2, rate, subtype="PCM_24")
    outcome = crop(track)
    assert outcome.ok, outcome.failures
    assert (clip / "drums.mid.replaced-1").read_bytes() == b"MThd of the user"
    assert (clip / "vocals.wav.replaced-1").read_bytes() == b"RIFF of the user"
    assert sorted(path.name for path in clip.glob("*.flac")) == sorted(f"{part}.flac" for part in SOURCES)
    notes = " ".join(outcome.notes)
    assert "drums.mid.replaced-1" in notes
    assert "vocals.wav.replaced-1" in notes


def test_another_mix_is_cut_anew(track: Path) -> None:
    write(track / "full_mix.flac", 0.5 * sum(beat_music(SECONDS).values()))
    loudness = [read_info(Track.at(folder).info)["lufs"] for folder in clips(track)]
    assert crop(track).done[-1] == "crop"
    quieter = [read_info(Track.at(folder).info)["lufs"] for folder in clips(track)]
    assert quieter == pytest.approx([x - 6.02 for x in loudness], abs=0.1)


def test_a_new_formula_measures_and_does_not_cut(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newer = {"bands": replace(stage("bands"), version=stage("bands").version + 1)}
    monkeypatch.setattr("mirkit.catalog._STAGE", {row.name: newer.get(row.name, row) for row in STAGES})
    info = Track.at(clips(track)[0]).info
    info.write_text(json.dumps(json.loads(info.read_text()) | {"my_rating": 5, "rms_energy_bass": 1}))
    sounds = {path: path.stat().st_mtime_ns for path in (track / "crops").rglob("*.flac")}
    assert crop(track).done == ("bands", "music_facts", "crop")
    assert {path: path.stat().st_mtime_ns for path in sounds} == sounds
    assert read_info(info)["my_rating"] == 5
    assert read_info(info)["rms_energy_bass"] < 0


def test_overwrite_makes_them_anew(track: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (track / "crops").rglob("*.flac")}
    assert crop(track, overwrite=True).done == ("crop",)
    assert all(path.stat().st_mtime_ns > time for path, time in before.items())


def test_deleted_clips_are_seen(track: Path) -> None:
    (clips(track)[0] / "bass.flac").unlink()
    assert crop(track).done == ("crop",)
    shutil.rmtree(clips(track)[1])
    assert crop(track).done == ("crop",)


def test_a_rotten_stem_cuts_nothing(track: Path) -> None:
    (track / "bass.flac").write_bytes(b"no sound")
    outcome = crop(track)
    assert "bass" in outcome.failures
    assert "needs bass" in outcome.failures["crop"]


def plain(folder: Path, seconds: float = 8.0, rate: int = 44100, name: str = "full_mix.flac", **more: object) -> Path:
    """Write noise that swells, without stems."""
    rng = np.random.default_rng(2)
    n = round(seconds * rate)
    samples = (0.3 * rng.standard_normal((2, n)) * np.linspace(0.2, 0.6, n)).astype(np.float32).clip(-1, 1)
    folder.mkdir(parents=True, exist_ok=True)
    encode(folder / name, [samples], rate=rate, channels=2, **more)  # type: ignore[arg-type]
    return folder


@pytest.mark.parametrize(("rate", "bits"), [(48000, 24), (22050, 16), (96000, 24)])
def test_other_rates_stay_theirs(tmp_path: Path, rate: int, bits: int) -> None:
    folder = plain(tmp_path / "Rate", rate=rate, bits=bits)
    assert crop(folder, length="132300 samples", align="free").clips == 2
    source = soundfile.read(folder / "full_mix.flac", dtype="int32")[0]
    parts = [soundfile.read(clip / "full_mix.flac", dtype="int32") for clip in clips(folder)]
    assert {sample_rate for _, sample_rate in parts} == {rate}
    assert np.array_equal(np.concatenate([clip for clip, _ in parts]), source[: 6 * rate])


def test_a_lossy_source(tmp_path: Path) -> None:
    folder = plain(tmp_path / "Lossy", name="full_mix.mp3")
    assert crop(folder, length="3 s", align="free").clips == 2
    decoded = open_audio(folder / "full_mix.mp3", rate=None).samples()
    clip = soundfile.read(clips(folder)[1] / "full_mix.flac", always_2d=True)[0].T
    assert np.abs(clip - decoded[:, 3 * 44100 : 6 * 44100]).max() <= 1.5 / 2**15 + 1e-7  # rounding with dither


def test_a_padded_clip_is_measured_where_it_sounds(tmp_path: Path) -> None:
    folder = plain(tmp_path / "Short", seconds=5.0)
    assert crop(folder, length="8 s", align="free", tail="pad").clips == 1
    (clip,) = clips(folder)
    samples = soundfile.read(clip / "full_mix.flac", dtype="int32")[0]
    assert len(samples) == 8 * 44100
    assert not samples[5 * 44100 :].any()
    whole, padded = read_info(folder / "Short.INFO"), read_info(Track.at(clip).info)
    assert {key: padded[key] for key in whole if whole[key] is None} == {k: None for k, v in whole.items() if v is None}
    assert {key: padded[key] for key in numbers(whole)} == pytest.approx(
        numbers(whole) | {"duration_seconds": 8.0}, rel=1e-5
    )


def test_a_stem_that_ends_early_goes_on_in_silence(tmp_path: Path) -> None:
    folder = plain(tmp_path / "Uneven")
    write(folder / "drums.flac", 0.1 * np.ones((1, 5 * 44100), np.float32))
    assert crop(folder, length="4 s", align="free").clips == 2
    drums = soundfile.read(clips(folder)[1] / "drums.flac")[0]
    assert len(drums) == 4 * 44100
    assert drums[: 44100 - 1].all()
    assert not drums[44100:].any()


def test_a_loose_file(tmp_path: Path) -> None:
    for name in ("x.flac", "y.flac"):
        plain(tmp_path, name=name)
        assert crop(tmp_path / name, length="4 s", align="free").clips == 2
    assert [path.name for path in clips(tmp_path)] == ["x_001", "x_002", "y_001", "y_002"]
    assert "2 clips" in crop(tmp_path / "x.flac", length="7 s", align="free").failures["crop"]
    assert crop(tmp_path / "x.flac", length="7 s", align="free", overwrite=True).clips == 1
    assert [path.name for path in clips(tmp_path)] == ["x_001", "y_001", "y_002"]
    assert features_at(clips(tmp_path)[0], 1, 2) == pytest.approx(features_at(tmp_path / "x.flac", 1, 2))


def test_nothing_to_cut_is_no_failure(tmp_path: Path) -> None:
    folder = plain(tmp_path / "Tiny", seconds=2.0)
    outcome = crop(folder, length="60 s")
    assert outcome.ok
    assert any("too short" in note for note in outcome.notes)
    assert not (folder / "crops").exists()
    assert crop(folder, length="60 s").skipped == ("crop",)


@pytest.mark.parametrize("stages", [("loudness",), ("separate",), ("crop",), MEASURED])
def test_a_clip_is_not_measured_as_a_track(stages: tuple[str, ...], cropped: Path) -> None:
    clip = clips(cropped)[0]
    before = snapshot(cropped)
    outcome = process(TrackJob(clip, stages, BACKENDS, Settings(), overwrite=True))
    assert f'mirkit crop "{cropped}"' in outcome.failures["track"]
    assert snapshot(cropped) == before


def test_a_model_hears_the_clip_itself(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no curve holds is measured on the files of the clip, by its own stage."""
    measured = []

    def aesthetics(opened: TrackAnalysis, settings: Settings) -> Result:
        measured.append((opened.track.name, round(opened.duration, 1)))
        return Result(dict.fromkeys(stage("aesthetics").keys, 5.0 + len(measured)))

    monkeypatch.setitem(FUNCTIONS, "aesthetics", aesthetics)
    settings = with_values(Settings(), {"crop.length": "4 bars"}, "test")
    job = TrackJob(track, ("crop",), BACKENDS | {"aesthetics": "audiobox"}, settings)
    assert process(replace(job, overwrite=True)).done == ("aesthetics", "crop")
    assert measured == [("Piece", 20.0), ("Piece_001", 8.0), ("Piece_002", 8.0)]
    info = read_info(Track.at(clips(track)[1]).info)
    assert info["content_enjoyment"] == 8.0
    assert list(info) == [row.name for row in INFO_SPECS]
    assert process(job).skipped == ("crop",)
    assert len(measured) == 3


def test_a_track_above_full_scale_is_lowered_by_one_gain_in_all_its_clips(tmp_path: Path) -> None:
    folder = plain(tmp_path / "Hot", name="plain.flac", bits=24)
    samples, rate = soundfile.read(folder / "plain.flac")
    (folder / "plain.flac").unlink()
    samples *= 1.9 / np.abs(samples).max()
    soundfile.write(folder / "full_mix.wav", samples, rate, subtype="FLOAT")
    outcome = crop(folder, length="2 s", align="free")
    assert outcome.ok, outcome.failures
    assert "all of its clips were lowered by 5.58 dB" in " ".join(outcome.notes)
    for path in clips(folder):
        clip, cut = Track.at(path), cut_in(path)
        assert cut is not None
        written, _ = soundfile.read(clip.mix)
        assert written == pytest.approx(samples[cut.first : cut.last] * 10 ** (-5.577 / 20), abs=1e-6)
        facts = read_provenance(clip.provenance).facts
        assert facts["gain_db"]["value"] == {"full_mix": -5.577}
        assert facts["peak"]["value"] == pytest.approx(20 * np.log10(np.abs(written).max()), abs=1e-3)
        info = read_info(clip.info)
        whole = features_at(folder, cut.window.start, cut.window.end)
        for key in ("lufs", "rms_energy_bass", "rms_energy_air"):
            assert info[key] == pytest.approx(whole[key] - 5.577, abs=1e-3)
        assert info["lra"] is None
        assert info["spectral_flux"] == pytest.approx(whole["spectral_flux"], rel=1e-5)


def test_a_track_at_the_scale_of_integers_is_not_cut(tmp_path: Path) -> None:
    folder = plain(tmp_path / "Integers", name="plain.flac")
    samples, rate = soundfile.read(folder / "plain.flac")
    (folder / "plain.flac").unlink()
    soundfile.write(folder / "full_mix.wav", samples * 32768, rate, subtype="FLOAT")
    outcome = crop(folder, length="2 s", align="free")
    assert "dBFS, and the limit is +20" in outcome.failures["crop"]
    assert not (folder / "crops").exists()
