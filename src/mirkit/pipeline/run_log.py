"""Writing the log of a run."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mirkit import __version__
from mirkit.errors import MirkitError
from mirkit.store.run_log import FOLDER, RunLog

#: Seconds between two uploads of a log to object storage, which cannot append to an object.
_EVERY = 20.0


@contextmanager
def logged(root: Path, notify: Callable[[str], None], url: str = "", **start: Any) -> Iterator[Callable[..., None]]:
    """Write a log during the block. Its last line is ``finished``, ``interrupted``, or the error that ended the run.

    Parameters
    ----------
    root : Path
        Root of the data set.
    notify : callable
        Receives the reason at the end if the log could not be written.
    url : str
        URL of a data set on object storage, to which the log is uploaded during the run.
    start : JSON
        Details of the first line of the log.

    Yields
    ------
    callable
        Adds a line for a track, with the keyword arguments as details.
    """
    log = RunLog(root, mirkit=__version__, **start)
    state = "interrupted"
    try:
        yield _writer(log, url)
        state = "finished"
    except MirkitError as error:
        state = str(error)
        raise
    finally:
        log.close(state)
        if log.problem:
            notify(log.problem)


@contextmanager
def unlogged() -> Iterator[Callable[..., None]]:
    """Write no log, for a run on one track."""
    yield lambda **_: None


def _writer(log: RunLog, url: str) -> Callable[..., None]:
    store, copied = None, float("-inf")
    if url:
        from mirkit.remote.object_store import ObjectStore  # needs the extra `cloud`

        store = ObjectStore(url)

    def copy() -> None:
        nonlocal copied
        if store and log.path and time.monotonic() - copied > _EVERY:
            with suppress(MirkitError):  # processing the tracks reports that the storage cannot be written to
                store.put((FOLDER / log.path.name).as_posix(), log.path)
            copied = time.monotonic()

    def write(**fields: Any) -> None:
        log.write("track", **fields)
        copy()

    copy()
    return write
