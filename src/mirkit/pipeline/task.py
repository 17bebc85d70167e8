"""The job of a worker for one track, its outcome, and what all jobs on a track share.

The parent process imports this module without loading the analysis.
"""

import os
import re
import traceback
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from mirkit.errors import REFUSED, MirkitError, as_error, printable, unexpected
from mirkit.store import LOCK_NAME, Settings, lock
from mirkit.store.last_error import keep_error
from mirkit.track import Track

#: Names, in the times of an outcome, of what is no stage: the pass over the audio that all measuring stages share;
#: reading, hashing and writing files; and compiling kernels, which the other times do not include.
MEASURE, FILES, COMPILING = "measure", "files", "compiling"


@dataclass(frozen=True)
class TrackJob:
    """The work of a worker on one track. It can be pickled, so that any engine can send it.

    Attributes
    ----------
    path : Path
        Path of the track; on object storage, relative to ``url``.
    stages : tuple of str
        Requested stages.
    backends : dict
        Task -> backend.
    settings : Settings
    overwrite : bool
    replaces : frozenset of str
        Stages, among ``separate`` and ``drums``, that may replace the user's own files.
    debug : bool
        Whether to print the traceback of an error.
    name : str
        Name of the track in the outcome.
    patience : float
        Seconds to wait if another run has locked the track.
    url : str
        URL of the data set on object storage.
    planned : mapping
        Stage -> reason why it must run, according to the plan. This is a hint: the worker decides by the present files,
        and reports a stage that another run has done in the meantime.
    """

    path: Path
    stages: tuple[str, ...]
    backends: dict[str, str]
    settings: Settings
    overwrite: bool = False
    replaces: frozenset[str] = frozenset()
    debug: bool = False
    name: str = ""
    patience: float = 0.0
    url: str = ""
    planned: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TrackOutcome:
    """The result of one track in a run.

    Attributes
    ----------
    track : str
        Path of the track, relative to its data set if it is in one.
    done : tuple of str
        Stages that ran and were stored.
    skipped : tuple of str
        Stages that were up to date.
    failures : dict
        Stage (or ``"track"``) -> reason of the failure in one line.
    notes : tuple of str
        Messages for the user although nothing failed, e.g. about damage in the file.
    seconds : dict
        Stage -> elapsed time; also ``MEASURE``, ``FILES`` and ``COMPILING``.
    duration : float
        Duration of the track in seconds; 0 if nothing was decoded.
    busy : bool
        Whether nothing was done because another run has locked the track.
    clips : int
        Number of training clips that the track now has in the requested set.
    """

    track: str
    done: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    failures: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    duration: float = 0.0
    busy: bool = False
    clips: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.failures


@dataclass(kw_only=True)
class TrackLog:
    """The outcome of a track in progress; its attributes are those of :class:`TrackOutcome`."""

    name: str
    done: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    duration: float = 0.0
    busy: bool = False
    clips: int = 0

    def outcome(self) -> TrackOutcome:
        """Return the outcome."""
        done, skipped, notes = tuple(self.done), tuple(self.skipped), tuple(dict.fromkeys(self.notes))
        return TrackOutcome(
            self.name, done, skipped, self.failures, notes, self.seconds, self.duration, self.busy, self.clips
        )


def name_within(root: Path, track: Track) -> str:
    """Return the path of a track relative to its data set, because two folders may contain tracks of the same name."""
    return track.path.relative_to(root).as_posix() if track.path.is_relative_to(root) else track.name


def run_lock(track: Track, kind: str, timeout: float) -> AbstractContextManager[None]:
    """Return the lock of a track against other runs of a kind; each loose file in a folder has its own lock."""
    which = f"-{sha256(os.fsencode(track.loose)).hexdigest()[:8]}" if track.loose else ""
    return lock(track.folder, timeout, f"{LOCK_NAME}-{kind}{which}")


def error_message(error: Exception, path: Path, *, debug: bool) -> str:
    """Return one line about an error of a track, and print its traceback with ``debug``."""
    if debug:
        traceback.print_exception(error)
    if isinstance(error, MirkitError):
        return below(str(error), path)
    if isinstance(error, OSError) and error.errno in REFUSED:
        file = Path(os.fsdecode(error.filename)) if error.filename else path
        return below(str(as_error(error, file, "work on")), path)
    keep_error(error)
    return unexpected(error)


def below(message: str, path: Path) -> str:
    """Return a message about a track in which the paths of its files are relative to the track.

    Parameters
    ----------
    message : str
    path : Path
        The track: a folder, or a loose file.
    """
    path = Path(os.path.abspath(path))
    if message.startswith(own := f"{printable(path)}: "):
        message = re.sub(r"^cannot ([a-z ]+): ", r"cannot \1 it: ", message.removeprefix(own))
    folder = path if path.is_dir() else path.parent
    # Not within a command, whose paths are quoted.
    return re.sub(rf"(?<![\"'\w]){re.escape(printable(folder) + os.sep)}", "", message)


def now() -> str:
    """Return the present date and time as the provenance stores it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
