"""Answers about track folders, kept in the library: each is valid until any file in its folder changes."""

import json
import sqlite3
import time
import zlib
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

from mirkit.dataset.library.row import key_of
from mirkit.dataset.library.stamps import UNSETTLED, folder_signature
from mirkit.engines.forks import map_forked
from mirkit.store import LibraryFile
from mirkit.track import Track

TABLES = (
    "CREATE TABLE questions (question TEXT PRIMARY KEY, asked REAL NOT NULL) WITHOUT ROWID",
    "CREATE TABLE answers (question TEXT NOT NULL, key BLOB NOT NULL, signature BLOB NOT NULL, answer TEXT NOT NULL, "
    "PRIMARY KEY (question, key)) WITHOUT ROWID",
)
#: Number of questions whose answers are kept, those asked last.
MAX_QUESTIONS = 8
#: Characters from which an answer is compressed, and largest number of bytes of one.
_LONG, _MOST = 1000, 2**24
#: Seconds for which a question counts as asked just now, so that asking again writes nothing.
_RECENT = 86400.0


class Answers:
    """The answers to one question. Created by ``Library.answers``.

    Parameters
    ----------
    file : LibraryFile
    prefix : str
        Path of the root of the data set, with a separator at the end.
    name : str
        Kind of question.
    basis : JSON
        Everything besides the files on which the answers depend: versions, settings.
    """

    def __init__(self, file: LibraryFile, prefix: str, name: str, basis: Any) -> None:
        digest = sha256(json.dumps(basis, sort_keys=True).encode()).hexdigest()[:16]
        self._file, self._prefix, self._question = file, prefix, f"{name}-{digest}"
        self._signatures: dict[bytes, bytes] = {}
        self._new: dict[bytes, str | bytes] = {}

    def known(self, tracks: Sequence[Track], *, jobs: int = 1) -> dict[Track, Any]:
        """Return the answers for tracks whose folders have not changed since, see :meth:`each`."""
        return dict(self.each(tracks, jobs=jobs))

    def each(self, tracks: Sequence[Track], *, jobs: int = 1) -> Iterator[tuple[Track, Any]]:
        """Yield the tracks whose folders have not changed since, each with its answer.

        Parameters
        ----------
        tracks : sequence of Track
        jobs : int
            Worker processes, if there are thousands of tracks.
        """
        keyed = {key_of(track, self._prefix): track for track in tracks if _is_answerable(track)}
        keys = list(keyed)
        folders = [str(track.folder) for track in keyed.values()]
        signatures = (one for part in map_forked(_signatures, folders, jobs=jobs) for one in part)
        self._signatures |= zip(keys, signatures, strict=True)
        query = "SELECT key, signature, answer FROM answers WHERE question = ?"
        for key, signature, stored in self._file.read(query, (self._question,)):
            if signature and key in keyed and self._signatures[key] == signature:
                answer = _decode(stored)
                if answer is not None:
                    yield keyed[key], answer

    def put(self, track: Track, answer: Any) -> None:
        """Keep the answer for a track; the folder is known as it was when ``known`` was called, before it was found."""
        if _is_answerable(track) and self._signatures.get(key := key_of(track, self._prefix), UNSETTLED):
            text = json.dumps(answer)
            self._new[key] = text if len(text) < _LONG else zlib.compress(text.encode("ascii"), 1)

    def save(self) -> None:
        """Store the new answers. If that fails, they are found again next time."""
        query = "SELECT asked FROM questions WHERE question = ?"
        asked = next((when for (when,) in self._file.read(query, (self._question,))), 0.0)
        now = time.time()
        if not self._new and (not asked or abs(now - asked) < _RECENT):
            return
        rows = [(self._question, key, self._signatures[key], answer) for key, answer in self._new.items()]

        def work(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", rows)
            connection.execute("INSERT OR REPLACE INTO questions VALUES (?, ?)", (self._question, now))
            others = connection.execute("SELECT question FROM questions ORDER BY asked DESC").fetchall()
            for old in others[MAX_QUESTIONS:]:
                connection.execute("DELETE FROM answers WHERE question = ?", old)
                connection.execute("DELETE FROM questions WHERE question = ?", old)

        self._file.may_create |= bool(rows)  # an answer tells that a track is measured
        self._file.write(work)
        self._new = {}


def _signatures(folders: Sequence[str]) -> list[bytes]:
    return list(map(folder_signature, folders))


def _is_answerable(track: Track) -> bool:
    """Return whether the stamps of the files in its folder show that a track has not changed."""
    return not (track.loose or track.unclean)


def _decode(stored: Any) -> Any:
    """Decode an answer; None for what a library from a stranger may hold instead."""
    try:
        if isinstance(stored, bytes):
            stored = zlib.decompressobj().decompress(stored, _MOST)
        return json.loads(stored)
    except (ValueError, TypeError, RecursionError, zlib.error):
        return None
