"""What an engine carries: one track and what to do with it. Light, so that only workers load the analysis."""

from dataclasses import dataclass
from pathlib import Path

from mirkit.store import Settings


@dataclass(frozen=True)
class TrackJob:
    """What to do with one track; pickles, so that any engine can carry it.

    ``replaces`` are the stages, of ``separate`` and ``drums``, that may take the place of the user's own files.
    ``patience`` is how many seconds to wait for another run that is at work on the track. On object storage, ``url`` is
    that of the data set, and ``path`` is below it.
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
