"""Atomic writes, and locks that give a folder one writer at a time.

A file is written under a temporary name in its own folder, synced to disk and renamed over the old one: a reader sees
the old content or the new, and a kill, a power cut or a full disk does not damage the old one.

The lock is a file in the folder, which its holder removes. A lock on the folder itself would need no file, but on NFS
it would not hold between machines; a lock on a file does.
"""

import functools
import hashlib
import itertools
import os
import platform
import re
import secrets
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mirkit.errors import NO_LOCKS, InfoError, as_error, printable, system_errors

#: Prefix of unfinished files, followed by their writer: ``.mirkit-tmp-<machine>-<process>-<random><suffix>``.
TEMP_PREFIX = ".mirkit-tmp-"
LOCK_NAME = ".mirkit-lock"
#: Lock of a folder in which loose files are organized.
ORGANIZE_LOCK = ".mirkit-organize-lock"

LOCK_TIMEOUT_S = 60.0
_ORPHAN_AGE_S = 24 * 3600.0
_LONGEST_SUFFIX = 12
_TEMP = re.compile(re.escape(TEMP_PREFIX) + r"([0-9a-f]{8})-(\d{1,10})-[0-9a-f]{8}(?:\..*)?")


class LockedError(InfoError):
    """Another process holds the lock."""


@contextmanager
def atomic_file(path: Path, *, lasting: bool = True) -> Iterator[Path]:
    """Yield a temporary path, which replaces ``path`` at the end of the block unless it raises.

    This is for writers that need a path, such as encoders. The temporary name has the suffix of ``path``. With
    ``lasting``, the new file is there after a power failure too; without it, it may be the old one.

    Raises
    ------
    InfoError
        The system refused (full disk, no permission, missing folder). ``path`` is unchanged.
    """
    temp = temporary_name(path)
    linked = False
    try:
        yield temp
        linked = temp.stat().st_nlink > 1
        if linked:  # the content of a hard link is on the disk, and its permissions are those of another file
            _replace(temp, path)
        else:
            sync_file(temp)
            put_in_place(temp, path)
    except OSError as error:
        raise as_error(error, path, "write") from error
    finally:
        with suppress(OSError):
            temp.unlink(missing_ok=True)
    if lasting and not linked:  # a link that a power failure takes is made again
        sync_folder(path.parent)


def temporary_name(path: Path) -> Path:
    """Return a name for the unfinished file at ``path``, in its folder and with its suffix."""
    suffix = path.suffix if len(path.suffix) <= _LONGEST_SUFFIX else ""
    return path.parent / f"{TEMP_PREFIX}{machine()}-{os.getpid()}-{secrets.token_hex(4)}{suffix}"


def put_in_place(temporary: Path, path: Path) -> None:
    """Rename a finished file, which gets the permissions of the file that it replaces. Raises OSError."""
    with suppress(OSError):  # a new file follows the umask
        temporary.chmod(path.stat().st_mode & 0o777)
    _replace(temporary, path)


def atomic_write(path: Path, data: bytes, *, lasting: bool = True) -> None:
    """Write ``data`` to ``path`` atomically, see :func:`atomic_file`."""
    with atomic_file(path, lasting=lasting) as temp, open(temp, "xb") as file:
        file.write(data)


@contextmanager
def lock(folder: Path, timeout: float = LOCK_TIMEOUT_S, name: str = LOCK_NAME) -> Iterator[None]:
    """Hold the lock of a folder against other threads, processes and, if the file system can, machines. Not re-entrant.

    Parameters
    ----------
    folder : Path
        Folder whose files are written.
    timeout : float
        Seconds to wait for another holder.
    name : str
        Name of the lock file. It exists only while a process holds or awaits the lock, or after a kill.

    Raises
    ------
    LockedError
        Another process holds the lock for longer than ``timeout``.
    InfoError
        The file system refused.
    """
    lock_file = folder / name
    try:
        handle = _acquire(lock_file, timeout)
    except TimeoutError as error:
        raise LockedError(
            f"{printable(folder)}: another process of mirkit is writing in this folder and did not "
            f"finish within {timeout:g} s; "
            "wait for it or stop it, then run the same command again"
        ) from error
    except OSError as error:
        raise as_error(error, folder, "lock") from error
    try:
        yield
    finally:
        _release(lock_file, handle)


