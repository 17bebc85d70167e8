"""Which backend ``auto`` comes to and why, which model a backend loads, and that it is loaded once."""

import importlib.machinery
import importlib.util
from pathlib import Path
from typing import Any

import pytest

from fakes import FakeTracker, use_models
from mirkit import models
from mirkit.errors import MissingExtra, ModelError, WeightsError
from mirkit.models import registry, weights
from mirkit.models.backend import Backend, File, Model
from mirkit.store import Settings, file_digest, with_values
from models.server import Files

CONTENT = b"the weights"


def beat_this() -> Backend:
    return registry.backend("beats", "beat_this")


@pytest.fixture
def with_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if PyTorch were installed."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: importlib.machinery.ModuleSpec(name, None))


@pytest.fixture
def small_model(server: Files, monkeypatch: pytest.MonkeyPatch) -> Model:
    """Beat This! has one model of a few bytes, which a server on this machine has."""
    monkeypatch.setattr(models, "_within_reach", models._within_reach.__wrapped__)
    server.content["/net"] = CONTENT
    model = Model("beat_this", "beat_this", "Beat This! tiny", (File("net", f"{server.url}/net", 11),), "MIT")
    use_models(monkeypatch, model)
    return model


def settings(**values: Any) -> Settings:
    return with_values(Settings(), {name.replace("__", "."): value for name, value in values.items()}, "test")


@pytest.mark.usefixtures("small_model")
def test_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert models.unavailable(beat_this()) == "torch is not installed; pip install 'mirkit[beats]'"
    assert models.resolve("beats", "auto") == "embedded"
    assert models.resolve("beats", "beat_this") == "beat_this"


@pytest.mark.usefixtures("with_torch", "small_model")
def test_small_weights_within_reach_are_fetched_by_auto() -> None:
    assert models.resolve("beats", "auto") == "beat_this"
    told = models.to_fetch("beats", "beat_this", Settings())
    assert told
    assert told.title == "Beat This! tiny"
    weights.fetch(told, Settings().run)
    assert models.to_fetch("beats", "beat_this", Settings()) is None
    assert models.resolve("beats", "auto", settings(run__offline=True)) == "beat_this"


@pytest.mark.usefixtures("with_torch")
def test_offline(small_model: Model, home: Path) -> None:
    why = models.unavailable(beat_this(), settings(run__offline=True))
    assert why == (
        f"Beat This! tiny needs net (0.1 MB): not downloaded, and downloads are off; mirkit models fetch beat_this, "
        f"or put it into {home}/models/beat_this (from {small_model.files[0].url})"
    )
    assert models.resolve("beats", "auto", settings(run__offline=True)) == "embedded"


@pytest.mark.usefixtures("with_torch")
def test_gigabytes_are_not_fetched_without_being_asked(small_model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "AUTO_BYTES", 10)
    assert "too large to be fetched without being asked" in models.unavailable(beat_this())
    assert models.unavailable(beat_this(), named=True) == ""


@pytest.mark.usefixtures("with_torch", "small_model")
def test_a_server_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "_within_reach", lambda _url: False)
    assert "its server cannot be reached" in models.unavailable(beat_this())
    assert models.resolve("beats", "auto") == "embedded"
    assert models.unavailable(beat_this(), named=True) == "", "who names it is told when it is fetched"


@pytest.mark.usefixtures("with_torch")
def test_commercial_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model("beat_this", "beat_this", "Beat This!", (), "CC BY-NC 4.0", commercial=False)
    use_models(monkeypatch, model)
    safe = settings(run__commercial_safe=True)
    assert models.unavailable(beat_this()) == ""
    assert models.unavailable(beat_this(), safe, named=True).endswith("CC BY-NC 4.0, which --commercial-safe refuses")
    assert models.resolve("beats", "auto", safe) == "embedded"


def test_commercial_safe_knows_a_copy_of_published_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, own = tmp_path / "mine.ckpt", tmp_path / "own.ckpt"
    mine.write_bytes(CONTENT)
    own.write_bytes(b"of my own training")
    file = File("net", "http://nowhere/net", sha256=file_digest(mine).sha256)
    model = Model("beat_this", "beat_this", "Beat This!", (file,), "CC BY-NC 4.0", commercial=False)
    use_models(monkeypatch, model)
    asked = {"rhythm__model": str(mine), "run__commercial_safe": True}
    why = models.unavailable(beat_this(), settings(**asked), named=True)
    assert why.endswith("mine.ckpt is Beat This!: license CC BY-NC 4.0, which --commercial-safe refuses")
    assert models.unavailable(beat_this(), settings(**asked | {"rhythm__model": str(own)}), named=True) == ""
    assert models.unavailable(beat_this(), settings(rhythm__model=str(mine)), named=True) == ""


