"""The library of a data set: a table with a row for each track and one for each clip, kept up to date from the files.

It is a cache. A row belongs to the ``.INFO`` and ``.PROVENANCE`` with the stamps that it was read with; :meth:`refresh`
reads those that have changed. Deleting ``.mirkit/library.sqlite`` costs time only.
"""

import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from mirkit import engines
from mirkit.dataset.library import listings
from mirkit.dataset.library.fields import FIELDS
from mirkit.dataset.library.listings import Listings, in_scope, is_reachable
from mirkit.dataset.library.row import (
    HIDDEN,
    LAST,
    Row,
    base_key,
    exclusion,
    key_of,
    names_stamp,
    place_of,
    problem_in,
    read_row,
)
from mirkit.dataset.library.stamps import sidecar_stamps
from mirkit.dataset.query.functions import add_functions
from mirkit.engines.processes import iter_chunked
from mirkit.errors import MissingInput, printable
from mirkit.store import LibraryFile, find_root, read_settings
from mirkit.track import Track, find_all, is_track

#: A table of the library.
TableName = Literal["tracks", "clips"]
TABLES: tuple[TableName, ...] = ("tracks", "clips")
#: Bytes of the two stamps of the sidecars; those of the names follow.
_SIDECARS = 64

_COLUMNS = ", ".join((*HIDDEN, *(f"{field.column} {field.sql_type}" for field in FIELDS.values()), *LAST))
_STATEMENTS = (
    "CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    listings.TABLE,
    *(f"CREATE TABLE {table} ({_COLUMNS})" for table in TABLES),
    *(
        f"CREATE TABLE {table}_states (_sort BLOB PRIMARY KEY, _key BLOB NOT NULL, base BLOB NOT NULL, "
        "stamps BLOB NOT NULL) WITHOUT ROWID"
        for table in TABLES
    ),
)
_INSERT = f"INSERT OR REPLACE INTO {{}} VALUES ({', '.join('?' * (len(HIDDEN) + len(FIELDS) + len(LAST)))})"


