"""Printing: results go to standard output, failures and notes to standard error.

This module imports only the standard library, because ``mirkit doctor`` must work without some packages.
"""

import logging
import os
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mirkit.cli.output.columns import fitted, folded, terminal_width
from mirkit.cli.output.style import Style, styled
from mirkit.errors import pasted, printable


def note(text: str) -> None:
    """Print a line that is not a result."""
    print(folded(from_here(printable(text)), terminal_width(sys.stderr)), file=sys.stderr)


def line(text: str) -> None:
    """Print a line of a result that is no table."""
    print(folded(text, terminal_width()))


def from_here(text: str) -> str:
    """Return a text in which the paths below the working folder are relative to it."""
    try:
        here = printable(os.getcwd())
    except OSError:  # it was deleted
        return text
    if os.path.dirname(here) == here:
        return text
    return re.sub(rf"(?<![\w./\\~-]){re.escape(here + os.sep)}(?=[^\s-])", "", text)


def quoted(path: Path | str) -> str:
    """Return a path as it can be pasted into a shell, in quotes where it needs them."""
    text = str(path)
    if text.startswith("-"):
        text = f".{os.sep}{text}"
    safe = r"[\w./:@%+,=\\-]+" if sys.platform == "win32" else r"[\w./:@%+,=-]+"
    return text if re.fullmatch(safe, text) else pasted(text)


def next_step(*words: str, path: Path | str = "") -> None:
    """Print the command that a user would run next.

    Parameters
    ----------
    *words : str
        The command and its options.
    path : path
        A path as the user gave it, at the end of the command.
    """
    print("next:", "mirkit", *words, *([quoted(path)] if str(path) else []))


#: Number of tracks that are named.
_NAMED = 3


def unusable(names: Sequence[str], path: Path | str) -> None:
    """Print, in one line, the tracks and folders of a folder that a command had to leave out, if there are any.

    They failed in the last run, or the folder shows that they cannot be read, so they are no failure of the command.
    """
    if not names:
        return
    named = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    note(f"note   not used, because it failed or cannot be read: {named}; why: mirkit verify {quoted(path)}")


def error_line(text: str) -> None:
    """Print the line with which a command ends that could not do its work."""
    print(f"{styled('mirkit:', 'red', sys.stderr)} {from_here(text)}", file=sys.stderr)


def failure(text: str) -> None:
    """Print one line about a failure."""
    print(f"{styled('FAILED', 'red', sys.stderr)} {from_here(printable(text))}", file=sys.stderr)


#: Words that a table shows in color where they are the last of a line.
_COLORS: dict[str, Style] = {"ok": "green", "differs": "red", "damaged": "red", "incomplete": "red"}


def table(head: Sequence[str], rows: Sequence[Sequence[Any]], *, whole: Collection[int] = ()) -> None:
    """Print a table; on a terminal it fits the width, without shortening the columns in ``whole``."""
    columns = [[str(row[i]) for row in rows] for i in range(len(head))]
    print_table(fitted(head, columns, numbers=[False] * len(head), width=terminal_width(), whole=whole))


def print_table(lines: Iterable[str]) -> None:
    """Print the lines of a table, with its head in bold type and some words in color."""
    before: str | None = None
    for line in (*lines, None):
        if before is not None:
            is_head = line is not None and bool(line) and set(line) <= {"-", " "}
            last = before.rpartition("  ")[2]
            if is_head:
                before = styled(before, "bold", sys.stdout)
            elif last in _COLORS:
                before = before.removesuffix(last) + styled(last, _COLORS[last], sys.stdout)
            print(before)
        before = line


def clock(seconds: float) -> str:
    """Format a duration in seconds, minutes or hours, depending on its length."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def about(seconds: float) -> str:
    """Format an estimated duration, without more digits than are known."""
    if seconds < _LEAST:
        return f"less than {_LEAST:.0f} s"
    return f"about {5 * round(seconds / 5)} s" if seconds < 90 else f"about {clock(seconds)}"


#: A shorter time is not told apart (s).
_LEAST = 5.0


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
