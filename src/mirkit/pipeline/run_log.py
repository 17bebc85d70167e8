"""The log of a run while it goes on."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from mirkit import __version__
from mirkit.errors import MirkitError
from mirkit.store.run_log import FOLDER, RunLog

#: Seconds between two copies of a log to object storage, where a log is written whole.
_EVERY = 20.0


@contextmanager
def logged(root: Path, notify: Callable[[str], None], url: str = "", **start: Any) -> Iterator[Callable[..., None]]:
    """Keep a log of the run in the block. It ends with ``finished``, ``interrupted``, or the error that ended the run.

    Parameters
    ----------
    root : Path
        The data set.
    notify : callable
        Called at the end with the reason where the log could not be written.
    url : str
        Of the data set on object storage: the log is copied there while the run goes on.
    start : JSON
        First line of the log.

    Yields
    ------
    callable
        Adds a line for a track, made of its keyword arguments.
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
    """Keep no log, for a run on one track."""
    yield lambda **_: None


def _writer(log: RunLog, url: str) -> Callable[..., None]:
    store, copied = None, float("-inf")
    if url:
        from mirkit.remote.object_store import ObjectStore  # needs the extra `cloud`

        store = ObjectStore(url)

    def copy() -> None:
        nonlocal copied
        if store and log.path and time.monotonic() - copied > _EVERY:
            with suppress(MirkitError):  # storage that cannot be written to fails the tracks too
                store.put((FOLDER / log.path.name).as_posix(), log.path)
            copied = time.monotonic()

    def write(**fields: Any) -> None:
        log.write("track", **fields)
        copy()

    copy()
    return write
