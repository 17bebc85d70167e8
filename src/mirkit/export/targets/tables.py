"""Targets ``csv``, ``parquet`` and ``jsonl``: a table with a row for each clip or track; unknown values are left out.

In a CSV, a text that a spreadsheet would run as a formula gets an apostrophe before it; :func:`read_rows` removes it.
"""

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from mirkit import engines
from mirkit.catalog import CATEGORIES, NUMBERS, TEXT_KEYS, TEXTS
from mirkit.dataset.rights import FIELDS, Rights
from mirkit.engines.forks import map_forked
from mirkit.errors import MissingExtra
from mirkit.export.formulas import escape_formula, unescape_formula
from mirkit.export.item import CAPTION, Item, PackedRow
from mirkit.export.items import TEXT_PREFIX
from mirkit.export.options import ALL_KEYS, Options
from mirkit.export.parallel import Advance
from mirkit.export.plan import ExportPlan, Sample
from mirkit.export.prompts import TAGS
from mirkit.export.targets import Target
from mirkit.export.validation import CheckResult, flat_faults
from mirkit.store import open_regular, round6
from mirkit.store.output import Output, head
from mirkit.track import ORIGINAL_NAME
from mirkit.track.user_texts import UserTexts

#: Columns that have a value in every row.
_ALWAYS = ("from", "source", "split", "start", "seconds")
_CATEGORIES = tuple(row.name for row in CATEGORIES)
_FEATURES = tuple(row.name for row in NUMBERS)
#: Columns of the rights; ``source`` is the track that a clip was cut from.
_RIGHTS = tuple("rights_source" if name == "source" else name for name in FIELDS)
_METADATA = ("vocals_share",)
_NUMBERS = {*_FEATURES, *_METADATA, "start", "seconds"}
#: Numbers and metadata of an item that are needed besides its row: for splits, rights and notes.
_VOICE = ("vocal_presence", "voice_confidence")
_KEPT = ("tags", ORIGINAL_NAME, "codec", "channels", "vocals_share")
#: Rows that are encoded at a time: by one process, and by all of them.
_AT_A_TIME, _AT_ONCE = 10_000, 20_000
#: Most bytes of a CSV's header line that are read.
_MAX_HEADER = 2**16


def table_row(sample: Sample, keys: Sequence[str] = ALL_KEYS) -> dict[str, Any]:
    """Make the row of a sample: origin, tags, categories, metadata, numbers, texts. Unknown values are left out.

    Parameters
    ----------
    sample : Sample
    keys : sequence of str
        Names and patterns of the features that it has; it has the other columns always.
    """
    item = sample.item
    row = item.row.unpacked() if item.row else _row(item, sample.features)
    row["split"] = sample.split
    return row if tuple(keys) == ALL_KEYS else {name: row[name] for name in column_names(keys) if name in row}


def _row(item: Item, features: Mapping[str, float]) -> dict[str, Any]:
    """Make the row of an item that is in no split yet."""
    tags = item.metadata.get("tags") or {}
    return {
        "from": item.name,
        "source": item.source,
        "split": "",
        "start": round6(item.start),
        "seconds": round6(item.seconds),
        **{name: tags[name] for name in TAGS if isinstance(tags.get(name), str | int)},
        **_rights(item.rights),
        **item.categories,
        **{name: item.metadata[name] for name in _METADATA if name in item.metadata},
        **{name: features[name] for name in _FEATURES if name in features},
        **item.texts,
        **{name: text for name, text in (("lyrics", item.lyrics), ("language", item.language)) if text},
    }


def packed(item: Item) -> Item:
    """Return an item with its row, and without the values that a table needs nowhere else.

    An item whose level has to be measured, because its audio may exceed full scale, stays as it is.
    """
    if item.metadata.get("codec", "").startswith("pcm_f"):
        return item
    texts = item.user_texts
    silent = item.is_instrumental and texts.lyrics and not texts.lyrics.is_instrumental  # which a note tells
    return replace(
        item,
        row=PackedRow.of(_row(item, item.features)),
        features={name: item.features[name] for name in _VOICE if name in item.features},
        metadata={name: item.metadata[name] for name in _KEPT if name in item.metadata},
        missing_reasons={},
        texts={},
        user_texts=texts if silent else UserTexts(),
    )


