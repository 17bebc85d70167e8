"""The state of the runs of a data set, read from their logs: running, finished or killed."""

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mirkit.errors import MissingInput, pasted, printable
from mirkit.store import find_root
from mirkit.store.run_log import is_running, logs, read_log

RUNNING, FINISHED = "running", "finished"


@dataclass
class RunStatus:
    """The state of one run.

    Attributes
    ----------
    log : str
        Path of its log.
    state : str
        ``running``, ``finished``, ``interrupted``, ``killed``, ``not seen from this machine``, or the error that ended
        it.
    mirkit : str
        Version of mirkit.
    started, seconds : float
        Start (seconds since 1970) and duration so far (s).
    workers, tracks, todo : int
        Worker processes; tracks of the data set; tracks that have stages to run.
    done, failed : int
        Numbers of those tracks that are done, and that failed.
    sound : float
        Duration of the audio of the tracks that are done (s).
    stages : dict
        Stage -> time that workers spent on it (s).
    left : float or None
        Estimated time to the end (s); None for a run that has ended.
    """

    log: str
    state: str = ""
    mirkit: str = ""
    started: float = 0.0
    seconds: float = 0.0
    workers: int = 0
    tracks: int = 0
    todo: int = 0
    done: int = 0
    failed: int = 0
    sound: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    left: float | None = None


@dataclass
class Status:
    """All runs in progress, or else the last run; and the tracks that failed in their last run.

    Attributes
    ----------
    root : str
        Folder of the data set.
    runs : list of RunStatus
    failures : dict
        Track -> stage -> message.
    """

    root: str
    runs: list[RunStatus]
    failures: dict[str, dict[str, str]]


def status(path: Path) -> Status:
    """Read the state of the runs of a data set.

    Parameters
    ----------
    path : Path
        The data set, or a file or folder in it.

    Returns
    -------
    Status

    Raises
    ------
    MissingInput
        The folder does not exist, or has no log of a run.
    """
    if not path.exists():
        raise MissingInput(f"{printable(path)}: there is no such file or folder")
    root = find_root(path, batch=True)
    runs: list[RunStatus] = []
    latest: dict[str, dict[str, str]] = {}
    for log in logs(root):
        run = _read(log, latest)
        if run is None:
            continue
        if not runs or run.state == RUNNING:
            runs.append(run)
        if run.state == FINISHED:  # a finished run has retried earlier failures
            break
    if not runs:
        raise MissingInput(
            f"{printable(root)}: no run has been logged in this data set; to see its state, run: "
            f"mirkit verify {pasted(root)}"
        )
    if any(run.state == RUNNING for run in runs):
        runs = [run for run in runs if run.state == RUNNING]
    return Status(str(root), runs, {track: failures for track, failures in sorted(latest.items()) if failures})


def seconds_left(
    done: int,
    todo: int,
    seconds: float,
    expected: float,
    *,
    workers: int = 0,
    compiling: float = 0.0,
    since: float = 0.0,
) -> float:
    """Estimate the remaining time from the pace so far and the estimate of the plan.

    Parameters
    ----------
    done, todo : int
        Number of finished tracks, and of all that had work to do.
    seconds : float
        Time since the start (s).
    expected : float
        Estimated time of all tracks (s); 0 if there is no estimate.
    workers : int
        Number of tracks that are processed at a time: the estimate weighs as much as so many finished tracks, and
        with 0 only the pace counts.
    compiling : float
        Part of ``expected`` that is spent once, and not for each track (s).
    since : float
        Time since the last track was finished (s).

    Returns
    -------
    float
        Seconds; 0 if it takes longer than estimated.
    """
    if not done or seconds < compiling:
        return max(0.0, expected - seconds)
    weight = workers if expected else 0
    planned = weight * max(0.0, expected - compiling) / todo
    observed = max(0.0, seconds - since - compiling)
    return max(0.0, (planned + observed) / (weight + done) * (todo - done) - since)


def _read(log: Path, latest: dict[str, dict[str, str]]) -> RunStatus | None:
    """Read one log; None if it is not a log of mirkit. Failures of tracks that no newer log names are added."""
    lines = list(read_log(log))
    if not lines or lines[0].get("event") != "start":
        return None
    start, last = lines[0], lines[-1]
    run = RunStatus(
        str(log),
        state=_state(start, last),
        mirkit=str(start.get("mirkit", "")),
        started=start["time"],
        workers=int(start.get("workers") or 0),
        tracks=int(start.get("tracks") or 0),
        todo=int(start.get("todo") or 0),
    )
    stages: Counter[str] = Counter()
    by_track: dict[str, dict[str, str]] = {}
    for line in lines:
        if line.get("event") != "track":
            continue
        failures = dict(line.get("failures") or {})
        by_track[str(line.get("track"))] = failures
        run.done, run.failed = run.done + (not failures), run.failed + bool(failures)
        run.sound += line.get("duration") or 0.0
        stages.update(line.get("seconds") or {})
    run.stages = {name: round(seconds, 3) for name, seconds in stages.most_common()}
    run.seconds = (time.time() if run.state == RUNNING else last["time"]) - run.started
    if run.state == RUNNING:
        expected = float(start.get("expected") or 0.0)
        run.left = seconds_left(run.done + run.failed, run.todo, run.seconds, expected)
    latest |= {track: failures for track, failures in by_track.items() if track not in latest}
    return run


def _state(start: dict[str, Any], last: dict[str, Any]) -> str:
    if last.get("event") == "end":
        return str(last.get("state"))
    running = is_running(start)
    return "not seen from this machine" if running is None else RUNNING if running else "killed"
