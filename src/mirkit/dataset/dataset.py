"""A data set in Python: its tracks or clips with their values, queries, and data frames."""

import html
import json
import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any, overload

from mirkit.dataset.library import FIELDS, Library, TableName
from mirkit.dataset.notebook import track_html
from mirkit.dataset.query import (
    Query,
    QueryField,
    choose_fields,
    find_field,
    format_query,
    order_sql,
    parse,
    query_fields,
)
from mirkit.dataset.query.syntax import And
from mirkit.dataset.selection import condition, matching, path_of, plain_value
from mirkit.dataset.shown import DEFAULT_FIELDS, cells
from mirkit.errors import MissingExtra, SettingsError, counted
from mirkit.track import Track

#: Rows of a data set that a notebook shows.
_SHOWN_ROWS = 10


def load(path: str | PathLike[str] = ".", query: str = "", *, clips: bool = False) -> "Dataset":
    """Open a data set, or a part of it.

    What is known about the tracks is read from the library of the data set, ``.mirkit/library.sqlite``, which is
    brought up to date when it is first needed. Excluded tracks, and tracks that cannot be read, are left out unless the
    query asks for them.

    Parameters
    ----------
    path : path
        A folder of tracks, a track folder, or a loose audio file.
    query : str
        Only tracks that match it, in the language of ``mirkit ls``.
    clips : bool
        Training clips instead of tracks.

    Returns
    -------
    Dataset

    Raises
    ------
    MissingInput
        There is no such path.
    SettingsError
        The query is wrong.

    Examples
    --------
    ::

        data = mirkit.load("my_music").query("bpm:120..130 key:Am sort:bpm-")
        data[0]["bpm"], data[0].path
        data.to_pandas(["artist", "title", "bpm", "lufs*"])
    """
    data = Dataset(_Source(Path(path), clips=clips), "clips" if clips else "tracks", Query())
    return data.query(query) if query.strip() else data


class _Source:
    """The library of a data set, opened and brought up to date when it is first needed."""

    def __init__(self, path: Path, *, clips: bool) -> None:
        self.path, self._clips = path, clips
        self._library: Library | None = None
        Library.open(path).close()  # the path is checked at once

    @property
    def library(self) -> Library:
        if self._library is None:
            self._library = Library.open(self.path)
            self._library.refresh(clips=self._clips)
        return self._library

    def close(self) -> None:
        if self._library is not None:
            self._library.close()
            self._library = None


@dataclass(frozen=True)
class _Place:
    """Where a row is in the library, and its path."""

    sort: bytes
    path: Path


class DatasetRow(Mapping[str, Any]):
    """A track or clip of a data set: a mapping of all fields to their values, None where unknown. Created by `Dataset`.

    Numbers, texts and categories are those of the ``.INFO``; dates are ``datetime`` objects; ``reasons`` tells why
    values are unknown.
    """

    def __init__(self, path: Path, values: dict[str, Any]) -> None:
        self._path, self._values = path, values

    @property
    def path(self) -> Path:
        """The track folder, the loose file, or the folder of the clip."""
        return self._path

    @property
    def track(self) -> Track:
        """The files of the track or clip."""
        return Track.at(self._path)

    def __getitem__(self, name: str) -> Any:
        """Return the value of a field; its other names work too."""
        if name in self._values:
            return self._values[name]
        try:
            return self._values[find_field(name).name]
        except SettingsError as error:
            raise KeyError(str(error)) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        known = {name: self._values[name] for name in ("bpm", "key", "mode", "duration", "lufs")}
        return (
            f"DatasetRow({str(self._path)!r}, {', '.join(f'{name}={value!r}' for name, value in known.items())}, ...)"
        )

    def _repr_html_(self) -> str:
        """Return the facts, and all values folded by section, for notebooks."""
        return track_html(self._path, self._values)


