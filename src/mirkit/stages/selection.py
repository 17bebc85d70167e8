"""What settings decide about a stage before it runs: which part it listens to, which file it writes."""

from collections.abc import Container
from pathlib import Path

from mirkit.store import Settings
from mirkit.track import Track
from mirkit.track.sidecar_names import ADTOF_MIDI, DRUMS_MIDI


def drum_part(parts: Container[str], settings: Settings) -> str:
    """The part that drums are transcribed from, of those that there are."""
    return "drums" if "drums" in parts and settings.drums.source == "stem" else "full_mix"


def midi_name(settings: Settings) -> str:
    """Name of the drums' MIDI file in a track folder: ADTOF has one of its own, as in the user manual."""
    return ADTOF_MIDI if settings.backends.drums == "adtof" else DRUMS_MIDI


def midi_path(track: Track, settings: Settings) -> Path:
    """The drums' MIDI file of a track."""
    return track.adtof_midi if midi_name(settings) == ADTOF_MIDI else track.drums_midi
