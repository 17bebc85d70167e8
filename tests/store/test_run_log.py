"""The log of a run: there while it goes on, whole after a kill, in nobody's way."""

import json
import os
from pathlib import Path

import pytest

from mirkit.store import run_log
from mirkit.store.run_log import RunLog, is_running, logs, read_log
from mirkit.track import find_tracks, loose_files


def test_lines_can_be_read_as_soon_as_they_are_written(tmp_path: Path) -> None:
    run = RunLog(tmp_path, tracks=3)
    run.write("track", track="A \u00e9\n", failures={})
    (path,) = logs(tmp_path)
    start, track = read_log(path)
    assert (start["event"], start["tracks"], track["track"]) == ("start", 3, "A \u00e9\n")
    assert is_running(start)
    run.close("finished")
    assert [line["event"] for line in read_log(path)] == ["start", "track", "end"]
    run.write("track")  # after its end: nothing
    assert len(list(read_log(path))) == 3


def test_a_log_is_no_track(tmp_path: Path) -> None:
    RunLog(tmp_path).close("finished")
    assert not find_tracks(tmp_path)
    assert not loose_files(tmp_path)


def test_old_logs_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_log, "MAX_LOGS", 3)
    for number in range(5):
        RunLog(tmp_path, number=number).close("finished")
    assert [next(read_log(path))["number"] for path in logs(tmp_path)] == [4, 3, 2]


@pytest.mark.parametrize("damage", [b'{"time": 1, "eve', b"\xff\xfe\n", b"[" * 100_000 + b"\n", b'"text"\n', b"{}\n"])
def test_damaged_lines_are_left_out(tmp_path: Path, damage: bytes) -> None:
    RunLog(tmp_path).close("finished")
    (path,) = logs(tmp_path)
    path.write_bytes(path.read_bytes() + damage)
    assert [line["event"] for line in read_log(path)] == ["start", "end"]


def test_a_process_of_the_same_number_is_not_the_same_process(tmp_path: Path) -> None:
    RunLog(tmp_path)
    (start,) = read_log(logs(tmp_path)[0])
    assert is_running(start | {"process": start["process"] | {"since": 1.0}}) is False
    assert is_running(start | {"process": start["process"] | {"number": 2**22 + 1}}) is False
    assert is_running(start | {"process": start["process"] | {"machine": "elsewhere"}}) is None
    assert is_running({"process": "nonsense"}) is None
    assert is_running(start | {"process": {"machine": start["process"]["machine"]}}) is False


def test_where_no_log_can_be_written_the_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / ".mirkit").write_text("a file is in the way")
    run = RunLog(tmp_path)
    assert "no log of this run" in run.problem
    run.write("track")
    run.close("finished")
    assert logs(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk that is always full")
def test_a_full_disk_ends_the_log_not_the_run(tmp_path: Path) -> None:
    run = RunLog(tmp_path)
    run._file = open("/dev/full", "w")  # noqa: SIM115
    run.write("track")
    assert "the disk is full" in run.problem
    run.write("track")
    run.close("finished")


def test_a_line_is_one_line_of_plain_characters(tmp_path: Path) -> None:
    RunLog(tmp_path, name="line\nbreak \udcff \u2028").close("finished")
    data = logs(tmp_path)[0].read_bytes()
    assert data.count(b"\n") == 2
    assert data.isascii()
    assert json.loads(data.splitlines()[0])["process"]["number"] == os.getpid()
