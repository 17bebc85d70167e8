"""The working folder may be a data set from a stranger: no module and no settings of a library come from it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mirkit.cli import main
from mirkit.engines import processes

SRC = Path(__file__).resolve().parents[2] / "src"
#: Modules of the standard library that mirkit and its workers import first, and libraries that they import later.
MODULES = ("argparse", "difflib", "json", "pickle", "queue", "struct", "numpy", "av", "platformdirs", "sitecustomize")


@pytest.fixture
def trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """File that is written when a module of the working folder is imported."""
    folder, trace = tmp_path / "stranger", tmp_path / "trace"
    folder.mkdir()
    for name in MODULES:
        (folder / f"{name}.py").write_text(f"open({str(trace)!r}, 'a').write({name!r})\nraise SystemExit(9)\n")
    monkeypatch.chdir(folder)
    return trace


def test_workers_import_nothing_from_the_working_folder(trace: Path) -> None:
    """As it was: `mirkit run .` with two tracks ran the `json.py` of the data set in each worker."""
    results = sorted(done.result for done in processes.run(abs, [-1, -2, -3], jobs=2))
    assert results == [1, 2, 3]
    assert not trace.exists()


@pytest.mark.parametrize("words", [["doctor"], ["features"], ["verify", "."]])
def test_python_m_mirkit_imports_nothing_from_the_working_folder(words: list[str], trace: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mirkit", *words],
        env=os.environ | {"PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not trace.exists(), trace.read_text()
    assert done.returncode != 9, done.stderr
    assert "Traceback" not in done.stderr


def test_no_settings_of_numba_come_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it was: `dump_html` in this file named a file of the user, which numba overwrote when it compiled."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".numba_config.yaml").write_text(f"dump_html: {tmp_path / 'precious'}\n")
    assert main(["features"]) == 2
    assert "mirkit: .numba_config.yaml in the working folder would change" in capsys.readouterr().err
    (tmp_path / ".numba_config.yaml").unlink()
    assert main(["features"]) == 0
