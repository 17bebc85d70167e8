"""``.mirkit/library.sqlite``: the file of a data set's library, or what stands in for it where it cannot be written.

The library is a cache: it may be deleted at any time, and whatever is wrong with its file costs time and no result.

* It is written in transactions with a rollback journal, each under the lock of its folder; a killed process leaves the
  state before its last transaction.
* A damaged file, and one with other tables, is replaced as a whole; that of a newer version of mirkit is left alone.
* Where a program can set all times of a file (on network file systems, FAT and Windows), it is in the cache folder of
  the user, because that of a stranger would be believed; so it is where the data set is read-only. Where no file can be
  written, it is in memory.
* It may come from a stranger, like all of a data set. Tables, views and triggers that are not mirkit's are not used,
  and neither are links, write-ahead logs, and journals that name other files.
"""

import hashlib
import logging
import os
import re
import sqlite3
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from mirkit.errors import InfoError, printable
from mirkit.store.atomic import TEMP_PREFIX, lock, machine, make_folder, remove_orphans
from mirkit.store.digests import has_stable_inodes
from mirkit.store.sidecars import is_inside

_log = logging.getLogger("mirkit")

FOLDER = Path(".mirkit")
NAME = "library.sqlite"
#: Raised when the meaning of a table or column changes; a file with another number is written anew, or, with a higher
#: one, left alone.
VERSION = 2
#: Identifies the file as mirkit's, for programs such as ``file``.
_APPLICATION = 0x6D69726B
#: The end of a journal that names a journal of several databases, a file that SQLite might delete.
_SUPER_JOURNAL = bytes.fromhex("d9d505f920a163d7")
#: Files of the index that versions before the library kept.
_FORMER = re.compile(r"(?:done|verify)-[0-9a-f]{16}\.jsonl")
#: Bytes of a page: the row of a track fits into one, so that its last columns can be read without following a chain.
_PAGE = 16384
#: Rows that are read at a time.
_ROWS_AT_A_TIME = 200
#: Seconds to wait for another process that is writing.
_PATIENCE = 20.0


class _NotWantedError(Exception):
    """There is no file, and none may be made."""


