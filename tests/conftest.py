"""Fixtures that every test may use."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mirkit import engines
from mirkit.engines import serial

ROOT = Path(__file__).resolve().parents[1]

# numba numbers the files of its cache per function, and two processes that compile at once take the same numbers: the
# cache is then wrong for good (librosa's ends in a segmentation fault). So every worker keeps one of its own.
if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    os.environ["NUMBA_CACHE_DIR"] = str(ROOT / ".pytest_cache" / "numba" / worker)


@pytest.fixture(scope="session", autouse=True)
def no_models_of_the_users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is fetched, and what this machine has fetched is not seen: ``auto`` comes to the same everywhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIRKIT_OFFLINE", "1")
        for name in ("MIRKIT_HOME", "TORCH_HOME", "HF_HOME", "HF_HUB_CACHE"):
            patch.setenv(name, str(tmp_path_factory.getbasetemp() / "no-models"))
        yield


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a test asks for one worker, its tracks are worked on in this process: there is no time for another."""
    processes = engines.run

    def run(work: Any, items: Any, *, jobs: int = 1, **limits: Any) -> Iterator[Any]:
        return serial.run(work, items) if jobs == 1 else processes(work, items, jobs=jobs, **limits)

    monkeypatch.setattr(engines, "run", run)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261122)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real music with annotations; tests that need it skip where it is not at hand."""
    folder = Path(os.environ.get("MIRKIT_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}; set MIRKIT_TEST_DATA")
    return folder
