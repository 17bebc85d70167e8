"""The log of a run that is going on: begun, and ended with how the run ended."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from mirkit import __version__
from mirkit.errors import MirkitError
from mirkit.store.log import RunLog


@contextmanager
def logged(root: Path, say: Callable[[str], None], **start: Any) -> Iterator[Callable[..., None]]:
    """Keep a log of the run in the block: ``finished``, or ``interrupted``, or the error that ended it.

    Parameters
    ----------
    root : Path
        The data set.
    say : callable
        Told at the end why the log could not be written, if so.
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
        yield partial(log.write, "track")
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
