"""What every engine promises."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import chores
import psutil
import pytest

from mirkit import engines
from mirkit.engines import processes, run_serially
from mirkit.engines.resources import default_memory, threads_each
from mirkit.errors import MirkitError

needs_kill = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")


def alone(work: Callable[[int], int], items: range) -> Iterator[engines.ItemResult[int, int]]:
    return run_serially(work, items)


def together(work: Callable[[int], int], items: range) -> Iterator[engines.ItemResult[int, int]]:
    return engines.run(work, items, jobs=2)


@pytest.fixture
def children() -> Callable[[], set[psutil.Process]]:
    """Processes that this test has started: what other tests started may still be ending."""
    before = set(psutil.Process().children(recursive=True))
    return lambda: set(psutil.Process().children(recursive=True)) - before


def gone(pids: list[int], seconds: float = 15.0) -> bool:
    """Whether the processes end within this time."""
    end = time.monotonic() + seconds
    while alive := [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]:
        if time.monotonic() > end:
            return not alive
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("run", [alone, together])
def test_each_item_comes_back_once(run: Callable[..., Iterator[engines.ItemResult[int, int]]]) -> None:
    done = list(run(chores.double, range(7)))
    assert sorted((d.item, d.result, d.error, d.retry_reason) for d in done) == [(i, 2 * i, "", "") for i in range(7)]


@pytest.mark.parametrize("run", [alone, together])
def test_no_items(run: Callable[..., Iterator[engines.ItemResult[int, int]]]) -> None:
    assert list(run(chores.double, range(0))) == []


@pytest.mark.parametrize("run", [alone, together])
def test_an_error_is_that_items_alone(run: Callable[..., Iterator[engines.ItemResult[int, int]]]) -> None:
    done = {d.item: d for d in run(chores.refuse_three, range(6))}
    assert done[3].result is None
    assert done[3].error == "ValueError: three is refused"
    assert [done[i].result for i in (0, 1, 2, 4, 5)] == [0, 1, 2, 4, 5]


def test_a_result_that_cannot_travel_is_that_items_error() -> None:
    done = {d.item: d for d in engines.run(chores.unpicklable, range(3), jobs=1)}
    assert "pickle" in done[1].error
    assert done[2].result == 2


def test_one_item_needs_no_process() -> None:
    (done,) = engines.run(chores.process_number, [0])
    assert done.result == os.getpid()
    (done,) = engines.run(chores.process_number, [0], time_limit=60)
    assert done.result != os.getpid(), "what may be stopped needs one"


@needs_kill
def test_a_killed_worker_costs_its_item_alone() -> None:
    done = {d.item: d for d in engines.run(chores.die_on_three, range(6), jobs=2)}
    assert done[3].error == "tried twice: its process was killed (SIGKILL), perhaps for want of memory"
    assert [done[i].result for i in (0, 1, 2, 4, 5)] == [0, 1, 2, 4, 5]


@needs_kill
def test_a_killed_item_is_tried_again(tmp_path: Path) -> None:
    (done,) = engines.run(chores.die_once, [str(tmp_path / "marker")], jobs=2)
    assert done.result == "marker"
    assert "SIGKILL" in done.retry_reason


@needs_kill
@pytest.mark.parametrize(
    ("work", "says"), [(chores.crash, "crashed (SIGSEGV)"), (chores.leave, "ended (exit status 7)")]
)
def test_what_became_of_a_worker_is_told(work: Callable[[int], int], says: str) -> None:
    (done,) = engines.run(work, [0], jobs=2)
    assert says in done.error


@needs_kill
def test_a_killed_item_is_tried_again_with_nobody_beside_it(tmp_path: Path) -> None:
    done = list(engines.run(chores.run_beside, [str(tmp_path)] * 5, jobs=2))
    assert max(d.result or 0 for d in done) == 2, "the others run side by side"
    assert done[-1].retry_reason
    assert done[-1].result == 1


@needs_kill
def test_a_worker_that_dies_without_an_item_is_replaced(children: Callable[[], set[psutil.Process]]) -> None:
    results = engines.run(chores.double, range(30), jobs=2)
    next(results)
    for child in children():
        child.kill()
    assert len([d for d in results if not d.error]) == 29


def test_a_hung_worker_costs_its_item_alone() -> None:
    done = {d.item: d for d in engines.run(chores.hang_on_three, range(5), jobs=2, time_limit=1)}
    assert done[3].error == "tried twice: took longer than 1 s and was stopped"
    assert [done[i].result for i in (0, 1, 2, 4)] == [0, 1, 2, 4]


@pytest.mark.slow
def test_too_much_memory_costs_that_item_alone() -> None:
    done = {d.item: d for d in engines.run(chores.hold, [1, 300, 2, 3], jobs=2, memory=200 << 20)}
    assert "tried twice: stopped when it held" in done[300].error
    assert "0.21 GB" in done[300].error
    assert [done[i].result for i in (1, 2, 3)] == [1, 2, 3]


def test_a_worker_is_replaced_after_many_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "ITEMS_PER_WORKER", 2)
    pids = [d.result for d in engines.run(chores.process_number, range(5), jobs=1)]
    assert len(set(pids)) == 3


def test_a_worker_that_holds_more_than_its_share_is_replaced() -> None:
    share = 1 << 20  # less than any Python holds: a new worker for each item, and each held too much
    done = list(engines.run(chores.process_number, range(2), jobs=100, memory=100 * share + (100 << 20)))
    assert len({d.result for d in done}) == 2


def test_workers_share_the_threads_that_the_shell_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in threads_each(1):
        monkeypatch.delenv(name, raising=False)
    assert set(threads_each(8).values()) == {"1"}
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    monkeypatch.setenv("MKL_NUM_THREADS", "16")
    done = list(engines.run(chores.threads, range(2), jobs=2))
    for name, expected in (("OMP", "2"), ("OPENBLAS", "2"), ("MKL", "8")):
        assert {d.result[f"{name}_NUM_THREADS"] for d in done if d.result} == {expected}
    assert os.environ["OMP_NUM_THREADS"] == "4", "this process keeps its own"


def test_workers_may_have_most_of_the_memory() -> None:
    assert 0 < default_memory() < psutil.virtual_memory().total


def test_stopping_early_leaves_no_process(children: Callable[[], set[psutil.Process]]) -> None:
    results = engines.run(chores.double, range(50), jobs=2)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert not children()


def test_a_function_that_does_not_load_is_one_error(children: Callable[[], set[psutil.Process]]) -> None:
    with pytest.raises(MirkitError, match="cannot start: ValueError: invalid literal"):
        list(engines.run(chores.Unloadable(), range(3), jobs=2))
    assert not children()


@pytest.mark.skipif(sys.platform == "win32", reason="signals to groups are POSIX")
@pytest.mark.parametrize(
    ("number", "whom"), [("SIGINT", "group"), ("SIGINT", "parent"), ("SIGTERM", "group"), ("SIGKILL", "parent")]
)
def test_whatever_ends_a_run_leaves_neither_process_nor_half_a_file(number: str, whom: str, tmp_path: Path) -> None:
    source = Path(engines.__file__).parents[2]
    run = subprocess.Popen(
        [sys.executable, chores.__file__, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(source)},
        start_new_session=True,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    end = time.monotonic() + 60
    while len(parts := [path for path in tmp_path.glob("*.part") if path.read_text()]) < 2:
        assert run.poll() is None
        assert time.monotonic() < end
        time.sleep(0.05)
    workers = [int(path.read_text()) for path in parts]
    if whom == "group":
        os.killpg(run.pid, getattr(signal, number))
    else:
        os.kill(run.pid, getattr(signal, number))
    _, said = run.communicate(timeout=30)
    assert gone(workers)
    assert not list(tmp_path.iterdir()), "what was half written is taken back"
    assert said.count(b"Traceback") <= 1, "workers do not complain"
