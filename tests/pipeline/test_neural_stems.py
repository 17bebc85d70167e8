"""A separating model in the pipeline: stems at their true level, what is said of them, and one line where it fails."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from library import make_track
from mirkit import models
from mirkit.audio import Audio, open_audio
from mirkit.catalog import STEMS
from mirkit.cli import main
from mirkit.errors import ModelError
from mirkit.features.types import FloatArray
from mirkit.models.backend import Weights
from mirkit.pipeline.track_task import TrackJob, process
from mirkit.store import Settings, read_provenance, read_settings, with_values

BACKENDS = {"stems": "demucs"}
NEURAL = with_values(Settings(), {"backends.stems": "demucs"}, "test")


class FakeSeparator:
    """Gives every stem the mix, louder or softer."""

    def __init__(self, gains: dict[str, float]) -> None:
        self.weights = Weights("fake", (), "f" * 64)
        self.gains, self.stems = gains, tuple(gains)
        self.failure: Exception | None = None

    def separate(self, audio: Audio, settings: Any) -> Any:
        return FakeRun(self, audio)


class FakeRun:
    def __init__(self, made: FakeSeparator, audio: Audio) -> None:
        self._made, self._audio = made, audio
        self.method: dict[str, Any] = {"shifts": 1}
        self.notes: list[str] = []

    def blocks(self) -> Iterator[dict[str, FloatArray]]:
        for block in self._audio.blocks(30011):
            yield {stem: (gain * block).astype(np.float32) for stem, gain in self._made.gains.items()}
            if self._made.failure:
                raise self._made.failure


@pytest.fixture
def track(tmp_path: Path) -> Path:
    return make_track(tmp_path / "library" / "Track", seconds=3)


def use(monkeypatch: pytest.MonkeyPatch, **gains: float) -> FakeSeparator:
    fake = FakeSeparator(gains)
    monkeypatch.setattr(models, "load", lambda _task, _settings: fake)
    return fake


def sound(path: Path) -> FloatArray:
    return open_audio(path, rate=None).samples()


def separate(track: Path, settings: Settings = NEURAL, **more: Any) -> Any:
    return process(TrackJob(track, ("separate",), BACKENDS, settings, **more))


def test_stems_are_those_of_the_model(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, drums=0.5, bass=0.25, other=0.125, vocals=-0.5)
    outcome = separate(track)
    assert outcome.ok, outcome.failures
    mix = sound(track / "full_mix.flac")
    for stem, gain in {"drums": 0.5, "bass": 0.25, "other": 0.125, "vocals": -0.5}.items():
        np.testing.assert_allclose(sound(track / f"{stem}.flac"), gain * mix, atol=2**-15)
    entry = read_provenance(track / "Track.PROVENANCE").stages["separate"]
    assert (entry.backend, entry.model, entry.weights_sha256) == ("demucs", "fake", "f" * 64)
    method: Any = entry.details
    assert (method["shifts"], method["format"], method["gain"]) == (1, "flac", 1.0)
    assert separate(track).done == ()


def test_what_exceeds_full_scale_lowers_all_stems_by_one_gain(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, drums=4.0, bass=0.5, other=0.25, vocals=3.0)
    outcome = separate(track)
    mix = sound(track / "full_mix.flac")
    peak = 4 * float(np.abs(mix).max())
    assert peak > 1
    method: Any = read_provenance(track / "Track.PROVENANCE").stages["separate"].details
    assert method["gain"] == pytest.approx(1 / peak, rel=1e-5)
    for stem, gain in {"drums": 4.0, "bass": 0.5, "other": 0.25, "vocals": 3.0}.items():
        np.testing.assert_allclose(sound(track / f"{stem}.flac"), gain * mix / peak, atol=2**-14)
    (note,) = outcome.notes
    lowered = 20 * np.log10(peak)
    assert note == f"the stems exceed full scale, which flac cannot hold: all of them were lowered by {lowered:.1f} dB"


def test_floating_point_holds_what_exceeds_full_scale(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, drums=4.0, bass=0.5, other=0.25, vocals=3.0)
    outcome = separate(track, with_values(NEURAL, {"separation.format": "wav"}, "test"))
    assert not outcome.notes
    np.testing.assert_allclose(sound(track / "drums.wav"), 4 * sound(track / "full_mix.flac"), rtol=1e-6)
    method: Any = read_provenance(track / "Track.PROVENANCE").stages["separate"].details
    assert (method["bits"], method["gain"]) == (32, 1.0)


def test_stems_that_the_model_lacks_are_split_off_the_rest(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, vocals=0.25)
    outcome = separate(track)
    assert outcome.ok, outcome.failures
    mix = sound(track / "full_mix.flac")
    np.testing.assert_allclose(sound(track / "vocals.flac"), mix / 4, atol=2**-15)
    np.testing.assert_allclose(sum(sound(track / f"{stem}.flac") for stem in STEMS), mix, atol=2**-13)
    assert np.abs(sound(track / "drums.flac")).max() > 0.01
    assert outcome.notes == (
        "drums, bass, other: separated by the embedded method, from the rest of the mix that the model does not cover",
    )


def test_the_users_stem_stays(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, drums=0.5, bass=0.25, other=0.125, vocals=0.5)
    (track / "drums.flac").write_bytes((track / "full_mix.flac").read_bytes())
    assert separate(track).ok
    np.testing.assert_array_equal(sound(track / "drums.flac"), sound(track / "full_mix.flac"))
    assert (track / "bass.flac").exists()


def test_what_the_model_cannot_do_leaves_no_stem(track: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = use(monkeypatch, drums=0.5, bass=0.25, other=0.125, vocals=0.5)
    fake.failure = ModelError("fake: no memory left on cuda; close other programs, or use --device cpu")
    assert separate(track).failures == {"separate": str(fake.failure)}
    assert not any((track / f"{stem}.flac").exists() for stem in STEMS)
    fake.failure = None
    assert separate(track).ok


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["--separation", "roformer"], 1, "RoFormer needs a checkpoint of yours: --model FILE; use --model embedded"),
        (["--separation", "roformer", "--model", "nowhere.ckpt"], 1, "nowhere.ckpt: there is no such file"),
        (["--model", "htdemuxs"], 1, "no model of Demucs (htdemucs_ft, htdemucs, htdemucs_6s, hdemucs_mmi, mdx"),
        (["--model", "htdemucs"], 1, "needs 955717e8.safetensors (84 MB): not downloaded"),
        (["--separation", "demucs", "--model", "embedded"], 2, "exclude each other"),
        (
            ["--separation", "spleeter"],
            2,
            "--separation must be one of auto, demucs, embedded, roformer, embedded-dsp, not 'spleeter'",
        ),
        (["--model", "{folder}"], 1, "the folder must hold one model of Demucs (.yaml, .th, .safetensors); found none"),
    ],
)
def test_what_goes_wrong_is_one_line(
    track: Path, words: list[str], status: int, says: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    assert main(["separate", str(track), *(word.format(folder=track) for word in words)]) == status
    error = capsys.readouterr().err
    assert says in error
    assert status == 2 or len(error.splitlines()) == 1


def test_without_weights_auto_is_the_embedded_method_and_says_why(
    track: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    assert main(["separate", str(track), "--verbose"]) == 0
    said = capsys.readouterr().out
    assert "methods  stems embedded" in said
    assert "Demucs htdemucs_ft (336 MB): not downloaded, downloads are off; mirkit models fetch htdemucs_ft\n" in said
    assert "RoFormer" not in said, "a method that only its name brings needs no excuse"
    assert read_settings(track.parent).backends.stems == "embedded"


@pytest.mark.slow
def test_official_checkpoints_through_the_command_line(
    track: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("demucs")
    from models.demucs_checkpoints import package, random_network, write

    folder = tmp_path / "model"
    for signature in ("aaaaaaaa", "bbbbbbbb"):
        write(folder, signature, package(random_network()))
    (folder / "tiny.yaml").write_text("models: [aaaaaaaa, bbbbbbbb]\n")
    words = ["--model", str(folder), "--shifts", "0", "--overlap", "0.1", "--device", "amd", "--quiet"]
    assert main(["demucs_sep", str(track), *words]) == 1
    assert "sees no CUDA or ROCm GPU" in capsys.readouterr().err
    words[words.index("amd")] = "cpu"
    assert main(["demucs_sep", str(track), *words]) == 0
    entry = read_provenance(track / "Track.PROVENANCE").stages["separate"]
    assert (entry.backend, entry.model) == ("demucs", str(folder))
    method: Any = entry.details
    assert (method["overlap"], method["device"], method["precision"]) == (0.1, "cpu", "fp32")
    assert sound(track / "drums.flac").shape == sound(track / "full_mix.flac").shape


@pytest.mark.slow
def test_a_roformer_through_the_command_line(track: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("yaml")
    from models.test_roformer import configuration, random_network, write

    path = write(tmp_path / "model", random_network(True), configuration(True))
    words = ["--separation", "roformer", "--model", str(path), "--quiet"]
    assert main(["separate", str(track), *words]) == 0
    entry = read_provenance(track / "Track.PROVENANCE").stages["separate"]
    assert (entry.backend, entry.model) == ("roformer", str(path))
    assert all((track / f"{stem}.flac").exists() for stem in STEMS)
