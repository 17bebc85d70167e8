"""Drums to MIDI."""

from mirkit import models
from mirkit.errors import MirkitError
from mirkit.opentrack import OpenTrack
from mirkit.stages import Result
from mirkit.stages.choice import drum_part, midi_name
from mirkit.store import Settings
from mirkit.store.midi import format_midi
from mirkit.transcription.hits import Hits
from mirkit.transcription.tempo_map import tempo_map


def drums(track: OpenTrack, settings: Settings) -> Result:
    """Strokes on the drum kit as a MIDI file whose quarter notes are the beats of the track."""
    if "drums" in track.broken and settings.drums.source == "stem":
        raise MirkitError(track.broken["drums"])
    part = drum_part(track.track.stems, settings)
    heard: Hits | MirkitError = track.curve(part, "strokes")
    if isinstance(heard, MirkitError):
        raise heard
    beats = track.beats
    has_beats = len(beats.times) > 1
    steps = settings.drums.quantise
    notes = []
    if part == "full_mix" and settings.drums.source == "stem":
        notes.append("drums: transcribed from the mix, because there is no drums stem")
    if steps and not has_beats:
        notes.append("drums: not quantised, because there are no beats")
    neural = settings.backends.drums != "embedded"
    weights = models.load("drums", settings).weights if neural else None
    midi = format_midi(heard, tempo_map(beats.times, beats.downbeats), steps if has_beats else 0)
    return Result(
        files={midi_name(settings): midi},
        method={
            "signal": part,
            "strokes": {voice.name: len(times) for voice, times in zip(heard.voices, heard.times, strict=True)},
            "tempo": "beat grid" if has_beats else "120, as there are no beats",
        },
        notes=tuple(notes),
        model=weights.model if weights else None,
        weights_sha256=weights.sha256 if weights else None,
    )
