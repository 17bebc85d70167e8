"""What became of one track."""

from dataclasses import dataclass, field


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
        Stage -> CPU and wait time it took, ``"measure"`` for the shared curves.
    duration : float
        Length of the track in seconds, 0 when nothing was decoded.
    busy : bool
        Whether nothing was done because another run is at work on the track.
    clips : int
        Training clips that it now has, of the set that was asked for.
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
