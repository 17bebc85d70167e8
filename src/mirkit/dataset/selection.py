"""The tracks or clips of a data set that a query finds, with the values of chosen fields."""

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from mirkit.catalog import INFO_SPECS, REQUESTED
from mirkit.dataset.audit import stored_audit
from mirkit.dataset.library import FIELDS, Library, TableName
from mirkit.dataset.query import Query, QueryField, fields_in, from_arguments, order_sql, parse, to_sql
from mirkit.errors import MissingInput, printable
from mirkit.track import Track

T = TypeVar("T")
#: Called with the number of changed tracks that have been read, and that have to be.
Advance: TypeAlias = Callable[[int, int], None]


def _ignore(_done: int, _of: int) -> None:
    """Show no progress."""


_NUMBERS = (float, int)
#: Dates that Python knows in every time zone (seconds since 1970).
_DATES = (-62e9, 253e9)
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
    root : Path
        Root of the data set.
    keys : list of bytes
        Path of each row from the root.
    rows : list of tuple
        Values of the fields, as the library stores them.
    searched : int
        Number of tracks or clips that were searched, without excluded ones.
    excluded : int
        Number of excluded tracks that were left out.
    unreadable : list of str
        A line for each track whose sidecars are damaged; they are left out unless the query asks for them.
    unusable : list of str
        Names of the tracks and folders that cannot be read, and of the tracks that failed in the last run and have no
        values: known faults, which are told in one line.
    unmeasured : int
        Number of the rows without any known feature, that did not fail.
    outdated : int
        Number of the rows whose audio was replaced since their values were computed.
    """

    fields: tuple[QueryField, ...]
    root: Path
    keys: list[bytes] = field(default_factory=list)
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    searched: int = 0
    excluded: int = 0
    unreadable: list[str] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)
    unmeasured: int = 0
    outdated: int = 0

    @property
    def paths(self) -> list[Path]:
        """Track folder, loose file, or folder of a clip, for each row."""
        return [path_of(self.root, key) for key in self.keys]

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


def matching(
    library: Library,
    query: Query,
    columns: Sequence[str] = (),
    *,
    table: TableName = "tracks",
    limit: int | None = None,
    excluded: bool = False,
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows that a query finds, in its order, of a library that has been refreshed.

    Parameters
    ----------
    library : Library
    query : Query
    columns : sequence of str
        Expressions in SQL.
    table : str
        ``tracks`` or ``clips``; clips of excluded tracks are left out.
    limit : int, optional
        Largest number of rows.
    excluded : bool
        Search what is excluded, and not the others.

    Yields
    ------
    tuple
        The path as bytes from the root of the data set, and one value for each column.
    """
    where, parameters = condition(query, excluded=excluded)
    sources = library.clip_sources() if table == "clips" else None
    rows = library.rows(
        ("_key", "_cut", *columns),
        where,
        parameters,
        table=table,
        order=order_sql(query.sort),
        limit=limit if sources is None else None,
    )
    found = (
        (key, *values)
        for key, cut, *values in rows
        if sources is None or cut in sources.get(key.rpartition(b"/")[0], ())
    )
    return islice(found, limit)


def select(
    library: Library,
    query: Query,
    fields: Sequence[QueryField],
    *,
    table: TableName = "tracks",
    limit: int | None = None,
    advance: Advance = _ignore,
) -> Selection:
    """Bring a library up to date and find tracks or clips in it.

    Parameters
    ----------
    library : Library
    query : Query
    fields : sequence of QueryField
    table : str
        ``tracks`` or ``clips``.
    limit : int, optional
        Largest number of rows.
    advance : callable, optional
        Called with the number of changed tracks that have been read, and that have to be.

    Raises
    ------
    SettingsError
        The query names a field that does not exist, or has a wrong value.
    """
    return sound(library, lambda: _select(library, query, fields, table, limit), table=table, advance=advance)


def sound(library: Library, read: Callable[[], T], *, table: TableName = "tracks", advance: Advance = _ignore) -> T:
    """Bring a library up to date and read from it; again if it holds values that mirkit does not write."""
    library.refresh(advance, clips=table == "clips")
    try:
        return read()
    except (AttributeError, TypeError, ValueError) as error:
        library.discard(str(error))
        library.refresh(advance, clips=table == "clips")
        return read()


