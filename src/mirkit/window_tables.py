"""Tables of the windows of tracks, for a trainer that cuts at random positions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeGuard

import numpy as np
import numpy.typing as npt

from mirkit import engines
from mirkit.catalog import CATEGORIES, NUMBERS, level_shift, stage
from mirkit.errors import MirkitError
from mirkit.windows import WindowAnalyzer

TIMBRE = stage("timbral").keys
#: For each window in which timbre was measured: the timbre features in the order of ``TIMBRE``; None where unknown.
Timbre = list[list[float | None]]


@dataclass(frozen=True)
class WindowTable:
    """Features of a track, window by window.

    Attributes
    ----------
    hop : float
        Seconds from the start of one window to the start of the next.
    values : float64 array, shape=(windows, numbers of the catalog)
        NaN where unknown.
    categories : sequence of dict
        For each window: descriptor that is a category -> its value, where it is known.
    """

    hop: float
    values: npt.NDArray[np.float64]
    categories: Sequence[Mapping[str, str]] = ()

    def rows(self) -> Iterator[dict[str, float | str]]:
        """Yield the known numbers and categories of each window."""
        categories = self.categories or [{}] * len(self.values)
        for row, named in zip(self.values, categories, strict=True):
            numbers = {key.name: float(value) for key, value in zip(NUMBERS, row, strict=True) if np.isfinite(value)}
            yield numbers | dict(named)

    def louder(self, gain_db: float, lufs_db: float = 0.0) -> "WindowTable":
        """Return the table of the same audio, amplified by ``gain_db`` (dB); ``lufs_db`` is added to loudness alone."""
        shift = [level_shift(row.name, gain_db, lufs_db) for row in NUMBERS]
        return replace(self, values=self.values + np.array(shift))


@dataclass(frozen=True)
class _Task:
    name: str
    path: Path
    seconds: float
    hop: float
    timbre: Timbre | None


def tables(
    tracks: Mapping[str, Path],
    seconds: float,
    problems: list[str],
    advance: Callable[[str], None],
    *,
    hop: float = 1.0,
    jobs: int = 0,
    known: Mapping[str, Timbre] | None = None,
    keep: Callable[[str, Timbre], None] = lambda _name, _timbre: None,
) -> dict[str, WindowTable]:
    """Measure the windows of many tracks, for a trainer that cuts at random positions.

    Parameters
    ----------
    tracks : mapping
        Name -> folder or file of a measured track.
    seconds : float
        Length of a window; a shorter track has a single window.
    problems : list of str
        Receives a line for each track that fails, in the order of ``tracks``.
    advance : callable
        Called with the name of each track when it is finished.
    hop : float
        Seconds from the start of one window to the start of the next.
    jobs : int
        Number of worker processes; 0 for one per core.
    known : mapping, optional
        Name -> timbre of its windows, from an earlier call with the same audio and length.
    keep : callable
        Called with the name and the timbre of each track whose timbre was measured, when it is finished.

    Returns
    -------
    dict
        Name -> table, in the order of ``tracks``; tracks that failed are left out.
    """
    known = known or {}
    measured: dict[str, WindowTable] = {}
    failed: dict[str, str] = {}
    tasks = [_Task(name, path, seconds, hop, known.get(name)) for name, path in tracks.items()]
    for done in engines.run(_table_or_error, tasks, jobs=jobs or engines.cores()):
        name = done.item.name
        if isinstance(done.result, tuple):
            measured[name], timbre = done.result
            if done.item.timbre is None:
                keep(name, timbre)
        else:
            failed[name] = done.result or done.error
        advance(name)
    problems += [f"{name}: {failed[name]}" for name in tracks if name in failed]
    return {name: measured[name] for name in tracks if name in measured}


def _table_or_error(task: _Task) -> tuple[WindowTable, Timbre] | str:
    try:
        return table(task.path, task.seconds, task.hop, task.timbre)
    except MirkitError as error:
        return str(error)


def number(value: object) -> float | None:
    """Return a value if it is a number."""
    return value if isinstance(value, int | float) else None


def _is_timbre(content: object, windows: int) -> TypeGuard[Timbre]:
    """Whether the content of a file is the timbre of so many windows."""
    if not isinstance(content, list) or len(content) != windows:
        return False
    return all(isinstance(row, list) and len(row) == len(TIMBRE) for row in content)


def table(path: Path, seconds: float, hop: float, timbre: Timbre | None = None) -> tuple[WindowTable, Timbre]:
    """Measure the windows of a track from its feature series.

    Timbre features need the samples, and are measured in windows with a hop of half a length.

    Parameters
    ----------
    path : Path
    seconds : float
        Length of a window.
    hop : float
        Seconds from the start of one window to the start of the next.
    timbre : list of list, optional
        What an earlier call with the same audio and length returned; without it, the audio is decoded.

    Returns
    -------
    table : WindowTable
    timbre : list of list

    Raises
    ------
    MissingInput
        The track has not been measured.
    """
    track = WindowAnalyzer.open(path)
    last = max(0.0, track.duration - seconds)
    starts = np.minimum(np.arange(0, last + hop, hop), last) if last else np.zeros(1)
    decoded = np.unique(np.minimum(np.arange(0, last + seconds / 2, seconds / 2), last))
    if not _is_timbre(timbre, len(decoded)):
        found = track.timbre([(start, min(start + seconds, track.duration)) for start in decoded.tolist()])
        timbre = [[number(values[name]) for name in TIMBRE] for values in found]
    values = np.full((len(starts), len(NUMBERS)), np.nan)
    categories = []
    for row, start in zip(values, starts.tolist(), strict=True):
        here = track.within(start, min(start + seconds, track.duration))
        near = dict(zip(TIMBRE, timbre[int(np.argmin(np.abs(decoded - start)))], strict=True))
        for column, key in enumerate(NUMBERS):
            found_here = number(near.get(key.name, here.get(key.name)))
            if found_here is not None:
                row[column] = found_here
        named = {key.name: here[key.name] for key in CATEGORIES if key.name in here}
        categories.append({name: value for name, value in named.items() if isinstance(value, str)})
    return WindowTable(hop, values, categories), timbre
