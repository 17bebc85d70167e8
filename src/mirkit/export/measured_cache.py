"""What an export has measured, kept in its bundle as it comes, so that an interrupted export continues."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mirkit.errors import system_errors
from mirkit.store import atomic_write

#: File of a bundle with what was measured.
CACHE = "mirkit_measured.jsonl"


class MeasuredCache:
    """A file with a line of JSON for each result.

    Parameters
    ----------
    path : Path or None
        None: nothing is kept.

    Attributes
    ----------
    rows : dict
        Key -> content of the row; a line that is damaged, as the last one after a kill, is left out.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.rows: dict[str, dict[str, Any]] = {}
        try:
            lines = path.read_bytes().splitlines() if path else []
        except OSError:
            return
        for line in lines:
            try:
                row: Any = json.loads(line)
                self.rows[row.pop("key")] = row
            except (ValueError, TypeError, KeyError, AttributeError):
                continue

    def append(self, key: str, row: Mapping[str, Any]) -> None:
        """Add a row.

        Raises
        ------
        InfoError
            The system refused.
        """
        self.rows[key] = dict(row)
        if self._path:
            with system_errors(self._path, "write"), open(self._path, "ab") as file:
                file.write(self._line(key))

    def finish(self, keys: Sequence[str]) -> None:
        """Keep the rows of these keys alone, in their order, so that the file does not depend on who was first."""
        content = b"".join(self._line(key) for key in dict.fromkeys(keys) if key in self.rows)
        if self._path and (content or self._path.exists()) and content != self._content():
            atomic_write(self._path, content)

    def _content(self) -> bytes:
        assert self._path is not None
        return self._path.read_bytes() if self._path.exists() else b""

    def _line(self, key: str) -> bytes:
        return b"\n" + json.dumps({"key": key, **self.rows[key]}).encode("ascii")
