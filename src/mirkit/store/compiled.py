"""The cache of the kernels' compiled code: one archive that all processes share.

numba caches the code of a kernel in two files, an index and the code. Several processes that write them at once can mix
them up, so that the index of one names the code of another. A damaged file, or a folder that cannot be written to,
raises an error at every call of a kernel. Therefore:

* each process lets numba write into a folder of its own, which no other process uses;
* this folder is filled from an archive, which is replaced atomically and has a checksum. Its name
  is a hash of everything on which the code depends. A damaged archive is removed;
* one process at a time compiles. Before the first call of a kernel that its folder lacks, a process waits for the lock,
  looks whether the archive has it by now, and otherwise compiles it and replaces the archive. So the workers of a first
  run compile each kernel once between them, and compute in the meantime what is compiled;
* if there is no space for the folder, it is made on another disk, or the code is not cached.
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
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from mirkit.activity import announced
from mirkit.errors import MirkitError, SettingsError
from mirkit.features.kernels.kernel import KERNELS
from mirkit.store.atomic import LockedError, atomic_write, lock, machine, remove_orphans

T = TypeVar("T")

_PACKAGE = Path(__file__).resolve().parents[1]
_DIGEST = hashlib.sha256().digest_size
_PREFIX = "mirkit-kernels-"
_FOLDER = re.compile(rf"{_PREFIX}([0-9a-f]{{8}})-(\d+)-\w+")
#: numba takes settings from a file of this name in the working folder; some of them name files that it overwrites.
_NUMBA_SETTINGS = ".numba_config.yaml"
#: Seconds to wait for another process that compiles; a kernel takes less than one, but far more on a busy machine.
_PATIENCE = 60.0
#: Seconds between two looks at the archive meanwhile.
_TICK = 0.5
#: Free bytes that a folder must have: twice the size of all kernels.
_MIN_FREE = 4 << 20
#: Number of kernels that a run compiles with the methods of this package.
_OF_A_RUN, _NEARLY = 31, 0.85
#: What is announced meanwhile, see ``mirkit.activity``.
COMPILING = "compiling (once per machine)"
#: Number of archives of other versions that are kept, the most recently used ones.
_MAX_OTHERS = 4


@dataclass
class _Cache:
    """The cache folder of this process.

    Attributes
    ----------
    process : int
        Number of the process: a forked child must not use its parent's folder.
    folder : Path or None
        None before the first kernel, and if there is no space for one.
    archived : frozenset of str
        Names of the files that are in the archive.
    archive : tuple of int
        Inode and size of the archive that was read or written last.
    alone : bool
        Whether the lock could not be had, and is not waited for again.
    full : set of Path
        Folders without enough space.
    made : list of Path
        Every folder that numba has used; numba creates a removed one again.
    seconds : float
        How long kernels were compiled, or waited for (s).
    """

    process: int = 0
    folder: Path | None = None
    archived: frozenset[str] = frozenset()
    archive: tuple[int, int] = (0, 0)
    alone: bool = False
    full: set[Path] = field(default_factory=set)
    made: list[Path] = field(default_factory=list)
    seconds: float = 0.0


_cache = _Cache()
_lock = threading.RLock()


def check_working_folder() -> None:
    """Refuse a working folder, perhaps a data set of a stranger, that holds settings of numba.

    Raises
    ------
    SettingsError
        It does. numba reads them at its import and before each compilation, and cannot be asked not to.
    """
    if os.path.lexists(_NUMBA_SETTINGS):
        raise SettingsError(
            f"{_NUMBA_SETTINGS} in the working folder would change how numba compiles and which files it writes; "
            "run mirkit in another folder, or move this file away"
        )


def use_compiled() -> None:
    """Let this process use and extend the cache of compiled code; a second call does nothing.

    Nothing is read or written before a kernel is imported.

    Raises
    ------
    SettingsError
        The working folder holds settings of numba.
    """
    check_working_folder()
    with _lock:
        if _cache.process == os.getpid():
            return
        if _cache.process == 0:
            atexit.register(_at_exit)
        _cache.process, _cache.folder, _cache.archived, _cache.made = os.getpid(), None, frozenset(), []
        KERNELS.added, KERNELS.first_call = _enable, _first_call
        if KERNELS.all:
            _enable(*KERNELS.all)


def keep_compiled() -> None:
    """Add the code that this process has compiled to the archive."""
    with _lock:
        if _cache.folder is None or _cache.process != os.getpid() or _root() is None:
            return
        if not _state(_cache.folder).keys() <= _cache.archived:
            with _one_at_a_time():
                _publish()


@contextmanager
def _first_call(kernel: Any) -> Iterator[None]:
    """Compile a kernel, and call it for the first time, unless another process has compiled it: then load its code."""
    function = kernel.py_func
    source, name = Path(function.__code__.co_filename).stem, re.sub("[<>]", "", function.__qualname__)
    start = f"{source}.{name}-{function.__code__.co_firstlineno}."  # of the names of its files

    def is_archived() -> bool:
        return any(Path(path).name.startswith(start) for path in _cache.archived)

    if _cache.process != os.getpid() or is_archived():
        yield
        return
    started = time.perf_counter()
    with announced(COMPILING), _one_at_a_time(is_archived) as is_ours:
        with _lock:
            _refresh()
        yield
        if is_ours:
            with _lock:
                _publish()
    _cache.seconds += time.perf_counter() - started


def compile_seconds() -> float:
    """Return for how long this process has compiled kernels, or waited for another process that did (s)."""
    return _cache.seconds


@contextmanager
def _one_at_a_time(is_done: Callable[[], bool] = lambda: False) -> Iterator[bool]:
    """Hold the lock of the archives; go on without it where the file system has none, or another process stands.

    It is not waited for any longer when ``is_done``, as the process that holds it may compile one kernel after the
    other. Yields False then, and True otherwise.
    """
    root = _root()
    deadline = time.monotonic() + _PATIENCE
    with ExitStack() as held:
        while root is not None and not _cache.alone:
            try:
                root.mkdir(parents=True, exist_ok=True)
                held.enter_context(lock(root, min(_TICK, _PATIENCE)))
                break
            except LockedError:
                with _lock:
                    _refresh()
                if is_done():
                    yield False
                    return
                _cache.alone = time.monotonic() > deadline
            except (MirkitError, OSError):
                _cache.alone = True
        yield True


def _refresh() -> None:
    """Take the code that other processes have archived since this one read the archive."""
    if _cache.folder is not None and _stamp() not in ((0, 0), _cache.archive):
        with suppress(OSError):
            _cache.archived = _unpack(_cache.folder)


def _publish() -> None:
    """Replace the archive by the content of the folder, if that has more."""
    root = _root()
    if _cache.folder is None or root is None:
        return
    names = _state(_cache.folder).keys()
    if names <= _cache.archived or not _cache.archived <= names:  # nothing new, or files were removed
        return
    for _ in range(3):
        before = _state(_cache.folder)
        data = _pack(_cache.folder, before)
        if data is not None and before == _state(_cache.folder):  # no other thread has compiled in between
            with suppress(MirkitError, OSError):
                root.mkdir(parents=True, exist_ok=True)
                atomic_write(root / _name(), data)
                _cache.archived, _cache.archive = frozenset(before), _stamp()
                _prune(root)
            return


def _stamp() -> tuple[int, int]:
    """Inode and size of the archive; zeros if there is none."""
    root = _root()
    try:
        status = os.stat(root / _name()) if root is not None else None
    except OSError:
        status = None
    return (status.st_ino, status.st_size) if status else (0, 0)


def compiled_share() -> float:
    """Return the share of the kernels of a run that is in the archive, roughly: of 0 to 1."""
    root = _root()
    try:
        with open(root / _name(), "rb") if root is not None else io.BytesIO() as file:
            file.seek(_DIGEST)
            with zipfile.ZipFile(io.BytesIO(file.read())) as files:
                count = sum(name.endswith(".nbi") for name in files.namelist())
    except (OSError, zipfile.BadZipFile):
        return 0.0
    share = count / _OF_A_RUN
    return 1.0 if share > _NEARLY else share  # which kernels a run needs depends on its audio


def with_kernels(compute: Callable[[], T]) -> T:
    """Return ``compute()``, called again if it failed because compiled code could not be written.

    numba marks a kernel as compiled before it writes the code, so each call proceeds further than the previous one.
    """
    use_compiled()
    while True:
        compiled = KERNELS.compiled
        try:
            return compute()
        except OSError:
            if not _move_if_full() and KERNELS.compiled == compiled:
                raise


def _root() -> Path | None:
    """Folder of the archives."""
    if folder := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(folder).absolute() / "mirkit"
    from platformdirs import user_cache_path

    try:
        return user_cache_path("mirkit", appauthor=False) / "kernels"
    except RuntimeError:  # there is no home folder
        return None


@cache
def _name() -> str:
    """Name of the archive: a hash of all that the code depends on except the processor, which numba checks."""
    about = hashlib.sha256()
    for part in (sys.implementation.cache_tag, sys.platform, str(_PACKAGE), version("numba"), version("llvmlite")):
        about.update(f"{part}\0".encode(errors="surrogateescape"))
    for path in sorted((_PACKAGE / "features").rglob("*.py")):
        # numba itself checks the time or content of the kernel's own file only, not of files that it calls into
        about.update(f"{path}\0{path.stat().st_mtime_ns}\0".encode(errors="surrogateescape") + path.read_bytes())
    return f"kernels-{about.hexdigest()[:32]}.zip"


def _enable(*kernels: Any) -> None:
    """Let numba cache kernels in the folder of this process."""
    import numba

    with _lock:
        if _cache.process != os.getpid():  # a forked child that has not called use_compiled
            return
        if _cache.folder is None:
            _cache.folder = _make_folder()
        if _cache.folder is None:
            return
        # Set for mirkit's kernels only: other packages keep their own cache folder.
        config: Any = numba.config
        others, config.CACHE_DIR = config.CACHE_DIR, str(_cache.folder)
        try:
            for kernel in kernels:
                with suppress(RuntimeError):  # its source is not a file, so numba cannot cache it
                    kernel.enable_caching()
        finally:
            config.CACHE_DIR = others


def _make_folder() -> Path | None:
    """Make the folder of this process on a disk with enough space, and fill it from the archive."""
    for base in _bases():
        if base in _cache.full:
            continue
        folder = None
        try:
            base.mkdir(parents=True, exist_ok=True)
            _remove_orphans(base)
            folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{machine()}-{os.getpid()}-", dir=base))
            _check_space(folder)
            _cache.archived = _unpack(folder)
        except OSError:
            _cache.full.add(base)
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)
        else:
            _cache.made.append(folder)
            return folder
    return None


def _bases() -> Iterator[Path]:
    """Yield parents for the folder of this process, the best one first."""
    if root := _root():
        yield root
    with suppress(OSError):  # no temporary folder can be written to
        yield Path(tempfile.gettempdir())
    if (memory := Path("/dev/shm")).is_dir():
        yield memory


def _move_if_full() -> bool:
    """Move the cache if its folder has no space left; return whether another folder was found."""
    with _lock:
        if _cache.folder is None:
            return False
        try:
            _check_space(_cache.folder)
        except OSError:
            _cache.full.add(_cache.folder.parent)
            shutil.rmtree(_cache.folder, ignore_errors=True)
            _cache.folder = None
            _enable(*KERNELS.all)
            return _cache.folder is not None
        return False


def _check_space(folder: Path) -> None:
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(os.urandom(_MIN_FREE))


def _unpack(folder: Path) -> frozenset[str]:
    """Fill a folder from the archive and return the names of its files; none without an undamaged archive."""
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
        # Of a kernel that this process has compiled, its own files are kept: they belong together.
        own = {_kernel_of(name) for name in _state(folder)}
        files.extractall(folder, [name for name in files.namelist() if _kernel_of(name) not in own])
        names = frozenset(files.namelist()) & _state(folder).keys()
    with suppress(OSError):
        os.utime(archive)  # so that the most recently used archives are kept
    _cache.archive = _stamp()
    return frozenset(names)


def _pack(folder: Path, names: dict[str, Any]) -> bytes | None:
    content = io.BytesIO()
    try:
        with zipfile.ZipFile(content, "w") as files:
            for name in names:
                files.writestr(zipfile.ZipInfo(name), (folder / name).read_bytes())
    except OSError:  # files were removed
        return None
    return hashlib.sha256(content.getvalue()).digest() + content.getvalue()


def _state(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return inode, size and time of numba's files in a folder."""
    files = {}
    for path in sorted(folder.rglob("*.nb[ic]")):
        with suppress(FileNotFoundError):
            status = path.stat()
            files[path.relative_to(folder).as_posix()] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return files


def _kernel_of(name: str) -> str:
    """What the names of the files of one kernel, an index and a file for each combination of types, have in common."""
    return re.sub(r"(\.\d+)?\.nb[ic]$", "", name)


def _remove_orphans(base: Path) -> None:
    """Remove the folders of killed processes. If one is still alive, it only has to compile again."""
    import psutil

    for path in base.glob(f"{_PREFIX}*"):
        match = _FOLDER.fullmatch(path.name)
        if match and match[1] == machine() and not psutil.pid_exists(int(match[2])):
            shutil.rmtree(path, ignore_errors=True)
    with suppress(MirkitError):
        if base == _root():
            remove_orphans(base)


def _prune(root: Path) -> None:
    others = [path for path in root.glob("kernels-*.zip") if path.name != _name()]
    for path in sorted(others, key=lambda path: path.stat().st_mtime)[:-_MAX_OTHERS]:
        path.unlink(missing_ok=True)


def _at_exit() -> None:
    with _lock:
        if _cache.process == os.getpid():  # a forked child leaves its parent's folders alone
            keep_compiled()
            _cache.folder = None
            for folder in _cache.made:
                shutil.rmtree(folder, ignore_errors=True)
