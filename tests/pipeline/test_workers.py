"""How many workers a run gets, here and on a cluster."""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from library import make_track
from mirkit import engines, models
from mirkit.cli import main
from mirkit.engines import ray_engine
from mirkit.models import registry
from mirkit.pipeline import RunRequest, workers
from mirkit.settings import RunSettings
from mirkit.store import Settings

GB = 2**30


def plan(settings: Settings | None = None, **backends: str) -> Any:
    todo = {str(i): {"bands": "new"} for i in range(100)}
    return SimpleNamespace(settings=settings or Settings(), backends=backends, todo=todo, unreadable={})


def asked(**more: Any) -> RunRequest:
    return RunRequest(Path(), ("extract",), **more)


def test_models_take_memory_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "cores", lambda address=None: 64 if address is None else 500)
    monkeypatch.setattr(engines, "default_memory", lambda: 32 * GB)
    assert workers(plan(classification="embedded"), asked()) == 32 * 1024 // 700, "memory bounds these too"
    monkeypatch.setattr(engines, "default_memory", lambda: 64 * GB)
    assert workers(plan(classification="embedded"), asked()) == 64
    monkeypatch.setattr(engines, "default_memory", lambda: 32 * GB)
    assert workers(plan(classification="embedded"), asked(memory=7 * GB)) == 10
    assert workers(plan(aesthetics="audiobox"), asked()) == 32 * 1024 // (700 + 900)
    assert workers(plan(aesthetics="audiobox", classification="essentia"), asked()) == 32 * 1024 // (700 + 900 + 500)
    assert workers(plan(aesthetics="audiobox"), asked(memory=1 * GB)) == 1


@pytest.mark.parametrize(
    "row",
    [row for row in registry.built_in() if row.interface != "captioner"],
    ids=lambda row: f"{row.task}-{row.name}",
)
def test_the_memory_of_every_backend_is_counted(row: registry.Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "cores", lambda address=None: 64)
    monkeypatch.setattr(engines, "default_memory", lambda: 32 * GB)
    assert (row.memory > 0) == row.is_network
    one = 700 * 2**20 + row.memory
    device = Settings(run=RunSettings(device="cpu"))
    for memory, bound in ((None, 32 * GB), (8 * GB, 8 * GB)):
        count = workers(plan(device, **{row.task: row.name}), asked(memory=memory))
        assert count == min(64, bound // one)
        assert count * one <= bound


def test_models_on_a_card_are_in_memory_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "cores", lambda address=None: 64)
    monkeypatch.setattr(engines, "default_memory", lambda: 32 * GB)
    monkeypatch.setattr(models, "uses_gpu", lambda task, name, device: (task, device) == ("stems", "auto"))
    assert workers(plan(stems="demucs"), asked()) == 32 * 1024 // 700
    assert workers(plan(stems="demucs", aesthetics="audiobox"), asked()) == 32 * 1024 // (700 + 900)
    assert workers(plan(stems="demucs"), asked(memory=7 * GB)) == 10


def test_a_task_without_a_method_needs_no_device_server() -> None:
    run = importlib.import_module("mirkit.pipeline.run")  # the package has a function of this name
    assert run._server_devices(plan(aesthetics="", classification="embedded"), asked(), 2) == []


def test_on_a_cluster_ray_hands_out_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "cores", lambda address=None: 500 if address else 2)
    assert workers(plan(aesthetics="audiobox"), asked(address="auto", memory=GB)) == 100, "no more than tracks"
    assert workers(plan(aesthetics="audiobox"), asked(address="auto", jobs=7)) == 7


def test_without_ray_it_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    track = make_track(tmp_path / "library" / "Track", seconds=1)
    monkeypatch.setitem(sys.modules, "ray", None)
    for how in (["--engine", "ray"], ["--address", "10.0.0.1:6379"]):
        assert main(["bands", str(track), *how]) == 1
        error = capsys.readouterr().err
        assert error == "mirkit: ray is not installed; pip install 'mirkit[ray]'\n"
    assert not (track / "Track.INFO").exists()


@pytest.mark.parametrize(
    ("cards", "jobs", "gpu", "share"),
    [
        (2, 16, True, 0.25),
        (1, 64, True, 0.25),
        (2, 3, True, 0.6666),
        (8, 4, True, 1.0),
        (0, 4, True, 0.0),
        (2, 4, False, 0.0),
    ],
)
def test_actors_share_the_cards(
    cards: float, jobs: int, gpu: bool, share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(ray_engine, "connect", lambda address: seen.update(address=address))
    monkeypatch.setattr(ray_engine, "resource", {"GPU": cards}.get)
    monkeypatch.setattr(ray_engine, "run", lambda work, items, **more: seen.update(more) or iter(()))
    assert list(engines.run(abs, [1], jobs=jobs, address="here:1", gpu=gpu)) == []
    assert (seen["address"], seen["jobs"], seen["gpus"]) == ("here:1", jobs, share)
