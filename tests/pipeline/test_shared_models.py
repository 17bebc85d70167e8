"""A run whose workers share the models of a card; the CPU stands in for it."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from library import make_track
from mirkit.audio import open_audio
from mirkit.catalog import STEMS
from mirkit.cli import main
from mirkit.engines.processes import WorkerHandle

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="looks where POSIX keeps sockets")]
TRACKS = ("One", "Two", "Three")


def process(library: Path, networks: Path, beats: Path, jobs: str) -> None:
    words = ["--jobs", jobs, "--quiet"]
    assert main(["demucs_sep", "--batch", str(library), "--model", str(networks), "--shifts", "0", *words]) == 0
    (library / "mirkit.toml").write_text('[backends]\nbeats = "beat_this"\n')
    assert main(["beats", "--batch", str(library), "--beat-model", str(beats), *words]) == 0


@pytest.mark.usefixtures("in_process")
def test_all_workers_use_one_process_and_find_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("demucs")
    from models import checkpoints, demucs_checkpoints

    content = demucs_checkpoints.package(demucs_checkpoints.random_network())
    demucs_checkpoints.write(tmp_path / "demucs", "aaaaaaaa", content)
    network = checkpoints.random_network(**checkpoints.FAST)
    models = tmp_path / "demucs", checkpoints.write(tmp_path / "net.ckpt", network, checkpoints.FAST)
    alone, together = tmp_path / "alone", tmp_path / "together"
    for i, name in enumerate(TRACKS):
        make_track(alone / name, seconds=3 + i, bpm=100 + 10 * i)
    shutil.copytree(alone, together)
    started: list[str] = []
    submit = WorkerHandle.submit

    def spy(self: WorkerHandle, number: int, item: Any) -> None:
        if isinstance(item, tuple):  # device and address of a server
            started.append(item[0])
        submit(self, number, item)

    monkeypatch.setattr(WorkerHandle, "submit", spy)
    process(alone, *models, jobs="1")
    assert started == []
    monkeypatch.setenv("MIRKIT_DEVICE_SERVER", "cpu")
    process(together, *models, jobs="2")
    assert started == ["cpu", "cpu"], "one in each of the two runs"
    for name in TRACKS:
        for stem in STEMS:
            np.testing.assert_allclose(sound(together / name, stem), sound(alone / name, stem), atol=2e-6)
        np.testing.assert_allclose(grid(together / name), grid(alone / name), atol=1e-3)


def sound(track: Path, stem: str) -> npt.NDArray[np.float32]:
    return open_audio(track / f"{stem}.flac", rate=None).samples()


def grid(track: Path) -> list[float]:
    found: list[float] = json.loads((track / f"{track.name}.BEATS_GRID").read_text())["beats"]
    return found