def _rights(rights: Rights) -> dict[str, str]:
    words = {name: {True: "yes", False: "no"}.get(value, value) for name, value in rights.as_dict().items()}
    return {column: words[name] for name, column in zip(FIELDS, _RIGHTS, strict=True) if name in words}


def column_names(keys: Sequence[str] = ALL_KEYS) -> list[str]:
    """Names of the columns of a table, in order, with the features that ``keys`` (names or patterns) match."""
    features = [*_CATEGORIES, *_METADATA, *_FEATURES]
    if tuple(keys) != ALL_KEYS:
        features = [name for name in features if any(fnmatchcase(name, pattern) for pattern in keys)]
    texts = [row.name for row in TEXTS if row.name not in TAGS]
    texts += [key.removeprefix(TEXT_PREFIX) for key in TEXT_KEYS]
    return [*_ALWAYS, *TAGS, *_RIGHTS, *features, *texts, CAPTION, "lyrics", "language"]


def _are_columns(names: Sequence[str]) -> bool:
    """Whether these are the columns of a table that mirkit wrote, with all features or with some."""
    present = set(names)
    wanted = [name for name in column_names() if name in present]
    return wanted == list(names) and present >= set(column_names(()))


def write(plan: ExportPlan, advance: Advance) -> None:
    """Write the table in the format that the target names."""
    options = plan.options
    with output(options).whole() as temp:
        if options.target == "parquet":
            write_parquet(temp, _rows(plan.samples, options.keys, advance), keys=options.keys)
            return
        encode = partial(_encoded, options)
        with open(temp, "wb") as file:
            if options.target == "csv":
                file.writelines(csv_lines([], options.keys))
            for start in range(0, len(plan.samples), _AT_ONCE):
                some = plan.samples[start : start + _AT_ONCE]
                file.writelines(map_forked(encode, some, jobs=options.jobs or engines.cores()))
                for sample in some:
                    advance(sample.item.name)


def _rows(samples: Iterable[Sample], keys: Sequence[str], advance: Advance) -> Iterator[dict[str, Any]]:
    for sample in samples:
        yield table_row(sample, keys)
        advance(sample.item.name)


def _encoded(options: Options, samples: Sequence[Sample]) -> bytes:
    """Encode the lines of some samples."""
    rows = _rows(samples, options.keys, lambda _: None)
    if options.target == "csv":
        return b"".join(csv_lines(rows, options.keys, raw=options.raw, header=False))
    return b"".join(json_lines(rows))


def output(options: Options) -> Output:
    """Return the output file of a table; an earlier table, recognized by its columns, may be replaced."""
    recognize = {"csv": _is_csv, "jsonl": _is_jsonl, "parquet": _is_parquet}[options.target]
    return Output(options.out, recognize, options.overwrite)


def _is_csv(path: Path) -> bool:
    with open_regular(path, follow=True) as file:
        line = file.readline(_MAX_HEADER)
    return _are_columns(line.decode("utf-8", "replace").rstrip("\n").split(","))


def _is_jsonl(path: Path) -> bool:
    """Whether every line is an object that has only columns of mirkit, and all required ones."""
    allowed = set(column_names())
    with open_regular(path, follow=True) as file:
        for line in file:
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                return False
            if not (isinstance(row, dict) and set(_ALWAYS) <= row.keys() <= allowed):
                return False
    return True


def _is_parquet(path: Path) -> bool:
    if not head(path).startswith(b"PAR1"):
        return False
    try:
        pyarrow = load_pyarrow()
    except MissingExtra:
        return False
    try:
        names: list[str] = pyarrow.parquet.read_schema(path).names
    except (pyarrow.ArrowException, OSError):
        return False
    return _are_columns(names)


def to_csv(rows: Iterable[dict[str, Any]], keys: Sequence[str] = ALL_KEYS, *, raw: bool = False) -> bytes:
    """Encode rows as CSV, see :func:`csv_lines`."""
    return b"".join(csv_lines(rows, keys, raw=raw))


