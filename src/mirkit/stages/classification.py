"""Danceability, atonality and aesthetics."""

from mirkit import models
from mirkit.analysis import TrackAnalysis
from mirkit.catalog import stage
from mirkit.errors import MirkitError
from mirkit.features.danceability import danceability as measure_danceability
from mirkit.features.harmony.key import atonality as measure_atonality
from mirkit.features.types import Unknown
from mirkit.models.protocols import ClipScorer
from mirkit.stages import Result, register
from mirkit.store import Settings


@register("danceability")
def danceability(track: TrackAnalysis, settings: Settings) -> Result:
    """Danceability and atonality.

    Embedded: the first from the detrended fluctuation of the envelope, the second from the clarity of the key. Neural:
    the mean probability of a class, as Essentia's classifiers hear it in the mix.
    """
    if settings.backends.classification == "essentia":
        return _judged(track, "classes", "classification", settings)
    return Result(
        {
            "danceability": measure_danceability(track.curve("full_mix", "envelope"), track.window),
            "atonality": measure_atonality(track.curve(track.tonal_part, "chroma"), track.window),
        },
        method={"atonality": track.tonal_part},
    )


@register("aesthetics")
def aesthetics(track: TrackAnalysis, settings: Settings) -> Result:
    """Four scores by Audiobox Aesthetics."""
    if settings.backends.aesthetics == "audiobox":
        return _judged(track, "aesthetics", "aesthetics", settings)
    why = models.unavailable_reason("aesthetics", settings)
    return Result({key: Unknown(f"model unavailable: {why}") for key in stage("aesthetics").keys})


def _judged(track: TrackAnalysis, family: str, job: str, settings: Settings) -> Result:
    """What a neural model has heard in the mix."""
    heard = track.curve("full_mix", family)
    if isinstance(heard, MirkitError):
        raise heard
    judge: ClipScorer = models.load(job, settings)
    return Result(heard, model=judge.weights.model, weights_sha256=judge.weights.sha256)
