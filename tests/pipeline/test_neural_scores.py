"""Neural classifiers in the pipeline: heard in the one pass over the sound, kept in the provenance, or one line."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fakes import use_models
from library import make_track
from mirkit import models
from mirkit.audio import open_audio
from mirkit.catalog import stage
from mirkit.cli import main
from mirkit.dataset.verify import verify
from mirkit.models import registry
from mirkit.models.backend import StreamingModel
from mirkit.pipeline.track_task import TrackJob, process
from mirkit.store import Settings, read_info, read_provenance, read_settings, with_values
from mirkit.track import Track
from mirkit.windows import WindowAnalyzer

AESTHETICS = stage("aesthetics").keys
CLASSES = stage("danceability").keys


@pytest.fixture
def track(tmp_path: Path) -> Path:
    return make_track(tmp_path / "library" / "Track", seconds=13, bpm=120)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MIRKIT_HOME", str(tmp_path / "home"))
    models._loaded.cache_clear()
    return tmp_path / "home" / "models"


@pytest.fixture
def essentia(cache: Path) -> Path:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from models.onnx_models import write_all

    write_all(cache / "essentia")
    return cache / "essentia"


@pytest.fixture
def audiobox(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    from models.aesthetics_files import write_own

    write_own(cache / "audiobox")
    rows = registry.model_rows()
    row = next(row for row in rows if row.name == "audiobox")
    small = replace(row, files=tuple(replace(file, sha256=None) for file in row.files))
    use_models(monkeypatch, *(small if row.name == "audiobox" else row for row in rows))
    return cache / "audiobox"


def asked(track: Path, stages: tuple[str, ...], **backends: str) -> TrackJob:
    settings = with_values(Settings(), {f"backends.{task}": name for task, name in backends.items()}, "test")
    return TrackJob(track, stages, backends, settings)


def choose(track: Path, **backends: str) -> None:
    lines = [f'{task} = "{name}"' for task, name in backends.items()]
    (track.parent / "mirkit.toml").write_text("[backends]\n" + "\n".join(lines) + "\n")


def whole(track: Path, stream: StreamingModel) -> dict[str, float]:
    """What a model says of a mix that it is given at once."""
    audio = open_audio(Track.at(track).mix)
    stream.push(np.concatenate(list(audio.blocks()), axis=1))
    found: dict[str, float] = stream.finish()
    return found


def test_aesthetics_through_the_command_line(track: Path, audiobox: Path) -> None:
    choose(track, aesthetics="audiobox")
    assert main(["aesthetics", str(track), "--quiet", "--device", "cpu"]) == 0
    info = read_info(track / "Track.INFO")
    settings = read_settings(track.parent)
    expected = whole(track, models.load("aesthetics", settings).stream())
    assert {key: info[key] for key in AESTHETICS} == pytest.approx(expected, abs=1e-4)
    entry = read_provenance(track / "Track.PROVENANCE").stages["aesthetics"]
    assert (entry.backend, entry.model, entry.reasons) == ("audiobox", "audiobox", {})
    assert entry.weights_sha256 == models.load("aesthetics", settings).weights.sha256
    assert not set(verify(Track.at(track)).missing) & set(AESTHETICS)


def test_classes_through_the_command_line(track: Path, essentia: Path) -> None:
    choose(track, classification="essentia")
    assert main(["danceability", str(track), "--quiet"]) == 0
    info = read_info(track / "Track.INFO")
    expected = whole(track, models.load("classification", read_settings(track.parent)).stream())
    assert {key: info[key] for key in CLASSES} == pytest.approx(expected, abs=1e-4)
    entry = read_provenance(track / "Track.PROVENANCE").stages["danceability"]
    assert (entry.backend, entry.model) == ("essentia", "essentia")
    assert entry.weights_sha256
    assert verify(Track.at(track)).methods["danceability"] == "essentia"
    assert process(asked(track, ("danceability",), classification="essentia")).done == ()
    process(asked(track, ("danceability",), classification="embedded"))
    assert read_info(track / "Track.INFO")["danceability"] != info["danceability"]
    assert verify(Track.at(track)).methods["danceability"] == "embedded"


def test_new_stems_do_not_touch_what_is_heard_in_the_mix(track: Path, essentia: Path) -> None:
    job = asked(track, ("danceability",), classification="essentia")
    assert process(job).done == ("danceability",)
    make_track(track, stems=True, seconds=13, bpm=120)
    assert process(job).done == ()
    assert process(asked(track, ("danceability",), classification="embedded")).done == ("danceability",)


def test_windows_say_that_they_need_the_samples(track: Path, essentia: Path) -> None:
    """Also when the settings say nothing of the method that measured the track."""
    job = asked(track, tuple(stage("crop").needs), classification="essentia", beats="embedded")
    assert process(job).ok
    found = WindowAnalyzer.open(track).at(1, 12)
    assert found.values["danceability"] is None
    assert found.reasons["danceability"] == "it is computed from the audio, which was not decoded (see --samples)"
    assert found.values["lufs"] is not None


def test_clips_are_heard_themselves(track: Path, essentia: Path, audiobox: Path) -> None:
    choose(track, classification="essentia", aesthetics="audiobox", beats="embedded")
    assert main(["crop", str(track), "--seconds", "11", "--align", "free", "--quiet"]) == 0
    clip = next((track / "crops").iterdir())
    info = read_info(clip / f"{clip.name}.INFO")
    settings = read_settings(track.parent)
    for task, keys in (("classification", CLASSES), ("aesthetics", AESTHETICS)):
        expected = whole(clip, models.load(task, settings).stream())
        assert {key: info[key] for key in keys} == pytest.approx(expected, abs=1e-4)
        assert {key: info[key] for key in keys} != {key: read_info(track / "Track.INFO")[key] for key in keys}


def test_damaged_weights_fail_their_stage_only(track: Path, essentia: Path) -> None:
    (essentia / "audioset-vggish-3.onnx").write_bytes(b"<html>not found</html>")
    outcome = process(asked(track, ("danceability", "bands"), classification="essentia"))
    assert outcome.done == ("bands",)
    assert "not a model that ONNX Runtime can run" in outcome.failures["danceability"]


def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())


def test_without_weights_the_whole_runs_on_embedded_methods_and_says_so(
    track: Path, cache: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _installed(monkeypatch)
    assert main(["classification", str(track), "--verbose"]) == 0
    told = capsys.readouterr().out
    assert "classification embedded" in " ".join(told.split())
    assert "Essentia VGGish (289 MB): not downloaded, downloads are off; mirkit models fetch essentia\n" in told
    assert "Audiobox Aesthetics (415 MB): not downloaded, downloads are off; mirkit models fetch audiobox\n" in told
    info = read_info(track / "Track.INFO")
    assert all(isinstance(info[key], float) for key in CLASSES)
    assert all(info[key] is None for key in AESTHETICS)
    entry = read_provenance(track / "Track.PROVENANCE").stages["aesthetics"]
    assert entry.reasons["content_enjoyment"] == (
        "model unavailable: Audiobox Aesthetics is not downloaded; mirkit models fetch audiobox"
    )
    assert read_settings(track.parent).backends.classification == "embedded"


@pytest.mark.parametrize(
    ("command", "line"),
    [
        (["aesthetics"], "Audiobox Aesthetics needs config.json, model.safetensors (415 MB): not downloaded"),
        (["run", "--backend", "classification=essentia"], "needs audioset-vggish-3.onnx"),
    ],
)
def test_without_weights_what_is_asked_for_is_one_line(
    command: list[str],
    line: str,
    track: Path,
    cache: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _installed(monkeypatch)
    assert main([command[0], str(track), *command[1:]]) == 1
    error = capsys.readouterr().err
    assert line in error
    assert len(error.splitlines()) == 1
    assert not (track.parent / "mirkit.toml").exists()


@pytest.mark.parametrize("package", ["torch", "onnxruntime"])
def test_without_the_package_the_extra_is_named(
    package: str, track: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == package else object())
    job, extra = {"torch": ("aesthetics=audiobox", "aesthetics"), "onnxruntime": ("classification=essentia", "heads")}[
        package
    ]
    assert main(["extract", str(track), "--backend", job]) == 1
    assert f"{package} is not installed; pip install 'mirkit[{extra}]'" in capsys.readouterr().err


def test_auto_does_not_fetch_what_forbids_commercial_use(
    cache: Path, essentia: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _installed(monkeypatch)
    monkeypatch.delenv("MIRKIT_OFFLINE")
    monkeypatch.setattr(models, "_within_reach", lambda _url: True)
    settings = Settings()
    assert models.resolve("classification", "auto", settings) == "essentia", "what is here is used"
    safe = with_values(settings, {"run.commercial_safe": True}, "test")
    assert models.resolve("classification", "auto", safe) == "embedded"
    assert models.resolve("aesthetics", "auto", safe) == "audiobox"
    for path in essentia.iterdir():
        path.unlink()
    assert models.resolve("classification", "auto", settings) == "embedded"
    assert "fetched only by name" in models.unavailable(registry.backend("classification", "essentia"), settings)
    assert not models.unavailable(registry.backend("classification", "essentia"), settings, named=True)


def test_licenses_are_listed(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    rows = {row["model"]: row for row in json.loads(capsys.readouterr().out) if row["model"]}
    assert (rows["audiobox"]["weights"], rows["audiobox"]["commercial use"]) == ("CC BY 4.0", "yes")
    assert (rows["essentia"]["weights"], rows["essentia"]["commercial use"]) == ("CC BY-NC-SA 4.0", "no")


def test_commercial_safe_refuses_the_heads_and_takes_the_scores(
    track: Path, essentia: Path, audiobox: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command: Callable[[str], list[str]] = lambda pair: [  # noqa: E731
        *("extract", str(track), "--backend", pair, "--commercial-safe", "--quiet")
    ]
    assert main(command("classification=essentia")) == 1
    assert "license CC BY-NC-SA 4.0, which --commercial-safe refuses" in capsys.readouterr().err
    assert main(command("aesthetics=audiobox")) == 0
    assert isinstance(read_info(track / "Track.INFO")["production_quality"], float)