def remove_orphans(folder: Path) -> list[Path]:
    """Remove the temporary files and lock files that killed processes left in a folder.

    A temporary file is an orphan if its process has ended or, for a process of another machine or container, if it was
    not written to for a day.

    Returns
    -------
    list of Path
        The removed files.
    """
    removed = []
    with system_errors(folder, "clean up"):
        with os.scandir(folder) as entries:
            leftovers = [entry for entry in entries if entry.name.startswith((TEMP_PREFIX, LOCK_NAME, ORGANIZE_LOCK))]
        for entry in leftovers:
            path = folder / entry.name
            if entry.name.startswith(TEMP_PREFIX):
                if _is_orphan(entry):
                    path.unlink(missing_ok=True)
                    removed.append(path)
            # All lock files of mirkit are empty.
            elif entry.is_file(follow_symlinks=False) and not entry.stat(follow_symlinks=False).st_size:
                with suppress(InfoError), lock(folder, 0, entry.name):  # a free lock is removed when it is released
                    removed.append(path)
    return removed


def remove_orphans_below(folder: Path) -> list[Path]:
    """Call :func:`remove_orphans` in a folder and all folders below it; links are not followed."""
    removed = []
    for below, _, _ in os.walk(folder):
        removed += remove_orphans(Path(below))
    return removed


def make_folder(folder: Path) -> Path:
    """Make a folder and its parents, unless it exists. Raises InfoError if the system refuses."""
    with system_errors(folder, "make"):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def free_name(path: Path, what: str) -> Path:
    """Return the first unused path of the form ``<name>.<what>-<n>``, to rename a file that is in the way."""
    names = (path.with_name(f"{path.name}.{what}-{number}") for number in itertools.count(1))
    return next(name for name in names if not os.path.lexists(name))


def remove_file(path: Path) -> None:
    """Remove a file, if it exists. Raises InfoError if the system refuses."""
    with system_errors(path, "remove"):
        path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Sync the list of names of a folder to disk, if the system can."""
    if sys.platform == "win32":
        return
    # The rename has succeeded; a file system that cannot sync folders (FUSE, SMB) is no reason to fail.
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sync_file(path: Path) -> None:
    """Sync the content of a file to disk. Raises OSError."""
    # Windows syncs only files that are open for writing; elsewhere the file may be a read-only copy or hard link.
    handle = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _replace(temp: Path, path: Path) -> None:
    """Rename; on Windows, retry while a reader or virus scanner has the old file open."""
    for pause in (0.01, 0.03, 0.1, 0.3, 1.0) if os.name == "nt" else ():
        try:
            os.replace(temp, path)
        except PermissionError:
            time.sleep(pause)
        else:
            return
    os.replace(temp, path)


@functools.cache
def machine() -> str:
    """Return an identifier of the space in which process numbers are unique: this host and, on Linux, container."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return hashlib.sha256(f"{platform.node()} {space}".encode()).hexdigest()[:8]


def _is_orphan(entry: os.DirEntry[str]) -> bool:
    match = _TEMP.fullmatch(entry.name)
    if match is None or not entry.is_file(follow_symlinks=False):
        return False  # mirkit does not create files with such names
    if match[1] == machine():
        import psutil

        if not psutil.pid_exists(int(match[2])):
            return True
    with suppress(OSError):
        return time.time() - entry.stat(follow_symlinks=False).st_mtime > _ORPHAN_AGE_S
    return False


if sys.platform == "win32":
    # Windows cannot remove an open file, so the removal by filelock at release is safe there.
    import filelock

    def _acquire(lock_file: Path, timeout: float) -> filelock.BaseFileLock:
        handle = filelock.FileLock(lock_file, timeout=timeout)
        handle.acquire(poll_interval=0.01)  # raises filelock.Timeout, a TimeoutError
        return handle

    def _release(lock_file: Path, handle: filelock.BaseFileLock) -> None:
        handle.release()
        with suppress(OSError):
            lock_file.unlink(missing_ok=True)

else:
    import fcntl

    def _acquire(lock_file: Path, timeout: float) -> int:
        deadline = time.monotonic() + timeout
        pause = 0.001
        while True:
            handle = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if _is_at(handle, lock_file):
                    return handle
            except BlockingIOError:
                pass
            except BaseException as error:
                os.close(handle)
                if isinstance(error, OSError) and error.errno in NO_LOCKS:  # no other process can hold this lock
                    os.unlink(lock_file)
                raise
            os.close(handle)
            if time.monotonic() >= deadline:
                raise TimeoutError
            time.sleep(pause)
            pause = min(2 * pause, 0.02)

    def _is_at(handle: int, lock_file: Path) -> bool:
        """Return whether the locked file is the one that others will open: its last holder may have removed it."""
        try:
            present = os.stat(lock_file, follow_symlinks=False)
        except FileNotFoundError:
            return False
        locked = os.fstat(handle)
        return locked.st_nlink > 0 and os.path.samestat(locked, present)

    def _release(lock_file: Path, handle: int) -> None:
        # Removed before it is unlocked, so that a waiting process sees that it waited for a removed file.
        with suppress(OSError):
            os.unlink(lock_file)
        os.close(handle)