class LibraryFile:
    """The tables of a library, in a file or in memory.

    Parameters
    ----------
    root : Path
        Root of the data set.
    tables : sequence of str
        Statements that create the tables.
    in_memory : bool
        Whether to use no file.
    prepare : callable, optional
        Receives each new connection, to register functions with it.

    Attributes
    ----------
    generation : int
        Increased whenever the content has been lost, because the file was replaced.
    may_create : bool
        Whether a file may be made where there is none; without it, what is written is kept in memory.
    """

    def __init__(
        self,
        root: Path,
        tables: Sequence[str],
        *,
        in_memory: bool = False,
        prepare: Callable[[sqlite3.Connection], None] = lambda _: None,
    ) -> None:
        self.generation, self.may_create = 0, True
        self._prepare = prepare
        self._root, self._tables = root, tuple(tables)
        self._path = None if in_memory else _place(root)
        self._connection: sqlite3.Connection | None = None
        self._opened: tuple[int, int] | None = None
        if self._path is None:
            self._connection = self._in_memory()
        else:
            self._open()

    @property
    def path(self) -> Path | None:
        """The file; None if the library is in memory."""
        return self._path

    @property
    def exists(self) -> bool:
        """Whether something has been written to it."""
        return self._connection is not None

    def read(self, query: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query; none if the library has not been written yet.

        If the file is damaged, it is replaced by an empty one, ``generation`` increases, and no more rows follow.
        """
        before = self.generation
        if self._connection is None:
            return
        try:
            cursor = self._connection.execute(query, parameters)
            while rows := cursor.fetchmany(_ROWS_AT_A_TIME):
                for row in rows:
                    yield row
                    if before != self.generation:  # replaced by a write in between
                        return
        except sqlite3.DatabaseError as error:
            if _is_damage(error):
                self._recover(error)
            elif _code(error) in _REFUSALS:
                raise InfoError(f"{printable(self._path or self._root)}: cannot read the library: {error}") from error
            else:
                raise

    def write(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Apply changes in one transaction.

        If the file cannot be written, the library continues in memory, and one warning says so.

        Parameters
        ----------
        work : callable
            Receives the connection. It is called again if the file had to be replaced.
        """
        for _ in range(2):
            try:
                self._transact(work)
            except sqlite3.DatabaseError as error:
                if _is_damage(error):
                    self._recover(error)
                elif _code(error) in _REFUSALS:
                    self._continue_in_memory(str(error))
                else:
                    raise
            except _NotWantedError:
                self._continue_in_memory("")
            except InfoError as error:  # of the lock, or of making the file
                self._continue_in_memory(str(error))
            else:
                return
        self._transact(work)

    def discard(self, why: str) -> None:
        """Remove the content, because a row of it is not what was written."""
        self._recover(ValueError(why))

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _transact(self, work: Callable[[sqlite3.Connection], None]) -> None:
        if self._path is None:
            _apply(self._require(), work)
            return
        if self._connection is None and not (self.may_create or os.path.lexists(self._path)):
            raise _NotWantedError
        if not self._path.parent.is_dir():
            make_folder(self._path.parent)
        with lock(self._path.parent, _PATIENCE):
            if self._connection is None or self._opened != _identity(self._path):
                self.generation += self._connection is not None  # deleted, or replaced by another process
                self._open()
            if self._connection is None:
                self._create()
            _apply(self._require(), work)

    def _connect(self, path: Path | None) -> sqlite3.Connection:
        connection = _connect(path)
        self._prepare(connection)
        return connection

    def _require(self) -> sqlite3.Connection:
        if self._connection is None:
            raise InfoError(f"{printable(self._root)}: the library is closed")
        return self._connection

    def _open(self) -> None:
        """Open the file if it is there and mirkit's."""
        self.close()
        path = self._path
        if path is None or not os.path.lexists(path):
            return
        try:
            _check(path)
            identity = _identity(path)
            connection = self._connect(path)
            try:
                version = _version(connection)
                known = version == VERSION and _schema(connection) == _expected(self._tables)
            except BaseException:
                connection.close()
                raise
        except (sqlite3.Error, OSError, ValueError) as error:
            self._recover(error)
            return
        if version > VERSION:
            connection.close()
            self._to_memory(f"{printable(path)}: a newer version of mirkit wrote this library, so it is not used")
        elif known:
            self._connection, self._opened = connection, identity
        else:  # of an older version, or not mirkit's: written anew by the next write
            connection.close()
            self.generation += 1
            with suppress(OSError):
                _remove(path)

    def _create(self) -> None:
        """Write an empty file; the caller holds the lock."""
        path = self._path
        if path is None:
            return
        with suppress(InfoError):
            remove_orphans(path.parent)
        temp = path.with_name(f"{TEMP_PREFIX}{machine()}-{os.getpid()}-{os.urandom(4).hex()}.sqlite")
        try:
            connection = self._connect(temp)
            try:
                _make(connection, self._tables)
            finally:
                connection.close()
            _remove(path)
            os.replace(temp, path)
        except OSError as error:
            raise InfoError(f"{printable(path)}: cannot be written: {error}") from error
        finally:
            with suppress(OSError):
                temp.unlink(missing_ok=True)
        self._opened, self._connection = _identity(path), self._connect(path)
        _remove_former(self._root)

    def _recover(self, error: Exception) -> None:
        """Remove a damaged file, which the next write replaces; say so once."""
        self.close()
        self.generation += 1
        if self._path is None:
            self._connection = self._in_memory()
            return
        _warn(f"{printable(self._path)}: the library was damaged ({error}) and is written anew")
        try:
            _remove(self._path)
        except OSError as cause:
            self._to_memory(f"{printable(self._path)}: the damaged library cannot be replaced ({cause})")

    def _continue_in_memory(self, why: str) -> None:
        """Keep the content, as far as it can be read, in memory from now on; say why, if there is a reason."""
        if self._path is None:
            raise InfoError(f"the library cannot be kept in memory: {why}")
        before = self._connection
        memory = self._in_memory()
        try:
            if before is not None:
                before.rollback()
                before.backup(memory)
            else:
                self.generation += 1
        except sqlite3.Error:
            memory.close()
            memory = self._in_memory()
            self.generation += 1
        self.close()
        where = printable(self._path)
        self._path, self._connection = None, memory
        if why:
            _warn(f"{where}: cannot be written ({why}); what was read is not kept for the next command")

    def _to_memory(self, why: str) -> None:
        self.close()
        self.generation += 1
        self._path, self._connection = None, self._in_memory()
        _warn(f"{why}; what was read is not kept for the next command")

    def _in_memory(self) -> sqlite3.Connection:
        connection = self._connect(None)
        _make(connection, self._tables)
        return connection


@cache
def _warn(message: str) -> None:
    """Log a warning, once."""
    _log.warning("%s", message)


def library_path(root: Path) -> Path:
    """Return where the library of a data set is, if it can be written there."""
    return root / FOLDER / NAME


def _place(root: Path) -> Path | None:
    """Return the path of the file; None if there is no place for one."""
    folder = root / FOLDER
    own = is_inside(root, FOLDER) and (folder.is_dir() or not os.path.lexists(folder))
    if own and has_stable_inodes(os.stat(root).st_dev, root):
        if os.access(folder if folder.is_dir() else root, os.W_OK):
            return library_path(root)
        why = "the data set is read-only"
    elif not own:
        why = f"{printable(folder)} is not a folder in the data set"
    else:
        why = ""
    elsewhere = _in_cache(root)
    if why:
        where = f"in {printable(elsewhere.parent)}" if elsewhere else "in memory, for this command only"
        _warn(f"{printable(root)}: {why}; what is known of its tracks is kept {where}")
    return elsewhere


def _in_cache(root: Path) -> Path | None:
    """Return a path in the cache folder of the user; None if it cannot be written."""
    import platformdirs

    home = os.environ.get("MIRKIT_HOME")
    real = os.fsencode(os.path.realpath(root))
    try:
        base = Path(home).expanduser() if home else platformdirs.user_cache_path("mirkit", appauthor=False)
        folder = make_folder(base.absolute() / "libraries" / hashlib.sha256(real).hexdigest()[:16])
    except (InfoError, RuntimeError):  # no permission; no home folder
        return None
    return folder / NAME if os.access(folder, os.W_OK) else None


def _remove_former(root: Path) -> None:
    """Remove the index that versions before the library kept."""
    folder = root / FOLDER / "index"
    if not is_inside(root, FOLDER / "index"):
        return
    with suppress(OSError):
        for file in folder.glob("*.jsonl"):
            if _FORMER.fullmatch(file.name) and not file.is_symlink():
                file.unlink()
        folder.rmdir()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _beside(path: Path) -> list[Path]:
    return [path.with_name(path.name + end) for end in ("-journal", "-wal", "-shm")]


def _check(path: Path) -> None:
    """Refuse what SQLite should not open: links, pipes, and journals that name other files.

    Raises
    ------
    ValueError
        The file is one of these.
    """
    journal, *logs = _beside(path)
    for other in logs:  # mirkit uses none
        if os.path.lexists(other):
            raise ValueError(f"{printable(other.name)} is not mirkit's")
    for file in (path, journal):
        try:
            mode = os.lstat(file).st_mode
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(mode):
            raise ValueError(f"{printable(file.name)} is not a regular file")
    with suppress(FileNotFoundError), open(journal, "rb") as content:
        if content.seek(0, os.SEEK_END) >= len(_SUPER_JOURNAL):
            content.seek(-len(_SUPER_JOURNAL), os.SEEK_END)
            if content.read() == _SUPER_JOURNAL:
                raise ValueError(f"{printable(journal.name)} names another file")


def _remove(path: Path) -> None:
    """Remove the file and what SQLite keeps beside it; the journal last, because the file may be damaged without it."""
    for file in (path, *_beside(path)):
        if os.path.lexists(file) and not (file.is_dir() and not file.is_symlink()):
            file.unlink(missing_ok=True)
    if path.is_dir():
        raise IsADirectoryError(f"{printable(path)} is a folder")


def _connect(path: Path | None) -> sqlite3.Connection:
    name = ":memory:" if path is None else os.fspath(path)
    connection = sqlite3.connect(name, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
    for pragma in ("trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0", "temp_store=MEMORY", "cache_size=-32000"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _make(connection: sqlite3.Connection, tables: Sequence[str]) -> None:
    connection.execute(f"PRAGMA page_size={_PAGE}")
    connection.execute(f"PRAGMA application_id={_APPLICATION}")
    connection.execute("BEGIN")
    for statement in tables:
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version={VERSION}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    if mode not in ("delete", "memory"):
        raise ValueError(f"its journal mode is {mode}")
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != _APPLICATION:
        raise ValueError("it is not mirkit's")
    return int(version)


def _schema(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    return connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name").fetchall()


def _expected(tables: Sequence[str]) -> list[tuple[Any, ...]]:
    with sqlite3.connect(":memory:") as connection:
        for statement in tables:
            connection.execute(statement)
        found = _schema(connection)
    connection.close()
    return found


def _apply(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], None]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether an error says that the content is wrong."""
    return _code(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or "not decode to UTF-8" in str(error)


def _code(error: sqlite3.DatabaseError) -> int:
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & 0xFF


#: Errors of the system: the file cannot be read or written now.
_REFUSALS = frozenset(
    (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_NOMEM,
    )
)
