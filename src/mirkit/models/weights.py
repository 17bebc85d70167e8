"""Weights of models: where their files are, checking and downloading them.

Files are written to the cache only, which is ``$MIRKIT_HOME/models``, or ``models`` in the platform's cache folder for
mirkit; each backend has a folder in it. Files that PyTorch or the Hugging Face tools have downloaded already are used
from their caches.
"""

import functools
import os
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from mirkit.errors import InfoError, MirkitError, WeightsError, as_error, printable, system_errors
from mirkit.models import registry
from mirkit.models.backend import File, Model, Weights
from mirkit.settings import RunSettings
from mirkit.store import FileDigest, atomic_write, digest_of_text, file_digest, lock

#: Receives the name of a file, the number of bytes so far and the total (None if not known).
Progress = Callable[[str, int, int | None], None]

#: Seconds without new data after which another process that downloads the same file is considered stuck.
_STUCK_S = 60.0
#: States of a file.
OK, UNKNOWN, DAMAGED, ABSENT = "ok", "downloaded; no checksum is published", "DAMAGED", "not downloaded"
HALF = "partly downloaded"
#: Reason why nothing is downloaded, as a clause.
OFFLINE = "downloads are off"
_OFFLINE_VARIABLES = ("MIRKIT_OFFLINE", "HF_HUB_OFFLINE")


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
    if not (why := refused_license(row, run)) and is_offline(run) and (lacking := missing(row)):
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
        path = find(row, file)
        if path is None:
            raise WeightsError(missing_files_message(row, missing(row), "not downloaded"))
        if not is_good(file, path):
            raise WeightsError(f"{printable(path)} is damaged; download it again: mirkit models fetch {row.name}")
        paths.append(path)
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
    for file in row.files:
        path = find(row, file)
        if path is None or not is_good(file, path):
            _fetch(row, file, run, progress or (lambda _name, _done, _total: None))
    return load_checked(row, run)


def is_good(file: File, path: Path) -> bool:
    """Return whether a file has its published checksum, or if there is none, that of its first download."""
    expected = file.sha256 or _remembered(path)[1]
    return not expected or checksum(path) == expected


def verify(row: Model, file: File) -> tuple[str, Path | None]:
    """Hash a file again; return its state (OK, UNKNOWN, DAMAGED, HALF or ABSENT) and its path.

    Raises
    ------
    MirkitError
        It cannot be read.
    """
    path = find(row, file)
    if path is None:
        part = _part(place(row, file))
        return (HALF, part) if part.is_file() else (ABSENT, None)
    expected = file.sha256 or _remembered(path)[1]
    if not expected:
        return UNKNOWN, path
    return OK if file_digest(path).sha256 == expected else DAMAGED, path


