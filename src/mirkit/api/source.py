"""The audio argument of the public functions, and the settings that apply to it."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy.typing as npt

from mirkit import models
from mirkit.analysis import TrackAnalysis
from mirkit.audio import Audio, audio_from_array, open_audio
from mirkit.catalog import TASKS, Stage
from mirkit.errors import SettingsError, printable
from mirkit.features.types import ANALYSIS_RATE
from mirkit.models import weights
from mirkit.stages import network_streams
from mirkit.staleness import inputs_of, unread
from mirkit.store import (
    FileDigest,
    Provenance,
    Settings,
    file_digest,
    find_root,
    read_provenance,
    read_settings,
    recorded_digests,
    with_values,
)
from mirkit.store.compiled import keep_compiled, with_kernels
from mirkit.track import Track

#: A track folder, its mix or a loose file; or samples, shape=(channels, n) or (n,), and their rate in Hz.
AudioInput: TypeAlias = "str | PathLike[str] | tuple[npt.ArrayLike, int]"

_log = logging.getLogger("mirkit")


@dataclass(frozen=True)
class Source:
    """The audio that a public function works on.

    Attributes
    ----------
    track : Track or None
        None for an array.
    array : (array, int) or None
        Samples and sample rate.
    settings : Settings
        Settings of the user and, for a path, of its data set, with ``auto`` replaced by the chosen backends.
    """

    track: Track | None
    array: tuple[npt.ArrayLike, int] | None
    settings: Settings

    @classmethod
    def of(
        cls, audio: AudioInput, backends: Mapping[str, str] | None = None, values: Mapping[str, Any] | None = None
    ) -> "Source":
        """Find the track and the settings.

        Parameters
        ----------
        audio : path or (array, int)
        backends : mapping of str to str, optional
            Task -> name of a backend, or ``auto``: the first whose package and weights are installed. Missing weights
            of a backend that is named are fetched into the cache of models.
        values : mapping, optional
            ``section.key`` -> value of a setting; None keeps the present value.

        Raises
        ------
        MissingInput
            There is no track at the path.
        SettingsError
            A setting, or the name of a backend, is wrong.
        WeightsError, MissingExtra
            The backend cannot be used.
        """
        track, array = _track_or_array(audio)
        settings = read_settings(find_root(track.path) if track else None)
        given = {name: value for name, value in (values or {}).items() if value is not None}
        settings = with_values(settings, given, "argument")
        models.check_names(settings, backends or {})
        for task, name in (backends or {}).items():
            known = [row.name for row in models.backends_of(task)] if task in TASKS else []
            if not known:
                raise SettingsError(f"there is no task {task!r}; tasks are {', '.join(TASKS)}")
            if name not in ("auto", *known):
                raise SettingsError(f"there is no backend {name!r} for {task}; choose auto, {', '.join(known)}")
        chosen = {task: getattr(settings.backends, task) for task in TASKS if task != "texts"} | dict(backends or {})
        # ``auto`` considers only installed weights: a library function downloads only what the caller names.
        offline = replace(settings, run=replace(settings.run, offline=True))
        resolved = {
            task: name if task == "texts" else models.resolve(task, name, offline) for task, name in chosen.items()
        }
        settings = replace(settings, backends=replace(settings.backends, **resolved))
        for task, name in (backends or {}).items():
            if task != "texts" and name != "auto" and (model := models.to_fetch(task, name, settings)):
                weights.fetch(model, settings.run)
        return cls(track, array, settings)

    @property
    def name(self) -> str:
        """Name of the audio in messages."""
        return printable(self.track.path) if self.track else "audio array"

    @property
    def provenance(self) -> Provenance:
        """The provenance of the track; empty for an array."""
        return read_provenance(self.track.provenance) if self.track else Provenance()

    def open(self, rate: int | None, *, hold_seconds: float = 0) -> Audio:
        """Open the mix at a rate in Hz; None keeps its own."""
        if self.track:
            return open_audio(self.track.mix, rate=rate, hold_seconds=hold_seconds)
        assert self.array is not None
        return audio_from_array(*self.array, rate=rate, hold_seconds=hold_seconds)

    def measure(self, stages: Iterable[Stage]) -> TrackAnalysis:
        """Compute the feature series that stages read, or load those that are stored beside the track."""
        if self.track is None:
            analysis = TrackAnalysis.of_audio(self.open(ANALYSIS_RATE))
            digests = {"full_mix": FileDigest(0, "")}
        else:
            provenance = self.provenance
            known = recorded_digests(provenance)
            use_cache = self.track.feature_series.exists()  # otherwise the digests are not needed
            digests = {
                source: file_digest(path, *known.get(source, ())) if use_cache else unread(path)
                for source, path in self.track.sources.items()
            }
            separated = provenance.stages.get("separate")
            analysis = TrackAnalysis(self.track, digests, (separated.backend if separated else None) or "")
        wanted = [series for row in stages for series in inputs_of(row, digests, self.settings).series]
        with_kernels(lambda: analysis.measure(wanted, network_streams(self.settings)))
        return analysis

    def report(self, notes: Iterable[str]) -> None:
        """Log notes for the user, and store compiled kernels for the next process."""
        for note in dict.fromkeys(notes):
            _log.warning("%s: %s", self.name, note)
        keep_compiled()


def _track_or_array(audio: AudioInput) -> tuple[Track | None, tuple[npt.ArrayLike, int] | None]:
    if isinstance(audio, str | PathLike):
        return Track.at(Path(audio)), None
    if isinstance(audio, tuple) and len(audio) == 2:
        audio_from_array(*audio)  # reports a wrong array before a model is loaded
        return None, audio
    raise SettingsError(f"audio is a path or a tuple (array, sample_rate), not {type(audio).__name__}")
