"""A bundle for each test of exports, made once."""

import shutil
from pathlib import Path

import pytest

from export.measured import make_clips
from mirkit.cli import main


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three tracks of four clips."""
    return make_clips(tmp_path_factory.mktemp("data") / "my_music")


@pytest.fixture(scope="session")
def sat_bundle(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sat") / "bundle"
    assert main(["export", "sat", str(out), str(clips), "--val", "0.3", "--jobs", "1", "--quiet"]) == 0
    return out


@pytest.fixture
def bundle(sat_bundle: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil, configs of its own place."""
    out = Path(shutil.copytree(sat_bundle, tmp_path / "bundle"))
    for name in ("dataset.json", "val_dataset.json"):
        text = (out / name).read_text().replace(sat_bundle.resolve().as_posix(), out.resolve().as_posix())
        (out / name).write_text(text)
    return out
