"""Measure a track from Python, without writing anything."""

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

from mirkit import models
from mirkit.analysis import TrackAnalysis
from mirkit.catalog import GROUPS, JOBS, MEASURED, Stage, stage, with_needs
from mirkit.errors import SettingsError
from mirkit.features.types import Unknown, Value
from mirkit.stages import listeners, stage_function
from mirkit.staleness import TrackState
from mirkit.store import Settings, find_root, read_settings, round6
from mirkit.store.compiled import keep_compiled, with_kernels
from mirkit.track import Track


def analyze(path: str | PathLike[str], group: str = "extract") -> dict[str, float | int | None]:
    """Measure the features of a track.

    Parameters
    ----------
    path : path
        A track folder, its full_mix file, or a loose sound file.
    group : str
        Name of a stage or group of the catalog: ``"rhythm"``, ``"loudness"``, ``"extract"`` for all.

    Returns
    -------
    dict
        Key of ``.INFO`` -> number, or None where it cannot be measured.

    Raises
    ------
    SettingsError
        There is no such group.
    MirkitError
        The track cannot be read.
    """
    named = {name: (name,) for name in MEASURED} | {row.name: row.stages for row in GROUPS}
    if group not in named:
        raise SettingsError(f"no feature group named {group!r}; there are {', '.join(named)}")
    rows = [stage(name) for name in with_needs(named[group])]
    track = Track.at(Path(path))
    settings = read_settings(find_root(track.path))
    backends = {job: models.resolve(job, getattr(settings.backends, job), settings) for job in JOBS}
    settings = replace(settings, backends=replace(settings.backends, **backends))
    values = with_kernels(lambda: _measure(track, rows, settings))
    keep_compiled()
    return {key: None if isinstance(value, Unknown) else _rounded(value) for key, value in values.items()}


def _measure(track: Track, rows: Sequence[Stage], settings: Settings) -> dict[str, Value]:
    state = TrackState.of(track)
    opened = TrackAnalysis(track, state.prints, state.stems_by)
    wanted = (curve for row in rows for curve in state.inputs(row, settings).curves)
    opened.measure(wanted, listeners(settings))
    return {key: value for row in rows for key, value in stage_function(row)(opened, settings).values.items()}


def _rounded(value: float | int) -> float | int:
    """As ``.INFO`` has it."""
    return round6(value) if isinstance(value, float) else value
