"""``.SECTIONS``: where the sections of a track begin and end, which are alike, and what they are for."""

import itertools
import json
from dataclasses import asdict, replace
from pathlib import Path

from mirkit.catalog import SECTION_FUNCTIONS
from mirkit.errors import MissingInput, pasted, printable
from mirkit.features.structure.form import Form, Section
from mirkit.features.types import Unknown
from mirkit.store.sidecars import (
    DamagedFileError,
    check_format,
    parse_object,
    read_bounded,
)

#: Version of the file; a newer one is neither read nor replaced.
FORMAT = 1
_DECIMALS = 6
_GRIDS = ("downbeats", "beats", "time")
_LONGEST_LABEL = 40
#: Most sections of a file that is read.
_MOST = 100_000


def sections_as_stored(form: Form | Unknown) -> Form | Unknown:
    """Return sections as a ``.SECTIONS`` holds them, so that their values are the same in the run that finds them.

    Parameters
    ----------
    form : Form or Unknown
    """
    if isinstance(form, Unknown):
        return form
    sections = (
        replace(
            section,
            start=round(section.start, _DECIMALS),
            end=round(section.end, _DECIMALS),
            confidence=None if section.confidence is None else round(section.confidence, 3),
        )
        for section in form.sections
    )
    return replace(form, sections=tuple(sections))


def format_sections(form: Form | Unknown) -> bytes:
    """Return the content of a ``.SECTIONS``: JSON with one section per line, or the reason why there are none.

    Parameters
    ----------
    form : Form or Unknown
    """
    form = sections_as_stored(form)
    head = f'{{\n  "format": {FORMAT},\n'
    if isinstance(form, Unknown):
        return f'{head}  "grid": null,\n  "sections": [],\n  "reason": {json.dumps(form.reason)}\n}}\n'.encode()
    rows = map(asdict, form.sections)
    lines = ",\n".join(f"    {json.dumps(row, allow_nan=False)}" for row in rows)
    return f'{head}  "grid": {json.dumps(form.grid)},\n  "sections": [\n{lines}\n  ]\n}}\n'.encode("ascii")


def read_sections(path: Path) -> Form | Unknown:
    """Read a ``.SECTIONS``, which may be the user's: ``grid``, ``function`` and ``confidence`` may be left out.

    Raises
    ------
    MissingInput
        There is no such file.
    NewerFormatError
        A newer version of mirkit wrote it.
    InfoError
        The file is damaged: its sections have no order, or values that mirkit does not know.
    """
    data = read_bounded(path)
    if data is None:
        raise MissingInput(
            f"{printable(path)}: there are no sections; find them with: mirkit measure sections {pasted(path.parent)}"
        )
    content = parse_object(data, path)
    check_format(content, FORMAT, path)
    try:
        grid = content.get("grid")
        if grid is not None and grid not in _GRIDS:
            raise ValueError(f"grid must be one of {', '.join(_GRIDS)}, or null")
        rows = content.get("sections")
        if not isinstance(rows, list) or len(rows) > _MOST:
            raise TypeError("sections are not a list")
        sections = tuple(_section(row) for row in rows)
        for before, after in itertools.pairwise(sections):
            if after.start < before.end - 10**-_DECIMALS:
                raise ValueError(f"the section at {after.start:g} s begins before the one before it ends")
    except (TypeError, ValueError, OverflowError) as error:
        raise DamagedFileError(
            f"{printable(path)}: these are not sections ({printable(str(error))}); correct the file, or remove it, and "
            "mirkit writes it again"
        ) from error
    if not sections:
        reason = content.get("reason")
        return Unknown(reason if isinstance(reason, str) and reason else "the file lists no sections")
    return Form(sections, grid)  # type: ignore[arg-type]


def _section(row: object) -> Section:
    if not isinstance(row, dict):
        raise TypeError("a section is not an object")
    start, end = _number(row, "start"), _number(row, "end")
    if not 0 <= start < end:
        raise ValueError(f"a section from {start:g} to {end:g} s has no length")
    label, function = row.get("label"), row.get("function")
    if not isinstance(label, str) or not label.strip() or len(label) > _LONGEST_LABEL or not label.isprintable():
        raise ValueError(f"the label of the section at {start:g} s is not a text of 1 to {_LONGEST_LABEL} characters")
    if function is not None and function not in SECTION_FUNCTIONS:
        raise ValueError(
            f"the function of the section at {start:g} s must be null or one of {', '.join(SECTION_FUNCTIONS)}"
        )
    confidence = None if row.get("confidence") is None else _number(row, "confidence")
    if confidence is not None and not 0 <= confidence <= 1:
        raise ValueError(f"the confidence of the section at {start:g} s is not between 0 and 1")
    return Section(start, end, label.strip(), function, confidence)


def _number(row: dict[str, object], name: str) -> float:
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < float("inf"):
        raise TypeError(f"{name} of a section is not a number")
    return float(value)
