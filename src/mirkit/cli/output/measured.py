"""Print what a command has measured: all values of one track, or a row for each track of a folder."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirkit.captions.prompts import PREFIX
from mirkit.catalog import ALL_SPECS, STAGES, TEXT_KEYS, stage
from mirkit.cli.output import print_table
from mirkit.cli.output.columns import terminal_width, width_of
from mirkit.cli.output.listing import listing_table
from mirkit.cli.output.show import value_lines
from mirkit.cli.output.style import styled
from mirkit.dataset.audit import Audit, read_audit
from mirkit.dataset.library import Library
from mirkit.dataset.query import choose_fields, query_fields
from mirkit.dataset.selection import Selection, parse_where, select
from mirkit.dataset.shown import DEFAULT_FIELDS, cells
from mirkit.dataset.track_summary import values_of
from mirkit.errors import MirkitError, counted, pasted, printable
from mirkit.pipeline.task import name_within
from mirkit.store import read_info, read_provenance

if TYPE_CHECKING:
    from mirkit.pipeline import RunPlan
    from mirkit.track import Track

#: Rows that are printed; ``mirkit ls`` prints all.
_MOST_ROWS = 20
#: A command that measures more fields than this shows those of ``mirkit ls``.
_MOST_FIELDS = 30
#: Width of the output where it goes to a file or another program.
_PAGE = 100
#: Stage that writes captions.
_CAPTIONS = "describe"
_SECTIONS = tuple(dict.fromkeys(row.section for row in STAGES))


def has_values(stages: Sequence[str]) -> bool:
    """Whether stages write values, captions or findings that can be printed."""
    # The position is that of a clip.
    other = _CAPTIONS in stages or "audit" in stages
    return other or any(row.stage in stages for row in ALL_SPECS if row.stage != "crop")


def _captions(track: Track, stages: Sequence[str]) -> dict[str, str]:
    """Return the captions of a track, if the stages write any: key of the ``.INFO`` -> text."""
    info = read_info(track.info) if _CAPTIONS in stages else {}
    return {name: text for name, text in info.items() if name.startswith(PREFIX) and isinstance(text, str)}


def print_track(track: Track, stages: Sequence[str]) -> None:
    """Print the values that stages have written for a track: a line for each, with its unit or why it is unknown."""
    width = terminal_width() or _PAGE
    print(styled(printable(track.name), "bold", sys.stdout))
    before, section, rows = "", "", values_of(track, stages)
    has_sections = len({stage(row.spec.stage).section for row in rows}) > 1
    for row in sorted(rows, key=lambda row: _SECTIONS.index(stage(row.spec.stage).section)):
        if has_sections and (heading := stage(row.spec.stage).section) != section:
            section, before = heading, ""
            print(f"\n{section}")
        if row.spec.kind == "text" and isinstance(row.value, str):
            _print_text(row.spec.name, row.value, width)
            continue
        for line in value_lines(row, {}, width, verbose=False, before=before):
            print(line)
        before = row.reason
    for name, text in _captions(track, stages).items():
        _print_text(name, text, width)
    if "audit" in stages and (audit := _audit_of(track)):
        print(textwrap.fill(f"audit: {printable(audit.line)}", width, initial_indent="  ", subsequent_indent="    "))


def _print_text(name: str, text: str, width: int) -> None:
    print(f"  {name}")
    print(textwrap.fill(printable(text), width, initial_indent="    ", subsequent_indent="    "))


def _audit_of(track: Track) -> Audit | None:
    """Return what was found about the source of a track."""
    return read_audit({name: fact.get("value") for name, fact in read_provenance(track.provenance).facts.items()})


def print_folder(path: Path, stages: Sequence[str], where: str) -> None:
    """Print a table of the values that stages have written, with a row for each track of a folder, up to twenty."""
    rows = [row for row in ALL_SPECS if row.stage in stages]
    names = [row.name for row in rows if row.kind != "text"] or [row.name for row in rows]
    names = names or (["audit", "findings"] if "audit" in stages else list(TEXT_KEYS))
    fields = choose_fields(names if len(names) <= _MOST_FIELDS else [name for name in DEFAULT_FIELDS if name != "path"])
    extra = [query_fields()["mode"]]
    with Library.open(path) as library:
        found = select(library, parse_where(where), [query_fields()["path"], *fields, *extra], limit=_MOST_ROWS)
    modes = [row[-1] for row in found.rows]
    found.rows = [row[:-1] for row in found.rows]
    found.fields = found.fields[:-1]
    shown = [os.path.relpath(track, path).replace(os.sep, "/") for track in found.paths]
    left_out = _narrow(found, shown, modes)
    print_table(listing_table(found, shown, modes))
    shown_fields = len(fields) - left_out
    if shown_fields < len(names) or (len(found.rows) == _MOST_ROWS and found.searched > _MOST_ROWS):
        query = f" {where!r}" if where else ""
        print(
            f"{shown_fields} of {counted(len(names), 'value')} for {counted(len(found.rows), 'track')}; all: "
            f"mirkit ls {pasted(path)}{query} --fields all"
        )


def _narrow(found: Selection, shown: list[str], modes: list[Any]) -> int:
    """Remove the last fields that do not fit into the width of the terminal; return how many."""
    width = terminal_width()
    if width is None or not found.rows:
        return 0
    columns = list(zip(*found.rows, strict=True))
    wide, kept = min(max(map(width_of, shown)), width // 2), 1
    for item, values in zip(found.fields[1:], columns[1:], strict=True):
        wide += 2 + max(map(width_of, (item.name, *cells(item, values, modes))))
        if wide > width and kept > 1:
            break
        kept += 1
    removed = len(found.fields) - kept
    found.fields = found.fields[:kept]
    found.rows = [row[:kept] for row in found.rows]
    return removed


def as_json(plan: RunPlan, stages: Sequence[str], outcomes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return an entry for each track of a run: its outcome, its values, and the reasons of unknown ones.

    Parameters
    ----------
    plan : RunPlan
    stages : sequence of str
    outcomes : list of dict
        Outcomes of the tracks with work to do; ``track`` is the name of each.
    """
    known = {entry["track"]: entry for entry in outcomes}
    entries = []
    for track in plan.tracks:
        name = name_within(plan.root, track)
        entry = known.get(name) or {"track": name, "done": [], "skipped": list(stages), "failures": {}, "ok": True}
        rows, texts = [], {}
        try:
            rows, texts = values_of(track, stages), _captions(track, stages)
            if "audit" in stages and (audit := _audit_of(track)):
                texts |= {"audit": audit.verdict, "findings": audit.stored}
        except MirkitError as error:
            entry = entry | {"failures": entry["failures"] or {"track": str(error)}, "ok": False}
        values = {row.spec.name: row.value for row in rows} | texts
        reasons = {row.spec.name: row.reason for row in rows if row.value is None}
        entries.append(entry | {"path": str(track.path), "values": values, "reasons": reasons})
    return entries
