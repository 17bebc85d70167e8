"""Printing: results go to standard output, failures and notes to standard error.

This module imports only the standard library, because ``mirkit doctor`` must work without some packages.
"""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from mirkit.errors import printable


def note(text: str) -> None:
    """Print a line that is not a result."""
    print(printable(text), file=sys.stderr)


def failure(text: str) -> None:
    """Print one line about a failure."""
    note(f"FAILED {text}")


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table whose columns are as wide as their widest cell."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    for i, row in enumerate(cells):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if i == 0:
            print("  ".join("-" * width for width in widths))


def clock(seconds: float) -> str:
    """Format a duration in seconds, minutes or hours, depending on its length."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


class _TerminalHandler(logging.Handler):
    """Prints log messages as notes, and escapes control characters."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one message."""
        note(f"note   {record.getMessage()}")


@contextmanager
def terminal_log() -> Iterator[None]:
    """Print warnings of the logger ``mirkit`` to standard error, for as long as the context lasts."""
    logger, handler = logging.getLogger("mirkit"), _TerminalHandler(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
