"""``make run DATA=folder``: the run, then the check, whatever the run came to."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell stands for the program")

SCRIPT = """#!/bin/sh
echo "$@" >> "$SEEN"
case "$1" in run) exit $RAN;; verify) exit $CHECKED;; esac
"""


def make(folder: Path, data: str, ran: int = 0, checked: int = 0) -> tuple[int, list[str], str]:
    """Run the target with a script in place of mirkit: status, the commands, and the errors."""
    (folder / "bin").mkdir(exist_ok=True)
    (folder / "bin" / "mirkit").write_text(SCRIPT)
    (folder / "bin" / "mirkit").chmod(0o755)
    seen = folder / "seen"
    seen.write_text("")
    environment = os.environ | {"SEEN": str(seen), "RAN": str(ran), "CHECKED": str(checked)}
    words = ["make", "-f", str(ROOT / "Makefile"), "-o", ".venv/run.stamp", f"BIN={folder / 'bin'}", "run"]
    done = subprocess.run([*words, f"DATA={data}"], cwd=folder, env=environment, capture_output=True, text=True)
    return done.returncode, seen.read_text().splitlines(), done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if shutil.which("make") is None:
        pytest.skip("could not import 'make': a script stands for the program")
    (tmp_path / "my music").mkdir()
    return tmp_path


@pytest.mark.parametrize(("ran", "checked", "status"), [(0, 0, 0), (1, 0, 2), (0, 1, 2), (1, 1, 2), (2, 1, 2)])
def test_a_messy_folder_is_verified_all_the_same(folder: Path, ran: int, checked: int, status: int) -> None:
    code, seen, err = make(folder, "my music", ran, checked)
    assert seen == ["run my music", "verify my music"], "and nothing is moved without a question"
    assert code == status
    assert ("make: something failed; the lines above say what." in err) == bool(status)


def test_an_interrupted_run_is_not_verified(folder: Path) -> None:
    code, seen, _ = make(folder, "my music", ran=130)
    assert (code, seen) == (2, ["run my music"])


def test_a_folder_that_does_not_exist(folder: Path) -> None:
    code, seen, err = make(folder, "nothere")
    assert (code, seen) == (2, [])
    assert "make: nothere: there is no such folder\n" in err


def test_without_data_the_demo_runs(folder: Path) -> None:
    assert make(folder, "")[:2] == (0, ["demo demo"])


def test_the_separator_is_trained_in_three_steps(folder: Path) -> None:
    (folder / "bin").mkdir()
    python = folder / "bin" / "python"
    python.write_text('#!/bin/sh\necho "$@" >> "$SEEN"\ncase "$2" in *$FAILS) exit 1;; esac\n')
    python.chmod(0o755)
    words = ["make", "-f", str(ROOT / "Makefile"), "-o", ".venv/training.stamp", f"BIN={folder / 'bin'}"]
    for fails, count in (("nothing", 3), ("train", 2), ("examples", 1)):
        seen = folder / f"seen {fails}"
        environment = os.environ | {"SEEN": str(seen), "FAILS": fails}
        done = subprocess.run([*words, "train-separator", "SEPARATOR=here", "MIXES=5"], cwd=folder, env=environment)
        assert (done.returncode == 0) == (count == 3)
        steps = ["examples here --count 5", "train here --epochs 7", "evaluate here"]
        assert seen.read_text().splitlines() == [f"-m training.{step}" for step in steps[:count]]
