"""Beat tracking without a neural network, and the beat grid that all backends return."""

from mirkit.features.rhythm.beats.grid import NO_BEATS, Beats, TempoCandidate
from mirkit.features.rhythm.beats.track import track_beats

__all__ = ["NO_BEATS", "Beats", "TempoCandidate", "track_beats"]
