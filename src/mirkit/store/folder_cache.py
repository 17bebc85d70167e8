"""What was found out about folders, kept until the folders change: to look again costs a listing, and no file is read.

``.mirkit/index/<name>-<basis>.jsonl`` in the data set's root, a line a folder: its signature, its path, what was found.
It may be deleted at any time, and by anybody: everything is found out again then.
"""

import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from mirkit.errors import InfoError
from mirkit.store.atomic import atomic_write, remove_orphans
from mirkit.store.json_files import read_bounded
from mirkit.store.stamp import stamp_of

FOLDER = Path(".mirkit", "index")
#: So many indexes are kept, the newest: one for each question that is asked in turn.
KEPT = 8
_MAX_BYTES = 2**30
#: A file that was changed so lately (s) may change again and look the same: clocks of file systems are that coarse.
_YOUNG = 2.0


class FolderCache:
    """Answers about folders of a data set.

    Parameters
    ----------
    root : Path
        The data set.
    name : str
        What was asked.
    basis : JSON
        All that the answers depend on beside the files: versions, settings.
    """

    def __init__(self, root: Path, name: str, basis: Any) -> None:
        key = hashlib.sha256(json.dumps(basis, sort_keys=True).encode()).hexdigest()[:16]
        self._root, self._path = root, root / FOLDER / f"{name}-{key}.jsonl"
        self._lines: dict[str, tuple[str, bytes]] = {}
        self._signatures: dict[str, str] = {}
        self._changed = False
        if not self._is_ours():
            return
        with suppress(InfoError):  # one that cannot be read is none
            for line in (read_bounded(self._path, _MAX_BYTES) or b"").splitlines():
                parts = line.split(b"\t")
                if len(parts) == 3:
                    self._lines[parts[1].decode("ascii", "replace")] = (parts[0].decode("ascii", "replace"), parts[2])

    def get(self, folder: Path) -> Any:
        """Give what was found of a folder that has not changed since; None where nothing is known."""
        path = self._name(folder)
        self._signatures[path] = signature = _signature(folder)
        known, value = self._lines.get(path, ("", b""))
        if not signature or known != signature:
            return None
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return None

    def put(self, folder: Path, value: Any) -> None:
        """Keep what was found of a folder since it was asked for with ``get``; a value of None says nothing."""
        path = self._name(folder)
        if signature := self._signatures.get(path):
            self._lines[path] = (signature, json.dumps(value).encode("ascii"))
            self._changed = True

    def save(self) -> None:
        """Write it down, if there is something new. Where that cannot be done, it is found out again next time."""
        folder = self._path.parent
        if not self._is_ours() or self._path.is_symlink():
            return
        with suppress(InfoError, OSError):
            if folder.is_dir():
                remove_orphans(folder)  # a run that was killed while it wrote one
            if not self._changed:
                return
            folder.mkdir(parents=True, exist_ok=True)
            lines = (f"{signature}\t{path}\t".encode() + value for path, (signature, value) in self._lines.items())
            atomic_write(self._path, b"\n".join(lines) + b"\n")
            by_age = sorted(folder.glob("[!.]*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
            for old in by_age[:-KEPT]:
                old.unlink(missing_ok=True)

    def _is_ours(self) -> bool:
        """Whether the index lies in the data set, and not where a link of a stranger's leads."""
        return Path(os.path.realpath(self._path.parent)) == Path(os.path.realpath(self._root), FOLDER)

    def _name(self, folder: Path) -> str:
        """Path of a folder as a line has it: any name in ASCII, without tabs."""
        return json.dumps(os.path.relpath(folder, self._root))


def _signature(folder: Path) -> str:
    """What a folder's files look like without being read: names and stamps; "" where that is no sign."""
    try:
        with os.scandir(folder) as entries:
            shown = [(entry, entry.stat()) for entry in entries if not entry.name.startswith(".")]
            seen = [(entry.name, stamp_of(entry.path, stat), stat.st_mode) for entry, stat in shown]
    except OSError:
        return ""
    newest = max((stamp.mtime_ns for _, stamp, _ in seen), default=0)
    if newest > (time.time() - _YOUNG) * 1e9:
        return ""
    return hashlib.blake2b(repr(sorted(seen)).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
