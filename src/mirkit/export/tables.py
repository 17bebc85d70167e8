"""Targets ``csv``, ``parquet`` and ``jsonl``: a row a clip, or a track; what is not known is not there."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mirkit.catalog import KEYS
from mirkit.errors import MissingExtra
from mirkit.export.bundle import Advance
from mirkit.export.facts import columns, known
from mirkit.export.plan import Plan
from mirkit.store import whole_file, write_whole

_NUMBERS = {row.name for row in KEYS} | {"start", "seconds", "vocals_share"}


def write(plan: Plan, advance: Advance) -> None:
    """Write the table, in the form that the target's name says."""
    rows = [known(sample) for sample in plan.samples]
    out = plan.options.out
    out.parent.mkdir(parents=True, exist_ok=True)
    if plan.options.target == "parquet":
        write_parquet(out, rows)
    else:
        write_whole(out, csv_of(rows) if plan.options.target == "csv" else jsonl_of(rows))
    for sample in plan.samples:
        advance(sample.item.name)


def csv_of(rows: Sequence[dict[str, Any]]) -> bytes:
    """CSV in UTF-8 with a line of names; an empty cell is unknown."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns(), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8", "backslashreplace")


def jsonl_of(rows: Sequence[dict[str, Any]]) -> bytes:
    """A line of JSON a row, ASCII, without nulls: what is unknown is left out."""
    return b"".join(json.dumps(row, ensure_ascii=True, allow_nan=False).encode("ascii") + b"\n" for row in rows)


def write_parquet(path: Path, rows: Sequence[dict[str, Any]], extra: Sequence[str] = ()) -> None:
    """Write Parquet: numbers as 64-bit floats, texts, null where unknown. ``extra`` columns of text go first.

    Raises
    ------
    MissingExtra
        The package pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra("parquet needs the package pyarrow: pip install mirkit[parquet]") from error
    names = [*extra, *columns()]
    kinds = {name: pyarrow.float64() if name in _NUMBERS else pyarrow.string() for name in names}
    arrays = [pyarrow.array([_cell(row.get(name), name) for row in rows], type=kinds[name]) for name in names]
    with whole_file(path) as temp:
        pyarrow.parquet.write_table(pyarrow.Table.from_arrays(arrays, names=names), temp)


def _cell(value: Any, name: str) -> Any:
    if value is None:
        return None
    return float(value) if name in _NUMBERS else str(value).encode("utf-8", "backslashreplace").decode()
