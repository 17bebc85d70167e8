"""The tracks or clips of a data set that a query finds, with the values of chosen fields."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mirkit.catalog import INFO_SPECS, REQUESTED
from mirkit.dataset.library import FIELDS, Library, TableName
from mirkit.dataset.query import Query, QueryField, fields_in, order_sql, parse, to_sql
from mirkit.errors import MissingInput, printable

#: Name of a field -> value, in the types of Python.
Record = dict[str, Any]

_WHOLE = frozenset(row.name for row in (*INFO_SPECS, *REQUESTED) if row.kind in ("int", "flag"))
_WHOLE |= {"known", "year", "track_number", "sample_rate", "channels"}


@dataclass
class Selection:
    """What a query finds.

    Attributes
    ----------
    fields : tuple of QueryField
    paths : list of Path
        Track folder, loose file, or folder of a clip, for each row.
    rows : list of tuple
        Values of the fields, as the library stores them.
    searched : int
        Number of tracks or clips that were searched, without excluded ones.
    excluded : int
        Number of excluded tracks that were left out.
    unreadable : list of str
        A line for each track that cannot be read; they are left out unless the query asks for them.
    unmeasured : int
        Number of the rows without any known feature.
    """

    fields: tuple[QueryField, ...]
    paths: list[Path] = field(default_factory=list)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    searched: int = 0
    excluded: int = 0
    unreadable: list[str] = field(default_factory=list)
    unmeasured: int = 0

    def records(self) -> Iterator[Record]:
        """Yield the rows with values in the types of Python."""
        for row in self.rows:
            yield {item.name: plain_value(item, value) for item, value in zip(self.fields, row, strict=True)}


def condition(query: Query, *, excluded: bool = False) -> tuple[str, tuple[Any, ...]]:
    """Return the condition of a query in SQL, and its parameters.

    Tracks that are excluded, or cannot be read, are left out unless the query asks for them. With ``excluded``, only
    excluded ones are found.
    """
    sql = to_sql(query)
    named = fields_in(query)
    parts = [sql.text]
    if excluded:
        parts.append(f"{FIELDS['excluded'].column} IS NOT NULL")
    elif "excluded" not in named:
        parts.append(f"{FIELDS['excluded'].column} IS NULL")
    if not (excluded or named & {"problem", "state", "excluded"}):
        parts.append(f"{FIELDS['problem'].column} IS NULL")
    return " AND ".join(parts), sql.parameters


def select(
    library: Library,
    query: Query,
    fields: Sequence[QueryField],
    *,
    table: TableName = "tracks",
    limit: int | None = None,
) -> Selection:
    """Find tracks or clips in a library that has been refreshed.

    Parameters
    ----------
    library : Library
    query : Query
    fields : sequence of QueryField
    table : str
        ``tracks`` or ``clips``.
    limit : int, optional
        Largest number of rows.

    Raises
    ------
    SettingsError
        The query names a field that does not exist, or has a wrong value.
    """
    where, parameters = condition(query)
    result = Selection(tuple(fields))
    excluded, problem = FIELDS["excluded"].column, FIELDS["problem"].column
    counts = ("count(*)", f"count({excluded})", f"count({problem})")
    total, result.excluded, problems = next(library.rows(counts, table=table, order="1"))
    result.searched = total - result.excluded
    if problems:
        unreadable = library.rows((problem,), f"{problem} IS NOT NULL AND {excluded} IS NULL", table=table)
        result.unreadable = [library.problem(stored) for (stored,) in unreadable]
    columns = ("_key", "_unmeasured", *(item.sql for item in fields))
    for key, unmeasured, *values in library.rows(
        columns, where, parameters, table=table, order=order_sql(query.sort), limit=limit
    ):
        result.paths.append(path_of(library.root, key))
        result.unmeasured += unmeasured
        result.rows.append(tuple(values))
    return result


def path_of(root: Path, key: bytes) -> Path:
    """Return the path of a row."""
    return root / os.fsdecode(key)


def plain_value(item: QueryField, value: Any) -> Any:
    """Convert a value of the library to the type that Python users expect."""
    if value is None:
        return None
    if item.kind == "date":
        return datetime.fromtimestamp(value, UTC)
    if item.name in _WHOLE and isinstance(value, float) and value.is_integer():
        return int(value)
    if item.name in FIELDS and FIELDS[item.name].kind == "json":
        with suppress(ValueError, RecursionError):
            return json.loads(value)
    return value


def find_matching(path: Path, text: str, *, table: TableName = "tracks", excluded: bool = False) -> list[Path]:
    """Return the paths of the tracks or clips at or below a path that a query finds.

    Parameters
    ----------
    path : Path
        A folder of tracks, a track, or a loose file.
    text : str
        The query.
    table : str
        ``tracks`` or ``clips``.
    excluded : bool
        Search the tracks that are excluded, and not the others.

    Raises
    ------
    MissingInput
        There is no such path.
    SettingsError
        The query or the settings file is wrong.
    """
    query = parse(text)
    where, parameters = condition(query, excluded=excluded)
    with Library.open(path) as library:
        library.refresh()
        rows = library.rows(("_key",), where, parameters, table=table, order=order_sql(query.sort))
        return [path_of(library.root, key) for (key,) in rows]


def nothing_found(path: Path, text: str) -> MissingInput:
    """Return the error that a command has nothing to work on."""
    return MissingInput(f"{printable(path)}: no track matches the query {printable(text)!r}")
