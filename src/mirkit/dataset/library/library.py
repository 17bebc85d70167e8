"""The library of a data set: a table with a row for each track and one for each clip, kept up to date from the files.

It is a cache. A row belongs to the ``.INFO`` and ``.PROVENANCE`` with the stamps that it was read with; :meth:`refresh`
reads those that have changed. Deleting ``.mirkit/library.sqlite`` costs time only.
"""

import os
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

from mirkit import engines
from mirkit.dataset.library import answers, listings
from mirkit.dataset.library.answers import Answers
from mirkit.dataset.library.fields import FIELDS
from mirkit.dataset.library.listings import Listings, in_scope, is_reachable
from mirkit.dataset.library.overrides import RightsSource, not_excluded, write_exclusions
from mirkit.dataset.library.row import (
    HIDDEN,
    LAST,
    LOOSE,
    Row,
    RowJob,
    base_key,
    clip_folder,
    cut_source,
    files_stamp,
    key_of,
    place_of,
    problem_in,
    read_row,
)
from mirkit.dataset.library.stamps import has_file, row_stamps, stamp
from mirkit.dataset.query.functions import add_functions
from mirkit.engines.forks import map_forked
from mirkit.engines.processes import iter_chunked
from mirkit.errors import MissingInput, printable
from mirkit.store import LIBRARY_FOLDER, SETTINGS_NAME, LibraryFile, find_root, read_settings
from mirkit.track import Track, find_all, is_track
from mirkit.track.listing import Unread

#: A table of the library.
TableName = Literal["tracks", "clips"]
TABLES: tuple[TableName, ...] = ("tracks", "clips")
#: Bytes of the stamps of the sidecars, and of these and the mix; a hash of the other files follows.
_SIDECARS, _ROW_STAMPS = 64, 96

#: Number of tracks from which listings are kept even where nothing else is.
_MANY = 1000
#: Rows of one transaction.
_ROWS_AT_A_TIME = 2500

_COLUMNS = ", ".join((*HIDDEN, *(f"{field.column} {field.sql_type}" for field in FIELDS.values()), *LAST))
_STATEMENTS = (
    "CREATE TABLE notes (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    *listings.TABLES,
    *answers.TABLES,
    "CREATE TABLE fingerprints (key BLOB PRIMARY KEY, stamp BLOB NOT NULL, content BLOB NOT NULL, "
    "compared INTEGER NOT NULL DEFAULT 0)",
    "CREATE TABLE copies (first BLOB NOT NULL, second BLOB NOT NULL, alignment TEXT NOT NULL)",
    *(f"CREATE TABLE {table} ({_COLUMNS})" for table in TABLES),
    *(
        f"CREATE TABLE {table}_states (_sort BLOB PRIMARY KEY, _key BLOB NOT NULL, base BLOB NOT NULL, "
        "mix BLOB NOT NULL, stamps BLOB NOT NULL) WITHOUT ROWID"
        for table in TABLES
    ),
)
#: What is known of a row: its path, those of its sidecars and of its mix, all from the root, and stamps.
_State = tuple[bytes, bytes, bytes, bytes]
_INSERT = f"INSERT OR REPLACE INTO {{}} VALUES ({', '.join('?' * (len(HIDDEN) + len(FIELDS) + len(LAST)))})"


