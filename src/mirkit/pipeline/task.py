"""The job of a worker for one track, and its outcome.

The parent process imports this module without loading the analysis.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mirkit.store import Settings


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
        Stage -> elapsed time; ``"measure"`` for the shared feature series.
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
