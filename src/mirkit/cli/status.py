"""``mirkit status``: how the runs of a data set stand."""

import argparse
import json
import time
from collections import Counter
from dataclasses import asdict

from mirkit.cli.location import place_of
from mirkit.cli.output import run_summary
from mirkit.dataset.status import RunStatus, Status, status
from mirkit.store import printable

#: Reasons and tracks that are listed; ``--verbose`` and ``--json`` list all.
_LISTED = 20


def command(arguments: argparse.Namespace) -> int:
    """Say how the runs stand."""
    with place_of(arguments.path, to="logs") as place:
        found = status(place.path)
        found.root = place.told(found.root)
        for run in found.runs:
            run.log = place.told(run.log)
    if arguments.json:
        print(json.dumps(asdict(found), indent=2))
        return 0
    for run in found.runs:
        _run(run)
    _failures(found, len(found.failures) if arguments.verbose else _LISTED)
    return 0


def _run(run: RunStatus) -> None:
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started))
    workers = f"{run.workers} worker{'s' * (run.workers != 1)}"
    print(
        f"run      {began}, {printable(run.state)}, {run_summary.clock(run.seconds)}, {workers}, "
        f"mirkit {printable(run.mirkit)}"
    )
    ended = run.done + run.failed
    print(f"tracks   {run.done} of {run.todo} done, {run.failed} failed, {run.tracks - run.todo} were done before")
    if ended and run.seconds:
        sound = f", {run.sound / run.seconds:.0f} x real time" if run.sound else ""
        print(f"speed    {60 * ended / run.seconds:.1f} tracks/min{sound}")
    if run.stages:
        whole = sum(run.stages.values()) or 1.0
        print("time     " + ", ".join(f"{name} {s / whole:.0%}" for name, s in list(run.stages.items())[:4]))
    if run.left is not None:
        print(f"left     about {run_summary.clock(run.left)}")
    elif ended < run.todo:
        print("left     run the same command again to go on")
    print(f"log      {printable(run.log)}")


def _failures(found: Status, listed: int) -> None:
    reasons = Counter(why for failures in found.failures.values() for why in set(failures.values()))
    for why, count in reasons.most_common(listed) if len(found.failures) > listed else ():
        print(f"         {count} x {printable(why)}")
    for track, failures in list(found.failures.items())[:listed]:
        for where, why in failures.items():
            run_summary.failed_line(track, where, why)
    if len(found.failures) > listed:
        print(f"         and {len(found.failures) - listed} more; all with --verbose")
