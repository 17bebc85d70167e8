"""Numba's cache of compiled kernels, fit for several processes, for kills, and for folders that nobody may write to.

Numba compiles a kernel at its first call and keeps it in two files: the code, and an index that says which arguments it
is for. It numbers the code files, so two processes that compile at once can take the same number, and a kill between
index and code can leave the index pointing at code of an older version: the wrong code would run from then on. And a
damaged file, or a folder that cannot be written to, would end in an error of every track.
"""

import atexit
import glob
import os
import pickle
import secrets
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).resolve().parents[1]
_VARIABLE = "NUMBA_CACHE_DIR"


def place_code_cache() -> None:
    """Find a place for compiled code where Numba would find none; for this process and those that it starts."""
    given = [Path(os.environ[_VARIABLE])] if os.environ.get(_VARIABLE) else []
    if any(_writable(folder) for folder in (*given, _PACKAGE, *_users_cache())):
        return
    os.environ[_VARIABLE] = tempfile.mkdtemp(prefix="mirkit-kernels-")
    atexit.register(shutil.rmtree, os.environ[_VARIABLE], ignore_errors=True)


def code_cache_is_empty() -> bool:
    """Whether nothing has been compiled yet, which takes up to a minute."""
    places = [Path(os.environ[_VARIABLE])] if os.environ.get(_VARIABLE) else [_PACKAGE, *_users_cache()]
    return not any(found for place in places for found in place.rglob("*.nbi"))


def guard_code_cache() -> None:
    """Have this process keep compiled code in a way that no other process, and no kill, can make wrong."""
    from numba.core import caching

    file: Any = caching.IndexDataCacheFile
    if file.save is not _save:
        file.save, file.load = _save, _guarded(file.load)


def _users_cache() -> list[Path]:
    from platformdirs import user_cache_path

    try:
        return [user_cache_path("numba")]
    except RuntimeError:  # no home folder
        return []


def _writable(folder: Path) -> bool:
    """Whether a folder can be written to, or made."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK)


def _save(cache: Any, key: Any, data: Any) -> None:
    """Keep the code of a kernel: under a name that is nobody else's, and before the index says that it is there."""
    with suppress(OSError):  # a full disk, say: it is compiled again next time
        name = cache._data_name(secrets.randbits(48))
        cache._save_data(name, data)
        try:
            known = cache._load_index()
        except (EOFError, ValueError, pickle.UnpicklingError):
            known = {}
        known[key] = name  # what another process writes at this moment is lost, and compiled again
        cache._save_index(known)
        base = cache._data_name(0).removesuffix(".0.nbc")
        for path in Path(cache._data_path(name)).parent.glob(f"{glob.escape(base)}.*.nbc"):
            if path.name not in known.values():
                path.unlink(missing_ok=True)


def _guarded(load: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def guarded(cache: Any, key: Any) -> Any:
        try:
            return load(cache, key)
        except Exception:  # noqa: BLE001 (whatever a damaged pickle raises: the kernel is compiled again)
            return None

    return guarded
