"""Beat tracking without weights, and the beat grid that every backend delivers."""

from mirkit.features.rhythm.beats.grid import NO_BEATS, Beats, TempoCandidate
from mirkit.features.rhythm.beats.track import track_beats

__all__ = ["NO_BEATS", "Beats", "TempoCandidate", "track_beats"]
