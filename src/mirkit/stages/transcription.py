"""Stage of drum transcription: the drum hits of a track as a MIDI file."""

from dataclasses import dataclass, field
from typing import Any

from mirkit import models
from mirkit.analysis import TrackAnalysis
from mirkit.audio import Audio
from mirkit.drums import embedded
from mirkit.drums.drum_hits import Hits
from mirkit.drums.stem_hits import hits_of_stems
from mirkit.drums.tempo_map import tempo_map
from mirkit.errors import MirkitError
from mirkit.features.extraction import SignalExtractor
from mirkit.settings import SeparationSettings
from mirkit.stages import Result, drum_source, midi_name, register, used_weights
from mirkit.store import Settings
from mirkit.store.midi import format_midi


@dataclass(frozen=True)
class Transcription:
    """Drum hits, and how they were transcribed.

    Attributes
    ----------
    hits : Hits
    source : str
        The transcribed source: ``drums`` or ``full_mix``.
    method : dict
        Method and parameters for the provenance.
    notes : list of str
        What a user should know.
    """

    hits: Hits
    source: str
    method: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def transcribe(track: TrackAnalysis, settings: Settings) -> Transcription:
    """Find the drum hits of a track.

    Raises
    ------
    MirkitError
        The stem or the model cannot be used.
    """
    if "drums" in track.unreadable and settings.drums.source == "stem":
        raise MirkitError(track.unreadable["drums"])
    source = drum_source(track.sources, settings)
    backend = models.chosen("drums", settings)
    if backend and backend.interface == "separator":
        result = _by_separation(track.open(source), source, settings)
    elif backend and backend.is_network:
        result = Transcription(track.series(source, backend.feature_kind), source)
    else:
        result = _embedded(track, source)
    if source == "full_mix" and settings.drums.source == "stem":
        result.notes.append("the drums were transcribed from the mix, because there is no drums stem")
    return result


@register("drums")
def drums(track: TrackAnalysis, settings: Settings) -> Result:
    """Transcribe the drums to a MIDI file whose quarter notes are the beats of the track."""
    transcription = transcribe(track, settings)
    hits, notes = transcription.hits, transcription.notes
    beats = track.beats
    has_beats = len(beats.times) > 1
    steps = settings.drums.quantize
    if steps and not has_beats:
        notes.append("the drum hits were not moved to a grid, because the track has no beats")
    midi = format_midi(hits, tempo_map(beats.times, beats.downbeats), steps if has_beats else 0)
    return Result(
        files={midi_name(settings): midi},
        method={
            "signal": transcription.source,
            "strokes": {drum.name: len(times) for drum, times in zip(hits.instruments, hits.times, strict=True)},
            "tempo": "beat grid" if has_beats else "120, as there are no beats",
            **transcription.method,
        },
        notes=tuple(notes),
        **used_weights("drums", settings),
    )


def _embedded(track: TrackAnalysis, source: str) -> Transcription:
    """Apply the embedded transcriber, which is told what kind of signal it gets."""
    stem = "separated" if track.has_embedded_stems else "stem"
    signal = "mix" if source == "full_mix" else stem
    hits = embedded.transcribe(track.series(source, "drum_levels"), signal)
    return Transcription(hits, source, {"transcribed_as": signal})


def _by_separation(audio: Audio, source: str, settings: Settings) -> Transcription:
    """Separate the kit into its instruments and detect the onsets of each."""
    separator = models.load_separator("drums", settings)
    run = separator.separate(audio, SeparationSettings())
    extractors: dict[str, SignalExtractor] = {}
    for block in run.blocks():
        for instrument, samples in block.items():
            if instrument not in extractors:
                extractors[instrument] = SignalExtractor(len(samples), frozenset({"onsets", "envelope"}), {})
            extractors[instrument].push(samples)
    series = {name: extractor.finish() for name, extractor in extractors.items()}
    onsets, envelopes = ({name: kinds[kind] for name, kinds in series.items()} for kind in ("onsets", "envelope"))
    return Transcription(hits_of_stems(onsets, envelopes), source, {"separation": run.method}, list(run.notes))
