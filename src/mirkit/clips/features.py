"""The numbers of a clip: from the curves of its source, and from its own samples where there is no curve."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mirkit.analysis import TrackAnalysis
from mirkit.catalog import stage
from mirkit.features.types import FloatArray, Unknown, Value, Window
from mirkit.stages import Result, fact
from mirkit.stages.window import FROM_CURVES, at_window, timbre_of
from mirkit.store import BeatGrid, FileDigest, ProvenanceRecord, Settings
from mirkit.track import MIX
from mirkit.track.clip import ClipSource


@dataclass(frozen=True)
class Source:
    """A measured track that clips are cut from.

    Attributes
    ----------
    opened : TrackAnalysis
        Its curves and beats.
    prints : dict
        Part -> fingerprint of its file.
    stages : dict
        Stage -> how its numbers came about.
    facts : dict
        Facts of the track.
    neural : frozenset of str
        Stages whose numbers a neural model made: of a clip, it makes them from the clip's files.
    """

    opened: TrackAnalysis
    prints: Mapping[str, FileDigest]
    stages: Mapping[str, ProvenanceRecord]
    facts: Mapping[str, Mapping[str, Any]]
    neural: frozenset[str]

    @property
    def needs(self) -> dict[str, str]:
        """Stage -> identity, of all that the numbers of a clip depend on."""
        return {name: self.stages[name].identity for name in sorted(self.stages) if name in _STAGES - self.neural}


@dataclass(frozen=True)
class ClipFeatures:
    """What is known of a clip: values of ``.INFO``, entries and facts of its provenance, its grid and onsets."""

    values: dict[str, Value]
    entries: list[ProvenanceRecord]
    facts: dict[str, Mapping[str, Any]]
    grid: BeatGrid
    onsets: FloatArray = field(repr=False)


_STAGES = frozenset({*FROM_CURVES, "timbral"})


def clip_features(
    source: Source, cut: ClipSource, mix: FloatArray, prints: Mapping[str, FileDigest], settings: Settings
) -> ClipFeatures:
    """Measure a clip.

    Parameters
    ----------
    source : Source
    cut : Cut
    mix : array, shape=(channels, n)
        Its mix without padding, at ``cut.rate``.
    prints : dict
        Part -> fingerprint of the clip's file.
    settings : Settings
    """
    names = [name for name in FROM_CURVES if name not in source.neural]
    results = at_window(source.opened, cut.window, settings, names=names) | {"timbral": timbre_of(mix, cut.rate)}
    results |= _unavailable(source)
    values = {key: value for result in results.values() for key, value in result.values.items()}
    values["position"] = cut.window.start / source.opened.duration
    entries = [_entry(source.stages[name], result, cut, prints) for name, result in results.items()]
    if separated := source.stages.get("separate"):
        entries.append(replace(separated, inputs={}, outputs={p: prints[p] for p in prints if p in separated.outputs}))
    onsets = _inside(source.opened.curve(MIX, "onsets").times, cut.window)
    return ClipFeatures(values, entries, _facts(source, cut, mix, results.values()), _grid(source, cut, values), onsets)


def _unavailable(source: Source) -> dict[str, Result]:
    """What no method could measure on the source: unknown here too, for the same reason."""
    name = "aesthetics"
    entry = source.stages.get(name)
    if entry is None or entry.backend:
        return {}
    return {name: Result({key: Unknown(entry.reasons.get(key, "model unavailable")) for key in stage(name).keys})}


def _entry(
    source: ProvenanceRecord, result: Result, cut: ClipSource, prints: Mapping[str, FileDigest]
) -> ProvenanceRecord:
    """The source's entry, as it holds for the clip."""
    return replace(
        source,
        inputs={part: prints[part] for part in source.inputs if part in prints},
        outputs={},
        needs={},
        reasons={key: value.reason for key, value in result.values.items() if isinstance(value, Unknown)},
        seconds=0.0,
        pending=(),
        external=(),
        clips=None,
        origin="clip" if source.stage == "timbral" else "curves of the source",
        details=result.method,
        extra={},
    )


def _facts(source: Source, cut: ClipSource, mix: FloatArray, results: Iterable[Result]) -> dict[str, Mapping[str, Any]]:
    facts = dict(source.facts)
    for result in results:
        facts |= result.facts
    return facts | {
        "duration": fact(cut.length / cut.rate),
        "sample_rate": fact(cut.rate),
        "channels": fact(len(mix)),
        "codec": fact("flac"),
    }


def _grid(source: Source, cut: ClipSource, values: Mapping[str, Value]) -> BeatGrid:
    beats, bpm = source.opened.beats, values["bpm"]
    times, downbeats = (_inside(of, cut.window) for of in (beats.times, beats.downbeats))
    return BeatGrid(times, downbeats, None if isinstance(bpm, Unknown) else float(bpm))


def _inside(times: FloatArray, window: Window) -> npt.NDArray[np.float64]:
    """Times of a window, counted from its start."""
    return np.asarray(times[(times >= window.start) & (times < window.end)] - window.start, np.float64)
