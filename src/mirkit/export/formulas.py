"""Texts in a CSV that a spreadsheet would run.

Tags and names in a data set may come from anyone. A spreadsheet runs a cell as a formula if it begins with ``=``,
``+``, ``-``, ``@``, a tab or a line break, also after blanks or quotes; a formula may send the content of the table to
a server.
"""

import re
from typing import Any

#: Spreadsheets also run the full-width forms of these characters, and skip invisible ones (a byte order mark, joiners,
#: marks of direction).
_FORMULA = re.compile(
    r"""[\s\x00-\x1f\xad\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff'"`\u2018\u2019\u201c\u201d]*"""
    r"""(?:[=+\-@\uff1d\uff0b\uff0d\uff20\ufe62\ufe63\ufe66\ufe6b\u2212]|(?<=[\t\r\n]))"""
)


def escape_formula(value: Any) -> Any:
    """Put an apostrophe before a text that a spreadsheet might run; numbers and other texts are unchanged."""
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def unescape_formula(text: str) -> str:
    """Remove the apostrophe that :func:`escape_formula` put before a text."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text[1:]) else text
