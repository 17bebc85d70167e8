"""Fields of rows that come from files of the whole data set: exclusions from its settings, rights from its table."""

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mirkit.dataset.library.fields import FIELDS
from mirkit.dataset.library.row import LOOSE, RIGHTS_FIELDS, exclusion, rights_values
from mirkit.dataset.rights import RightsReader, rights_file
from mirkit.errors import MirkitError
from mirkit.store import LibraryFile
from mirkit.track import ORIGINAL_NAME, is_audio_name
from mirkit.track.listing import Unread

_TABLES = ("tracks", "clips")


def write_exclusions(file: LibraryFile, excluded: Mapping[str, str]) -> None:
    """Write the field ``excluded`` of all rows anew if the settings have changed."""
    settings = json.dumps(dict(excluded), sort_keys=True)
    if _noted(file, "exclude", "{}") == settings:
        return

    def work(connection: sqlite3.Connection) -> None:
        for table in _TABLES:
            known = connection.execute(f'SELECT _sort, _key, "name", "excluded" FROM {table}').fetchall()
            wanted = [
                (exclusion(key, str(name), excluded, loose=place.startswith(LOOSE)) or None, why, place)
                for place, key, name, why in known
            ]
            changes = [(now, place) for now, before, place in wanted if now != before]
            connection.executemany(f'UPDATE {table} SET "excluded" = ? WHERE _sort = ?', changes)
        _note(connection, "exclude", settings)

    file.write(work)


def not_excluded(unread: Iterable[Unread], root: Path, excluded: Mapping[str, str]) -> list[Unread]:
    """Leave out what the user excluded: the folder itself, or the track that a file belongs to."""
    return [one for one in unread if not _is_excluded(one.owner, root, excluded)]


def _is_excluded(owner: Path, root: Path, excluded: Mapping[str, str]) -> bool:
    key = os.fsencode(Path(os.path.relpath(owner, root)).as_posix())
    loose = is_audio_name(owner.name)
    name = os.path.splitext(owner.name)[0] if loose else owner.name
    return bool(exclusion(key, name, excluded, loose=loose))


class RightsSource:
    """The ``rights.csv`` of a data set, which is parsed when it is first needed.

    Parameters
    ----------
    root : Path
        Root of the data set.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._reader: RightsReader | None = None
        self.problem = ""
        try:
            content = rights_file(root)
        except MirkitError as error:
            content, self.problem = None, str(error)
        self._digest = "" if content is None else hashlib.sha256(content).hexdigest()

    @property
    def reader(self) -> RightsReader | None:
        """Its reader; None if it is wrong, which ``problem`` says then."""
        if self._reader is None and not self.problem:
            try:
                self._reader = RightsReader(self._root)
            except MirkitError as error:
                self.problem = str(error)
        return self._reader

    def write(self, file: LibraryFile) -> None:
        """Write the fields of the rights of all rows anew if the table has changed."""
        if _noted(file, "rights", "") == self._digest:
            return
        reader = self.reader
        columns = ", ".join(FIELDS[name].column for name in ("path", "source", ORIGINAL_NAME, *RIGHTS_FIELDS))
        assign = ", ".join(f"{FIELDS[name].column} = ?" for name in RIGHTS_FIELDS)

        def work(connection: sqlite3.Connection) -> None:
            for table in _TABLES:
                if reader is None:
                    break
                known = connection.execute(f"SELECT _sort, _tags, _mix, {columns} FROM {table}").fetchall()
                changes = [
                    (*now, place)
                    for place, tags, mix, path, source, original, *before in known
                    if (now := rights_values(reader.of_tags(_tags(tags), source or path, mix, original)))
                    != tuple(before)
                ]
                connection.executemany(f"UPDATE {table} SET {assign} WHERE _sort = ?", changes)
            _note(connection, "rights", self._digest)

        file.write(work)


def _tags(stored: Any) -> dict[str, Any]:
    """Decode the tags of a row, which a stranger may have written."""
    try:
        tags = json.loads(stored)
    except (ValueError, TypeError, RecursionError):
        return {}
    return tags if isinstance(tags, dict) else {}


def _noted(file: LibraryFile, name: str, default: str) -> str:
    stored = file.read("SELECT value FROM notes WHERE name = ?", (name,))
    return str(next((value for (value,) in stored), default))


def _note(connection: sqlite3.Connection, name: str, value: str) -> None:
    connection.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (name, value))
