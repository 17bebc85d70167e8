"""Very many small questions: the same answers from processes as from here."""

import os
from pathlib import Path

import chores
import pytest

from mirkit.engines import processes


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many are few."""
    monkeypatch.setattr(processes, "_MANY", 10)
    monkeypatch.setattr(processes, "_CHUNK", 4)


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("count", [0, 9, 10, 23])
def test_answers_come_in_the_order_of_the_questions(count: int) -> None:
    assert processes.map_chunked(chores.double, range(count), jobs=2) == [2 * i for i in range(count)]


@pytest.mark.usefixtures("soon")
def test_few_questions_or_one_process_are_asked_here() -> None:
    assert set(processes.map_chunked(chores.process_number, range(9), jobs=2)) == {os.getpid()}
    assert set(processes.map_chunked(chores.process_number, range(20), jobs=1)) == {os.getpid()}
    assert os.getpid() not in processes.map_chunked(chores.process_number, range(20), jobs=2)


@pytest.mark.usefixtures("soon")
def test_what_a_question_raises_is_raised_here() -> None:
    with pytest.raises(ValueError, match="three is refused"):
        processes.map_chunked(chores.refuse_three, range(20), jobs=2)


@pytest.mark.usefixtures("soon")
def test_a_killed_process_costs_no_answer(tmp_path: Path) -> None:
    items = [str(tmp_path / str(i // 4)) for i in range(12)]
    assert processes.map_chunked(chores.die_once, items, jobs=2) == [Path(item).name for item in items]
