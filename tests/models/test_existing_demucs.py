"""A bag of Demucs that other programs have downloaded gives the same stems from each of their caches."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("demucs")
pytest.importorskip("safetensors")

from fakes import use_models
from library import make_track
from mirkit.audio import open_audio
from mirkit.catalog import STEMS
from mirkit.cli import main
from mirkit.models.backend import File, Model
from mirkit.models.checksums import checksum
from models.demucs_checkpoints import package, random_network, write, write_safetensors

SIGNATURES = ("f7e0c4bc", "d12395a8", "92cfc3b6", "04573f0d")


def test_htdemucs_ft_of_pytorch_and_of_hugging_face(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    torch_home, hub = tmp_path / "torch", tmp_path / "hf"
    revision = hub / "hub/models--adefossez--HTDemucs-ft/snapshots/478be8a6"
    revision.mkdir(parents=True)
    files = []
    for seed, signature in enumerate(SIGNATURES):
        network = random_network(seed=seed)
        older = write(torch_home / "hub/checkpoints", signature, package(network))
        newer = write_safetensors(revision / f"{signature}.safetensors", network)
        url = f"https://huggingface.co/adefossez/HTDemucs-ft/resolve/d74ac89c/{newer.name}"
        copy = File(older.name, f"https://dl.example/{older.name}", 1, checksum(older), older.name)
        files.append(File(newer.name, url, 1, checksum(newer), copies=(copy,)))
    use_models(monkeypatch, Model("htdemucs_ft", "demucs", "Demucs htdemucs_ft", tuple(files), "none stated", False))
    words = ["--model", "htdemucs_ft", "--shifts", "0", "--offline", "--jobs", "1", "--quiet"]
    stems = {}
    for place, variable in ((torch_home, "TORCH_HOME"), (hub, "HF_HOME")):
        monkeypatch.delenv("TORCH_HOME", raising=False)
        monkeypatch.setenv(variable, str(place))
        assert main(["models", "list", "htdemucs_ft"]) == 0
        printed = capsys.readouterr().out
        assert "  ready  " in printed
        assert printed.count(str(place)) == 4
        track = make_track(tmp_path / variable / "Track", seconds=1)
        assert main(["separate", str(track), *words]) == 0, capsys.readouterr().err
        stems[variable] = [open_audio(track / f"{stem}.flac", rate=None).samples() for stem in STEMS]
    for first, second in zip(*stems.values(), strict=True):
        assert np.abs(first).max() > 0
        np.testing.assert_array_equal(first, second)
