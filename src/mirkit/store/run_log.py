"""The log of a run: ``.mirkit/log/<when>-<process>.jsonl`` in the data set's root, one JSON object a line.

A line says when (``time``, seconds since 1970), what (``event``: ``start``, ``track``, ``end``) and its particulars. It
is written as things happen, so it can be read while the run goes on, and after a kill it tells all but the last moment.
Names of tracks, timings and failures stand in it; never settings, environment or command line, which may hold secrets.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from mirkit.store.atomic import machine
from mirkit.store.json_files import open_plain
from mirkit.store.os_errors import as_error, printable

FOLDER = Path(".mirkit", "log")
#: So many logs are kept, the newest.
KEPT = 20
_SUFFIX = ".jsonl"


class RunLog:
    """A log being written. Where it cannot be written, ``problem`` says why, and the run goes on without.

    Parameters
    ----------
    root : Path
        The data set.
    start : JSON
        Particulars of the first line.
    """

    def __init__(self, root: Path, **start: Any) -> None:
        self.problem = ""
        self._file: TextIO | None = None
        folder = root / FOLDER
        if not _is_inside(root):
            self.problem = f"no log of this run: {printable(folder)} leads out of the data set; remove it"
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for old in sorted(folder.glob(f"*{_SUFFIX}"))[: 1 - KEPT]:
                old.unlink(missing_ok=True)
            name = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{os.getpid()}{_SUFFIX}"
            self._file = open(folder / name, "x", encoding="ascii")  # noqa: SIM115 (open as long as the run)
        except OSError as error:
            self.problem = f"no log of this run: {as_error(error, folder, 'write')}"
        self.write("start", process=_process(), **start)

    @property
    def path(self) -> Path | None:
        """Where it is written; None where it cannot be."""
        return Path(self._file.name) if self._file else None

    def write(self, event: str, **particulars: Any) -> None:
        """Add a line."""
        if self._file is None:
            return
        line = json.dumps({"time": round(time.time(), 3), "event": event} | particulars)
        try:
            self._file.write(line + "\n")
            self._file.flush()
        except OSError as error:
            self.problem = f"the log of this run ends early: {as_error(error, Path(self._file.name), 'write')}"
            self._drop()

    def close(self, state: str) -> None:
        """Add the last line: ``finished``, or how else it ended."""
        self.write("end", state=state)
        self._drop()

    def _drop(self) -> None:
        file, self._file = self._file, None
        if file:
            with suppress(OSError):  # what could not be written is tried once more, in vain
                file.close()


def logs(root: Path) -> list[Path]:
    """The logs of a data set, the newest first; none where a link leads out of it."""
    return sorted((root / FOLDER).glob(f"*{_SUFFIX}"), reverse=True) if _is_inside(root) else []


def read_log(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a log; what a kill or another program made unreadable is left out.

    Raises
    ------
    InfoError
        The system does not let us read it, or it is no regular file.
    """
    try:
        with open_plain(path) as file:
            for line in file:
                with suppress(ValueError, RecursionError):
                    content = json.loads(line)
                    if isinstance(content, dict) and isinstance(content.get("time"), int | float):
                        yield content
    except OSError as error:
        raise as_error(error, path, "read") from error


def _is_inside(root: Path) -> bool:
    return Path(os.path.realpath(root / FOLDER)) == Path(os.path.realpath(root), FOLDER)


def is_running(start: dict[str, Any]) -> bool | None:
    """Whether the process that wrote a first line still runs; None where that cannot be seen from this machine."""
    import psutil

    process = start.get("process")
    if not isinstance(process, dict) or process.get("machine") != machine():
        return None
    try:
        return bool(psutil.Process(int(process["number"])).create_time() == process["since"])
    except (psutil.Error, KeyError, TypeError, ValueError):
        return False


def _process() -> dict[str, Any]:
    import psutil

    return {"machine": machine(), "number": os.getpid(), "since": psutil.Process().create_time()}
