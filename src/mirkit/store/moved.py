"""Files that mirkit itself moves, links or fetches: they look new, and their provenance learns that they are not."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from mirkit.errors import InfoError
from mirkit.store.digests import FileDigest
from mirkit.store.provenance import read_provenance, recorded, rewrite
from mirkit.store.stamp import Stamp, stamp_of


@contextmanager
def stamps_kept(before: Path, after: Path, moves: Iterable[tuple[Path, Path]]) -> Iterator[None]:
    """Move, copy or link files in the block without their being hashed again afterwards.

    Files that look as recorded when the block begins are recorded with the stamps that they have when it ends.

    Parameters
    ----------
    before, after : Path
        The ``.PROVENANCE`` before and after the block; the same where it is not moved.
    moves : iterable of (Path, Path)
        Where each file was, and where it will be.
    """
    moves = list(moves)
    old = {source: stamp for source, _ in moves if (stamp := _look(source))}
    with suppress(InfoError):
        known = {print_.stamp for several in recorded(read_provenance(before)).values() for print_ in several}
        old = {source: stamp for source, stamp in old.items() if stamp in known}
    yield
    new = {old[source]: stamp for source, target in moves if source in old and (stamp := _look(target))}

    def now(_: str, known: FileDigest) -> FileDigest:
        stamp = new.get(known.stamp)
        same = stamp is not None and stamp[:2] == known.stamp[:2]
        return _stamped(known, stamp) if stamp and same else known

    if new:
        rewrite(after, now)


def believe_times(path: Path, files: Mapping[str, Path]) -> None:
    """Take files that were fetched from object storage for what is recorded, where size and time of change agree.

    Parameters
    ----------
    path : Path
        The ``.PROVENANCE``.
    files : mapping of str to Path
        Name in the provenance -> file.
    """
    looks = {name: stamp for name, file in files.items() if (stamp := _look(file))}

    def now(name: str, known: FileDigest) -> FileDigest:
        stamp = looks.get(name)
        return _stamped(known, stamp) if stamp and stamp[:2] == known.stamp[:2] else known

    rewrite(path, now)


def _stamped(print_: FileDigest, stamp: Stamp) -> FileDigest:
    return replace(print_, mtime_ns=stamp.mtime_ns, ctime_ns=stamp.ctime_ns, inode=stamp.inode)


def _look(path: Path) -> Stamp | None:
    try:
        return stamp_of(path)
    except OSError:  # not there, or not yet
        return None
