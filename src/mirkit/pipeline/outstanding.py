"""Which tracks of many have something to do: asked of their files, and of the index where nothing has changed."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from mirkit import __version__, models
from mirkit.catalog import STAGES
from mirkit.engines.many import ask
from mirkit.errors import MirkitError
from mirkit.pipeline.state import State
from mirkit.store import Settings
from mirkit.store.index import Index
from mirkit.track import Track

#: Settings that decide nothing about what is done.
_NOT_ASKED = ("exclude", "run")


def outstanding(
    tracks: Iterable[Track],
    root: Path,
    stages: tuple[str, ...],
    backends: dict[str, str],
    settings: Settings,
    *,
    overwrite: bool,
    many: bool,
    jobs: int,
) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """See what is to be done.

    Parameters
    ----------
    tracks : iterable of Track
    root : Path
        The data set.
    stages, backends, settings, overwrite
        What is wanted of them, and how.
    many : bool
        Whether it is worth to keep what is found for the next run.
    jobs : int
        Processes that may read, if there is very much to be read.

    Returns
    -------
    todo : dict
        Track's folder or file -> stage -> why it must run. Absent: all done.
    unreadable : dict
        Track -> why nothing can be done with it.
    """
    index = _index(root, stages, backends, settings) if many and not overwrite else None
    todo: dict[str, dict[str, str]] = {}
    unreadable: dict[str, str] = {}
    unknown = [track for track in tracks if not (index and _lasts(track) and index.get(track.folder))]
    for track, missing in zip(
        unknown, ask(_Question(stages, backends, settings, overwrite), unknown, jobs=jobs), strict=True
    ):
        if isinstance(missing, str):
            unreadable[str(track.path)] = missing
        elif missing:
            todo[str(track.path)] = missing
        elif index and _lasts(track):
            index.put(track.folder, value=True)
    if index:
        index.save()
    return todo, unreadable


def _lasts(track: Track) -> bool:
    """Whether what is found of a track can be told by its folder's files."""
    return not (track.loose or track.unclean)


@dataclass(frozen=True)
class _Question:
    """Which stages a track still wants: stage -> why, or the line that says why nothing can be done with it."""

    stages: tuple[str, ...]
    backends: dict[str, str]
    settings: Settings
    overwrite: bool

    def __call__(self, track: Track) -> dict[str, str] | str:
        try:
            state = State.of(track, hashed=False)
            return state.outstanding(self.stages, self.backends, self.settings, overwrite=self.overwrite)
        except (MirkitError, OSError) as error:
            return str(error)


def _index(root: Path, stages: tuple[str, ...], backends: dict[str, str], settings: Settings) -> Index | None:
    """What is known to be done of tracks that have not changed; None where it is not known by their files alone."""
    if "crop" in stages:  # clips lie in folders of their own
        return None
    chosen = {name: value for name, value in asdict(settings).items() if name not in _NOT_ASKED}
    versions = {row.name: row.version for row in STAGES}
    own = [models.own_weights(job, settings) for job in sorted(backends)]
    return Index(root, "done", [__version__, versions, stages, backends, chosen, own])
