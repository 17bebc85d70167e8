"""How runs stand, from their logs."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from library import make_track
from mirkit.cli import main
from mirkit.cli.output import run as run_output
from mirkit.dataset.status import seconds_left, status
from mirkit.errors import MissingInput
from mirkit.store.run_log import RunLog, logs


def begin(root: Path, todo: int = 4) -> RunLog:
    return RunLog(root, mirkit="0.1.0", workers=2, tracks=todo + 6, todo=todo, expected=40.0)


def track(run: RunLog, name: str, **failures: str) -> None:
    run.write("track", track=name, failures=failures, seconds={"measure": 3.0, "separate": 1.0}, duration=60.0)


def test_a_run_that_goes_on(tmp_path: Path) -> None:
    run = begin(tmp_path)
    track(run, "A")
    track(run, "B", drums="cannot be read")
    (state,) = status(tmp_path).runs
    assert (state.state, state.workers, state.tracks, state.todo) == ("running", 2, 10, 4)
    assert (state.done, state.failed, state.sound) == (1, 1, 120.0)
    assert list(state.stages.items()) == [("measure", 6.0), ("separate", 2.0)]
    assert state.left == pytest.approx(state.seconds, rel=0.5)
    assert status(tmp_path).failures == {"B": {"drums": "cannot be read"}}


def test_before_the_first_track_the_plan_says_what_is_left() -> None:
    assert seconds_left(0, 4, 10.0, 40.0) == 30.0
    assert seconds_left(0, 4, 50.0, 40.0) == 0.0
    assert seconds_left(1, 4, 10.0, 40.0) == 30.0
    assert seconds_left(4, 4, 10.0, 40.0) == 0.0
    # 10 s of compiling and 40 s of work: two tracks of 12 s each were finished 4 s ago, with an estimate of 10 s each.
    assert seconds_left(2, 4, 38.0, 50.0, workers=1, compiling=10.0, since=4.0) == pytest.approx((10 + 24) / 3 * 2 - 4)
    assert seconds_left(1, 4, 5.0, 50.0, workers=2, compiling=10.0) == 45.0, "a track that failed at once says nothing"


def test_a_run_that_has_ended(tmp_path: Path) -> None:
    run = begin(tmp_path)
    track(run, "A")
    run.close("interrupted")
    (state,) = status(tmp_path).runs
    assert (state.state, state.left) == ("interrupted", None)


def test_a_run_that_was_killed(tmp_path: Path) -> None:
    code = f"from pathlib import Path; from mirkit.store.run_log import RunLog; RunLog(Path({str(tmp_path)!r}), todo=3)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).resolve().parents[2] / "src")
    assert status(tmp_path).runs[0].state == "killed"


def test_a_run_on_another_machine(tmp_path: Path) -> None:
    begin(tmp_path)
    (path,) = logs(tmp_path)
    path.write_text(path.read_text().replace('"machine": "', '"machine": "x'))
    assert status(tmp_path).runs[0].state == "not seen from this machine"


def test_what_failed_and_came_through_later_is_no_failure(tmp_path: Path) -> None:
    first = begin(tmp_path)
    track(first, "A", track="killed")
    track(first, "B", track="rotten")
    first.close("interrupted")
    second = begin(tmp_path)
    track(second, "A")
    second.close("interrupted")
    assert status(tmp_path).failures == {"B": {"track": "rotten"}}


def test_a_finished_run_has_tried_all_that_failed_before(tmp_path: Path) -> None:
    first = begin(tmp_path)
    track(first, "Deleted since", track="rotten")
    first.close("interrupted")
    begin(tmp_path).close("finished")
    assert status(tmp_path).failures == {}


def test_two_runs_at_once_are_both_told(tmp_path: Path) -> None:
    begin(tmp_path)
    begin(tmp_path)
    assert [run.state for run in status(tmp_path).runs] == ["running", "running"]


def test_no_run_is_one_line(tmp_path: Path) -> None:
    for path, pattern in ((tmp_path, "mirkit verify"), (tmp_path / "nowhere", "no such")):
        with pytest.raises(MissingInput, match=pattern):
            status(path)
    (tmp_path / ".mirkit/log").mkdir(parents=True)
    (tmp_path / ".mirkit/log/x.jsonl").write_text("nonsense\n")
    with pytest.raises(MissingInput, match="mirkit verify"):
        status(tmp_path)


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = begin(tmp_path, todo=40)
    track(run, "A")
    track(run, "B\x1b[31m", drums="cannot be read")
    assert main(["status", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    for words in (
        "running",
        "2 workers",
        "1 of 40 done, 1 failed; 6 were up to date before",
        "tracks/min",
        "measure 75%",
        "to do    38 tracks, for less than 5 s",
    ):
        assert words in out
    assert err == "FAILED B\\x1b[31m: drums: cannot be read\n"
    assert main(["status", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["done"] == 1
    for number in range(30):
        track(run, f"C{number}", track="rotten")
    run.close("interrupted")
    assert main(["status", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    assert "30 tracks: rotten" in out
    assert "and 11 more" in out
    assert err.count("\n") == 20
    assert "run the same command again" in out


@pytest.mark.usefixtures("in_process")
def test_a_run_can_be_asked_while_it_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        make_track(tmp_path / f"T{number}", seconds=1.0, seed=number)
    outputs: list[str] = []
    outcome = run_output.outcome

    def ask(*given: Any, **named: Any) -> None:
        outcome(*given, **named)
        capsys.readouterr()
        assert main(["status", str(tmp_path)]) == 0
        outputs.append(capsys.readouterr().out)

    monkeypatch.setattr(run_output, "outcome", ask)
    assert main(["bands", str(tmp_path), "--batch", "--jobs", "1"]) == 0
    for done, text in enumerate(outputs, 1):
        assert ", running, " in text
        assert f"tracks   {done} of 3 done, 0 failed" in text
        assert f"to do    {3 - done} track" in text
        assert ", for less than 5 s" in text
    assert len(outputs) == 3
