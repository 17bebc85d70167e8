"""Which tracks of many have something to do: asked of their files, and of the index where nothing has changed."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mirkit import __version__, models
from mirkit.catalog import STAGES
from mirkit.engines.parallel import map_chunked
from mirkit.errors import MirkitError
from mirkit.pipeline.track_state import TrackState
from mirkit.store import Settings
from mirkit.store.folder_cache import FolderCache
from mirkit.track import Track

#: Settings that decide nothing about what is done.
_NOT_ASKED = ("exclude", "run")


@dataclass
class Outstanding:
    """What is to be done with tracks.

    Attributes
    ----------
    todo : dict
        Track's folder or file -> stage -> why it must run. Absent: all done.
    unreadable : dict
        Track -> why nothing can be done with it.
    own : dict
        Stage that is to be done again -> number of tracks that have files of the user's in its place.
    newer : int
        Tracks that a newer version of mirkit has measured.
    """

    todo: dict[str, dict[str, str]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    own: dict[str, int] = field(default_factory=dict)
    newer: int = 0


def outstanding(
    tracks: Iterable[Track],
    root: Path,
    stages: tuple[str, ...],
    backends: dict[str, str],
    settings: Settings,
    *,
    overwrite: bool,
    replaces: frozenset[str] = frozenset(),
    many: bool,
    jobs: int,
) -> Outstanding:
    """See what is to be done.

    Parameters
    ----------
    tracks : iterable of Track
    root : Path
        The data set.
    stages, backends, settings, overwrite, replaces
        What is wanted of them, and how.
    many : bool
        Whether it is worth to keep what is found for the next run.
    jobs : int
        Processes that may read, if there is very much to be read.
    """
    index = _index(root, stages, backends, settings) if many and not (overwrite or replaces) else None
    found = Outstanding()
    unknown = [track for track in tracks if not (index and _lasts(track) and index.get(track.folder))]
    question = _Question(stages, backends, settings, overwrite, replaces)
    for track, answer in zip(unknown, map_chunked(question, unknown, jobs=jobs), strict=True):
        if isinstance(answer, str):
            found.unreadable[str(track.path)] = answer
            continue
        for name in answer.own:
            found.own[name] = found.own.get(name, 0) + 1
        found.newer += answer.newer
        if answer.todo:
            found.todo[str(track.path)] = answer.todo
        elif index and _lasts(track) and not answer.newer:
            index.put(track.folder, value=True)
    if index:
        index.save()
    return found


def _lasts(track: Track) -> bool:
    """Whether what is found of a track can be told by its folder's files."""
    return not (track.loose or track.unclean)


@dataclass(frozen=True)
class _Answer:
    """What is to be done with one track."""

    todo: dict[str, str]
    own: tuple[str, ...]
    newer: bool


@dataclass(frozen=True)
class _Question:
    """What a track still wants, or the line that says why nothing can be done with it."""

    stages: tuple[str, ...]
    backends: dict[str, str]
    settings: Settings
    overwrite: bool
    replaces: frozenset[str]

    def __call__(self, track: Track) -> _Answer | str:
        try:
            state = TrackState.of(track, hashed=False)
            todo = state.outstanding(
                self.stages, self.backends, self.settings, overwrite=self.overwrite, replaces=self.replaces
            )
            again = self.stages if self.overwrite else self.replaces
            own = tuple(state.own(again, self.settings))
            return _Answer(todo, own, bool(state.newer(self.stages, self.settings)))
        except (MirkitError, OSError) as error:
            return str(error)


def _index(root: Path, stages: tuple[str, ...], backends: dict[str, str], settings: Settings) -> FolderCache | None:
    """What is known to be done of tracks that have not changed; None where it is not known by their files alone."""
    if "crop" in stages:  # clips lie in folders of their own
        return None
    chosen = {name: value for name, value in asdict(settings).items() if name not in _NOT_ASKED}
    versions = {row.name: row.version for row in STAGES}
    own = [models.user_weights_digest(job, settings) for job in sorted(backends)]
    return FolderCache(root, "done", [__version__, versions, stages, backends, chosen, own])
