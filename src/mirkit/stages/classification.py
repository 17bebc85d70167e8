"""Stages of classification: danceability, atonality and aesthetics."""

from mirkit import models
from mirkit.analysis import TrackAnalysis
from mirkit.catalog import stage
from mirkit.features.danceability import danceability as measure_danceability
from mirkit.features.harmony.key import atonality as measure_atonality
from mirkit.features.types import Unknown
from mirkit.stages import Result, register, used_weights
from mirkit.store import Settings


@register("danceability")
def danceability(track: TrackAnalysis, settings: Settings) -> Result:
    """Measure danceability and atonality.

    The embedded backend computes danceability by detrended fluctuation analysis of the envelope, and atonality from the
    clarity of the key. Essentia's classifiers return the mean probability of a class in the mix.
    """
    backend = models.chosen("classification", settings)
    if backend and backend.is_network:
        return Result(track.series(backend.source, backend.feature_kind), **used_weights(backend.task, settings))
    return Result(
        {
            "danceability": measure_danceability(track.series("full_mix", "envelope"), track.window),
            "atonality": measure_atonality(track.series(track.tonal_source, "chroma"), track.window),
        },
        method={"atonality": track.tonal_source},
    )


@register("aesthetics")
def aesthetics(track: TrackAnalysis, settings: Settings) -> Result:
    """Return the four scores of Audiobox Aesthetics."""
    if backend := models.chosen("aesthetics", settings):
        return Result(track.series(backend.source, backend.feature_kind), **used_weights(backend.task, settings))
    why = models.unavailable_reason("aesthetics", settings)
    return Result({key: Unknown(f"model unavailable: {why}") for key in stage("aesthetics").keys})
