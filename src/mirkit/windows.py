"""Features of any window of a measured track, computed from its stored feature series without decoding audio."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import Self

import numpy as np

from mirkit.analysis import TrackAnalysis
from mirkit.audio import open_audio
from mirkit.catalog import ALL_SPECS, REQUESTED, STAGES, stage
from mirkit.errors import MissingInput, SettingsError, pasted, printable
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
        backends = measured_by(state)
        settings = as_measured(state, read_settings(find_root(track.path)))
        if todo := state.outstanding(FROM_SERIES, backends, settings):
            if hint := rename_hint(track):
                raise MissingInput(hint)
            name, why = next(iter(todo.items()))
            raise MissingInput(
                f"{printable(track.path)}: its feature series are missing or stale ({name}: {why}); "
                f"measure it with: mirkit extract {pasted(track.path)}"
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
        return next(self.each([(start, end)], samples=samples))

    def each(self, windows: Iterable[tuple[float, float]], *, samples: bool = False) -> Iterator[WindowFeatures]:
        """Yield the features of several windows; the audio is decoded once for all of them.

        Parameters
        ----------
        windows : iterable of (float, float)
            Start and end of each in seconds, in order of their start; they may overlap.
        samples : bool
            Whether to decode the windows, too, see :meth:`at`.

        Yields
        ------
        WindowFeatures

        Raises
        ------
        SettingsError
            A window is empty or not within the track.
        """
        chosen = [self._window(start, end) for start, end in windows]
        for window, sound in zip(chosen, self._sounds(chosen, samples), strict=True):
            yield _split(self._described(window, sound))

    def timbre(self, windows: Sequence[tuple[float, float]]) -> Iterator[Mapping[str, Info]]:
        """Yield the timbre features alone of several windows; the audio is decoded once for all of them.

        Parameters
        ----------
        windows : sequence of (float, float)
            See :meth:`each`.

        Yields
        ------
        dict
            Name -> value, or None.
        """
        chosen = [self._window(start, end) for start, end in windows]
        names = stage("timbral").keys
        for sound in self._sounds(chosen, samples=True):
            yield {name: None if isinstance(value := sound[name], Unknown) else value for name in names}

    def within(self, start: float, end: float) -> dict[str, InfoValue]:
        """Return what the feature series tell of a window: without timbre, and without sentences about it.

        Parameters
        ----------
        start, end : float
            Seconds.

        Returns
        -------
        dict
            Feature or descriptor -> value, or why it is unknown.

        Raises
        ------
        SettingsError
            The window is empty or not within the track.
        """
        return self._measured(self._window(start, end))

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
        windows = [Window(a, b) for a, b in pairwise(edges)]
        sounds = self._sounds(windows, samples)
        rows = [_split(self._slice(each, sound, needed)) for each, sound in zip(windows, sounds, strict=True)]
        names = list(rows[0].values)
        reasons = {name: [found.reasons.get(name, "") for found in rows] for name in names}
        return Slices(
            tuple(edge - self._whole.start for edge in edges),
            {name: [found.values[name] for found in rows] for name in names},
            {name: whys for name, whys in reasons.items() if any(whys)},
            needed,
        )

    def _measured(self, window: Window) -> dict[str, InfoValue]:
        found = at_window(self._opened, window, self._settings, names=self._stages, neural=self._neural)
        values = {key: value for result in found.values() for key, value in result.values.items()}
        values |= self._user
        return values | {"position": window.start / self._opened.duration, "duration_seconds": window.duration}

    def _described(self, window: Window, sound: Mapping[str, InfoValue]) -> dict[str, InfoValue]:
        values = {**sound, **self._measured(window)}
        return values | sentences_on(values)

    def _slice(
        self, window: Window, sound: Mapping[str, InfoValue], needed: Mapping[str, float]
    ) -> dict[str, InfoValue]:
        values = self._described(window, sound)
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

    def _sounds(self, windows: Sequence[Window], samples: bool) -> Iterator[dict[str, InfoValue]]:
        """Yield what feature series do not determine of each window; what is unknown has the reason of the track."""
        values: dict[str, InfoValue] = {}
        for name in FROM_SOUND:
            entry = self._state.provenance.stages.get(name)
            reasons = entry.reasons if entry else {}
            values |= {key: Unknown(reasons[key]) if key in reasons else NEEDS_SOUND for key in stage(name).keys}
        if not samples:
            yield from [values] * len(windows)
            return
        audio = open_audio(self._opened.track.mix, hold_seconds=0)
        for cut in audio.windows(windows):
            yield values | timbre_of(cut, audio.rate).values


def measured_by(state: TrackState) -> dict[str, str]:
    """Return task -> the backend that has done it on a track, or ""."""
    return {row.task: entry.backend or "" for row in STAGES if (entry := state.provenance.stages.get(row.name))}


def as_measured(state: TrackState, settings: Settings) -> Settings:
    """Return settings with the backends that have measured a track: what a stage has read depends on them."""
    named = {task: name for task, name in measured_by(state).items() if task and name}
    return replace(settings, backends=replace(settings.backends, **named))


def window_series(state: TrackState, settings: Settings) -> list[tuple[str, str]]:
    """Return the ``(source, kind)`` of the feature series from which windows of a track are computed."""
    names = (*FROM_SERIES, *requested_stages(state, settings))
    return [series for name in names for series in state.series(stage(name), settings)]


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
