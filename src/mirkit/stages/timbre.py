"""Stage of timbre: the Audio Commons models."""

from mirkit.analysis import TrackAnalysis
from mirkit.stages import Result, register, values_of
from mirkit.store import Settings


@register("timbral")
def timbral(track: TrackAnalysis, settings: Settings) -> Result:
    """Measure the eight timbre features of the mix."""
    return Result(values_of(track.curve("full_mix", "timbre")))
