"""One track of a run as an engine carries it: the job and its outcome.

The module is light: the parent process imports it without loading the analysis.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mirkit.store import Settings


@dataclass(frozen=True)
class TrackJob:
    """What a worker does with one track. It can be pickled, so that any engine can carry it.

    Attributes
    ----------
    path : Path
        The track; on object storage, its path below ``url``.
    stages : tuple of str
        Stages that were asked for.
    backends : dict
        Task -> backend.
    settings : Settings
    overwrite : bool
    replaces : frozenset of str
        Stages, of ``separate`` and ``drums``, that may replace the user's own files.
    debug : bool
        Print the traceback of an error.
    name : str
        What the outcome calls the track.
    patience : float
        Seconds to wait for another run that holds the track.
    url : str
        Of the data set on object storage.
    planned : mapping
        Stage -> why it must run, as the plan had it. A hint: the worker decides by the files as it finds them, and
        reports a stage that another run has done in the meantime.
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
    """What a run did for one track.

    Attributes
    ----------
    track : str
        Path of the track, relative to the data set where it lies in one.
    done : tuple of str
        Stages that ran and were stored.
    skipped : tuple of str
        Stages that were done already.
    failures : dict
        Stage (or ``"track"``) -> one line that says why.
    notes : tuple of str
        What a user should know though nothing failed, e.g. damage in the file.
    seconds : dict
        Stage -> CPU and wait time it took, ``"measure"`` for the shared feature series.
    duration : float
        Length of the track in seconds, 0 when nothing was decoded.
    busy : bool
        Whether nothing was done because another run holds the track.
    clips : int
        Training clips that the track now has, of the set that was asked for.
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
