"""The features of a clip: from the feature series of its track, or from its samples if there is no series."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mirkit.analysis import TrackAnalysis
from mirkit.audio import to_dbfs
from mirkit.catalog import LEVEL_KEYS, stage
from mirkit.features.harmony.chord_list import Chords, within
from mirkit.features.rhythm.tempo import tempo_map
from mirkit.features.types import SILENT, FloatArray, InfoValue, Unknown, Window
from mirkit.stages import Result, fact
from mirkit.stages.description import sentences_on
from mirkit.stages.window import FROM_SERIES, at_window, timbre_of
from mirkit.staleness import requested_identities
from mirkit.store import BeatGrid, FileDigest, ProvenanceRecord, Settings
from mirkit.track import MIX
from mirkit.track.clip import ClipSource

_STAGES = frozenset({*FROM_SERIES, "timbral", "music_facts"})


@dataclass(frozen=True)
class MeasuredTrack:
    """A measured track that clips are cut from.

    Attributes
    ----------
    analysis : TrackAnalysis
        Its feature series and beats.
    digests : dict
        Source (mix or stem) -> digest of its file.
    stages : dict
        Stage -> how its features were computed.
    metadata : dict
        Metadata of the track, as the provenance stores it.
    neural : frozenset of str
        Stages whose backend is a neural model; the model computes them from the clip's own files.
    user : dict
        Key of ``.INFO`` -> value that the user has set on the track, and that its clips have too.
    requested : tuple of str
        Stages on request whose values clips have, because the track has them.
    """

    analysis: TrackAnalysis
    digests: Mapping[str, FileDigest]
    stages: Mapping[str, ProvenanceRecord]
    metadata: Mapping[str, Mapping[str, Any]]
    neural: frozenset[str]
    user: Mapping[str, InfoValue] = field(default_factory=dict)
    requested: tuple[str, ...] = ()

    @property
    def needs(self) -> dict[str, str]:
        """Stage -> identity of its result, for every stage that the features of a clip depend on."""
        needed = _STAGES - self.neural
        found = {name: record.identity for name, record in self.stages.items() if name in needed}
        return dict(sorted((found | requested_identities(self.stages)).items()))


@dataclass(frozen=True)
class ClipFeatures:
    """The features of a clip.

    Attributes
    ----------
    values : dict
        Name of a feature or descriptor -> value.
    entries : list of ProvenanceRecord
        How they were computed.
    metadata : dict
        Metadata of the clip, as the provenance stores it.
    grid : BeatGrid
        Beats and downbeats (s from the clip's start).
    onsets : float64 array
        Onsets (s from the clip's start).
    chords : tuple of Chord
        Chords (s from the clip's start).
    """

    values: dict[str, InfoValue]
    entries: list[ProvenanceRecord]
    metadata: dict[str, Mapping[str, Any]]
    grid: BeatGrid
    onsets: FloatArray = field(repr=False)
    chords: Chords = field(repr=False)


def clip_features(
    track: MeasuredTrack,
    clip: ClipSource,
    mix: FloatArray,
    digests: Mapping[str, FileDigest],
    settings: Settings,
    gains: Mapping[str, float],
) -> ClipFeatures:
    """Compute the features of a clip.

    Parameters
    ----------
    track : MeasuredTrack
        The track that the clip is cut from.
    clip : ClipSource
    mix : array, shape=(channels, n)
        Mix of the clip without padding, at the sample rate ``clip.rate``.
    digests : dict
        Source (mix or stem) -> digest of the clip's file.
    settings : Settings
    gains : dict
        Source -> gain of the clip (dB); a source that is not in it has none.

    Returns
    -------
    ClipFeatures
    """
    names = [*(name for name in FROM_SERIES if name not in track.neural), *track.requested]
    results = at_window(track.analysis, clip.window, settings, names=names) | {"timbral": timbre_of(mix, clip.rate)}
    results |= _unavailable(track)
    values = {key: value for result in results.values() for key, value in result.values.items()}
    values |= {key: _with_gain(key, values[key], gains) for key in LEVEL_KEYS}
    values |= dict(track.user)
    values["position"] = clip.window.start / track.analysis.duration
    values["duration_seconds"] = clip.length / clip.rate
    results["music_facts"] = Result(sentences_on(values))
    values |= results["music_facts"].values
    entries = [_entry(track.stages[name], values, result, digests) for name, result in results.items()]
    if separated := track.stages.get("separate"):
        outputs = {source: digests[source] for source in digests if source in separated.outputs}
        entries.append(replace(separated, inputs={}, outputs=outputs))
    onsets = _inside(track.analysis.series(MIX, "onsets").times, clip.window)
    metadata = _metadata(track, clip, mix, results.values())
    peak = to_dbfs(float(np.abs(mix).max(initial=0.0)))
    metadata["peak"] = fact(SILENT if peak is None else peak)
    if gains:
        metadata["gain_db"] = fact({source: round(gain, 3) for source, gain in gains.items()})
    chords = within(track.analysis.chords, clip.window)
    return ClipFeatures(values, entries, metadata, _grid(track, clip, values), onsets, chords)


def _with_gain(key: str, value: InfoValue, gains: Mapping[str, float]) -> InfoValue:
    """Change a feature that depends on the level by the gain of the source that it is measured on."""
    gain = gains.get(key.removeprefix("lufs_") if key.startswith("lufs_") else MIX, 0.0)
    return value + gain if gain and isinstance(value, int | float) else value


def _unavailable(track: MeasuredTrack) -> dict[str, Result]:
    """Features that are unknown for the whole track; they are unknown for the clip too, for the same reason."""
    name = "aesthetics"
    entry = track.stages.get(name)
    if entry is None or entry.backend:
        return {}
    return {name: Result({key: Unknown(entry.reasons.get(key, "model unavailable")) for key in stage(name).keys})}


def _entry(
    source: ProvenanceRecord, values: Mapping[str, InfoValue], result: Result, digests: Mapping[str, FileDigest]
) -> ProvenanceRecord:
    """Convert the track's provenance record of a stage to that of the clip."""
    return replace(
        source,
        inputs={name: digests[name] for name in source.inputs if name in digests},
        outputs={},
        needs={},
        reasons={key: value.reason for key in result.values if isinstance(value := values[key], Unknown)},
        seconds=0.0,
        pending=(),
        external=(),
        clips=None,
        origin="clip" if source.stage == "timbral" else "curves of the source",
        details=result.method,
        extra={},
    )


def _metadata(
    track: MeasuredTrack, clip: ClipSource, mix: FloatArray, results: Iterable[Result]
) -> dict[str, Mapping[str, Any]]:
    metadata = dict(track.metadata)
    for result in results:
        metadata |= result.facts
    return metadata | {
        "duration": fact(clip.length / clip.rate),
        "sample_rate": fact(clip.rate),
        "channels": fact(len(mix)),
        "codec": fact("flac"),
    }


def _grid(track: MeasuredTrack, clip: ClipSource, values: Mapping[str, InfoValue]) -> BeatGrid:
    beats, bpm = track.analysis.beats, values["bpm"]
    times, downbeats = (_inside(of, clip.window) for of in (beats.times, beats.downbeats))
    parts = [
        (
            max(part.start, clip.window.start) - clip.window.start,
            min(part.end, clip.window.end) - clip.window.start,
            part.bpm,
        )
        for part in tempo_map(beats)
        if part.start < clip.window.end and part.end > clip.window.start
    ]
    known = float(bpm) if isinstance(bpm, int | float) else None
    return BeatGrid(times, downbeats, known, tuple(parts) if known is None else ())


def _inside(times: FloatArray, window: Window) -> npt.NDArray[np.float64]:
    """Times inside a window, relative to its start."""
    return np.asarray(times[(times >= window.start) & (times < window.end)] - window.start, np.float64)