def _select(
    library: Library, query: Query, fields: Sequence[QueryField], table: TableName, limit: int | None
) -> Selection:
    result = Selection(tuple(fields), library.root)
    excluded, problem, failed = (FIELDS[name].column for name in ("excluded", "problem", "failed"))
    if table == "tracks":
        counts = ("count(*)", f"count({excluded})", f"count({problem}) + count({failed})")
        total, result.excluded, problems = next(library.rows(counts, order="1"))
    else:
        total = sum(1 for _ in matching(library, Query(), table=table))
        result.excluded = sum(1 for _ in matching(library, Query(), table=table, excluded=True))
        total, problems = total + result.excluded, 1
    result.searched = total - result.excluded
    if problems:
        faults = f"{excluded} IS NULL AND ({problem} IS NOT NULL OR ({failed} IS NOT NULL AND _unmeasured))"
        for key, damage, known in library.rows(("_key", problem, failed), faults, table=table):
            if known is None:
                result.unreadable.append(library.problem(damage))
            else:
                result.unusable.append(library.name_of(key))
    columns = (f"(_unmeasured AND {failed} IS NULL)", FIELDS["outdated"].column, *(item.sql for item in fields))
    for key, unmeasured, outdated, *values in matching(library, query, columns, table=table, limit=limit):
        result.keys.append(key)
        result.unmeasured += unmeasured
        result.outdated += outdated is not None
        result.rows.append(tuple(values))
    for item, column in zip(fields, zip(*result.rows, strict=True), strict=False):
        check_column(item, column)
    return result


def check_column(item: QueryField, values: Iterable[Any]) -> None:
    """Check that values have the types of their field, as a library from a stranger may hold anything.

    Raises
    ------
    TypeError
        A value is not what mirkit writes.
    """
    if item.kind in ("number", "duration", "date"):
        wrong = (v for v in values if v is not None and not (type(v) in _NUMBERS and -math.inf < v < math.inf))
    else:
        wrong = (v for v in values if v is not None and type(v) is not str)
    if any(True for _ in wrong):
        raise TypeError(f"a value of {item.name} is not a {item.kind}")


def path_of(root: Path, key: bytes) -> Path:
    """Return the path of a row."""
    return root / os.fsdecode(key)


def plain_value(item: QueryField, value: Any) -> Any:
    """Convert a value of the library to the type that Python users expect."""
    if value is None:
        return None
    if item.kind == "date":
        return datetime.fromtimestamp(value, UTC) if _DATES[0] < value < _DATES[1] else None
    if item.name in _WHOLE and isinstance(value, float) and value.is_integer():
        return int(value)
    if item.name in FIELDS and FIELDS[item.name].kind == "json":
        with suppress(ValueError, RecursionError):
            return json.loads(value)
    return value


def paths_matching(library: Library, where: str, *, table: TableName = "tracks", excluded: bool = False) -> list[Path]:
    """Bring a library up to date, and return the paths of the tracks or clips that the text of ``--where`` finds.

    Parameters
    ----------
    library : Library
    where : str
        The query as the command line has it.
    table : str
        ``tracks`` or ``clips``.
    excluded : bool
        Search what is excluded, and not the others.

    Raises
    ------
    SettingsError
        The query or the settings file is wrong.
    """
    query = parse_where(where)
    found = sound(library, lambda: list(matching(library, query, table=table, excluded=excluded)), table=table)
    return [path_of(library.root, key) for (key,) in found]


def find_matching(path: Path, where: str, *, table: TableName = "tracks", excluded: bool = False) -> list[Path]:
    """Return the paths of the tracks or clips at or below a path that a query finds, see :func:`paths_matching`."""
    with Library.open(path) as library:
        return paths_matching(library, where, table=table, excluded=excluded)


def with_verdict(path: Path, verdict: str, where: str = "") -> dict[Path, str]:
    """Return the tracks at or below a path whose source has faults, or only notices, and what was found.

    Parameters
    ----------
    path : Path
    verdict : str
        ``faults`` or ``notices``.
    where : str
        Query: only what it finds.

    Raises
    ------
    SettingsError
        The query or the settings file is wrong.
    """
    columns = tuple(FIELDS[name].column for name in ("audit", "findings"))
    with Library.open(path) as library:
        query = parse_where(where)
        rows = sound(library, lambda: list(matching(library, query, columns)))
        found = {path_of(library.root, key): stored_audit(text) for key, said, text in rows if said == verdict}
    return {track: ", ".join(audit.faults or audit.notices) for track, audit in found.items()}


def only_matching(tracks: list[Track], library: Library, where: str) -> list[Track]:
    """Return those of the tracks of a library that the text of ``--where`` finds; all for "".

    Raises
    ------
    MissingInput
        It finds none.
    SettingsError
        The query is wrong.
    """
    if not where:
        return tracks
    wanted = set(paths_matching(library, where))
    if not (found := [track for track in tracks if track.path in wanted]):
        raise nothing_found(library.scope, where)
    return found


def parse_where(where: str) -> Query:
    """Parse the text of ``--where``; ``artist:Daft Punk`` is one term, because the shell has removed its quotes."""
    return parse(from_arguments([where]))


def nothing_found(path: Path, text: str) -> MissingInput:
    """Return the error that a command has nothing to work on."""
    return MissingInput(f"{printable(path)}: no track matches the query {printable(text)!r}")