class Library:
    """The library of a data set, or of a part of it. Created by :meth:`open`.

    Attributes
    ----------
    root : Path
        Root of the data set; the field ``path`` is relative to it.
    scope : Path
        The folder of tracks, the track or the loose file that was named. Only rows of it are returned.
    problems : list of str
        After :meth:`refresh`: a line for each folder that could not be read.
    """

    def __init__(self, root: Path, scope: Path, *, several: bool) -> None:
        self.root, self.scope, self.problems = root, scope, list[str]()
        self._several = several
        self._prefix = os.fsencode(os.path.join(root, ""))
        self._key = b"" if scope == root else os.fsencode(scope.relative_to(root).as_posix())
        apart = several and not is_reachable(root, scope)
        self._file = LibraryFile(root, _STATEMENTS, in_memory=apart or not several, prepare=add_functions)

    @classmethod
    def open(cls, path: Path | str) -> "Library":
        """Open the library of the data set that a path belongs to. Nothing is read yet.

        Parameters
        ----------
        path : path
            A folder of tracks, a track folder, or a loose audio file.

        Returns
        -------
        Library

        Raises
        ------
        MissingInput
            There is no such path, or it is no audio file.
        """
        scope = Path(os.path.abspath(path))
        several = scope.is_dir() and not is_track(scope)
        if not several:
            scope = Track.at(scope).path
        return cls(find_root(scope, batch=several), scope, several=several)

    def __enter__(self) -> "Library":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file of the library."""
        self._file.close()

    def refresh(self, advance: Callable[[int, int], None] = lambda _done, _of: None, *, jobs: int = 0) -> None:
        """Bring the rows of the tracks up to date: only files that have changed are read, on all cores.

        Parameters
        ----------
        advance : callable, optional
            Called with the number of tracks that have been read, and that have to be, when some are done.
        jobs : int
            Worker processes; 0 for one per core.

        Raises
        ------
        MissingInput
            The folder cannot be read.
        SettingsError
            The settings file is wrong.
        """
        excluded = read_settings(self.root).exclude
        generation = -1
        while generation != self._file.generation:  # again if the file had to be replaced meanwhile
            generation = self._file.generation
            self._refresh(excluded, advance, jobs or engines.cores())
            self._exclude(excluded)

    def rows(
        self,
        columns: Sequence[str] = ("path",),
        where: str = "",
        parameters: Sequence[Any] = (),
        *,
        table: TableName = "tracks",
        order: str = "",
        limit: int | None = None,
    ) -> Iterator[tuple[Any, ...]]:
        """Yield rows of the tracks or clips, as they were at the last :meth:`refresh`.

        Parameters
        ----------
        columns : sequence of str
            Expressions in SQL; the columns of fields are ``FIELDS[name].column``.
        where : str
            Condition in SQL, with ``?`` for the parameters; "" for all.
        parameters : sequence
        table : str
            ``tracks`` or ``clips``.
        order : str
            Terms of ``ORDER BY``; rows that are equal in them, or all, are in the order of the paths.
        limit : int, optional
            Largest number of rows.

        Yields
        ------
        tuple
            One value for each of ``columns``.
        """
        below, keys = in_scope(self._key, "_key")
        query = f"SELECT {', '.join(columns)} FROM {table} WHERE ({where or 1}) AND {below} ORDER BY "
        query += ", ".join([*([order] if order else []), "_sort"]) + ("" if limit is None else f" LIMIT {int(limit)}")
        done = 0
        while True:
            generation = self._file.generation
            for number, row in enumerate(self._file.read(query, (*parameters, *keys))):
                if number >= done:
                    done += 1
                    yield row
            if generation == self._file.generation:
                return
            self.refresh()  # the file was damaged

    def problem(self, stored: str) -> str:
        """Return the message of the field ``problem`` with the path of the data set."""
        return problem_in(stored, self.root)

    def _refresh(self, excluded: Mapping[str, str], advance: Callable[[int, int], None], jobs: int) -> None:
        read = partial(read_row, root=self.root, excluded=excluded)
        if not self._several:
            self._store("tracks", [read(Track.at(self.scope))])
            return
        known = self._states("tracks")
        folders = Listings(self._file, self.root, self._key)
        if folders.are_current():
            self.problems = []
            stale = [key for key, base, stamps in known.values() if not self._is_current(base, stamps)]
            tracks = self._at(stale)
        else:
            tracks = None
        if tracks is None:
            self.problems = []
            found = find_all(self.scope, self.problems, lister=folders.list)
            tracks, gone = self._changed(found, known)
        else:
            gone = []
        for start, rows in iter_chunked(read, tracks, jobs=jobs):
            self._store("tracks", rows)
            advance(min(start + len(rows), len(tracks)), len(tracks))
        # Last, because current listings say that all rows are there.
        self._remove("tracks", gone)
        folders.save()

    def _states(self, table: TableName) -> dict[bytes, tuple[bytes, bytes, bytes]]:
        """Return what is known of each row in the scope: order -> path, path of the sidecars, stamps."""
        where, parameters = in_scope(self._key, "_key")
        rows = self._file.read(f"SELECT _sort, _key, base, stamps FROM {table}_states WHERE {where}", parameters)
        # A library from a stranger may hold anything.
        return {sort: (key, base, stamps) for sort, key, base, stamps in rows if _are_bytes(key, base, stamps)}

    def _is_current(self, base: bytes, stamps: bytes) -> bool:
        return bool(stamps) and sidecar_stamps(self._prefix + base) == stamps[:_SIDECARS]

    def _at(self, keys: Sequence[bytes]) -> list[Track] | None:
        """Return the tracks at stored paths; None if one is not: a library from a stranger may hold anything."""
        if any(part in (b"", b".", b"..") for key in keys for part in key.split(b"/")):
            return None
        try:
            return [Track.at(os.fsdecode(self._prefix + key)) for key in keys]
        except MissingInput:
            return None

    def _changed(
        self, found: Sequence[Track], known: Mapping[bytes, tuple[bytes, bytes, bytes]]
    ) -> tuple[list[Track], list[bytes]]:
        """Return the tracks whose rows are missing or out of date, and the places of rows whose tracks are gone."""
        prefix = os.fsdecode(self._prefix)
        changed, places = [], set()
        for track in found:
            place = place_of(key_of(track, prefix), loose=bool(track.loose))
            places.add(place)
            _, base, stamps = known.get(place, (b"", b"", b""))
            same = base == base_key(track, prefix) and stamps[_SIDECARS:] == names_stamp(track)
            if not (same and self._is_current(base, stamps)):
                changed.append(track)
        return changed, [place for place in known if place not in places]

    def _store(self, table: TableName, rows: Sequence[Row]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(_INSERT.format(table), (row.values for row in rows))
            connection.executemany(
                f"INSERT OR REPLACE INTO {table}_states VALUES (?, ?, ?, ?)",
                ((row.sort, row.values[1], row.base, row.stamps) for row in rows),
            )

        if rows:
            self._file.write(work)

    def _remove(self, table: TableName, places: Sequence[bytes]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            for name in (table, f"{table}_states"):
                connection.executemany(f"DELETE FROM {name} WHERE _sort = ?", ((place,) for place in places))

        if places:
            self._file.write(work)

    def _exclude(self, excluded: Mapping[str, str]) -> None:
        """Write the field ``excluded`` of all rows anew if the settings have changed."""
        settings = json.dumps(dict(excluded), sort_keys=True)
        stored = self._file.read("SELECT value FROM notes WHERE name = 'exclude'")
        if next((value for (value,) in stored), "{}") == settings:
            return

        def work(connection: sqlite3.Connection) -> None:
            for table in TABLES:
                known = connection.execute(f'SELECT _sort, _key, "name", "excluded" FROM {table}').fetchall()
                wanted = [(exclusion(key, str(name), excluded) or None, why, sort) for sort, key, name, why in known]
                changes = [(now, sort) for now, before, sort in wanted if now != before]
                connection.executemany(f'UPDATE {table} SET "excluded" = ? WHERE _sort = ?', changes)
            connection.execute("INSERT OR REPLACE INTO notes VALUES ('exclude', ?)", (settings,))

        self._file.write(work)


def _are_bytes(*values: object) -> bool:
    return all(type(value) is bytes for value in values)


def no_track(path: Path, *, crops: bool = False) -> MissingInput:
    """Return the error that a folder holds no track, or no clip."""
    which = "clip in this folder; cut clips with: mirkit crop" if crops else "track in this folder"
    return MissingInput(f"{printable(path)}: there is no {which}")
