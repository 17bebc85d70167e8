"""Features of any window of a measured track, computed from its stored feature series without decoding audio."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from mirkit import engines
from mirkit.analysis import TrackAnalysis
from mirkit.audio import open_audio
from mirkit.catalog import ALL_SPECS, CATEGORIES, NUMBERS, REQUESTED, STAGES, level_shift, stage
from mirkit.errors import MirkitError, MissingInput, SettingsError, printable
from mirkit.features.types import InfoValue, Unknown, Window
from mirkit.stages.description import sentences_on
from mirkit.stages.window import FROM_SERIES, FROM_SOUND, NEEDS_SOUND, SHORTEST, at_window, timbre_of, widened
from mirkit.staleness import TrackState
from mirkit.store import Settings, find_root, read_settings
from mirkit.store.compiled import use_compiled
from mirkit.track import Track, rename_hint

#: A value of ``.INFO``: a number, a category or a text; None if it is unknown.
Info = float | int | str | None

_log = logging.getLogger("mirkit")

_TIMBRE = frozenset(stage("timbral").keys)

#: Seconds by which a window may end after the end of its track, because times are rounded.
_SLACK = 0.001


@dataclass(frozen=True)
class WindowFeatures:
    """The features of a window.

    Attributes
    ----------
    values : dict
        All features and descriptors -> value, or None. Those of stages on request are there once the stage has run.
    reasons : dict
        Key -> reason why it is None.
    """

    values: dict[str, Info]
    reasons: dict[str, str]


@dataclass(frozen=True)
class Slices:
    """The features of consecutive slices of equal length.

    Attributes
    ----------
    edges : tuple of float
        Seconds; slice ``i`` is ``edges[i]`` to ``edges[i + 1]``.
    values : dict
        All features and descriptors -> one value (or None) per slice.
    reasons : dict
        Key -> reason of each None; "" for a value. Keys without a None are left out.
    widened : dict
        Key -> length (s) of the window, centered on a slice, in which the feature was measured if a slice is too short
        for it.
    """

    edges: tuple[float, ...]
    values: dict[str, list[Info]]
    reasons: dict[str, list[str]]
    widened: dict[str, float]


class WindowAnalyzer:
    """A measured track, opened to compute the features of any window. Created by :meth:`open`.

    Beats, downbeats, ``bpm_is_defined``, tuning and the level below which frames do not count are those of the track.

    """

    def __init__(
        self, opened: TrackAnalysis, state: TrackState, settings: Settings, part: Window | None = None
    ) -> None:
        self._opened, self._state, self._settings = opened, state, settings
        self._whole = part or opened.window
        self._neural = neural_stages(state)
        self._stages = (*FROM_SERIES, *requested_stages(state, settings))
        self._user = state.user_values()

    @property
    def analysis(self) -> TrackAnalysis:
        """The feature series and beats of the whole track."""
        return self._opened

    @property
    def window(self) -> Window:
        """The whole track, or the part of it that a clip is."""
        return self._whole

    @property
    def duration(self) -> float:
        """Seconds."""
        return self._whole.duration

    @classmethod
    def open(cls, path: str | PathLike[str]) -> Self:
        """Open a track that ``mirkit extract`` has measured: its folder, its mix, or a loose file.

        A clip that ``mirkit crop`` has cut is read from the feature series of its source.

        Parameters
        ----------
        path : path
            A track folder, its mix, or a loose file.

        Returns
        -------
        WindowAnalyzer

        Raises
        ------
        MissingInput
            There is no such track, or it has not been measured, or its results are stale.
        """
        use_compiled()
        track, part = Track.at(Path(path)), None
        state = TrackState.of(track)
        if state.clip_source:
            part = state.clip_source.window
            track = Track.at(track.folder / state.clip_source.source)
            state = TrackState.of(track)
        for note in state.notes:
            _log.warning("%s", note)
        settings = read_settings(find_root(track.path))
        backends = {row.task: entry.backend or "" for row in STAGES if (entry := state.provenance.stages.get(row.name))}
        # What a stage has read depends on the backend that measured the track, not on the present settings.
        named = {task: name for task, name in backends.items() if task and name}
        settings = replace(settings, backends=replace(settings.backends, **named))
        if todo := state.outstanding(FROM_SERIES, backends, settings):
            if hint := rename_hint(track):
                raise MissingInput(hint)
            name, why = next(iter(todo.items()))
            raise MissingInput(
                f"{printable(track.path)}: its feature series are missing or stale ({name}: {why}); "
                f'measure it with: mirkit extract "{printable(track.path)}"'
            )
        opened = TrackAnalysis.load_cached(track, state.digests, window_series(state, settings), state.stems_backend)
        return cls(opened, state, settings, part)

    def at(self, start: float, end: float, *, samples: bool = False) -> WindowFeatures:
        """Return the features of a window.

        Parameters
        ----------
        start, end : float
            Seconds.
        samples : bool
            Whether to decode the window, too, for the timbre features; otherwise they are None. Features of neural
            models are always None.

        Returns
        -------
        WindowFeatures

        Raises
        ------
        SettingsError
            The window is empty or not within the track.
        """
        return _split(self._measure(self._window(start, end), samples))

    def slices(self, count: int, start: float = 0.0, end: float | None = None, *, samples: bool = False) -> Slices:
        """Return the features of equal slices of a window, for conditioning that changes over time.

        A feature for which a slice is too short is measured in a longer window around the middle of the slice.

        Parameters
        ----------
        count : int
            Number of slices, at least 1.
        start, end : float
            The window in seconds; by default the whole track.
        samples : bool
            Whether to decode the window, too, for the timbre features.

        Returns
        -------
        Slices

        Raises
        ------
        SettingsError
            ``count`` is less than 1, or the window is empty or not within the track.
        """
        if count < 1:
            raise SettingsError(f"--slices {count}: at least 1 slice is needed")
        whole = self._window(start, self.duration if end is None else end)
        edges = np.linspace(whole.start, whole.end, count + 1).tolist()
        needed = {key: seconds for key, seconds in SHORTEST.items() if whole.duration / count < seconds}
        rows = [_split(self._slice(Window(a, b), needed, samples)) for a, b in pairwise(edges)]
        names = list(rows[0].values)
        reasons = {name: [found.reasons.get(name, "") for found in rows] for name in names}
        return Slices(
            tuple(edge - self._whole.start for edge in edges),
            {name: [found.values[name] for found in rows] for name in names},
            {name: whys for name, whys in reasons.items() if any(whys)},
            needed,
        )

    def _measure(self, window: Window, samples: bool) -> dict[str, InfoValue]:
        found = at_window(self._opened, window, self._settings, names=self._stages, neural=self._neural)
        values = {key: value for result in found.values() for key, value in result.values.items()}
        values |= self._from_sound(window, samples) | self._user
        values |= {"position": window.start / self._opened.duration, "duration_seconds": window.duration}
        return values | sentences_on(values)

    def _slice(self, window: Window, needed: Mapping[str, float], samples: bool) -> dict[str, InfoValue]:
        values = self._measure(window, samples)
        for seconds in set(needed.values()):
            keys = {key for key, need in needed.items() if need == seconds}
            names = [name for name in self._stages if keys & set(stage(name).keys)]
            wide = widened(window, seconds, self._opened.duration)
            results = at_window(self._opened, wide, self._settings, names=names, neural=self._neural)
            values |= {key: v for result in results.values() for key, v in result.values.items() if key in keys}
        return values

    def _window(self, start: float, end: float) -> Window:
        if not 0 <= start < end <= self.duration + _SLACK:
            raise SettingsError(
                f"{printable(self._opened.track.path)}: {start:g}-{end:g} s is outside 0-{self.duration:.3f} s"
            )
        return Window(self._whole.start + start, min(self._whole.start + end, self._whole.end))

    def _from_sound(self, window: Window, samples: bool) -> dict[str, InfoValue]:
        """Return the values that feature series do not determine; unknown ones have the reason that the track has."""
        values: dict[str, InfoValue] = {}
        for name in FROM_SOUND:
            entry = self._state.provenance.stages.get(name)
            reasons = entry.reasons if entry else {}
            if samples and name == "timbral":
                audio = open_audio(self._opened.track.mix, hold_seconds=0)
                values |= timbre_of(audio.window(window.start, window.end), audio.rate).values
            else:
                values |= {key: Unknown(reasons[key]) if key in reasons else NEEDS_SOUND for key in stage(name).keys}
        return values


def window_series(state: TrackState, settings: Settings) -> list[tuple[str, str]]:
    """Return the ``(source, kind)`` of the feature series from which windows of a track are computed."""
    names = (*FROM_SERIES, *requested_stages(state, settings))
    return [series for name in names for series in state.inputs(stage(name), settings).series]


def requested_stages(state: TrackState, settings: Settings) -> tuple[str, ...]:
    """Return the stages on request that have run on the present files of a track; its clips have their values."""
    names = dict.fromkeys(row.stage for row in REQUESTED)
    entries = {name: entry for name in names if (entry := state.provenance.stages.get(name)) and not entry.failed}
    return tuple(name for name, entry in entries.items() if entry.inputs == state.inputs(stage(name), settings).files)


def neural_stages(state: TrackState) -> frozenset[str]:
    """Return the stages that a neural model computed on this track, whose values are not in its feature series."""
    entries = state.provenance.stages
    return frozenset(
        name
        for name in FROM_SERIES
        if stage(name).task == "classification" and name in entries and entries[name].backend not in (None, "embedded")
    )


def features_at(path: str | PathLike[str], start: float, end: float, *, samples: bool = False) -> dict[str, Info]:
    """Compute the features of a window of a measured track from its stored feature series, in milliseconds.

    :class:`WindowAnalyzer` also returns the reasons of unknown values, and opens a track once for many windows.

    Parameters
    ----------
    path : path
        A track folder, its full_mix file, or a loose audio file that ``mirkit extract`` has measured.
    start, end : float
        Seconds.
    samples : bool
        Whether to decode the window, too, for the timbre features.

    Returns
    -------
    dict
        Name of a feature or descriptor -> value, or None if it is unknown.

    Raises
    ------
    MissingInput
        There is no such track, or it has not been measured, or what was measured is stale.
    SettingsError
        The window is empty or not within the track.
    """
    return WindowAnalyzer.open(path).at(start, end, samples=samples).values


def _split(values: Mapping[str, InfoValue]) -> WindowFeatures:
    """Separate values and reasons, in the order of the catalog."""
    ordered = {row.name: values[row.name] for row in ALL_SPECS if row.name in values}
    return WindowFeatures(
        {key: None if isinstance(value, Unknown) else value for key, value in ordered.items()},
        {key: value.reason for key, value in ordered.items() if isinstance(value, Unknown)},
    )


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


def tables(
    tracks: Mapping[str, Path],
    seconds: float,
    problems: list[str],
    advance: Callable[[str], None],
    *,
    hop: float = 1.0,
    jobs: int = 0,
) -> dict[str, WindowTable]:
    """Measure the windows of many tracks, for a trainer that cuts at random positions.

    Parameters
    ----------
    tracks : mapping
        Name -> folder or file of a measured track.
    seconds : float
        Length of a window; a shorter track has a single window.
    problems : list of str
        Receives a line for each track that fails.
    advance : callable
        Called with the name of each track when it is finished.
    hop : float
        Seconds from the start of one window to the start of the next.
    jobs : int
        Number of worker processes; 0 for one per core.

    Returns
    -------
    dict
        Name -> table; tracks that failed are left out.
    """
    measured: dict[str, WindowTable] = {}
    failed: dict[str, str] = {}
    measure = partial(_table_or_error, seconds=seconds, hop=hop)
    for done in engines.run(measure, list(tracks.items()), jobs=jobs or engines.cores()):
        name, _ = done.item
        if isinstance(done.result, WindowTable):
            measured[name] = done.result
        else:
            failed[name] = done.result or done.error
        advance(name)
    problems += [f"{name}: {failed[name]}" for name in tracks if name in failed]
    return {name: measured[name] for name in tracks if name in measured}


def _table_or_error(track: tuple[str, Path], seconds: float, hop: float) -> WindowTable | str:
    try:
        return table(track[1], seconds, hop)
    except MirkitError as error:
        return str(error)


def table(path: Path, seconds: float, hop: float) -> WindowTable:
    """Measure the windows of a track from its feature series.

    Timbre features need the samples, and are measured in windows with a hop of half a length.

    Parameters
    ----------
    path : Path
    seconds : float
        Length of a window.
    hop : float
        Seconds from the start of one window to the start of the next.

    Raises
    ------
    MissingInput
        The track has not been measured.
    """
    track = WindowAnalyzer.open(path)
    last = max(0.0, track.duration - seconds)
    starts = np.minimum(np.arange(0, last + hop, hop), last) if last else np.zeros(1)
    decoded = np.unique(np.minimum(np.arange(0, last + seconds / 2, seconds / 2), last))
    timbre = [track.at(start, min(start + seconds, track.duration), samples=True).values for start in decoded]
    rows, categories = [], []
    for start in starts:
        values = track.at(start, min(start + seconds, track.duration)).values
        near = timbre[int(np.argmin(np.abs(decoded - start)))]
        rows.append([(near if row.name in _TIMBRE else values).get(row.name) for row in NUMBERS])
        named = {row.name: values.get(row.name) for row in CATEGORIES}
        categories.append({name: value for name, value in named.items() if isinstance(value, str)})
    return WindowTable(hop, np.array(rows, np.float64), categories)
