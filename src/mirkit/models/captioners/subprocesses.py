"""Programs of llama.cpp that lie on this machine, started so that they end with us."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from mirkit.errors import MissingExtra
from mirkit.store import printable

_PR_SET_PDEATHSIG = 1


def find(name: str, named: str | None) -> Path | None:
    """Path of a program: the one that the settings name, else one on the path; None where there is none.

    Raises
    ------
    MissingExtra
        The one that was named is not there, or is no program.
    """
    if named is None:
        found = shutil.which(name)
        # Windows looks in the working folder first, and that may be a data set.
        is_here = found and os.name == "nt" and os.path.samefile(os.path.dirname(os.path.abspath(found)), os.curdir)
        return Path(found) if found and not is_here else None
    path = Path(named).expanduser()
    if path.is_dir():
        path /= name
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise MissingExtra(f"{printable(path)}: no program; --program takes {name}")
    return path


def threads() -> int | None:
    """Threads that ``OMP_NUM_THREADS`` allows, as it does to every other library; None where it does not say."""
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return int(told) if told.isdecimal() and int(told) > 0 else None


def start(
    command: Sequence[str | Path], log: IO[bytes], environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start a program whose output goes into a file. Where the system can (Linux), it dies with this process."""
    return subprocess.Popen(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=dict(os.environ) | dict(environment or {}),
        preexec_fn=_die_with_parent if sys.platform == "linux" else None,
    )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a program: politely, then not."""
    process.terminate()
    try:
        process.wait(5.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