def checksum(path: Path) -> str:
    """Return the SHA-256 of a file, which is read again only if it has changed.

    Raises
    ------
    MirkitError
        It cannot be read.
    """
    with system_errors(path, "read"):
        stat = path.stat()
    known, _ = _remembered(path)
    if known and (known.size, known.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
        return known.sha256
    return _hashed(path, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _hashed(path: Path, size: int, mtime_ns: int) -> str:
    return file_digest(path).sha256


def _fetch(row: Model, file: File, run: RunSettings, progress: Progress) -> None:
    from mirkit.models.download import DownloadError

    if is_offline(run):
        raise WeightsError(missing_files_message(row, [file], f"damaged, and {OFFLINE}"))
    target = place(row, file)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _alone(target, progress):
            if not (target.is_file() and is_good(file, target)):  # otherwise another process has downloaded it
                _remember(target, _fetched(file, target, progress))
    except DownloadError as error:
        raise WeightsError(missing_files_message(row, [file], str(error))) from error
    except OSError as error:
        raise WeightsError(missing_files_message(row, [file], str(as_error(error, target.parent, "write")))) from error
    except InfoError as error:
        raise WeightsError(str(error)) from error


def _fetched(file: File, target: Path, progress: Progress) -> str:
    """Download a file, check it, and move it to its path; return its checksum."""
    from mirkit.models.download import DownloadError, download

    part = _part(target)
    # A partial download is resumed only if a checksum can show that both parts belong to the same file.
    for resume in (True, False) if file.sha256 and part.is_file() else (False,):
        download(file.url, part, functools.partial(progress, file.name), resume=resume)
        got = file_digest(part).sha256
        if file.sha256 in (None, got):
            os.replace(part, target)
            return got
        part.unlink()
    raise DownloadError(
        f"the downloaded file has the checksum {got[:12]}... instead of {str(file.sha256)[:12]}... and was deleted: "
        "it was damaged in transit, or the server has another file now"
    )


@contextmanager
def _alone(target: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock of a file; wait while another process that downloads it receives data."""
    seen, since = -1, time.monotonic()
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(lock(target.parent, timeout=1.0, name=f".{target.name}.lock"))
                break
            except InfoError as error:
                size = _part(target).stat().st_size if _part(target).is_file() else 0
                if not isinstance(error.__cause__, TimeoutError) or time.monotonic() - since > _STUCK_S:
                    raise
                if size != seen:
                    seen, since = size, time.monotonic()
                    progress(f"{target.name} (fetched by another mirkit)", size, None)
        yield


def _remember(path: Path, sha256: str) -> None:
    """Store a file's checksum beside it, in the cache only, because hashing gigabytes in every process takes long."""
    stat = path.stat()
    with suppress(InfoError):  # a read-only cache works, but more slowly
        atomic_write(_note(path), f"{sha256} {stat.st_size} {stat.st_mtime_ns}\n".encode())


def _remembered(path: Path) -> tuple[FileDigest | None, str]:
    """Return the stored digest of a file and the checksum of its first download; None and "" outside the cache."""
    if not path.is_relative_to(cache()):
        return None, ""
    try:
        sha256, size, mtime_ns = _note(path).read_text().split()
        return FileDigest(int(size), sha256, int(mtime_ns)), sha256
    except (OSError, ValueError):
        return None, ""


def _part(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")


def _sum(checksums: list[str]) -> str:
    return checksums[0] if len(checksums) == 1 else digest_of_text("\n".join(checksums)).sha256


def cache() -> Path:
    """Return the folder for downloaded files.

    Raises
    ------
    WeightsError
        There is no home folder, as in some containers, and no environment variable names another folder.
    """
    home = os.environ.get("MIRKIT_HOME")
    if home:
        return Path(home).expanduser().absolute() / "models"
    import platformdirs

    with _at_home():
        return platformdirs.user_cache_path("mirkit", appauthor=False) / "models"


def place(row: Model, file: File) -> Path:
    """Return the path of a file in the cache; the file need not exist."""
    return cache() / row.backend / file.name


def find(row: Model, file: File) -> Path | None:
    """Return the path of a downloaded file: in the cache, else in that of PyTorch or Hugging Face; else None."""
    candidates = [place(row, file), *_elsewhere(file)]
    return next((path for path in candidates if path.is_file()), None)


def missing(row: Model) -> list[File]:
    """Return the files of a model that have not been downloaded."""
    return [file for file in row.files if find(row, file) is None]


@contextmanager
def _at_home() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise WeightsError("there is no home folder to keep weights in; name one in MIRKIT_HOME") from error


def hub_snapshots(repository: str) -> list[Path]:
    """Return the folders in Hugging Face's cache that contain a repository, the newest first."""
    found = [path for path in _snapshots(repository).glob("*") if path.is_dir()]
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)


def _home_cache() -> Path:
    with _at_home():
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _snapshots(repository: str) -> Path:
    hf_home = Path(os.environ.get("HF_HOME") or _home_cache() / "huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or hf_home / "hub")
    return hub / f"models--{repository.replace('/', '--')}" / "snapshots"


def _elsewhere(file: File) -> Iterator[Path]:
    if file.torch_hub:
        torch_home = Path(os.environ.get("TORCH_HOME") or _home_cache() / "torch")
        yield torch_home / "hub" / "checkpoints" / file.torch_hub
    parts = urllib.parse.urlsplit(file.url)
    if parts.hostname == "huggingface.co":
        repository, _, rest = parts.path.strip("/").partition("/resolve/")
        snapshots = _snapshots(repository)
        revision, _, name = rest.partition("/")
        # A branch such as main has no folder of its own, so any revision is used.
        yield from snapshots.glob(f"{'*' if revision == 'main' else revision}/{name}")


def missing_files_message(row: Model, files: list[File], why: str) -> str:
    """Return the message about missing files: their names, the reason, and what to do."""
    names = ", ".join(file.name for file in files)
    size = sum(file.size for file in files)
    wanted = f"{names} ({megabytes(size)})" if size else names
    folder = printable(cache() / row.backend)
    source = files[0].url
    if len(files) > 1:  # their common folder
        source = os.path.commonprefix([file.url for file in files]).rpartition("/")[0]  # noqa: RUF071 (of URLs)
    return f"{row.title} needs {wanted}: {why}; mirkit models fetch {row.name}, or put it into {folder} (from {source})"


def short_message(row: Model, why: str) -> str:
    """Return the message that a model is missing, for a line of a plan."""
    return f"{row.title} ({megabytes(row.size)}): not downloaded, {why}; mirkit models fetch {row.name}"


def megabytes(size: int) -> str:
    """Return a size in MB or GB."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(size / 1e6, 0.1):.3g} MB"
