"""A bundle for each test of exports, made once."""

import json
from pathlib import Path

import numpy as np
import pytest

from export.measured import make_clips, moved
from mirkit.cli import main


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three tracks of four clips."""
    return make_clips(tmp_path_factory.mktemp("data") / "my_music")


@pytest.fixture(scope="session")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three tracks of a clip that is long enough for trainers of songs."""
    return make_clips(tmp_path_factory.mktemp("songs") / "my_songs", clips=1, samples=463_050)


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


@pytest.fixture
def latents(sat_bundle: Path, tmp_path: Path) -> Path:
    """Latents as the trainer's pre_encode writes them: numbered, and json with where they are from."""
    out = tmp_path / "latents"
    out.mkdir()
    for i, path in enumerate(sorted(sat_bundle.rglob("*.flac"))):
        np.save(out / f"{i:06d}.npy", np.random.default_rng(i).standard_normal((8, 16)).astype(np.float32))
        sidecar = {
            "relpath": path.name,
            "padding_mask": [1] * 12 + [0] * 4,
            "seconds_total": 3,
            "lyrics": None,
            "x": [1, 2],
        }
        (out / f"{i:06d}.json").write_text(json.dumps(sidecar))
    np.save(out / "other.npy", np.zeros((8, 16), np.float32))
    return out
