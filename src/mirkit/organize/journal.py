"""The journal of organize: a line is written before a file is moved, so that an interrupted move can be finished.

``.mirkit-organize.jsonl`` in the organized folder has one JSON object per line, with paths relative to that folder. A
move is *begun*, then *done* or *undone*. The next run finishes moves that are begun and not done.
"""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any, Literal

from mirkit.errors import InfoError, printable, system_errors
from mirkit.store import check_stays_inside, read_bounded, remove_file, sync_folder

JOURNAL_NAME = ".mirkit-organize.jsonl"

#: Largest journal in bytes; one of 100,000 tracks takes about 40 MiB.
_MAX_BYTES = 2**30

State = Literal["begun", "done", "undone"]


@dataclass(frozen=True)
class Move:
    """A loose audio file that becomes a track folder.

    Attributes
    ----------
    root : Path
        Folder that is organized.
    folder : Path
        Track folder to create.
    files : tuple of (Path, Path)
        (from, to): sidecars first and the audio file last, so that the folder is a track when it is complete.
    number : int
        Number in the journal; 0 for a move that was not begun.
    copy : bool
        Whether the originals are kept.
    """

    root: Path
    folder: Path
    files: tuple[tuple[Path, Path], ...]
    number: int = 0
    copy: bool = False

    @property
    def source(self) -> Path:
        """The loose audio file."""
        return self.files[-1][0]

    @property
    def target(self) -> Path:
        """The full mix that it becomes."""
        return self.files[-1][1]


@dataclass(frozen=True)
class Record:
    """A move in the journal. ``run`` counts the runs that began moves, from 1."""

    move: Move
    run: int
    state: State


class Journal:
    """The journal of a folder; it need not exist."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / JOURNAL_NAME
        self._last = 0

    def records(self) -> list[Record]:
        """Return all moves in the order in which they were begun. A line that a kill cut off is ignored.

        Raises
        ------
        InfoError
            The journal cannot be read, or names a path outside its folder.
        """
        records: dict[int, Record] = {}
        for line in (read_bounded(self._path, _MAX_BYTES) or b"").splitlines():
            try:
                content = json.loads(line)
                number, state = int(content["number"]), content["state"]
                if "files" in content:
                    records[number] = Record(self._move(content, number), int(content["run"]), "begun")
                elif state in ("begun", "done", "undone"):
                    records[number] = replace(records[number], state=state)
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
        self._last = max(records, default=0)
        return list(records.values())

    def begin(self, move: Move, run: int) -> Move:
        """Write a move before it is executed, with the number after those that ``records`` found."""
        number = self._last = self._last + 1
        files = [[self._relative(path) for path in pair] for pair in move.files]
        line = {
            "number": number,
            "state": "begun",
            "run": run,
            "copy": move.copy,
            "folder": self._relative(move.folder),
        }
        self._append(line | {"files": files})
        return replace(move, number=number)

    def note(self, move: Move, state: State) -> None:
        """Write the new state of a move that was begun."""
        self._append({"number": move.number, "state": state})

    def remove(self) -> None:
        """Remove the journal."""
        remove_file(self._path)
        sync_folder(self._root)

    def _move(self, content: dict[str, Any], number: int) -> Move:
        files = tuple((self._inside(source), self._inside(target)) for source, target in content["files"])
        return Move(self._root, self._inside(content["folder"]), files, number, bool(content["copy"]))

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()

    def _inside(self, text: str) -> Path:
        """Return the path that a line names; a path out of the folder is refused, as anyone may have written it."""
        pure = PurePath(text)
        path = self._root / pure
        inside = not pure.is_absolute() and not pure.drive and ".." not in pure.parts and pure.parts
        if not inside or not Path(os.path.realpath(path.parent)).is_relative_to(os.path.realpath(self._root)):
            raise InfoError(
                f"{printable(self._path)}: names {printable(text)}, outside its folder; move the journal away"
            )
        return path

    def _append(self, line: dict[str, Any]) -> None:
        check_stays_inside(self._path)
        is_new = not self._path.exists()
        with system_errors(self._path, "write"), open(self._path, "ab+") as file:
            cut = False
            if file.tell():
                file.seek(-1, os.SEEK_END)
                cut = file.read(1) != b"\n"
            file.write((b"\n" if cut else b"") + json.dumps(line).encode("ascii") + b"\n")
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            sync_folder(self._root)
