"""Many files that are written together, so that they wait for the disk together.

Each file is as safe as one that :func:`mirkit.store.atomic_file` writes: it is synced to disk before it gets its name.
"""

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType

from mirkit.errors import InfoError, as_error
from mirkit.store.atomic import lock, put_in_place, sync_file, sync_folder, temporary_name
from mirkit.store.digests import Stamp, stamp_of
from mirkit.store.provenance_record import STAMP
from mirkit.store.sidecars import check_stays_inside, read_bounded

#: Number of files that are written before they are synced, and of threads that sync them.
_TOGETHER, _THREADS = 64, 16


class FileBatch:
    """Files that are written together. A context: at its end, all of them are in place.

    If it raises, or the process is killed, each file is in place as a whole, or as it was before.

    Parameters
    ----------
    lasting : bool
        Whether the names have to survive a power failure too; without it, the file of before may be there after one.
    """

    def __init__(self, *, lasting: bool = True) -> None:
        self._lasting = lasting
        self._written: list[tuple[Path, Path]] = []

    def __enter__(self) -> "FileBatch":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is None:
                self.finish()
        finally:
            for temporary, _ in self._written:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)

    @contextmanager
    def file(self, path: Path) -> Iterator[Path]:
        """Yield a temporary path; its content replaces ``path`` at the end of the batch, unless the block raises.

        Raises
        ------
        InfoError
            The system refused this file, or one before it.
        """
        temporary = temporary_name(path)
        try:
            yield temporary
        except BaseException as error:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise as_error(error, path, "write") from error
            raise
        self._written.append((temporary, path))
        if len(self._written) >= _TOGETHER:
            self.finish()

    def write(self, path: Path, data: bytes) -> None:
        """Write a file, unless it has this content already. Raises as :meth:`file`."""
        if not _holds(path, data):
            with self.file(path) as temporary, open(temporary, "xb") as file:
                file.write(data)

    def finish(self) -> None:
        """Put the files in place that have been written so far. Raises InfoError if the system refuses one."""
        _at_once(sync_file, dict(self._written))
        folders = {path.parent: path for _, path in self._written}
        while self._written:
            temporary, path = self._written[0]
            try:
                put_in_place(temporary, path)
            except OSError as error:
                raise as_error(error, path, "write") from error
            del self._written[0]
        if self._lasting:
            _at_once(sync_folder, folders)


@contextmanager
def keep_all_stamps(files: Mapping[Path, Path]) -> Iterator[None]:
    """Make hard links to files in the block, whose content is not hashed again because of that.

    A link changes the times of a file. Where its stamp was recorded before, the new one is recorded after the block. A
    ``.PROVENANCE`` that cannot be written keeps the older stamp, which costs time only.

    Parameters
    ----------
    files : mapping
        ``.PROVENANCE`` -> the file.
    """
    before = {record: stamp for record, path in files.items() if (stamp := _stamp_or_none(path))}
    yield
    # The locks are released after the files are in place. Other exports lock them in the same order.
    with suppress(InfoError), ExitStack() as locks, FileBatch(lasting=False) as batch:
        for record in sorted(before):
            old, new = before[record], _stamp_or_none(files[record])
            if new is None or new == old or new[:2] != old[:2]:
                continue
            with suppress(InfoError):
                locks.enter_context(lock(record.parent))
                data = read_bounded(record) or b""
                check_stays_inside(record)
                if (changed := data.replace(_recorded(old), _recorded(new))) != data:
                    batch.write(record, changed)


def _recorded(stamp: Stamp) -> bytes:
    """Return a stamp as it is written in a ``.PROVENANCE``, where it need not be parsed to be replaced."""
    return json.dumps(dict(zip(STAMP, stamp, strict=True)))[1:-1].encode("ascii") + b","


def _stamp_or_none(path: Path) -> Stamp | None:
    try:
        return stamp_of(path)
    except OSError:  # the file does not exist
        return None


def _at_once(sync: Callable[[Path], None], paths: Mapping[Path, Path]) -> None:
    """Sync files or folders in several threads, which wait for the disk together.

    Parameters
    ----------
    sync : callable
    paths : mapping
        What is synced -> the path that an error names.
    """

    def work(pair: tuple[Path, Path]) -> None:
        try:
            sync(pair[0])
        except OSError as error:
            raise as_error(error, pair[1], "write") from error

    if len(paths) <= 1:
        for pair in paths.items():
            work(pair)
        return
    with ThreadPoolExecutor(min(_THREADS, len(paths))) as threads:
        deque(threads.map(work, paths.items()), maxlen=0)


def _holds(path: Path, data: bytes) -> bool:
    """Whether a file has a content; False for one that cannot be read."""
    try:
        return not path.is_symlink() and path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False