class Dataset(Sequence[DatasetRow]):
    """The tracks or clips of a data set that match a query. Created by `load`.

    Nothing is read before it is needed. A data set does not change while it is used; `refresh` looks again.
    """

    def __init__(self, source: _Source, table: TableName, query: Query) -> None:
        self._source, self._table, self._query = source, table, query
        self._found: list[_Place] | None = None

    def query(self, text: str) -> "Dataset":
        """Return the part that matches a query, such as ``"bpm:120..130 artist:daft sort:bpm-"``.

        Parameters
        ----------
        text : str
            In the language of ``mirkit ls``.

        Returns
        -------
        Dataset

        Raises
        ------
        SettingsError
            The query is wrong.
        """
        new = parse(text)
        condition(new)  # errors come here rather than at the first use
        order_sql(new.sort)
        parts = tuple(part for part in (self._query.condition, new.condition) if part)
        both = And(parts) if len(parts) == 2 else parts[0] if parts else None
        return Dataset(self._source, self._table, Query(both, new.sort or self._query.sort))

    @property
    def path(self) -> Path:
        """The path that was opened."""
        return self._source.path

    @property
    def fields(self) -> list[str]:
        """Names of all fields."""
        return list(query_fields())

    @property
    def paths(self) -> list[Path]:
        """Paths of the tracks or clips."""
        return [place.path for place in self._places()]

    def refresh(self) -> None:
        """Read what has changed since the data set was first used."""
        self._source.close()
        self._found = None

    def __len__(self) -> int:
        return len(self._places())

    @overload
    def __getitem__(self, index: int) -> DatasetRow: ...
    @overload
    def __getitem__(self, index: slice) -> list[DatasetRow]: ...
    @overload
    def __getitem__(self, index: str) -> list[Any]: ...
    def __getitem__(self, index: int | slice | str) -> Any:
        """Return a row by its number, a list of rows by a slice, or all values of a field by its name."""
        if isinstance(index, str):
            advice = f"A track is found by its name with: load(path, {f'name:{index}'!r})."
            return [values[0] for _, values in self._rows([find_field(index, advice)])]
        places = self._places()[index]
        return [self._row(place) for place in places] if isinstance(places, list) else self._row(places)

    def __iter__(self) -> Iterator[DatasetRow]:
        fields = list(query_fields().values())
        for path, values in self._rows(fields):
            yield DatasetRow(path, {field.name: value for field, value in zip(fields, values, strict=True)})

    def to_pandas(self, fields: Sequence[str] | None = None) -> Any:
        """Return a data frame of pandas with a row for each track or clip.

        Parameters
        ----------
        fields : sequence of str, optional
            Names of fields, or patterns such as ``lufs*``; all by default.

        Returns
        -------
        pandas.DataFrame
            Numbers are float64, NaN where unknown; dates are UTC.

        Raises
        ------
        MissingExtra
            The package pandas is not installed.
        SettingsError
            There is no such field.
        """
        try:
            import pandas
        except ImportError as error:
            raise MissingExtra("to_pandas needs the package pandas: pip install pandas") from error
        import numpy as np

        series = {}
        for field, values in self._columns(fields):
            if isinstance(values, array):
                numbers = pandas.Series(np.frombuffer(values, np.float64))
                series[field.name] = (
                    pandas.to_datetime(numbers, unit="s", utc=True) if field.kind == "date" else numbers
                )
            else:
                series[field.name] = pandas.Series(values, dtype="object")
        return pandas.DataFrame(series)

    def to_arrow(self, fields: Sequence[str] | None = None) -> Any:
        """Return a table of Apache Arrow with a row for each track or clip.

        Parameters
        ----------
        fields : sequence of str, optional
            Names of fields, or patterns such as ``lufs*``; all by default.

        Returns
        -------
        pyarrow.Table
            Numbers are float64, dates are timestamps in UTC, and objects such as ``reasons`` are texts in JSON.

        Raises
        ------
        MissingExtra
            The package pyarrow is not installed.
        SettingsError
            There is no such field.
        """
        try:
            import pyarrow
        except ImportError as error:
            raise MissingExtra("to_arrow needs the package pyarrow: pip install 'mirkit[parquet]'") from error
        import numpy as np

        names, arrays = [], []
        for field, values in self._columns(fields):
            names.append(field.name)
            if isinstance(values, array):
                numbers = np.frombuffer(values, np.float64)
                column = pyarrow.array(numbers * 1e6 if field.kind == "date" else numbers, from_pandas=True)
                if field.kind == "date":
                    column = column.cast(pyarrow.int64(), safe=False).cast(pyarrow.timestamp("us", "UTC"))
            elif field.name in _LISTS:
                column = pyarrow.array(values, type=pyarrow.list_(pyarrow.string()))
            else:
                texts = (json.dumps(value) if isinstance(value, dict | list) else value for value in values)
                column = pyarrow.array(texts, type=pyarrow.string())
            arrays.append(column)
        return pyarrow.Table.from_arrays(arrays, names=names)

    def __repr__(self) -> str:
        what = counted(len(self), self._table[:-1])
        text = format_query(self._query)
        return f"Dataset({str(self.path)!r}: {what}{f' that match {text}' if text else ''})"

    def _repr_html_(self) -> str:
        """Return the first rows as a table, for notebooks."""
        fields = choose_fields(DEFAULT_FIELDS)
        head = "".join(f"<th>{html.escape(name)}</th>" for name in DEFAULT_FIELDS)
        rows = []
        for place in self._places()[:_SHOWN_ROWS]:
            columns = [field.sql for field in (*fields, query_fields()["mode"])]
            (row,) = self._source.library.rows(columns, "_sort = ?", (place.sort,), table=self._table)
            values = [cells(field, [value], row[-1:])[0] for field, value in zip(fields, row, strict=False)]
            rows.append("".join(f"<td>{html.escape(text)}</td>" for text in values))
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        more = f"<p>and {len(self) - _SHOWN_ROWS} more</p>" if len(self) > _SHOWN_ROWS else ""
        return (
            f"<p>{html.escape(repr(self))}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"
        )

    def _places(self) -> list[_Place]:
        if self._found is None:
            library = self._source.library
            rows = matching(library, self._query, ("_sort",), table=self._table)
            self._found = [_Place(sort, path_of(library.root, key)) for key, sort in rows]
        return self._found

    def _row(self, place: _Place) -> DatasetRow:
        fields = list(query_fields().values())
        columns = [field.sql for field in fields]
        (row,) = self._source.library.rows(columns, "_sort = ?", (place.sort,), table=self._table)
        values = {field.name: plain_value(field, value) for field, value in zip(fields, row, strict=True)}
        return DatasetRow(place.path, values)

    def _rows(self, fields: Sequence[QueryField]) -> Iterator[tuple[Path, list[Any]]]:
        """Yield path and values of each row."""
        library = self._source.library
        columns = [field.sql for field in fields]
        for key, *values in matching(library, self._query, columns, table=self._table):
            plain = [plain_value(field, value) for field, value in zip(fields, values, strict=True)]
            yield path_of(library.root, key), plain

    def _columns(self, names: Sequence[str] | None) -> list[tuple[QueryField, "array[float] | list[Any]"]]:
        """Return fields with their values: numbers and dates as float64, NaN where unknown, others as a list."""
        fields = list(query_fields().values()) if names is None else choose_fields(names)
        columns: list[array[float] | list[Any]] = [array("d") if field.kind in _NUMBERS else [] for field in fields]
        library = self._source.library
        rows = matching(library, self._query, [field.sql for field in fields], table=self._table)
        while chunk := list(islice(rows, _CHUNK)):
            for field, column, values in zip(fields, columns, list(zip(*chunk, strict=True))[1:], strict=True):
                if isinstance(column, array):
                    column.extend(math.nan if value is None else value for value in values)
                else:
                    column.extend(plain_value(field, value) for value in values)
        return list(zip(fields, columns, strict=True))


#: Kinds of fields whose values are numbers in the library.
_NUMBERS = ("number", "duration", "date")
#: Rows that are converted at a time.
_CHUNK = 4096
_LISTS = tuple(name for name in ("stems", "artists", "genres") if name in FIELDS)
