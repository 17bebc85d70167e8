"""What every engine promises."""

import os
import signal
import time
from pathlib import Path

import pytest

from mirkit.engines import run


def double(x: int) -> int:
    return 2 * x


def refuse_three(x: int) -> int:
    if x == 3:
        raise ValueError("three is refused")
    return x


def die_on_three(x: int) -> int:
    if x == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return x


def die_once(marker: str) -> str:
    path = Path(marker)
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return path.name


def hang_on_three(x: int) -> int:
    if x == 3:
        time.sleep(60)
    return x


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_item_comes_back_once(jobs: int) -> None:
    done = list(run(double, range(7), jobs=jobs))
    assert sorted((d.item, d.result) for d in done) == [(i, 2 * i) for i in range(7)]


@pytest.mark.parametrize("jobs", [1, 2])
def test_no_items(jobs: int) -> None:
    assert list(run(double, [], jobs=jobs)) == []


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_is_that_items_alone(jobs: int) -> None:
    done = {d.item: d for d in run(refuse_three, range(6), jobs=jobs)}
    assert done[3].result is None
    assert "three is refused" in done[3].error
    assert [done[i].result for i in (0, 1, 2, 4, 5)] == [0, 1, 2, 4, 5]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_killed_worker_costs_its_item_alone() -> None:
    done = {d.item: d for d in run(die_on_three, range(6), jobs=2)}
    assert "killed twice" in done[3].error
    assert [done[i].result for i in (0, 1, 2, 4, 5)] == [0, 1, 2, 4, 5]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_killed_item_is_tried_again(tmp_path: Path) -> None:
    assert [d.result for d in run(die_once, [str(tmp_path / "marker")], jobs=2)] == ["marker"]


def test_a_hung_worker_costs_its_item_alone() -> None:
    done = {d.item: d for d in run(hang_on_three, range(5), jobs=2, time_limit=2)}
    assert "longer than 2 s" in done[3].error
    assert [done[i].result for i in (0, 1, 2, 4)] == [0, 1, 2, 4]


def test_stopping_early_leaves_no_process() -> None:
    import psutil

    results = run(double, range(50), jobs=2)
    next(results)
    results.close()
    assert not [child for child in psutil.Process().children() if "resource_tracker" not in " ".join(child.cmdline())]
