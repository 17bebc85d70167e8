"""A neural beat tracker in the pipeline: heard in the one pass over the sound, kept in the provenance, or one line."""

import json
from pathlib import Path

import pytest

from fakes import FakeTracker, use_models
from library import make_track
from mirkit import models
from mirkit.cli import main
from mirkit.errors import ModelError
from mirkit.models import weights
from mirkit.models.backend import File, Model
from mirkit.pipeline.track_task import TrackJob, process
from mirkit.store import Settings, read_info, read_provenance, read_settings, with_values

STAGES = ("beats", "syncopation")
BACKENDS = {"beats": "beat_this"}
NEURAL = with_values(Settings(), {"backends.beats": "beat_this"}, "test")


@pytest.fixture
def tracker(monkeypatch: pytest.MonkeyPatch) -> FakeTracker:
    fake = FakeTracker(0.75, bar=3)
    monkeypatch.setattr(models, "load", lambda _task, _settings: fake)
    return fake


@pytest.fixture
def track(tmp_path: Path) -> Path:
    return make_track(tmp_path / "library" / "Track", seconds=20, bpm=120)


def test_beats_are_those_of_the_model(track: Path, tracker: FakeTracker) -> None:
    outcome = process(TrackJob(track, STAGES, BACKENDS, NEURAL))
    assert outcome.ok, outcome.failures
    assert tracker.streams == 1
    info = read_info(track / "Track.INFO")
    assert info["bpm"] == pytest.approx(80, abs=0.1)
    grid = json.loads((track / "Track.BEATS_GRID").read_text())
    assert grid["downbeats"][1] == pytest.approx(grid["beats"][3])
    provenance = read_provenance(track / "Track.PROVENANCE")
    entry = provenance.stages["beats"]
    assert (entry.backend, entry.model, entry.weights_sha256) == ("beat_this", "fake", "f" * 64)
    assert info["time_signature"] == "3/4"
    assert read_provenance(track / "Track.PROVENANCE").stages["syncopation"].needs["beats"] == entry.identity


def test_what_is_done_is_not_heard_again(track: Path, tracker: FakeTracker) -> None:
    process(TrackJob(track, STAGES, BACKENDS, NEURAL))
    assert process(TrackJob(track, STAGES, BACKENDS, NEURAL)).done == ()
    assert process(TrackJob(track, ("complexity",), BACKENDS, NEURAL)).ok
    assert tracker.streams == 1
    assert set(process(TrackJob(track, STAGES, {"beats": "embedded"}, Settings())).done) == {*STAGES}
    assert tracker.streams == 1
    assert read_info(track / "Track.INFO")["bpm"] == pytest.approx(120, abs=0.2)


def test_the_other_stages_do_not_load_it(track: Path, tracker: FakeTracker) -> None:
    assert process(TrackJob(track, ("bands",), {}, NEURAL)).ok
    assert tracker.streams == 0


