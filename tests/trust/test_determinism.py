"""The same sound gives the same bytes: whatever the engine, the number of workers, their order, threads and places."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from library import beat_music, write
from mirkit import engines
from mirkit.cli import main
from mirkit.engines import run_serially

pytestmark = pytest.mark.slow
SRC = Path(__file__).resolve().parents[2] / "src"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
NAMES = ("A", "B", "C")


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sounds")
    for number, name in enumerate(NAMES):
        write(root / name / "full_mix.flac", sum(beat_music(4.0, bpm=90 + 25 * number, seed=number).values()))
    return root


@pytest.fixture(scope="module")
def expected(sounds: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """One after the other, in this process."""
    root = Path(shutil.copytree(sounds, tmp_path_factory.mktemp("serial") / "library"))
    in_order(root, reverse=False)
    return results(root)


def in_order(root: Path, *, reverse: bool) -> None:
    def run(work: Any, items: Any, **_: object) -> Any:
        return run_serially(work, items[::-1] if reverse else items)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "run", run)
        assert main(["run", str(root), "--quiet"]) == 0


def results(root: Path) -> dict[str, bytes]:
    """What a run makes, but for the provenance, which tells of times."""
    kinds = (".INFO", ".BEATS_GRID", ".ONSETS", ".npz", ".flac")
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.glob("*/*") if path.suffix in kinds}


def test_there_is_something_to_compare(expected: dict[str, bytes]) -> None:
    assert len(expected) == len(NAMES) * 9
    assert len({content for name, content in expected.items() if name.endswith("INFO")}) == len(NAMES)


def test_in_another_order(sounds: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    root = Path(shutil.copytree(sounds, tmp_path / "library"))
    in_order(root, reverse=True)
    assert results(root) == expected


@pytest.mark.parametrize(
    ("jobs", "threads", "seed"),
    [pytest.param(2, 1, 1, id="two workers"), pytest.param(1, 4, 2, id="four threads")],
)
def test_in_worker_processes(
    jobs: int, threads: int, seed: int, sounds: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    root = Path(shutil.copytree(sounds, tmp_path / "another place" / "library"))
    command = [sys.executable, "-m", "mirkit", "run", str(root), "--jobs", str(jobs), "--quiet"]
    told = dict.fromkeys(THREADS, str(threads)) | {"PYTHONPATH": str(SRC), "PYTHONHASHSEED": str(seed)}
    subprocess.run(command, env=os.environ | told, check=True, timeout=500)
    assert results(root) == expected


def test_from_many_commands(sounds: Path, expected: dict[str, bytes], tmp_path: Path) -> None:
    """Stage by stage, by the commands of the manual, from curves that are kept."""
    root = Path(shutil.copytree(sounds, tmp_path / "library"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "run", lambda work, items, **_: run_serially(work, items))
        for command in (
            "separate",
            "classification",
            "timbral",
            "harmony",
            "spectral",
            "loudness",
            "rhythm",
            "extract",
        ):
            assert main([command, str(root), "--batch", "--quiet"]) == 0
    found = results(root)
    curves = {name for name in found if name.endswith(".npz")}
    assert {name: found[name] for name in found if name not in curves} == {
        name: expected[name] for name in expected if name not in curves
    }
