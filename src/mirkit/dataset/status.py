"""How the runs of a data set stand, read from their logs: also while they go on, and after they were killed."""

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mirkit.errors import MissingInput
from mirkit.store import find_root, printable
from mirkit.store.run_log import is_running, logs, read_log

RUNNING, FINISHED = "running", "finished"


@dataclass
class RunStatus:
    """One run.

    Attributes
    ----------
    log : str
        Its log.
    state : str
        ``running``, ``finished``, ``interrupted``, ``killed``, ``not seen from this machine``, or the error that ended
        it.
    mirkit : str
        Version.
    started, seconds : float
        When it began (seconds since 1970), and for how long it has gone on, or went on.
    workers, tracks, todo : int
        Worker processes; tracks of the data set; those that had something to do.
    done, failed : int
        Of those, how many came through, and how many did not.
    sound : float
        Seconds of sound done.
    stages : dict
        Stage -> seconds that workers spent on it.
    left : float or None
        Seconds until it ends, at the pace so far; None for a run that has ended.
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
    """Runs that go on, or else the last one; and the tracks that failed and have not come through since."""

    root: str
    runs: list[RunStatus]
    failures: dict[str, dict[str, str]]


def status(path: Path) -> Status:
    """Read how the runs of the data set stand that a path belongs to.

    Raises
    ------
    MissingInput
        There is no such folder, or no run has been logged in it.
    """
    if not path.exists():
        raise MissingInput(f"{printable(path)}: no such file or folder")
    root = find_root(path, batch=True)
    runs: list[RunStatus] = []
    latest: dict[str, dict[str, str]] = {}
    for log in logs(root):
        run = _read(log, latest)
        if run is None:
            continue
        if not runs or run.state == RUNNING:
            runs.append(run)
        if run.state == FINISHED:  # it has tried again whatever failed before
            break
    if not runs:
        raise MissingInput(
            f'{printable(root)}: no run has been logged here; what there is says: mirkit verify "{root}"'
        )
    if any(run.state == RUNNING for run in runs):
        runs = [run for run in runs if run.state == RUNNING]
    return Status(str(root), runs, {track: failures for track, failures in sorted(latest.items()) if failures})


def seconds_left(done: int, todo: int, seconds: float, expected: float) -> float:
    """How long the rest takes at the pace so far; by the plan's estimate until something is done."""
    return seconds / done * (todo - done) if done else max(0.0, expected - seconds)


def _read(log: Path, latest: dict[str, dict[str, str]]) -> RunStatus | None:
    """Read one log; what it says of a track counts unless a newer one has said something. None: not a log of ours."""
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
    said: dict[str, dict[str, str]] = {}
    for line in lines:
        if line.get("event") != "track":
            continue
        failures = dict(line.get("failures") or {})
        said[str(line.get("track"))] = failures
        run.done, run.failed = run.done + (not failures), run.failed + bool(failures)
        run.sound += line.get("duration") or 0.0
        stages.update(line.get("seconds") or {})
    run.stages = {name: round(seconds, 3) for name, seconds in stages.most_common()}
    run.seconds = (time.time() if run.state == RUNNING else last["time"]) - run.started
    if run.state == RUNNING:
        expected = float(start.get("expected") or 0.0)
        run.left = seconds_left(run.done + run.failed, run.todo, run.seconds, expected)
    latest |= {track: failures for track, failures in said.items() if track not in latest}
    return run


def _state(start: dict[str, Any], last: dict[str, Any]) -> str:
    if last.get("event") == "end":
        return str(last.get("state"))
    running = is_running(start)
    return "not seen from this machine" if running is None else RUNNING if running else "killed"
