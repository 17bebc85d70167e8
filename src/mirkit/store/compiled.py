"""Machine code of the kernels, kept between processes in one archive.

numba keeps the code of a kernel in two files, an index and the code, and several processes that write them at once can
mix them up: the index of one then names the code of another. A damaged file, or a folder that cannot be written to,
raises an error at every call of a kernel. Therefore

* each process has numba write into a folder of its own, which is empty at first and belongs to nobody else;
* it is filled from an archive, which is replaced whole, carries a checksum, and bears the version of everything that
  the code depends on in its name; a damaged archive is removed;
* a process that has compiled something replaces the archive by what its own folder then holds. Of two that do so at
  once the later wins, and what is missing in its archive is compiled, and kept, by the next process that needs it;
* where there is no room for the folder, it is made elsewhere, or the code is not kept.
"""

import atexit
import hashlib
import io
import os
import re
import shutil
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from mirkit.errors import MirkitError
from mirkit.features.kernels.kernel import KERNELS
from mirkit.store.atomic import atomic_write, machine, remove_orphans

T = TypeVar("T")

_PACKAGE = Path(__file__).resolve().parents[1]
_DIGEST = hashlib.sha256().digest_size
_PREFIX = "mirkit-kernels-"
_FOLDER = re.compile(rf"{_PREFIX}([0-9a-f]{{8}})-(\d+)-\w+")
#: Bytes that a folder must have room for: twice what all kernels take.
_ROOM = 4 << 20
#: Archives of other versions that stay, the last used ones.
_OTHERS = 4


@dataclass
class _Kept:
    """Where this process keeps compiled code.

    Attributes
    ----------
    process : int
        Its number: a forked child must not use its parent's folder.
    folder : Path or None
        None before the first kernel, and where there is no room for one.
    archived : frozenset of str
        Names of the files that the archive is known to hold.
    full : set of Path
        Folders in which there was no room.
    made : list of Path
        Every folder that numba was given; where it cannot keep code it makes an empty one again.
    """

    process: int = 0
    folder: Path | None = None
    archived: frozenset[str] = frozenset()
    full: set[Path] = field(default_factory=set)
    made: list[Path] = field(default_factory=list)


_kept = _Kept()
_lock = threading.RLock()


def use_compiled() -> None:
    """Have this process use the compiled code of earlier ones, and keep what it compiles; a second call does nothing.

    Nothing is read or written before a kernel is imported.
    """
    with _lock:
        if _kept.process == os.getpid():
            return
        if _kept.process == 0:
            atexit.register(_leave)
        _kept.process, _kept.folder, _kept.archived, _kept.made = os.getpid(), None, frozenset(), []
        KERNELS.added = _enable
        if KERNELS.all:
            _enable(*KERNELS.all)


def keep_compiled() -> None:
    """Put what this process has compiled into the archive, unless it is there already."""
    with _lock:
        root = _root()
        if _kept.folder is None or _kept.process != os.getpid() or root is None:
            return
        names = _state(_kept.folder).keys()
        if names <= _kept.archived or not _kept.archived <= names:  # nothing new, or somebody has removed files
            return
        for _ in range(3):
            before = _state(_kept.folder)
            data = _pack(_kept.folder, before)
            if data is not None and before == _state(_kept.folder):  # no other thread has compiled meanwhile
                with suppress(MirkitError, OSError):
                    root.mkdir(parents=True, exist_ok=True)
                    atomic_write(root / _name(), data)
                    _kept.archived = frozenset(before)
                    _prune(root)
                return


def has_compiled() -> bool:
    """Whether an earlier process has kept compiled code; compiling it takes up to a minute."""
    root = _root()
    return root is not None and (root / _name()).is_file()


def with_kernels(compute: Callable[[], T]) -> T:
    """Give what ``compute()`` returns; call it again when it failed because compiled code could not be written.

    numba counts a kernel as compiled before it writes its code, so that each call gets further than the one before.
    """
    use_compiled()
    while True:
        compiled = KERNELS.compiled
        try:
            return compute()
        except OSError:
            if not _moved() and KERNELS.compiled == compiled:
                raise


def _root() -> Path | None:
    """Folder of the archives."""
    if given := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(given).absolute() / "mirkit"
    from platformdirs import user_cache_path

    try:
        return user_cache_path("mirkit", appauthor=False) / "kernels"
    except RuntimeError:  # there is no home folder
        return None


@cache
def _name() -> str:
    """Name of the archive. It depends on all that the code depends on, but for the processor, which numba looks at."""
    about = hashlib.sha256()
    for part in (sys.implementation.cache_tag, sys.platform, str(_PACKAGE), version("numba"), version("llvmlite")):
        about.update(f"{part}\0".encode(errors="surrogateescape"))
    for path in sorted((_PACKAGE / "features").rglob("*.py")):
        # numba itself looks at the time of a file, or at its content, and at no other file that a kernel calls into
        about.update(f"{path}\0{path.stat().st_mtime_ns}\0".encode(errors="surrogateescape") + path.read_bytes())
    return f"kernels-{about.hexdigest()[:32]}.zip"


