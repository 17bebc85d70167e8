"""Drums to MIDI."""

from pathlib import Path
from typing import Any

from mirkit import models
from mirkit.analysis import TrackAnalysis
from mirkit.audio import open_audio
from mirkit.drums.components import strokes_of_parts
from mirkit.drums.drum_hits import Hits
from mirkit.drums.tempo_map import tempo_map
from mirkit.errors import MirkitError
from mirkit.features.extraction import SignalExtractor
from mirkit.models.protocols import StemSeparator
from mirkit.stages import Result, register
from mirkit.stages.selection import drum_part, midi_name
from mirkit.store import Settings
from mirkit.store.midi import format_midi
from mirkit.store.settings import SeparationSettings


@register("drums")
def drums(track: TrackAnalysis, settings: Settings) -> Result:
    """Strokes on the drum kit as a MIDI file whose quarter notes are the beats of the track."""
    if "drums" in track.broken and settings.drums.source == "stem":
        raise MirkitError(track.broken["drums"])
    part = drum_part(track.track.stems, settings)
    if settings.backends.drums == "drumsep":
        heard, how, notes = _taken_apart(track.track.parts[part], settings)
    else:
        heard, how, notes = track.curve(part, "strokes"), {}, []
    if isinstance(heard, MirkitError):
        raise heard
    beats = track.beats
    has_beats = len(beats.times) > 1
    steps = settings.drums.quantize
    if part == "full_mix" and settings.drums.source == "stem":
        notes.append("drums: transcribed from the mix, because there is no drums stem")
    if steps and not has_beats:
        notes.append("drums: not quantized, because there are no beats")
    neural = settings.backends.drums != "embedded"
    weights = models.load("drums", settings).weights if neural else None
    midi = format_midi(heard, tempo_map(beats.times, beats.downbeats), steps if has_beats else 0)
    return Result(
        files={midi_name(settings): midi},
        method={
            "signal": part,
            "strokes": {voice.name: len(times) for voice, times in zip(heard.voices, heard.times, strict=True)},
            "tempo": "beat grid" if has_beats else "120, as there are no beats",
            **how,
        },
        notes=tuple(notes),
        model=weights.model if weights else None,
        weights_sha256=weights.sha256 if weights else None,
    )


def _taken_apart(path: Path, settings: Settings) -> tuple[Hits, dict[str, Any], list[str]]:
    """Strokes in the parts that a model makes of a kit, how it made them, and what a user should know of it."""
    separator: StemSeparator = models.load("drums", settings)
    run = separator.separate(open_audio(path), SeparationSettings())
    meters: dict[str, SignalExtractor] = {}
    for block in run.blocks():
        for part, sound in block.items():
            if part not in meters:
                meters[part] = SignalExtractor(len(sound), frozenset({"onsets", "envelope"}), {})
            meters[part].push(sound)
    curves = {part: meter.finish() for part, meter in meters.items()}
    onsets, envelopes = ({part: curve[family] for part, curve in curves.items()} for family in ("onsets", "envelope"))
    return strokes_of_parts(onsets, envelopes), {"separation": run.method}, list(run.notes)
