"""Order, seeds and caches of every test run, and fixtures for all tests."""

import glob
import os
import random
import shutil
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from mirkit import engines
from mirkit.engines import run_serially
from mirkit.store.compiled import keep_compiled, use_compiled
from properties import RANDOM

ROOT = Path(__file__).resolve().parents[1]

pytest_plugins = ["skips"]

# Property tests use the same examples in every run. A separate CI job uses more, and random ones:
# MIRKIT_PROPERTIES=random pytest -m hypothesis --hypothesis-seed=NUMBER
settings.register_profile("fixed", derandomize=True, database=None, deadline=None, max_examples=40)
settings.register_profile("random", database=None, deadline=None, max_examples=1000, print_blob=True)
settings.load_profile("random" if RANDOM else "fixed")

# Numba's cache does not support several processes that compile at once, so each worker of pytest-xdist has its own,
# which starts with a copy of the code that earlier runs compiled. The compiled kernels of mirkit are stored there too,
# and not in the user's folder.
NUMBA = ROOT / ".pytest_cache" / "numba"
WORKER = os.environ.get("PYTEST_XDIST_WORKER")
OWN = NUMBA / (WORKER or "main")
os.environ["NUMBA_CACHE_DIR"] = str(OWN)


def _take_newer(source: Path, target: Path) -> None:
    """Copy the compiled functions that are newer: each index file, and the code files that it names."""
    for index in source.rglob("*.nbi"):
        copy = target / index.relative_to(source)
        if index.relative_to(source).parts[0] == "mirkit":  # in mirkit's own archive
            continue
        if copy.exists() and copy.stat().st_mtime_ns >= index.stat().st_mtime_ns:
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        for code in index.parent.glob(f"{glob.escape(index.stem)}.*.nbc"):
            shutil.copy2(code, copy.parent)
        shutil.copy2(index, copy)
    for archive in source.glob("mirkit/kernels-*.zip"):
        copy = target / archive.relative_to(source)
        if not copy.exists() or copy.stat().st_size < archive.stat().st_size:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(archive, copy)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--order", metavar="reverse|SEED", help="run the tests in reverse, or shuffled with this seed")


def pytest_configure() -> None:
    _take_newer(NUMBA / "all", OWN)


def pytest_unconfigure() -> None:
    if not WORKER:
        for folder in (OWN, *NUMBA.glob("gw*")):
            _take_newer(folder, NUMBA / "all")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Reorder the tests for ``--order``: shuffle the files, and the tests within each, in all workers alike."""
    order = config.getoption("--order")
    if order == "reverse":
        items.reverse()
    elif order is not None:
        shuffle = random.Random(int(order)).shuffle
        files = [list(tests) for _, tests in groupby(items, key=lambda item: item.path)]
        shuffle(files)
        for tests in files:
            shuffle(tests)
        items[:] = [item for tests in files for item in tests]


@pytest.fixture(scope="session", autouse=True)
def compiled_once() -> Iterator[None]:
    """Keep compiled kernels for the next session."""
    use_compiled()
    yield
    keep_compiled()


@pytest.fixture(scope="session", autouse=True)
def no_models_of_the_users(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fetch no weights and hide those of this machine, so that ``auto`` selects the same methods everywhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MIRKIT_OFFLINE", "1")
        patch.setenv("MIRKIT_CONFIG", str(tmp_path_factory.getbasetemp() / "no-settings" / "mirkit.toml"))
        for name in ("MIRKIT_HOME", "TORCH_HOME", "HF_HOME", "HF_HUB_CACHE"):
            patch.setenv(name, str(tmp_path_factory.getbasetemp() / "no-models"))
        yield


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """Leave it to the system when it writes to the disk: no test cuts the power, and thousands of files are written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_lines_of_progress() -> Iterator[None]:
    """Print no lines of progress, which come after ten seconds: what is printed must not depend on this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mirkit.cli.progress._FIRST_LINE", 1e6)
        yield


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Process tracks in this process if a test uses one worker, which saves the start of a worker process."""
    processes = engines.run

    def run(work: Any, items: Any, *, jobs: int = 1, **limits: Any) -> Iterator[Any]:
        return run_serially(work, items) if jobs == 1 else processes(work, items, jobs=jobs, **limits)

    monkeypatch.setattr(engines, "run", run)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261122)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real music with annotations; tests that need it are skipped if it is not available."""
    folder = Path(os.environ.get("MIRKIT_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}; set MIRKIT_TEST_DATA")
    return folder
