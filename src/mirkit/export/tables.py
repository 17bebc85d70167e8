"""Targets ``csv``, ``parquet`` and ``jsonl``: a row a clip, or a track; what is not known is not there."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mirkit.catalog import FEATURES
from mirkit.errors import MissingExtra
from mirkit.export.bundle import Advance
from mirkit.export.cells import guarded_row
from mirkit.export.facts import columns, known
from mirkit.export.options import Options
from mirkit.export.plan import ExportPlan
from mirkit.store.json_files import open_plain
from mirkit.store.output import Output, head

#: Columns that every row has, and a bound for the line of names (bytes).
_ALWAYS = {"from", "source", "split", "start", "seconds"}
_LONGEST_LINE = 2**16
_NUMBERS = {row.name for row in FEATURES} | {"start", "seconds", "vocals_share"}


def write(plan: ExportPlan, advance: Advance) -> None:
    """Write the table, in the form that the target's name says."""
    rows = [known(sample) for sample in plan.samples]
    table = output(plan.options)
    if plan.options.target == "parquet":
        with table.whole() as temp:
            write_parquet(temp, rows)
    else:
        table.write(csv_of(rows, raw=plan.options.raw) if plan.options.target == "csv" else jsonl_of(rows))
    for sample in plan.samples:
        advance(sample.item.name)


def output(options: Options) -> Output:
    """The file of a table, and how an earlier one is recognized: by its columns."""
    recognize = {"csv": _is_csv, "jsonl": _is_jsonl, "parquet": _is_parquet}[options.target]
    return Output(options.out, recognize, options.overwrite)


def _is_csv(path: Path) -> bool:
    with open_plain(path, follow=True) as file:
        line = file.readline(_LONGEST_LINE)
    return line.decode("utf-8", "replace").rstrip("\n") == ",".join(columns())


def _is_jsonl(path: Path) -> bool:
    """Whether all lines are objects with nothing but our columns, and with those that every row has."""
    allowed = set(columns())
    with open_plain(path, follow=True) as file:
        for line in file:
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                return False
            if not (isinstance(row, dict) and _ALWAYS <= row.keys() <= allowed):
                return False
    return True


def _is_parquet(path: Path) -> bool:
    if not head(path).startswith(b"PAR1"):
        return False
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        return False
    try:
        names: list[str] = pyarrow.parquet.read_schema(path).names
    except (pyarrow.ArrowException, OSError):
        return False
    return names == columns()


def csv_of(rows: Sequence[dict[str, Any]], *, raw: bool = False) -> bytes:
    """CSV in UTF-8 with a line of names; an empty cell is unknown, and no text is a formula unless ``raw``."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns(), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows if raw else map(guarded_row, rows))
    return text.getvalue().encode("utf-8", "backslashreplace")


def jsonl_of(rows: Sequence[dict[str, Any]]) -> bytes:
    """A line of JSON a row, ASCII, without nulls: what is unknown is left out."""
    return b"".join(json.dumps(row, ensure_ascii=True, allow_nan=False).encode("ascii") + b"\n" for row in rows)


def write_parquet(path: Path, rows: Sequence[dict[str, Any]], extra: Sequence[str] = ()) -> None:
    """Write Parquet to a new file: numbers as 64-bit floats, texts, null where unknown.

    ``extra`` columns of text go first.

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
    pyarrow.parquet.write_table(pyarrow.Table.from_arrays(arrays, names=names), path)


def _cell(value: Any, name: str) -> Any:
    if value is None:
        return None
    return float(value) if name in _NUMBERS else str(value).encode("utf-8", "backslashreplace").decode()
