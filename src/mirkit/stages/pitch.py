"""Stages of pitch: fundamental frequency and notes."""

from functools import partial

from mirkit import models
from mirkit.analysis import TrackAnalysis
from mirkit.catalog import stage
from mirkit.drums.tempo_map import tempo_map
from mirkit.features.pitch.f0 import BASS, LEAD
from mirkit.features.pitch.note_events import NoteEvents
from mirkit.features.pitch.notes import notes_of_voice
from mirkit.features.pitch.statistics import note_statistics
from mirkit.features.types import InfoValue, Unknown
from mirkit.models.basic_pitch.extractor import NAME, SHA256, VERSION
from mirkit.stages import Result, register, values_of
from mirkit.store import Settings
from mirkit.store.midi import format_notes
from mirkit.track.names import NOTES_MIDI

#: An embedded bass stem has the kick too: half of its notes are wrong (docs/how_good/notes.md).
NOT_IN_EMBEDDED_STEMS = Unknown("embedded stems do not carry it")
WEAK_NOTES = (
    "these notes are unreliable, because embedded stems hold other instruments too: more than half of the bass notes "
    "are wrong (docs/how_good/notes.md); stems of a separation model, or your own, give better ones"
)


@register("pitch")
def pitch(track: TrackAnalysis, settings: Settings) -> Result:
    """Measure the pitches and the note density of the bass."""
    keys = stage("pitch").keys
    if not track.has("bass"):
        return Result(dict.fromkeys(keys, track.missing_reason("bass")))
    if track.has_embedded_stems:
        return Result(dict.fromkeys(keys, NOT_IN_EMBEDDED_STEMS))
    notes = track.once(("notes", "bass"), lambda: bass_notes(track))
    values = values_of(note_statistics(notes, track.window), "_bass")
    return Result({key: values[key] for key in keys})


def bass_notes(track: TrackAnalysis) -> NoteEvents:
    """Return the notes of the bass of a track that has one."""
    return notes_of_voice(track.series("bass", "f0"), track.series("bass", "onsets"), BASS)


def stem_notes(track: TrackAnalysis, stem: str, settings: Settings) -> NoteEvents:
    """Return the notes of a pitched stem that the track has: one voice for bass and vocals, chords for other."""
    if stem == "bass":
        return bass_notes(track)
    if stem == "vocals":
        backend = models.chosen("f0", settings)
        kind = (backend.feature_kind if backend else "") or "f0"
        return notes_of_voice(track.series("vocals", kind), track.series("vocals", "onsets"), LEAD)
    found: NoteEvents = track.series(stem, "notes")
    return found


def note_values(track: TrackAnalysis, settings: Settings) -> dict[str, InfoValue]:
    """Return the values of the stage ``notes`` in the window of an analysis."""
    values: dict[str, InfoValue] = {}
    for stem in ("other", "vocals"):
        keys = [key for key in stage("notes").keys if key.endswith(f"_{stem}")]
        if not track.has(stem) or track.has_embedded_stems:
            why = NOT_IN_EMBEDDED_STEMS if track.has(stem) else track.missing_reason(stem)
            values |= dict.fromkeys(keys, why)
        else:
            notes = track.once(("notes", stem), partial(stem_notes, track, stem, settings))
            measured = values_of(note_statistics(notes, track.window), f"_{stem}")
            values |= {key: measured[key] for key in keys}
    return values


def warning(track: TrackAnalysis) -> dict[str, str]:
    """Return what the provenance of the notes says about their quality: nothing but for embedded stems."""
    weak = track.has_embedded_stems and any(map(track.has, NOTES_MIDI))
    return {"warning": WEAK_NOTES} if weak else {}


@register("notes")
def notes(track: TrackAnalysis, settings: Settings) -> Result:
    """Write the notes of bass, other and vocals as MIDI files on the tempo map of the drums', and measure them."""
    beats = track.beats
    tempo = tempo_map(beats.times, beats.downbeats)
    found = {stem: stem_notes(track, stem, settings) for stem in NOTES_MIDI if track.has(stem)}
    files = {NOTES_MIDI[stem]: format_notes(events, stem, tempo) for stem, events in found.items()}
    counts = {stem: len(events) for stem, events in found.items()}
    polyphonic = {"model": f"{NAME} {VERSION}", "weights_sha256": SHA256} if track.has("other") else {}
    method = {"notes": counts, "tempo": "beat grid" if len(beats.times) > 1 else "120, as there are no beats"}
    method |= warning(track)
    told = (f"{', '.join(files)}: {WEAK_NOTES}",) if "warning" in method else ()
    values = note_values(track, settings)
    return Result(values, files=files, method=method, notes=told, **polyphonic)  # type: ignore[arg-type]
