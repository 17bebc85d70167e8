"""The missing or stale stages of tracks, from their files or from the library if they have not changed."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import partial

from mirkit import __version__, models
from mirkit.catalog import STAGES
from mirkit.dataset.library import Answers, Library
from mirkit.engines.processes import map_chunked
from mirkit.errors import MirkitError, printable
from mirkit.staleness import TrackState
from mirkit.store import Settings
from mirkit.track import Track

#: Sections of the settings that do not affect which stages are up to date.
_UNRELATED = ("exclude", "run")


@dataclass
class Outstanding:
    """The missing or stale stages of many tracks.

    Attributes
    ----------
    todo : dict
        Folder or file of a track -> stage -> reason. Tracks that are up to date have no entry.
    unreadable : dict
        Track -> reason why it cannot be processed.
    own : dict
        Stale stage -> number of tracks in which the user's own files are in its place.
    newer : int
        Number of tracks that a newer version of mirkit has measured.
    blocked : list of str
        A line for each track that cannot be separated, because a file is in the place of a result.
    """

    todo: dict[str, dict[str, str]] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    own: dict[str, int] = field(default_factory=dict)
    newer: int = 0
    blocked: list[str] = field(default_factory=list)


def outstanding(
    tracks: Iterable[Track],
    library: Library,
    stages: tuple[str, ...],
    backends: dict[str, str],
    settings: Settings,
    *,
    overwrite: bool,
    replaces: frozenset[str] = frozenset(),
    many: bool,
    jobs: int,
) -> Outstanding:
    """Find the missing or stale stages of tracks, from their files or from the library if they have not changed.

    Parameters
    ----------
    tracks : iterable of Track
    library : Library
        The library of the data set.
    stages, backends, settings, overwrite, replaces
        See :class:`RunRequest` and :class:`RunPlan`.
    many : bool
        Whether the library keeps which tracks are up to date, for the next run.
    jobs : int
        Number of processes that may read sidecars if there are thousands of tracks.
    """
    tracks = list(tracks)
    done = _done(library, stages, backends, settings) if many and not (overwrite or replaces) else None
    known = done.known(tracks, jobs=jobs) if done else {}
    result = Outstanding()
    unknown = [track for track in tracks if known.get(track) is not True]
    find_todo = partial(
        _find_todo, stages=stages, backends=backends, settings=settings, overwrite=overwrite, replaces=replaces
    )
    for track, answer in zip(unknown, map_chunked(find_todo, unknown, jobs=jobs), strict=True):
        if isinstance(answer, str):
            result.unreadable[str(track.path)] = answer
            continue
        for name in answer.own:
            result.own[name] = result.own.get(name, 0) + 1
        result.newer += answer.newer
        if answer.blocked:
            result.blocked.append(f"{printable(track.name)}/{answer.blocked}")
        if answer.todo:
            result.todo[str(track.path)] = answer.todo
        elif done and not answer.newer:
            done.put(track, answer=True)
    if done:
        done.save()
    return result


@dataclass(frozen=True)
class _TrackTodo:
    """The missing or stale stages of one track."""

    todo: dict[str, str]
    own: tuple[str, ...]
    newer: bool
    blocked: str


def _find_todo(
    track: Track,
    *,
    stages: tuple[str, ...],
    backends: dict[str, str],
    settings: Settings,
    overwrite: bool,
    replaces: frozenset[str],
) -> _TrackTodo | str:
    """Return the missing or stale stages of a track, or the reason why it cannot be processed."""
    try:
        state = TrackState.of(track, hashed=False)
        todo = state.outstanding(stages, backends, settings, overwrite=overwrite, replaces=replaces)
        own = tuple(state.own(stages if overwrite else replaces, settings))
        blocked = state.user_rest(settings) if "separate" in todo else ""
        return _TrackTodo(todo, own, bool(state.newer(stages, settings)), blocked)
    except (MirkitError, OSError) as error:
        return str(error)


def _done(library: Library, stages: tuple[str, ...], backends: dict[str, str], settings: Settings) -> Answers | None:
    """Return which tracks are known to be up to date; None if other files determine that, too."""
    if "crop" in stages:  # clips are in folders of their own
        return None
    chosen = {name: value for name, value in asdict(settings).items() if name not in _UNRELATED}
    versions = {row.name: row.version for row in STAGES}
    own = [models.user_weights_digest(task, settings) for task in sorted(backends)]
    return library.answers("done", [__version__, versions, stages, backends, chosen, own])
