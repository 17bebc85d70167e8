"""Much light work: several items per message, and the results of :func:`mirkit.engines.run`."""

import os
from pathlib import Path

import chores
import pytest

from mirkit import engines


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_FEW", 10)
    monkeypatch.setattr(engines, "_CHUNK", 4)


@pytest.mark.parametrize("count", [0, 10, 11, 23])
@pytest.mark.parametrize("jobs", [1, 2])
def test_each_item_comes_back_once(count: int, jobs: int) -> None:
    results = list(engines.run_chunked(chores.double, range(count), jobs=jobs))
    assert sorted((each.item, each.result) for each in results) == [(i, 2 * i) for i in range(count)]
    assert not any(each.error for each in results)


def test_few_items_and_one_worker_need_no_process() -> None:
    for count, jobs in ((10, 2), (20, 1)):
        done = engines.run_chunked(chores.process_number, range(count), jobs=jobs)
        assert {each.result for each in done} == {os.getpid()}
    assert os.getpid() not in {each.result for each in engines.run_chunked(chores.process_number, range(11), jobs=2)}


@pytest.mark.parametrize(("work", "says"), [(chores.refuse_three, "three is refused"), (chores.die_on_three, "killed")])
def test_a_bad_item_costs_no_other(work: object, says: str) -> None:
    results = {each.item: each for each in engines.run_chunked(work, range(12), jobs=2)}  # type: ignore[arg-type]
    assert says in results.pop(3).error
    assert {item: each.result for item, each in results.items()} == {i: i for i in range(12) if i != 3}


def test_a_lost_chunk_is_tried_again(tmp_path: Path) -> None:
    items = [str(tmp_path / str(i // 4)) for i in range(12)]
    results = {each.item: each.result for each in engines.run_chunked(chores.die_once, items, jobs=2)}
    assert results == {item: Path(item).name for item in items}


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("count", [0, 3, 10, 23])
def test_batches_give_one_result_for_each_item(count: int, jobs: int) -> None:
    results = list(engines.run_batches(chores.double_all, range(count), jobs=jobs))
    assert sorted((each.item, each.result, each.error) for each in results) == [(i, 2 * i, "") for i in range(count)]


@pytest.mark.parametrize(
    ("work", "jobs", "says"),
    [
        (chores.refuse_three_of, 1, "three is refused"),
        (chores.refuse_three_of, 2, "three"),
        (chores.die_of_three, 2, "killed"),
    ],
)
def test_a_bad_item_costs_no_other_of_its_batch(work: object, jobs: int, says: str) -> None:
    results = {each.item: each for each in engines.run_batches(work, range(12), jobs=jobs)}  # type: ignore[arg-type]
    assert says in results.pop(3).error
    assert {item: each.result for item, each in results.items()} == {i: i for i in range(12) if i != 3}
