"""The log of a run that is going on: begun, and ended with how the run ended."""

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
def logged(root: Path, say: Callable[[str], None], url: str = "", **start: Any) -> Iterator[Callable[..., None]]:
    """Keep a log of the run in the block: ``finished``, or ``interrupted``, or the error that ended it.

    Parameters
    ----------
    root : Path
        The data set.
    say : callable
        Told at the end why the log could not be written, if so.
    url : str
        Of the data set that the root stands for: a copy of the log goes there as the run goes on.
    start : JSON
        Particulars of the run.

    Yields
    ------
    callable
        Adds the line of a track, whose particulars are its arguments.
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
            say(log.problem)


@contextmanager
def unlogged() -> Iterator[Callable[..., None]]:
    """Keep none: of a run on one track."""
    yield lambda **_: None


def _writer(log: RunLog, url: str) -> Callable[..., None]:
    store, copied = None, float("-inf")
    if url:
        from mirkit.remote.object_store import ObjectStore  # needs the extra `cloud`

        store = ObjectStore(url)

    def copy() -> None:
        nonlocal copied
        if store and log.path and time.monotonic() - copied > _EVERY:
            with suppress(MirkitError):  # the tracks will tell, and so will the end
                store.put((FOLDER / log.path.name).as_posix(), log.path)
            copied = time.monotonic()

    def write(**particulars: Any) -> None:
        log.write("track", **particulars)
        copy()

    copy()
    return write
