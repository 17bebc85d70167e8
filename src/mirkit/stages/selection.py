"""Choices of drum transcription that depend on settings: the source that it reads and the file that it writes."""

from collections.abc import Container
from pathlib import Path

from mirkit import models
from mirkit.store import Settings
from mirkit.track import Track
from mirkit.track.names import ADTOF_MIDI, DRUMS_MIDI


def drum_source(sources: Container[str], settings: Settings) -> str:
    """Choose the source that drums are transcribed from, of those that exist."""
    return "drums" if "drums" in sources and settings.drums.source == "stem" else "full_mix"


def midi_name(settings: Settings) -> str:
    """Name of the drums' MIDI file in a track folder; ADTOF's has another name, as in the user manual."""
    backend = models.chosen("drums", settings)
    return ADTOF_MIDI if backend and backend.result_name == "adtof" else DRUMS_MIDI


def midi_path(track: Track, settings: Settings) -> Path:
    """The drums' MIDI file of a track."""
    return track.adtof_midi if midi_name(settings) == ADTOF_MIDI else track.drums_midi
