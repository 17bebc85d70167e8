"""Check of an ``hf`` bundle: every file has its row, every row its file."""

from pathlib import Path

from mirkit.errors import MissingExtra
from mirkit.export.validation import CheckResult, sound_faults, text_faults, tree_faults


def look(out: Path, checked: CheckResult) -> None:
    """Find what is wrong with a bundle."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra("parquet needs the package pyarrow: pip install mirkit[parquet]") from error
    if not (out / "README.md").exists():
        checked.faults.append("README.md: is missing")
    for table in sorted((out / "data").glob("*/metadata.parquet")):
        rows = pyarrow.parquet.read_table(table).to_pylist()
        checked.faults += tree_faults(table.parent, [row["file_name"] for row in rows])
        for row in rows:
            checked.files += 1
            where = f"{table.parent.name}/{row['file_name']}"
            checked.faults += text_faults(where, row["prompt"])
            if (table.parent / row["file_name"]).exists():
                checked.faults += sound_faults(table.parent / row["file_name"], where, None)
    if not checked.files:
        checked.faults.append("data: no metadata.parquet in it")
