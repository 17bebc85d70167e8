"""A cache of results per folder, valid until a file in the folder changes. Checking it lists the folder only.

``.mirkit/index/<name>-<basis>.jsonl`` in the data set's root has one line per folder: signature, path, result. It can
be deleted at any time; the results are then computed again.
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
from mirkit.store.digests import stamp_of
from mirkit.store.sidecars import is_inside, read_bounded

FOLDER = Path(".mirkit", "index")
#: Number of caches that are kept, the newest ones.
MAX_CACHES = 8
_MAX_BYTES = 2**30
#: A file that changed less than this many seconds ago may change again with the same stamp: clocks are coarse.
_MIN_AGE = 2.0


class FolderCache:
    """Cached results for the folders of a data set.

    Parameters
    ----------
    root : Path
        Root of the data set.
    name : str
        Kind of result.
    basis : JSON
        Everything besides the files on which the results depend: versions, settings.
    """

    def __init__(self, root: Path, name: str, basis: Any) -> None:
        key = hashlib.sha256(json.dumps(basis, sort_keys=True).encode()).hexdigest()[:16]
        self._root, self._path = root, root / FOLDER / f"{name}-{key}.jsonl"
        self._lines: dict[str, tuple[str, bytes]] = {}
        self._signatures: dict[str, str] = {}
        self._changed = False
        if not is_inside(root, FOLDER):
            return
        with suppress(InfoError):  # an unreadable cache is treated as empty
            for line in (read_bounded(self._path, _MAX_BYTES) or b"").splitlines():
                parts = line.split(b"\t")
                if len(parts) == 3:
                    self._lines[parts[1].decode("ascii", "replace")] = (parts[0].decode("ascii", "replace"), parts[2])

    def get(self, folder: Path) -> Any:
        """Return the result of a folder that has not changed since; None if there is none."""
        path = self._name(folder)
        self._signatures[path] = signature = _signature(folder)
        known, value = self._lines.get(path, ("", b""))
        with suppress(ValueError, RecursionError):
            return json.loads(value) if signature and known == signature else None
        return None

    def put(self, folder: Path, value: Any) -> None:
        """Store the result of a folder for which ``get`` was called before it was computed."""
        path = self._name(folder)
        if signature := self._signatures.get(path):
            self._lines[path] = (signature, json.dumps(value).encode("ascii"))
            self._changed = True

    def save(self) -> None:
        """Write the cache if it has changed. If that fails, the results are computed again next time."""
        folder = self._path.parent
        if not is_inside(self._root, FOLDER) or self._path.is_symlink():
            return
        with suppress(InfoError, OSError):
            if folder.is_dir():
                remove_orphans(folder)  # temporary files of killed runs
            if not self._changed:
                return
            folder.mkdir(parents=True, exist_ok=True)
            lines = (f"{signature}\t{path}\t".encode() + value for path, (signature, value) in self._lines.items())
            atomic_write(self._path, b"\n".join(lines) + b"\n")
            by_age = sorted(folder.glob("[!.]*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
            for old in by_age[:-MAX_CACHES]:
                old.unlink(missing_ok=True)

    def _name(self, folder: Path) -> str:
        """Return the path of a folder in ASCII and without tabs, as it is written in a line."""
        return json.dumps(os.path.relpath(folder, self._root))


def _signature(folder: Path) -> str:
    """Return a hash of the names and stamps of a folder's files; ``""`` if they may still change unnoticed."""
    try:
        with os.scandir(folder) as entries:
            visible = [(entry, entry.stat()) for entry in entries if not entry.name.startswith(".")]
            files = [(entry.name, stamp_of(entry.path, stat), stat.st_mode) for entry, stat in visible]
    except OSError:
        return ""
    newest = max((stamp.mtime_ns for _, stamp, _ in files), default=0)
    if newest > (time.time() - _MIN_AGE) * 1e9:
        return ""
    return hashlib.blake2b(repr(sorted(files)).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
