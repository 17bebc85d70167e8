"""The progress of a run: what it says on a terminal and in a log."""

import io
import re
import time
from pathlib import Path

import pytest

from mirkit.cli import progress as module
from mirkit.cli.progress import Progress, progress


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_the_stage_is_named(clock: Clock) -> None:
    state = Progress(4, 60.0, workers=2, clock=clock)
    assert state.activity == "starting"
    state.watch("Album/One", "separating")
    state.watch("Two", "compiling (once per machine)")
    assert state.activity == "One: separating; Two: compiling (once per machine)"
    state.watch("Album/One", "beats")
    state("Two")
    assert state.activity == "One: beats"
    state("Album/One")
    assert state.activity == "One", "what ended last"


def test_many_workers_are_counted(clock: Clock) -> None:
    state = Progress(40, 60.0, workers=4, clock=clock)
    for number in range(4):
        state.watch(str(number), "beats" if number else "separating")
    assert state.activity == "beats (3), separating (1)"


def test_a_long_name_leaves_room(clock: Clock) -> None:
    state = Progress(1, 60.0, clock=clock)
    state.watch("x" * 300, "beats")
    assert len(state.activity) < 40


@pytest.mark.parametrize("done", [0, 1, 2, 3])
@pytest.mark.parametrize("expected", [0.0, 8.0, 60.0])
def test_there_is_never_no_time_left_while_it_works(done: int, expected: float, clock: Clock) -> None:
    state = Progress(4, expected, workers=2, compiling=expected / 2, clock=clock)
    for number in range(done):
        clock.now += 3
        state(str(number))
    for _ in range(400):
        clock.now += 1
        assert not re.search(r"(?<!\d)0(\.0)? s left|less than", state.pace), state.pace


def test_remaining_time(clock: Clock) -> None:
    state = Progress(4, 60.0, workers=1, compiling=20.0, clock=clock)
    clock.now += 10
    assert state.pace == "10 s, about 50 s left"
    clock.now += 20  # the first track took what was expected: 20 s of compiling and 10 s
    state("One")
    assert state.pace == "2.0 tracks/min, 30 s, about 30 s left"
    clock.now += 25
    assert state.pace.endswith("about 5 s left")
    clock.now += 30
    assert state.pace.endswith("longer than estimated")
    for name in "BCD":
        state(name)
    assert state.pace.endswith("85 s"), "nothing is left"


def test_short_work_is_not_longer_than_estimated_at_once(clock: Clock) -> None:
    state = Progress(4, 0.4, clock=clock)
    assert state.pace == "0 s"
    clock.now += 5
    assert state.pace == "5 s, longer than estimated"


def test_nothing_is_estimated_without_an_estimate(clock: Clock) -> None:
    state = Progress(4, 0.0, clock=clock)
    clock.now += 5
    assert state.pace == "5 s"
    state("One")
    assert state.pace.endswith("about 15 s left")


def test_lines_instead_of_a_bar_in_a_log(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(module, "_FIRST_LINE", 0.01)
    monkeypatch.setattr(module, "_MOST_BETWEEN", 0.01)
    with progress(3, 60.0, shown=True, workers=2) as state:
        state.watch("One", "separating")
        state("Two")
        end = time.monotonic() + 30
        err = ""
        while "progress 1 of 3, " not in err and time.monotonic() < end:
            time.sleep(0.01)
            err += capsys.readouterr().err
    assert ": One: separating\n" in err
    assert "\r" not in err
    assert "\x1b" not in err
    err = capsys.readouterr().err
    time.sleep(0.05)
    assert capsys.readouterr().err == "", "the lines end with the block"


@pytest.mark.parametrize(("total", "shown"), [(0, True), (3, False)])
def test_silence(total: int, shown: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(module, "_FIRST_LINE", 0.0)
    with progress(total, 60.0, shown=shown) as state:
        state.watch("One", "beats")
        state("One")
        time.sleep(0.05)
    assert capsys.readouterr().err == ""


def test_the_bar_names_the_stage() -> None:
    from rich.console import Console

    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=120, color_system=None)
    state = Progress(3, 60.0)
    with module._bar(state, console):
        state.watch("[One]", "separating")
        state("Two")
        end = time.monotonic() + 30
        while "1/3" not in shown.getvalue() and time.monotonic() < end:
            time.sleep(0.05)
    text = shown.getvalue()
    assert "1/3" in text
    assert "[One]: separating" in text, "a name is no markup"
    assert "left" in text


def test_a_run_says_what_it_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the stages in worker processes to the display."""
    from library import make_track
    from mirkit.pipeline import RunRequest, make_plan, run

    for name in ("One", "Two"):
        make_track(tmp_path / name, seconds=1)
    request = RunRequest(tmp_path, ("loudness", "bands"), batch=True, jobs=2)
    seen: dict[str, list[str]] = {}
    outcomes = list(run(make_plan(request), request, print, lambda name, what: seen.setdefault(name, []).append(what)))
    assert all(outcome.ok for outcome in outcomes)
    assert seen.keys() == {"One", "Two"}
    for announced in seen.values():
        named = [what for what in announced if not what.startswith("compiling")]
        assert named[0] == "reading"
        assert "decoding and measuring the mix" in named
        assert named.index("loudness") < named.index("bands") < named.index("writing")
