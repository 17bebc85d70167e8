"""Texts in columns: widths as a terminal shows them, shortened texts, tables that fit into the width."""

import re
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from typing import TextIO

from mirkit.errors import printable

#: A column of texts is made as narrow as the first to avoid a second table, and as the second to fit at all.
_NARROW, _NARROWEST = 24, 12
_GAP = "  "


def terminal_width(stream: TextIO | None = None) -> int | None:
    """Width of the terminal in characters; None where the output goes to a file or another program."""
    stream = stream or sys.stdout
    return shutil.get_terminal_size().columns if stream is not None and stream.isatty() else None


#: A command, which is not folded, because it is copied; and the indent of further lines below a label.
_COMMAND, _SPACE, _LABEL = re.compile(r"mirkit [a-z][^;,)]*"), "\0", re.compile(r"[a-z]+ {2,}")


def folded(text: str, width: int | None) -> str:
    """Fold a line of text to a width; further lines begin where the text behind its label begins.

    Examples
    --------
    >>> print(folded("note   no tempo is known of 3 of 8 tracks; see: mirkit ls . bpm:null", 44))
    note   no tempo is known of 3 of 8 tracks;
           see: mirkit ls . bpm:null
    """
    if width is None or width_of(text) <= width:
        return text
    label = _LABEL.match(text)
    indent = " " * len(label[0] if label else "")
    whole = _COMMAND.sub(lambda match: match[0].replace(" ", _SPACE), text[len(indent) :])
    lines = textwrap.wrap(whole, max(width - len(indent), _NARROW), break_long_words=False, break_on_hyphens=False)
    return f"\n{indent}".join([text[: len(indent)] + lines[0], *lines[1:]]).replace(_SPACE, " ")


def can_show(text: str) -> bool:
    """Whether the encoding of the standard output has these characters."""
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def width_of(text: str) -> int:
    """Columns that a text takes: two for wide characters such as those of Japanese, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def shorten(text: str, width: int) -> str:
    """Shorten a text to a width; an ellipsis stands for what is left out."""
    if width_of(text) <= width:
        return text
    mark = "…" if can_show("…") else "..."
    kept, used = "", 0
    for character in text:
        used += width_of(character)
        if used > width - len(mark):
            break
        kept += character
    return kept + mark


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Fill a text with spaces; ``right`` moves it to the right."""
    space = " " * max(width - width_of(text), 0)
    return space + text if right else text + space


def fitted(
    head: Sequence[str],
    columns: Sequence[Sequence[str]],
    *,
    numbers: Sequence[bool],
    width: int | None,
    whole: Collection[int] = (),
) -> Iterator[str]:
    """Yield the lines of a table; columns that do not fit follow in further tables, each with the first column.

    Parameters
    ----------
    head : sequence of str
    columns : sequence of sequence of str
        Cells of each column; control characters are escaped.
    numbers : sequence of bool
        For each column: whether it holds numbers, which are on its right and never shortened.
    width : int or None
        Width that the table fits into; None for any.
    whole : collection of int
        Columns of texts that are not shortened either.
    """
    texts = [[name, *map(printable, column)] for name, column in zip(head, columns, strict=True)]
    widths = narrow = [max(map(width_of, column)) for column in texts]
    fixed = [is_number or i in whole for i, is_number in enumerate(numbers)]
    if width is not None:
        narrow = _narrowed(widths, fixed, width, _NARROW)
    for number, part in enumerate(_parts(narrow, width)):
        if number:
            yield ""
        wide = [widths[column] for column in part]
        if width is not None:
            wide = _narrowed(wide, [fixed[column] for column in part], width, _NARROWEST)
        padded = [_padded(texts[i], w, numbers[i]) for i, w in zip(part, wide, strict=True)]
        for i, row in enumerate(zip(*padded, strict=True)):
            yield _GAP.join(row).rstrip()
            if i == 0:
                yield _GAP.join("-" * w for w in wide)


def _parts(widths: Sequence[int], width: int | None) -> list[list[int]]:
    """Divide columns into tables that fit into a width; each begins with the first column."""
    parts = [[0]] if widths else []
    for column in range(1, len(widths)):
        part = [*parts[-1], column]
        used = sum(widths[i] for i in part) + len(_GAP) * (len(part) - 1)
        if width is None or used <= width or len(part) == 2:
            parts[-1] = part
        else:
            parts.append([0, column])
    return parts


def _padded(texts: Sequence[str], width: int, right: bool) -> list[str]:
    return [
        (text.rjust(width) if right else text.ljust(width))
        if text.isascii() and len(text) <= width
        else pad(shorten(text, width), width, right=right)
        for text in texts
    ]


def _narrowed(widths: Sequence[int], fixed: Sequence[bool], width: int, least: int) -> list[int]:
    """Make the widest columns narrower until all fit, or none can be made narrower."""
    widths = list(widths)
    while (excess := sum(widths) + len(_GAP) * (len(widths) - 1) - width) > 0:
        texts = [(w, i) for i, w in enumerate(widths) if not fixed[i] and w > least]
        if not texts:
            break
        widest, i = max(texts)
        second = max((w for w, j in texts if j != i), default=least)
        widths[i] = max(widest - excess, min(second, widest - 1), least)
    return widths


def bar(share: float, length: int = 10) -> str:
    """Return a bar that is filled up to a share, 0 to 1."""
    full, empty = ("█", "░") if can_show("█░") else ("#", ".")
    filled = round(share * length)
    return full * filled + empty * (length - filled)
