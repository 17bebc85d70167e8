"""Timbre of the mix by the Audio Commons models."""

from mirkit.analysis import TrackAnalysis
from mirkit.stages import Result, register, values_of
from mirkit.store import Settings


@register("timbral")
def timbral(track: TrackAnalysis, settings: Settings) -> Result:
    """Eight timbre keys."""
    return Result(values_of(track.curve("full_mix", "timbre")))
