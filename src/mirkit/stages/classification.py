"""Danceability, atonality and aesthetics."""

from mirkit import models
from mirkit.catalog import stage
from mirkit.features.danceability import danceability as measure_danceability
from mirkit.features.harmony.atonality import atonality as measure_atonality
from mirkit.features.types import Unknown
from mirkit.opentrack import OpenTrack
from mirkit.stages import Result
from mirkit.store import Settings


def danceability(track: OpenTrack, settings: Settings) -> Result:
    """Danceability from the detrended fluctuation of the envelope, atonality from the clarity of the key."""
    return Result(
        {
            "danceability": measure_danceability(track.curve("full_mix", "envelope"), track.window),
            "atonality": measure_atonality(track.curve(track.tonal_part, "chroma"), track.window),
        },
        method={"atonality": track.tonal_part},
    )


def aesthetics(track: OpenTrack, settings: Settings) -> Result:
    """Four scores by Audiobox Aesthetics."""
    why = models.unavailable(models.backend("aesthetics", "audiobox"))
    return Result({key: Unknown(f"model unavailable: {why}") for key in stage("aesthetics").keys})
