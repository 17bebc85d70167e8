"""What folders of a data set hold, kept from one command to the next: only folders that have changed are listed."""

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from mirkit.dataset.library.stamps import UNSETTLED, has_inode, settled, stamp
from mirkit.engines.forks import map_forked
from mirkit.errors import MissingInput
from mirkit.store import LibraryFile
from mirkit.track import EXPORT_SUMMARY, SKIPPED_FOLDERS, is_track, list_folder
from mirkit.track.listing import FolderListing
from mirkit.track.names import VIDEO_SUFFIXES

TABLES = tuple(
    f"CREATE TABLE {table} (key BLOB PRIMARY KEY, stamp BLOB NOT NULL, listing TEXT NOT NULL) WITHOUT ROWID"
    for table in ("folders", "clip_folders")
)


def in_scope(scope: bytes, column: str = "key") -> tuple[str, tuple[bytes, ...]]:
    """Return the condition in SQL, with parameters, that a path is a folder or below it; "" is the root."""
    if not scope:
        return "1", ()
    return f"({column} = ? OR ({column} >= ? AND {column} < ?))", (scope, scope + b"/", scope + b"0")


def is_reachable(root: Path, scope: Path) -> bool:
    """Return whether a search from the root reaches a folder, so that the library can hold what is below it.

    It does not if the folder is hidden, an export, in a track, or reached by a link, or if one above it is.
    """
    folder = root
    for name in scope.relative_to(root).parts:
        if folder != root and (folder / EXPORT_SUMMARY).exists():
            return False
        if is_track(folder):
            return False
        folder = folder / name
        if name.startswith(".") or name in SKIPPED_FOLDERS or folder.is_symlink():
            return False
    return folder == root or not (folder / EXPORT_SUMMARY).exists()


