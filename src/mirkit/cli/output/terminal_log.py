"""Log messages of the library as lines in the terminal."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


class _TerminalHandler(logging.Handler):
    """Prints a message as a note, with the characters escaped that a terminal could misunderstand."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one message."""
        from mirkit.cli.output import run_summary

        run_summary.note(f"note   {record.getMessage()}")


@contextmanager
def terminal_log() -> Iterator[None]:
    """Print warnings of the logger ``mirkit`` to standard error, for as long as the context lasts."""
    logger, handler = logging.getLogger("mirkit"), _TerminalHandler(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
