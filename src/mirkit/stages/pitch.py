"""Stages of pitch: fundamental frequency and notes."""

from mirkit.analysis import TrackAnalysis
from mirkit.catalog import stage
from mirkit.features.pitch.f0 import BASS
from mirkit.features.pitch.notes import NoteEvents, notes_of_voice
from mirkit.features.pitch.statistics import note_statistics
from mirkit.features.types import Unknown
from mirkit.stages import Result, register, values_of
from mirkit.store import Settings

#: An embedded bass stem has the kick too: half of its notes are wrong (docs/notes.md).
NOT_IN_EMBEDDED_STEMS = Unknown("embedded stems do not carry it")


@register("pitch")
def pitch(track: TrackAnalysis, settings: Settings) -> Result:
    """Measure the pitches and the note density of the bass."""
    keys = stage("pitch").keys
    if not track.has("bass"):
        return Result(dict.fromkeys(keys, track.missing_reason("bass")))
    if track.stems_backend == "embedded":
        return Result(dict.fromkeys(keys, NOT_IN_EMBEDDED_STEMS))
    values = values_of(note_statistics(bass_notes(track), track.window), "_bass")
    return Result({key: values[key] for key in keys})


def bass_notes(track: TrackAnalysis) -> NoteEvents:
    """Return the notes of the bass of a track that has one."""
    return notes_of_voice(track.series("bass", "f0"), track.series("bass", "onsets"), BASS)