class Listings:
    """The listings of the folders at and below a folder.

    Parameters
    ----------
    file : LibraryFile
    root : Path
        Root of the data set.
    scope : bytes
        The folder, relative to the root.
    table : str
        ``folders``, or ``clip_folders`` for those that hold clips.
    """

    def __init__(self, file: LibraryFile, root: Path, scope: bytes, table: str = "folders") -> None:
        self._file, self._scope, self._generation, self._table = file, scope, file.generation, table
        self._root = os.path.join(root, "")
        self._new: dict[bytes, tuple[bytes, str]] = {}
        self._seen: set[bytes] = set()

    @cached_property
    def _known(self) -> dict[bytes, tuple[bytes, str]]:
        """What is stored: folder -> its stamp and listing."""
        return {key: (known, listing) for key, known, listing in self._stored("key, stamp, listing")}

    def _stored(self, columns: str) -> Iterator[tuple[Any, ...]]:
        where, parameters = in_scope(self._scope)
        return self._file.read(f"SELECT {columns} FROM {self._table} WHERE {where}", parameters)

    def are_current(self, jobs: int = 1) -> bool:
        """Return whether a search would find what the last one found, whose tracks all have rows.

        Parameters
        ----------
        jobs : int
            Processes that look at the folders, if there are thousands.
        """
        if not _covers(self._complete(), self._scope):
            return False
        stamps = list(self._stored("key, stamp"))
        if not any(key == self._scope for key, _ in stamps):
            return False
        return all(map_forked(self._are_same, stamps, jobs=jobs))

    def _are_same(self, stamps: Sequence[tuple[bytes, bytes]]) -> bool:
        prefix = os.fsencode(self._root)
        return all(known and stamp(prefix + key) == known for key, known in stamps)

    def _complete(self) -> str | None:
        """Return the folder below which all tracks have rows."""
        stored = self._file.read("SELECT value FROM notes WHERE name = ?", (self._table,))
        return next((value for (value,) in stored), None)

    def list(self, folder: Path) -> FolderListing:
        """Return the listing of a folder, from the library if it has not changed."""
        key = self._key(folder)
        self._seen.add(key)
        now = stamp(os.fsencode(folder))
        known, listing = self._known.get(key, (UNSETTLED, ""))
        if known and known == now and (stored := _decoded(folder, listing)):
            return stored
        try:
            found = list_folder(folder)
        except MissingInput:  # looked at again each time, and so is the folder above it
            self._seen.discard(key)
            above = key.rpartition(b"/")[0]
            if above in self._new or above in self._known:
                self._new[above] = (UNSETTLED, self._new.get(above, self._known.get(above, (b"", "")))[1])
            raise
        self._new[key] = (settled(now) if _is_lasting(found) and has_inode(now) else UNSETTLED, _encoded(found))
        return found

    def save(self, *, complete: bool) -> None:
        """Store the listings that have changed, and remove those of folders that were not reached.

        Parameters
        ----------
        complete : bool
            Whether all tracks that were found have rows.
        """
        gone = [(key,) for key in self._known if key not in self._seen]
        changed = {key: value for key, value in self._new.items() if self._known.get(key) != value}
        before = self._complete()
        after = before if not (gone or changed) else None
        if complete and not _covers(after, self._scope):
            after = os.fsdecode(self._scope).encode("utf-8", "backslashreplace").decode()
        if not (gone or changed) and after == before:
            return

        def work(connection: sqlite3.Connection) -> None:
            if self._file.generation != self._generation:
                return  # what is known was in a file that has been replaced; the new one must not hold a part of it
            connection.executemany(f"DELETE FROM {self._table} WHERE key = ?", gone)
            connection.executemany(
                f"INSERT OR REPLACE INTO {self._table} VALUES (?, ?, ?)",
                ((key, *value) for key, value in changed.items()),
            )
            connection.execute("DELETE FROM notes WHERE name = ?", (self._table,))
            if after is not None:
                connection.execute("INSERT INTO notes VALUES (?, ?)", (self._table, after))

        self._file.write(work)
        self._known = {key: value for key, value in self._known.items() if key in self._seen} | changed
        self._new = {}

    def _key(self, folder: Path) -> bytes:
        text = str(folder)
        return os.fsencode(text[len(self._root) :].replace(os.sep, "/")) if text.startswith(self._root) else b""


def _covers(complete: str | None, scope: bytes) -> bool:
    """Return whether a folder is the other one, or in it."""
    inner = os.fsdecode(scope)
    return complete is not None and (complete in ("", inner) or inner.startswith(f"{complete}/"))


def _is_lasting(listing: FolderListing) -> bool:
    """Return whether what a search finds in a folder depends on nothing but the names in it."""
    if listing.has_links or listing.links or listing.lost or listing.cue_sheets or listing.placeholders:
        return False
    if listing.is_track:
        return True
    # Loose files may have been copied into track folders beside them; of videos the content decides.
    return not (listing.audio_files and listing.folders) and not any(
        name.lower().endswith(VIDEO_SUFFIXES) for name in listing.audio_files
    )


def _encoded(listing: FolderListing) -> str:
    return json.dumps([listing.audio_files, listing.folders, listing.unread, listing.unclean, listing.is_export])


def _decoded(folder: Path, text: str) -> FolderListing | None:
    """Return a stored listing, which has no links; None if it is not one, as in the library of a stranger."""
    try:
        audio_files, folders, unread, unclean, is_export = json.loads(text)
        names = [*audio_files, *folders, *unread]
        if not all(map(_is_name, names)):
            return None
        flags = bool(unclean), tuple(unread), bool(is_export)
    except (ValueError, TypeError, RecursionError):
        return None
    return FolderListing(folder, tuple(audio_files), tuple(folders), frozenset(), (), *flags)


def _is_name(name: object) -> bool:
    """Whether a value is a name of a file in a folder, and no path."""
    return type(name) is str and "/" not in name and os.sep not in name and not name.startswith(".")