def test_what_the_model_cannot_do_fails_its_stage_only(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(FakeTracker):
        def stream(self) -> "Full":
            return self

        def push(self, block: object) -> None:
            pass

        def finish(self) -> ModelError:
            return ModelError("Beat This! failed on cuda: out of memory")

    monkeypatch.setattr(models, "load", lambda _task, _settings: Full(1))
    outcome = process(TrackJob(track, ("beats", "bands"), BACKENDS, NEURAL))
    assert outcome.failures == {"beats": "Beat This! failed on cuda: out of memory"}
    assert outcome.done == ("bands",)


def test_weights_that_are_gone_fail_the_stage_only(track: Path) -> None:
    pytest.importorskip("torch")
    outcome = process(TrackJob(track, ("beats", "bands"), BACKENDS, NEURAL))
    assert "final0.ckpt" in outcome.failures["beats"]
    assert outcome.done == ("bands",)


def test_without_weights_a_named_method_is_one_line(
    track: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    assert main(["extract", str(track), "--backend", "beats=beat_this"]) == 1
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert "needs final0.ckpt (81.1 MB): not downloaded, and downloads are off" in error
    assert "mirkit models fetch beat_this" in error
    assert not (track.parent / "mirkit.toml").exists()


def test_without_weights_auto_is_the_embedded_method_and_says_why(
    track: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    assert main(["beats", str(track), "--verbose"]) == 0
    told = "Beat This! final0 (81.1 MB): not downloaded, downloads are off; mirkit models fetch beat_this\n"
    assert told in capsys.readouterr().out
    assert read_settings(track.parent).backends.beats == "embedded"


def test_a_fetch_that_fails_leaves_the_choice_open(
    track: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``auto`` had chosen the model, its server was within reach, and then the file is not there."""
    file = File("net.ckpt", "http://127.0.0.1:9/net.ckpt", 1000)
    use_models(monkeypatch, Model("beat_this", "beat_this", "Beat This! tiny", (file,), "MIT"))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    monkeypatch.setattr(models, "_within_reach", lambda _url: True)
    monkeypatch.setattr(weights, "is_offline", lambda _run: False)
    assert main(["beats", str(track)]) == 1
    captured = capsys.readouterr()
    assert "download Beat This! tiny: 0.1 MB from 127.0.0.1:9, license: MIT" in captured.out
    assert "Beat This! tiny needs net.ckpt (0.1 MB): cannot reach 127.0.0.1" in captured.err
    assert not (track.parent / "mirkit.toml").exists()
    assert not (track / "Track.INFO").exists()


def test_a_device_that_is_not_there_is_one_line(
    track: Path, capsys: pytest.CaptureFixture[str], tracker: FakeTracker, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    from models.checkpoints import FAST, random_network, write

    write(tmp_path / "net.ckpt", random_network(**FAST), FAST)
    (track.parent / "mirkit.toml").write_text('[backends]\nbeats = "beat_this"\n')
    command = ["beats", str(track), "--beat-model", str(tmp_path / "net.ckpt"), "--device"]
    assert main([*command, "cuda:99"]) == 1
    assert "--device cuda:99: this PyTorch" in capsys.readouterr().err
    assert main([*command, "cpu"]) == 0


def test_a_model_that_is_named_brings_its_method(track: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    (track.parent / "mirkit.toml").write_text('[backends]\nbeats = "embedded"\n')
    assert main(["beats", str(track), "--beat-model", "nowhere.ckpt"]) == 1
    assert "nowhere.ckpt: there is no such file" in capsys.readouterr().err


@pytest.mark.slow
def test_a_checkpoint_in_the_official_layout_through_the_command_line(track: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from models.checkpoints import FAST, random_network, write

    path = write(tmp_path / "net.ckpt", random_network(**FAST), FAST)
    (track.parent / "mirkit.toml").write_text('[backends]\nbeats = "beat_this"\n')
    assert main(["beats", str(track), "--beat-model", str(path), "--quiet"]) == 0
    entry = read_provenance(track / "Track.PROVENANCE").stages["beats"]
    assert (entry.backend, entry.model, entry.weights_sha256) == ("beat_this", str(path), weights.checksum(path))
    assert entry.parameters["model"] == str(path)
    assert (track / "Track.BEATS_GRID").is_file()


def test_commercial_safe_on_the_command_line(
    track: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    model = Model("beat_this", "beat_this", "Beat This!", (), "CC BY-NC 4.0", commercial=False)
    use_models(monkeypatch, model)
    assert main(["extract", str(track), "--backend", "beats=beat_this", "--commercial-safe"]) == 1
    assert "which --commercial-safe refuses" in capsys.readouterr().err


def test_auto_fetches_what_is_small_and_within_reach(
    track: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    from models.checkpoints import FAST, random_network, write
    from models.server import serving

    monkeypatch.delenv("MIRKIT_OFFLINE")
    monkeypatch.setenv("MIRKIT_HOME", str(tmp_path / "home"))
    path = write(tmp_path / "net.ckpt", random_network(**FAST), FAST)
    with serving() as server:
        server.content["/net.ckpt"] = path.read_bytes()
        file = File("net.ckpt", f"{server.url}/net.ckpt", path.stat().st_size, weights.checksum(path))
        row = Model("tiny", "beat_this", "Beat This! tiny", (file,), "MIT")
        use_models(monkeypatch, row)
        assert main(["beats", str(track)]) == 0
    assert "download Beat This! tiny" in capsys.readouterr().out
    assert (tmp_path / "home/models/beat_this/net.ckpt").is_file()
    assert read_settings(track.parent).backends.beats == "beat_this"
    entry = read_provenance(track / "Track.PROVENANCE").stages["beats"]
    assert (entry.backend, entry.model, entry.weights_sha256) == ("beat_this", "tiny", weights.checksum(path))
    assert main(["beats", str(track)]) == 0, "and without the server nothing is asked for again"
