"""A bundle for each test of exports, made once."""

from pathlib import Path

import pytest

from export.measured import make_clips, moved
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


@pytest.fixture(scope="session")
def wds_bundle(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wds") / "bundle"
    assert main(["export", "sat-wds", str(out), str(clips), "--val", "0.3", "--jobs", "1", "--quiet"]) == 0
    return out


@pytest.fixture
def bundle(sat_bundle: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return moved(sat_bundle, tmp_path / "bundle")


@pytest.fixture
def tars(wds_bundle: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return moved(wds_bundle, tmp_path / "tars")