class Library:
    """The library of a data set, or of a part of it. Created by :meth:`open`.

    Attributes
    ----------
    root : Path
        Root of the data set; the field ``path`` is relative to it.
    scope : Path
        The folder of tracks, the track or the loose file that was named. Only rows of it are returned.
    several : bool
        Whether ``scope`` is a folder of tracks.
    problems : list of str
        After :meth:`refresh`: a line for each file of the data set that could not be read.
    unread : list of Unread
        After :meth:`refresh`: folders and stems that could not be read, without those that the user excluded.
    """

    def __init__(self, root: Path, scope: Path, *, several: bool) -> None:
        self.root, self.scope, self.problems, self.unread = root, scope, list[str](), list[Unread]()
        self.several = several
        self._with_clips = False
        self._excluded: Mapping[str, str] = {}
        self._rights = RightsSource(root)
        self._text = os.path.join(root, "")
        self._prefix = os.fsencode(self._text)
        self._key = b"" if scope == root else os.fsencode(scope.relative_to(root).as_posix())
        apart = several and not is_reachable(root, scope)
        self._file = LibraryFile(root, _STATEMENTS, in_memory=apart or not several, prepare=add_functions)
        # A folder of music becomes a data set by a run, and not because somebody looks at it.
        self._file.may_create = (root / SETTINGS_NAME).is_file() or (root / LIBRARY_FOLDER).is_dir()

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
            There is no such path, or it is no audio file, or a link to nothing.
        """
        scope = Path(os.path.abspath(path))
        several = scope.is_dir() and not is_track(scope)
        if not several:
            scope = Track.at(scope).readable().path
        return cls(find_root(scope, batch=several), scope, several=several)

    def __enter__(self) -> "Library":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def discard(self, why: str) -> None:
        """Forget all rows, because one of them is not what was written; :meth:`refresh` reads them again."""
        self._file.discard(why)

    def close(self) -> None:
        """Close the file of the library."""
        self._file.close()

    def refresh(
        self, advance: Callable[[int, int], None] = lambda _done, _of: None, *, clips: bool = False, jobs: int = 0
    ) -> None:
        """Bring the rows of the tracks up to date: only files that have changed are read, on all cores.

        Parameters
        ----------
        advance : callable, optional
            Called with the number of tracks that have been read, and that have to be, when some are done.
        clips : bool
            Whether to bring the rows of their clips up to date too.
        jobs : int
            Worker processes; 0 for one per core.

        Raises
        ------
        MissingInput
            The folder cannot be read.
        SettingsError
            The settings file is wrong.
        """
        self._excluded = read_settings(self.root).exclude
        self._rights = RightsSource(self.root)
        generation = -1
        while generation != self._file.generation:  # again if the file had to be replaced meanwhile
            generation = self._file.generation
            self._refresh(advance, jobs or engines.cores())
            if clips:
                self._refresh_clips(advance, jobs or engines.cores())
            write_exclusions(self._file, self._excluded)
            self._rights.write(self._file)
        self._with_clips = clips
        if self._rights.problem:
            self.problems.append(self._rights.problem)

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
            self.refresh(clips=self._with_clips)  # the file was damaged

    def find_tracks(
        self, unread: list[Unread] | None = None, notes: list[str] | None = None, *, samples: bool = True
    ) -> list[Track]:
        """Find the tracks, as ``mirkit.track.find_all`` does; only folders that have changed are listed.

        Parameters
        ----------
        unread : list of Unread, optional
            Gets the folders and stems that cannot be read, without those that the user excluded.
        notes : list of str, optional
            Gets a line for stems without a mix, and one for files that are not used.
        samples : bool
            Whether to find the one-shots of sample packs too.

        Raises
        ------
        MissingInput
            The folder cannot be read.
        """
        if not self.several:
            return [Track.at(self.scope)]
        folders = Listings(self._file, self.root, self._key)
        some: list[Unread] = []
        found = find_all(self.scope, some, notes, lister=folders.list, samples=samples)
        if unread is not None and some:
            unread += not_excluded(some, self.root, read_settings(self.root).exclude)
        if self._file.exists or len(found) >= _MANY:
            folders.save(complete=False)
        return found

    def answers(self, name: str, basis: Any) -> Answers:
        """Return what is kept of an earlier run about the folders of tracks.

        Parameters
        ----------
        name : str
            Kind of question.
        basis : JSON
            Everything besides the files on which the answers depend: versions, settings.
        """
        return Answers(self._file, self._text, name, basis)

    def fingerprints(self) -> Iterator[tuple[bytes, bytes, bytes, int]]:
        """Yield what is kept of the fingerprints of tracks.

        Yields
        ------
        tuple
            Path from the root, stamp, content, and whether the track was compared with all others of which that is
            said.
        """
        where, parameters = in_scope(self._key)
        yield from self._file.read(f"SELECT key, stamp, content, compared FROM fingerprints WHERE {where}", parameters)

    def keep_fingerprints(self, rows: Sequence[tuple[bytes, bytes, bytes]]) -> None:
        """Keep fingerprints: path of the track from the root, stamp of its file, content."""

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO fingerprints VALUES (?, ?, ?, 0)", rows)

        if rows:
            self._file.may_create = True
            self._file.write(work)

    def copies(self) -> Iterator[tuple[bytes, bytes, str]]:
        """Yield the pairs of copies that were found among the tracks that were compared: two paths, the alignment."""
        yield from self._file.read("SELECT first, second, alignment FROM copies")

    def keep_copies(
        self, asked: Collection[bytes], compared: Sequence[bytes], pairs: Sequence[tuple[bytes, bytes, str]]
    ) -> None:
        """Keep which tracks have been compared, and the copies among them.

        Nothing is kept if tracks that were compared before are not among those that were asked for.
        """
        before = {key for (key,) in self._file.read("SELECT key FROM fingerprints WHERE compared")}
        if not before <= set(asked):
            return

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE fingerprints SET compared = 0 WHERE compared")
            connection.executemany("UPDATE fingerprints SET compared = 1 WHERE key = ?", ((key,) for key in compared))
            connection.execute("DELETE FROM copies")
            connection.executemany("INSERT INTO copies VALUES (?, ?, ?)", pairs)

        if self._file.exists:
            self._file.write(work)

    def note(self, name: str) -> str:
        """Return a text that is kept about the data set, or ""."""
        stored = self._file.read("SELECT value FROM notes WHERE name = ?", (name,))
        return next((value for (value,) in stored if isinstance(value, str)), "")

    def keep_note(self, name: str, value: str) -> None:
        """Keep a text about the data set."""

        def work(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))

        self._file.may_create = True
        self._file.write(work)

    def clip_sources(self) -> dict[bytes, set[str]]:
        """Return the sources that clips may have been cut from, of tracks that are not excluded.

        Returns
        -------
        dict
            Folder that may hold clips, as bytes from the root -> values of the column ``_cut``.
        """
        sources: dict[bytes, set[str]] = {}
        for place, key in self.rows(("_sort", "_key"), "excluded IS NULL"):
            loose = place.startswith(LOOSE)
            file = key.rpartition(b"/")[2] if loose else b""
            sources.setdefault(clip_folder(key, loose=loose), set()).add(cut_source(os.fsdecode(file)))
        return sources

    def name_of(self, key: bytes) -> str:
        """Return the name of a row for the user: its path from ``scope``, or from ``root`` if that is a track."""
        below = key[len(self._key) + 1 :] if self.several and self._key else key
        return os.fsdecode(below).replace("/", os.sep)

    def problem(self, stored: str) -> str:
        """Return the message of the field ``problem`` with the path of the data set."""
        return problem_in(stored, self.root)

    def _refresh(self, advance: Callable[[int, int], None], jobs: int) -> None:
        self.problems, self.unread = [], []
        if not self.several:
            track = Track.at(self.scope)
            place = place_of(key_of(track, self._text), loose=bool(track.loose))
            self._update("tracks", [RowJob(track, place)], advance, 1)
            return
        known = self._states("tracks")
        folders = Listings(self._file, self.root, self._key)
        if folders.are_current(jobs):
            stale = map_forked(self._stale, list(known.items()), jobs=jobs)
            rows = self._jobs(found for part in stale for found in part)
            if rows is not None:
                self._update("tracks", rows, advance, jobs)
                return
        found = find_all(self.scope, self.unread, lister=folders.list)
        self.unread = not_excluded(self.unread, self.root, self._excluded)
        keyed = [(place_of(key_of(track, self._text), loose=bool(track.loose)), track) for track in found]
        rows = [RowJob(track, place) for place, track in keyed if not self._is_known(track, known.get(place))]
        self._update("tracks", rows, advance, jobs)
        self._remove("tracks", known.keys() - {place for place, _ in keyed})
        # Last, because current listings say that all rows are there.
        folders.save(complete=True)

    def _refresh_clips(self, advance: Callable[[int, int], None], jobs: int) -> None:
        known = self._states("clips")
        folders = Listings(self._file, self.root, self._key, "clip_folders")
        found: dict[bytes, RowJob] = {}
        for key, (place, sources) in self._clip_folders().items():
            if not has_file(stamp(self._prefix + key)):
                continue
            try:
                names = folders.list(Path(os.fsdecode(self._prefix + key))).folders
            except MissingInput:
                continue
            for name in names:
                clip = Track(Path(os.fsdecode(self._prefix + key)) / name)
                if clip.provenance.exists():
                    its_place = place + b"\0" + os.fsencode(name)
                    found[its_place] = RowJob(clip, its_place, is_clip=True, sources=sources)
        rows = [job for place, job in found.items() if not self._is_known(job.track, known.get(place), job.sources)]
        self._update("clips", rows, advance, jobs)
        self._remove("clips", known.keys() - found.keys())
        folders.save(complete=True)

    def _clip_folders(self) -> dict[bytes, tuple[bytes, bytes]]:
        """Return the folders that may hold clips -> their place, and the stamps of the sidecars of their tracks.

        Loose files of a folder share one.
        """
        folders: dict[bytes, tuple[bytes, bytes]] = {}
        for place, (key, _, _, stamps) in self._states("tracks").items():
            loose = place.startswith(LOOSE)
            folder = clip_folder(key, loose=loose)
            before = folders.get(folder, (b"", b""))[1]
            folders[folder] = place_of(folder, loose=True) if loose else place, before + stamps[:_SIDECARS]
        return folders

    def _states(self, table: TableName) -> dict[bytes, _State]:
        """Return what is known of each row in the scope: place -> state."""
        where, parameters = in_scope(self._key, "_key")
        rows = self._file.read(f"SELECT _sort, _key, base, mix, stamps FROM {table}_states WHERE {where}", parameters)
        # A library from a stranger may hold anything.
        return {
            place: (key, base, mix, stamps)
            for place, key, base, mix, stamps in rows
            if _are_bytes(key, base, mix, stamps)
        }

    def _is_known(self, track: Track, state: _State | None, sources: bytes = b"") -> bool:
        """Return whether the row of a track is up to date."""
        if state is None:
            return False
        _, base, _, stamps = state
        same = base == base_key(track, self._text) and stamps[_ROW_STAMPS:] == files_stamp(track, sources)
        return same and not self._stale([(b"", state)])

    def _stale(self, states: Sequence[tuple[bytes, _State]]) -> list[tuple[bytes, bytes]]:
        """Return place and path of the rows whose sidecars or mix have changed."""
        prefix = self._prefix
        return [
            (place, key)
            for place, (key, base, mix, stamps) in states
            if not stamps or row_stamps(prefix, base, mix) != stamps[:_ROW_STAMPS]
        ]

    def _jobs(self, known: Iterable[tuple[bytes, bytes]]) -> list[RowJob] | None:
        """Return the rows at stored paths; None if there is no track: a library from a stranger may hold anything."""
        rows = []
        for place, key in known:
            if any(part in (b"", b".", b"..") for part in key.split(b"/")):
                return None
            try:
                rows.append(RowJob(Track.at(os.fsdecode(self._prefix + key)), place))
            except MissingInput:
                return None
        return rows

    def _update(self, table: TableName, rows: Sequence[RowJob], advance: Callable[[int, int], None], jobs: int) -> None:
        """Read rows and store them, many at a time; after a kill, those that were stored are known."""
        waiting: list[Row] = []
        done = 0
        read = partial(read_row, root=self.root, excluded=self._excluded, rights=self._rights.reader) if rows else None
        for _, found in iter_chunked(read, rows, jobs=jobs) if read else ():
            waiting += found
            done += len(found)
            if len(waiting) >= _ROWS_AT_A_TIME or done == len(rows):
                self._store(table, waiting)
                waiting = []
            advance(done, len(rows))

    def _store(self, table: TableName, rows: Sequence[Row]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.executemany(_INSERT.format(table), (row.values for row in rows))
            connection.executemany(
                f"INSERT OR REPLACE INTO {table}_states VALUES (?, ?, ?, ?, ?)",
                ((row.place, row.values[1], row.base, row.mix, row.stamps) for row in rows),
            )

        if rows:
            # Measured tracks make a data set, unless they are those of a data set below.
            self._file.may_create = self._file.may_create or any(row.is_measured and self._owns(row) for row in rows)
            self._file.write(work)

    def _owns(self, row: Row) -> bool:
        owner = find_root(Path(os.fsdecode(self._prefix + row.values[1])))
        return owner == self.root or not (owner / SETTINGS_NAME).is_file()

    def _remove(self, table: TableName, places: Collection[bytes]) -> None:
        def work(connection: sqlite3.Connection) -> None:
            some = [(place,) for place in places]
            if table == "tracks":
                gone = "key = (SELECT _key FROM tracks WHERE _sort = ?)"
                connection.executemany(f"DELETE FROM fingerprints WHERE {gone}", some)
                every = "question IN (SELECT question FROM questions)"  # so that the index is used
                connection.executemany(f"DELETE FROM answers WHERE {every} AND {gone}", some)
            for name in (table, f"{table}_states"):
                connection.executemany(f"DELETE FROM {name} WHERE _sort = ?", some)

        if places:
            self._file.write(work)


def _are_bytes(*values: object) -> bool:
    return all(type(value) is bytes for value in values)


def no_track(path: Path, *, crops: bool = False) -> MissingInput:
    """Return the error that a folder holds no track, or no clip."""
    which = "clip in this folder; cut clips with: mirkit crop" if crops else "track in this folder"
    return MissingInput(f"{printable(path)}: there is no {which}")
