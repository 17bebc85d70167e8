"""Cells of a CSV that a spreadsheet does not run: what would be a formula gets an apostrophe before it.

Tags and names come from strangers. A spreadsheet takes a cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a
line break, also after blanks or quotes, for a formula, and a formula may send what the table holds to a server.
"""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

#: The wide forms of the signs are run, too; marks that are not seen (a byte order mark, joiners) do not hinder it.
_FORMULA = re.compile(
    r"""[\s\x00-\x1f\u200b-\u200f\u2060\ufeff'"`\u2018\u2019\u201c\u201d]*"""
    r"""(?:[=+\-@\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b\u2212]|(?<=[\t\r\n]))"""
)


def guarded(value: Any) -> Any:
    """Give a cell to write: a text that might be run gets an apostrophe; numbers are left as they are."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def plain(text: str) -> str:
    """Give a cell that was read without the apostrophe that :func:`guarded` put before it."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text[1:]) else text


def read_rows(lines: Iterable[str], *, raw: bool = False) -> Iterator[dict[str, str]]:
    """Read a CSV that mirkit wrote: texts as they were, empty cells left out.

    Parameters
    ----------
    lines : iterable of str
        A file opened with ``newline=""``.
    raw : bool
        Whether it was written with ``--raw``, without apostrophes.
    """
    for row in csv.DictReader(lines):
        yield {name: text if raw else plain(text) for name, text in row.items() if name is not None and text}


def guarded_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Give a row with each cell as :func:`guarded` gives it."""
    return {name: guarded(value) for name, value in row.items()}
