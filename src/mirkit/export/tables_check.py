"""Check of a table: it can be read, and holds no number that is none."""

import json
import math
from pathlib import Path

from mirkit.catalog import FEATURES
from mirkit.export.cells import read_rows
from mirkit.export.validation import CheckResult, flat_faults

_KEYS = [row.name for row in FEATURES]


def look(out: Path, checked: CheckResult) -> None:
    """Find what is wrong with a table."""
    if checked.target == "parquet":
        import pyarrow.parquet

        rows = pyarrow.parquet.read_table(out).to_pylist()
        rows = [{name: value for name, value in row.items() if value is not None} for row in rows]
    elif checked.target == "csv":
        with open(out, encoding="utf-8", newline="") as file:
            rows = [{name: _number(name, value) for name, value in row.items()} for row in read_rows(file)]
    else:
        rows = [json.loads(line) for line in out.read_text(encoding="ascii").splitlines()]
    for number, row in enumerate(rows, 1):
        checked.faults += flat_faults(f"row {number}", row)
        for name in _KEYS:
            value = row.get(name, 0.0)
            if isinstance(value, str) or not math.isfinite(value):
                checked.faults.append(f"row {number}: {name} is {value!r}, not a number")
    checked.files = len(rows)


def _number(name: str, text: str) -> float | str:
    try:
        return float(text) if name in _KEYS else text
    except ValueError:
        return text
