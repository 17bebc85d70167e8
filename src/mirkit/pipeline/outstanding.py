"""Which tracks of many have something to do: asked of their files, and of the index where nothing has changed."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from mirkit import __version__, models
from mirkit.catalog import STAGES
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
    for track in tracks:
        asked = index if not (track.loose or track.unclean) else None
        if asked and asked.get(track.folder):
            continue
        try:
            state = State.of(track, hashed=False)
            missing = state.outstanding(stages, backends, settings, overwrite=overwrite)
        except (MirkitError, OSError) as error:
            unreadable[str(track.path)] = str(error)
            continue
        if missing:
            todo[str(track.path)] = missing
        elif asked:
            asked.put(track.folder, value=True)
    if index:
        index.save()
    return todo, unreadable


def _index(root: Path, stages: tuple[str, ...], backends: dict[str, str], settings: Settings) -> Index | None:
    """What is known to be done of tracks that have not changed; None where it is not known by their files alone."""
    if "crop" in stages:  # clips lie in folders of their own
        return None
    chosen = {name: value for name, value in asdict(settings).items() if name not in _NOT_ASKED}
    versions = {row.name: row.version for row in STAGES}
    own = [models.own_weights(job, settings) for job in sorted(backends)]
    return Index(root, "done", [__version__, versions, stages, backends, chosen, own])
