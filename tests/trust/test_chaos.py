"""Whatever kills a run, and however often: run again until it is done, and the result is that of a run in peace."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from library import beat_music, write
from mirkit.cli import main
from mirkit.store import TEMP_PREFIX, read_provenance

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")
SRC = Path(__file__).resolve().parents[2] / "src"
NAMES = ("A", "B", "C")
SECONDS = 3.0


@pytest.fixture(scope="module")
def loose(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Loose files, one with a key of the user's own beside it."""
    root = tmp_path_factory.mktemp("loose")
    for number, name in enumerate(NAMES):
        write(root / f"{name}.flac", sum(beat_music(SECONDS, bpm=100 + 20 * number, seed=number).values()))
    (root / "A.INFO").write_text('{"my_rating": 5}\n')
    return root


@pytest.fixture(scope="module")
def in_peace(loose: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], float]:
    """The result of a run that nobody disturbed, and the seconds that it takes once everything is loaded."""
    results = []
    for number in range(2):
        root = Path(shutil.copytree(loose, tmp_path_factory.mktemp("in_peace") / f"library{number}"))
        began = time.monotonic()
        assert run_here(root) == 0
        results.append(contents(root))
    assert results[0] == results[1]
    return results[0], time.monotonic() - began


def run_here(root: Path) -> int:
    """Run in this process: what is imported and compiled stays, so that kills fall on work and not on imports."""
    from mirkit import engines
    from mirkit.engines import run_serially

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "run", lambda work, items, **_: run_serially(work, items))
        return main(["run", str(root), "--organize", "move", "--quiet"])


def fork_and_kill(root: Path, seconds: float) -> tuple[bool, int]:
    """Run in a copy of this process and kill it after a time. Gives whether it came to its end, and the kills."""
    child = os.fork()
    if child == 0:
        os._exit(run_here(root))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            assert os.waitstatus_to_exitcode(status) == 0
            return True, 0
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False, 1


def start_and_kill(root: Path, seconds: float) -> tuple[bool, int]:
    """Run as a user does, with two workers; kill the run, or a worker, so long after the first track was begun."""
    import psutil

    run = subprocess.Popen(
        [sys.executable, "-m", "mirkit", "run", str(root), "--organize", "move", "--jobs", "2", "--quiet"],
        env=os.environ | {"PYTHONPATH": str(SRC)},
    )
    while run.poll() is None and not any(root.rglob(".mirkit-lock-run*")):
        time.sleep(0.01)
    with suppress(subprocess.TimeoutExpired):
        return run.wait(seconds) == 0, 0
    workers = psutil.Process(run.pid).children()
    if workers and round(seconds * 1000) % 2:  # a worker alone: the run copes with that
        workers[0].kill()
        return run.wait(300) == 0, 1
    run.kill()
    run.wait()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive, "workers end with the run"
    return False, 1


def check(root: Path, known: dict[str, set[str]]) -> None:
    """Whatever is there can be read, and no key is gone. Unfinished files of the killed run are removed by the next."""
    for path in finished(root, "*.INFO"):
        keys = set(json.loads(path.read_bytes()))
        assert keys >= known.get(path.name, set()), f"{path.name} has lost keys"
        known[path.name] = keys
    for path in finished(root, "*.PROVENANCE"):
        read_provenance(path)


def finished(root: Path, pattern: str) -> list[Path]:
    return [path for path in root.rglob(pattern) if not path.name.startswith(TEMP_PREFIX)]


def contents(root: Path) -> dict[str, object]:
    """All files: bytes, but for what tells of times."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        if path.is_dir() or ".mirkit" in path.parts or path.name == ".mirkit-organize.jsonl":
            continue
        name = path.relative_to(root).as_posix()
        found[name] = timeless(json.loads(path.read_bytes())) if path.suffix == ".PROVENANCE" else path.read_bytes()
    return found


def timeless(value: object) -> object:
    if isinstance(value, dict):
        return {
            k: timeless(v) for k, v in value.items() if k not in ("seconds", "when", "mtime_ns", "ctime_ns", "inode")
        }
    return value


def until_done(
    loose: Path, root: Path, attempt: Callable[[Path, float], tuple[bool, int]], longest: float, dice: random.Random
) -> int:
    """Kill and start again until it is done; gives how often it was killed."""
    shutil.copytree(loose, root)
    known: dict[str, set[str]] = {"A.INFO": {"my_rating"}}
    kills, ended = 0, False
    while not ended:
        ended, killed = attempt(root, dice.uniform(0, longest))
        kills += killed
        longest *= 1.05  # a machine under load may need longer than the run in peace did
        check(root, known)
        assert kills < 200, "it gets nowhere"
    return kills


@pytest.mark.parametrize(
    ("attempt", "kills", "share"),
    [
        pytest.param(fork_and_kill, 8, 0.7, id="a few", marks=pytest.mark.slow),
        pytest.param(fork_and_kill, 50, 0.4, id="fifty", marks=pytest.mark.slow),
        pytest.param(start_and_kill, 6, 1.0, id="with workers", marks=pytest.mark.slow),
    ],
)
def test_a_run_that_is_killed_and_started_again_ends_as_one_in_peace(
    loose: Path,
    in_peace: tuple[dict[str, object], float],
    tmp_path: Path,
    attempt: Callable[[Path, float], tuple[bool, int]],
    kills: int,
    share: float,
) -> None:
    dice = random.Random(kills)
    expected, seconds = in_peace
    survived, rounds = 0, 0
    while survived < kills:
        rounds += 1
        root = tmp_path / f"library{rounds}"
        survived += until_done(loose, root, attempt, share * seconds, dice)
        assert contents(root) == expected
        assert not [path for path in root.rglob(".mirkit-*") if path.name != ".mirkit-organize.jsonl"], "litter"
        shutil.rmtree(root)


def test_two_runs_at_once_share_the_work(
    loose: Path, in_peace: tuple[dict[str, object], float], tmp_path: Path
) -> None:
    root = Path(shutil.copytree(loose, tmp_path / "library"))
    assert main(["organize", str(root), "--quiet"]) == 0
    children = []
    for _ in range(2):
        child = os.fork()
        if child == 0:
            os._exit(run_here(root))
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0]
    assert contents(root) == in_peace[0]
    lines = [json.loads(line) for log in (root / ".mirkit/log").iterdir() for line in log.read_text().splitlines()]
    separated = [line["track"] for line in lines if "separate" in line.get("done", ())]
    assert sorted(separated) == list(NAMES), "each track was worked on once"
