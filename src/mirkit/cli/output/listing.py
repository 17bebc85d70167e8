"""Print what a query finds: as a table, CSV, JSON, or paths for other programs."""

import csv
import json
import os
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from mirkit.cli.output import failure, note
from mirkit.cli.output.columns import fitted, terminal_width
from mirkit.dataset.selection import Selection
from mirkit.dataset.shown import cells
from mirkit.errors import counted, pasted

_MOST_FAILURES = 12
_LONGEST_CELL = 60


def listing_table(found: Selection, shown: list[str], modes: list[Any]) -> Iterator[str]:
    """Yield the lines of a table.

    Parameters
    ----------
    found : Selection
    shown : list of str
        Paths of the rows, for the field ``path``.
    modes : list
        Mode of the key of each row.
    """
    width = terminal_width()
    stored = list(zip(*found.rows, strict=True)) or [()] * len(found.fields)
    columns = [
        shown if item.name == "path" else [_limited(text, width) for text in cells(item, values, modes)]
        for item, values in zip(found.fields, stored, strict=True)
    ]
    right = [item.kind in ("number", "duration") for item in found.fields]
    yield from fitted([item.name for item in found.fields], columns, numbers=right, width=width)


def _limited(text: str, width: int | None) -> str:
    """Shorten long texts such as captions on a terminal."""
    return text if width is None or len(text) <= _LONGEST_CELL else f"{text[: _LONGEST_CELL - 3]}..."


def listing_csv(found: Selection, paths: list[str]) -> None:
    """Print a header and one line for each row; unknown values are empty."""
    from mirkit.export.formulas import escape_formula

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([item.name for item in found.fields])
    for path, record in zip(paths, found.records(), strict=True):
        values = (path if name == "path" else value for name, value in record.items())
        writer.writerow([escape_formula(_flat(value)) for value in values])


def listing_json(found: Selection, paths: list[str]) -> None:
    """Print a JSON list with an object for each row."""
    rows = (
        {name: path if name == "path" else _dated(value) for name, value in record.items()}
        for path, record in zip(paths, found.records(), strict=True)
    )
    lines = ",".join(f"\n  {json.dumps(row)}" for row in rows)
    print(f"[{lines}\n]" if lines else "[]")


def _dated(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _flat(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list | dict) else "" if value is None else _dated(value)


def print_paths(paths: list[str], *, ends_with_null: bool) -> None:
    """Print paths as they are, for other programs: one per line, or each with a NUL character at its end."""
    end = b"\0" if ends_with_null else b"\n"
    stream = sys.stdout.buffer
    sys.stdout.flush()
    for path in paths:
        stream.write(os.fsencode(path) + end)
    stream.flush()


def summary(found: Selection, what: str, path: str, *, limit: int | None) -> None:
    """Print how many rows there are, and what was left out, to the standard error."""
    several = counted(found.searched, what)
    cut = limit is not None and len(found.rows) == limit
    line = f"the first {len(found.rows)} of {several}" if cut else f"{len(found.rows)} of {several}"
    if not found.rows and found.searched:
        line = f"no {what} matches; {several} searched"
    if found.excluded:
        line += f"; {found.excluded} excluded (excluded:* lists them)"
    if found.unmeasured:
        line += f"; {found.unmeasured} not measured (measure with: mirkit extract {pasted(path)})"
    if found.outdated:
        line += (
            f"; {found.outdated} outdated, because the audio was replaced since it was measured (measure again with: "
            f"mirkit run {pasted(path)} --where state:outdated)"
        )
    note(line)


def failures(found: Selection) -> None:
    """Print which tracks cannot be read."""
    for line in found.unreadable[:_MOST_FAILURES]:
        failure(line)
    if len(found.unreadable) > _MOST_FAILURES:
        note(f"       and {len(found.unreadable) - _MOST_FAILURES} more; state:unreadable lists them")
