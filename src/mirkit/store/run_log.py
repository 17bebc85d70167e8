"""The log of a run: ``.mirkit/log/<time>-<process>.jsonl`` in the data set's root, one JSON object per line.

A line has ``time`` (seconds since 1970), ``event`` (``start``, ``track`` or ``end``) and details. Lines are written
immediately, so the log can be read during the run and after a kill. It contains names of tracks, timings and failures,
but never settings, environment or command line, because these may contain secrets.
"""

import json
import math
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import psutil

from mirkit.errors import as_error, printable, system_errors
from mirkit.store.atomic import machine
from mirkit.store.sidecars import is_inside, open_regular

FOLDER = Path(".mirkit", "log")
#: Number of logs that are kept, the newest ones.
MAX_LOGS = 20
_SUFFIX = ".jsonl"


class RunLog:
    """The log of this run. If it cannot be written, ``problem`` is the reason, and the run continues without a log.

    Parameters
    ----------
    root : Path
        Root of the data set.
    start : JSON
        Details of the first line.
    """

    def __init__(self, root: Path, **start: Any) -> None:
        self.problem = ""
        self._file: TextIO | None = None
        folder = root / FOLDER
        if not is_inside(root, FOLDER):
            self.problem = f"no log of this run: {printable(folder)} leads out of the data set; remove it"
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for old in sorted(folder.glob(f"*{_SUFFIX}"))[: 1 - MAX_LOGS]:
                old.unlink(missing_ok=True)
            name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{os.getpid()}{_SUFFIX}"
            self._file = open(folder / name, "x", encoding="ascii")  # noqa: SIM115 (open as long as the run)
        except OSError as error:
            self.problem = f"no log of this run: {as_error(error, folder, 'write')}"
        process = {"machine": machine(), "number": os.getpid(), "since": psutil.Process().create_time()}
        self.write("start", process=process, **start)

    @property
    def path(self) -> Path | None:
        """Path of the log; None if it cannot be written."""
        return Path(self._file.name) if self._file else None

    def write(self, event: str, **details: Any) -> None:
        """Add a line."""
        if self._file is None:
            return
        line = json.dumps({"time": round(time.time(), 3), "event": event} | details)
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except OSError as error:
            self.problem = f"the log of this run ends early: {as_error(error, Path(self._file.name), 'write')}"
            self._drop()

    def close(self, state: str) -> None:
        """Add the last line, with the state ``finished`` or how else the run ended."""
        self.write("end", state=state)
        self._drop()

    def _drop(self) -> None:
        file, self._file = self._file, None
        if file:
            with suppress(OSError):  # closing tries again to write the buffered data
                file.close()


def logs(root: Path) -> list[Path]:
    """List the logs of a data set, the newest first; none if a link leads out of it."""
    return sorted((root / FOLDER).glob(f"*{_SUFFIX}"), reverse=True) if is_inside(root, FOLDER) else []


_NUMBERS = ("workers", "tracks", "todo", "duration", "expected")


def read_log(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a log; unreadable lines are skipped.

    Raises
    ------
    InfoError
        The log cannot be read or is not a regular file.
    """
    with system_errors(path, "read"), open_regular(path) as file:
        for line in file:
            with suppress(ValueError, RecursionError):
                content = json.loads(line)
                if isinstance(content, dict) and _is_line(content):
                    yield content


def _is_line(content: dict[str, Any]) -> bool:
    """Whether the values of a line have the types that mirkit writes; it may have been edited."""
    time, seconds = content.get("time"), content.get("seconds") or {}
    return (
        _is_number(time)
        and all(_is_number(content.get(name) or 0) for name in _NUMBERS)
        and isinstance(content.get("failures") or {}, dict)
        and isinstance(seconds, dict)
        and all(map(_is_number, seconds.values()))
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def is_running(start: dict[str, Any]) -> bool | None:
    """Return whether the process of a first line still runs; None if it runs on another machine or container."""
    process = start.get("process")
    if not isinstance(process, dict) or process.get("machine") != machine():
        return None
    try:
        return bool(psutil.Process(int(process["number"])).create_time() == process["since"])
    except (psutil.Error, KeyError, TypeError, ValueError):
        return False