def test_a_model_by_name_or_file(tmp_path: Path) -> None:
    assert models.resolve_weights(beat_this(), Settings()) == weights.model("beat_this")
    assert models.resolve_weights(beat_this(), settings(rhythm__model="beat_this_small")) == weights.model(
        "beat_this_small"
    )
    mine = tmp_path / "mine.ckpt"
    mine.write_bytes(CONTENT)
    assert models.resolve_weights(beat_this(), settings(rhythm__model=str(mine))) == mine
    says = r"tiny: there is no such file, and no model of Beat This! \(beat_this, beat_this_sm"
    with pytest.raises(WeightsError, match=says):
        models.resolve_weights(beat_this(), settings(rhythm__model="tiny"))
    assert models.resolve_weights(registry.backend("beats", "embedded"), Settings()) is None


@pytest.mark.usefixtures("with_torch")
def test_a_file_of_the_users_needs_no_network(tmp_path: Path) -> None:
    mine = tmp_path / "mine.ckpt"
    mine.write_bytes(CONTENT)
    offline = settings(rhythm__model=str(mine), run__offline=True)
    assert models.unavailable(beat_this(), offline) == ""
    assert models.resolve("beats", "auto", offline) == "beat_this"
    assert models.to_fetch("beats", "beat_this", offline) is None


def test_a_model_is_loaded_once_a_process_device_and_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    made: list[tuple[weights.Weights, str]] = []

    def load(found: weights.Weights, device: str) -> FakeTracker:
        made.append((found, device))
        return FakeTracker(0.5)

    monkeypatch.setattr("mirkit.models.beat_this.tracker.load", load)
    mine = tmp_path / "mine.ckpt"
    mine.write_bytes(CONTENT)
    wanted = settings(backends__beats="beat_this", rhythm__model=str(mine), run__device="cpu")
    assert models.load("beats", wanted) is models.load("beats", wanted)
    assert [device for _, device in made] == ["cpu"]
    mine.write_bytes(b"other weights")
    models.load("beats", wanted)
    assert len(made) == 2


def test_loading_without_its_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match="torch is not installed"):
        models.load("beats", settings(backends__beats="beat_this"))


def test_loading_what_is_not_here_is_one_line() -> None:
    pytest.importorskip("torch")
    with pytest.raises(WeightsError, match=r"final0\.ckpt \(81\.1 MB\): not downloaded; mirkit models fetch beat_this"):
        models.load("beats", settings(backends__beats="beat_this"))


@pytest.mark.parametrize("row", registry.built_in(), ids=lambda row: f"{row.task}-{row.name}")
def test_a_backend_agrees_with_its_weights(row: Backend) -> None:
    known = row.weights
    assert {model.backend for model in known} <= {row.name}
    in_package = any(model.install for model in known)
    assert bool(known) == (row.is_network and (in_package or not row.explicit_only))
    if known:
        assert row.commercial == known[0].commercial
        assert known[0].license.startswith(row.weights_license)


@pytest.mark.parametrize("model", registry.model_rows(), ids=lambda model: model.name)
def test_published_checksums_have_two_sources(model: Model) -> None:
    """Rows with a file whose checksum is not published have no sources: the server's checksum is stored instead."""
    if all(file.sha256 for file in model.files):
        assert len(set(model.sources)) >= 2
        assert len({source.partition(":")[0] for source in model.sources}) == len(model.sources), "independent ones"
    assert all(copy.sha256 for file in model.files for copy in file.copies)


def test_a_card_without_memory_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mirkit.models.beat_this import tracker

    def full(*_: object) -> None:
        raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB\nmore")

    monkeypatch.setattr(tracker, "load", full)
    monkeypatch.setattr("mirkit.models.device.pick", lambda *_: "cuda")
    own = tmp_path / "own.ckpt"
    own.write_bytes(b"anything")
    with pytest.raises(ModelError) as error:
        models.load("beats", settings(backends__beats="beat_this", rhythm__model=str(own)))
    told = f"{own} cannot be loaded on cuda: CUDA out of memory. Tried to allocate 2 GiB; try --device cpu"
    assert str(error.value) == told