def _enable(*kernels: Any) -> None:
    """Have numba keep the code of kernels in the folder of this process."""
    import numba

    with _lock:
        if _kept.process != os.getpid():  # a forked child, which has not asked for it yet
            return
        if _kept.folder is None:
            _kept.folder = _make_folder()
        if _kept.folder is None:
            return
        # Set for our own kernels alone: where others keep theirs is no concern of ours.
        config: Any = numba.config
        others, config.CACHE_DIR = config.CACHE_DIR, str(_kept.folder)
        try:
            for kernel in kernels:
                with suppress(RuntimeError):  # its source is no file: numba keeps no code of it
                    kernel.enable_caching()
        finally:
            config.CACHE_DIR = others


def _make_folder() -> Path | None:
    """Make the folder of this process where there is room, and fill it."""
    for base in _bases():
        if base in _kept.full:
            continue
        folder = None
        try:
            base.mkdir(parents=True, exist_ok=True)
            _sweep(base)
            folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{machine()}-{os.getpid()}-", dir=base))
            _check_room(folder)
            _kept.archived = _unpack(folder)
        except OSError:
            _kept.full.add(base)
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
        else:
            _kept.made.append(folder)
            return folder
    return None


def _bases() -> Iterator[Path]:
    """Folders to make the folder of this process in, the best one first."""
    if root := _root():
        yield root
    with suppress(OSError):  # no temporary folder can be written to
        yield Path(tempfile.gettempdir())
    if (memory := Path("/dev/shm")).is_dir():
        yield memory


def _moved() -> bool:
    """Whether there is no room in the folder of this process any more, and another one has been found."""
    with _lock:
        if _kept.folder is None:
            return False
        try:
            _check_room(_kept.folder)
        except OSError:
            _kept.full.add(_kept.folder.parent)
            shutil.rmtree(_kept.folder, ignore_errors=True)
            _kept.folder = None
            _enable(*KERNELS.all)
            return _kept.folder is not None
        return False


def _check_room(folder: Path) -> None:
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(os.urandom(_ROOM))


def _unpack(folder: Path) -> frozenset[str]:
    """Fill a folder from the archive; give the names of its files, none where there is no archive that is whole."""
    root = _root()
    archive = None if root is None else root / _name()
    try:
        data = b"" if archive is None else archive.read_bytes()
    except OSError:
        return frozenset()
    content = data[_DIGEST:]
    if archive is None or hashlib.sha256(content).digest() != data[:_DIGEST]:
        if archive is not None:
            with suppress(OSError):
                archive.unlink(missing_ok=True)
        return frozenset()
    with zipfile.ZipFile(io.BytesIO(content)) as files:
        files.extractall(folder)
        names = frozenset(files.namelist())
    with suppress(OSError):
        os.utime(archive)  # the last used ones stay
    return names


def _pack(folder: Path, names: dict[str, Any]) -> bytes | None:
    content = io.BytesIO()
    try:
        with zipfile.ZipFile(content, "w") as files:
            for name in names:
                files.writestr(zipfile.ZipInfo(name), (folder / name).read_bytes())
    except OSError:  # somebody has removed files
        return None
    return hashlib.sha256(content.getvalue()).digest() + content.getvalue()


def _state(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Tell the files of numba in a folder, and what changes when one of them is replaced."""
    found = {}
    for path in sorted(folder.rglob("*.nb[ic]")):
        with suppress(FileNotFoundError):
            status = path.stat()
            found[path.relative_to(folder).as_posix()] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return found


def _sweep(base: Path) -> None:
    """Remove the folders of killed processes. Should one of them be alive after all, it only compiles again."""
    import psutil

    for path in base.glob(f"{_PREFIX}*"):
        found = _FOLDER.fullmatch(path.name)
        if found and found[1] == machine() and not psutil.pid_exists(int(found[2])):
            shutil.rmtree(path, ignore_errors=True)
    with suppress(MirkitError):
        if base == _root():
            remove_orphans(base)


def _prune(root: Path) -> None:
    others = [path for path in root.glob("kernels-*.zip") if path.name != _name()]
    for path in sorted(others, key=lambda path: path.stat().st_mtime)[:-_OTHERS]:
        path.unlink(missing_ok=True)


def _leave() -> None:
    with _lock:
        if _kept.process == os.getpid():  # a forked child leaves its parent's folders alone
            keep_compiled()
            _kept.folder = None
            for folder in _kept.made:
                shutil.rmtree(folder, ignore_errors=True)