def csv_lines(
    rows: Iterable[dict[str, Any]], keys: Sequence[str] = ALL_KEYS, *, raw: bool = False, header: bool = True
) -> Iterator[bytes]:
    """Encode rows as CSV in UTF-8 with a header line; an empty cell is unknown.

    Parameters
    ----------
    rows : iterable of dict
    keys : sequence of str
        Names and patterns of the features that have a column.
    raw : bool
        Whether texts that a spreadsheet would run as a formula get no apostrophe.
    header : bool
        Whether the first line names the columns.

    Yields
    ------
    bytes
        The header and the lines, several at a time.
    """
    names = column_names(keys)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(names)
    for some in _batches(rows):
        for row in some:
            cells = [row.get(name, "") for name in names]
            writer.writerow(cells if raw else [escape_formula(cell) if type(cell) is str else cell for cell in cells])
        yield text.getvalue().encode("utf-8", "backslashreplace")
        text.seek(0)
        text.truncate()
    yield text.getvalue().encode("utf-8", "backslashreplace")


def json_lines(rows: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Encode rows as lines of JSON in ASCII, without nulls."""
    for row in rows:
        yield json.dumps(row, ensure_ascii=True, allow_nan=False).encode("ascii") + b"\n"


def _batches(rows: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield rows, many at a time: there may be 100,000."""
    left = iter(rows)
    while some := list(islice(left, _AT_A_TIME)):
        yield some


def load_pyarrow() -> Any:
    """Load the package pyarrow with its Parquet module.

    Raises
    ------
    MissingExtra
        The package is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtra("Parquet needs the package pyarrow: pip install 'mirkit[parquet]'") from error
    return pyarrow


def write_parquet(
    path: Path, rows: Iterable[dict[str, Any]], extra: Sequence[str] = (), *, keys: Sequence[str] = ALL_KEYS
) -> None:
    """Write rows to a new Parquet file: numbers as 64-bit floats, null where unknown.

    Parameters
    ----------
    path : Path
    rows : iterable of dict
    extra : sequence of str
        Additional text columns, which come first in the file.
    keys : sequence of str
        Names and patterns of the features that have a column.

    Raises
    ------
    MissingExtra
        The package pyarrow is not installed.
    """
    pyarrow = load_pyarrow()
    names = [*extra, *column_names(keys)]
    types = {name: pyarrow.float64() if name in _NUMBERS else pyarrow.string() for name in names}
    schema = pyarrow.schema(list(types.items()))
    with pyarrow.parquet.ParquetWriter(path, schema) as writer:
        for some in _batches(rows):
            arrays = [pyarrow.array([_cell(row.get(name), name) for row in some], type=types[name]) for name in names]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))


def _cell(value: Any, name: str) -> Any:
    if value is None:
        return None
    return float(value) if name in _NUMBERS else str(value).encode("utf-8", "backslashreplace").decode()


def read_rows(lines: Iterable[str], *, raw: bool = False) -> Iterator[dict[str, str]]:
    """Read a CSV that mirkit wrote; empty cells are left out.

    Parameters
    ----------
    lines : iterable of str
        A file opened with ``newline=""``.
    raw : bool
        Whether it was written with ``--raw``, without apostrophes.

    Yields
    ------
    dict
        Column's name -> text as it was before :func:`escape_formula`.
    """
    for row in csv.DictReader(lines):
        yield {name: text if raw else unescape_formula(text) for name, text in row.items() if name is not None and text}


def validate(out: Path, result: CheckResult) -> None:
    """Check that a table can be read and that its numbers are finite."""
    if result.target == "parquet":
        rows = load_pyarrow().parquet.read_table(out).to_pylist()
        rows = [{name: value for name, value in row.items() if value is not None} for row in rows]
    elif result.target == "csv":
        with open(out, encoding="utf-8", newline="") as file:
            rows = [{name: _parsed(name, text) for name, text in row.items()} for row in read_rows(file)]
    else:
        rows = [json.loads(line) for line in out.read_text(encoding="ascii").splitlines()]
    for number, row in enumerate(rows, 1):
        result.faults += flat_faults(f"row {number}", row)
        for name in _FEATURES:
            value = row.get(name, 0.0)
            if isinstance(value, str) or not math.isfinite(value):
                result.faults.append(f"row {number}: {name} is {value!r}, not a number")
    result.files = len(rows)


def _parsed(name: str, text: str) -> float | str:
    try:
        return float(text) if name in _FEATURES else text
    except ValueError:
        return text


TARGETS = tuple(
    Target(name, write, validate, is_folder=False, needs_bundle_folder=False, has_columns=True, bytes_per_second=0)
    for name in ("csv", "parquet", "jsonl")
)
