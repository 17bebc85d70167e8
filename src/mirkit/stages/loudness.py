"""Loudness of the mix and of each stem."""

from mirkit.analysis import TrackAnalysis
from mirkit.catalog import STEMS
from mirkit.features.loudness import loudness as measure
from mirkit.features.types import Unknown, Value
from mirkit.features.vocals import vocals_share
from mirkit.stages import Result, fact, register, values_of
from mirkit.store import Settings

NO_VOICE_MODEL = Unknown("embedded stems do not tell a voice from other instruments")


@register("loudness")
def loudness(track: TrackAnalysis, settings: Settings) -> Result:
    """Ten loudness keys, and the share of the track in which there are vocals."""
    values: dict[str, Value] = {}
    for part in ("full_mix", *STEMS):
        suffix = "" if part == "full_mix" else f"_{part}"
        if track.has(part):
            values |= values_of(measure(track.curve(part, "loudness"), track.window), suffix)
        else:
            values |= dict.fromkeys((f"lufs{suffix}", f"lra{suffix}"), track.missing(part))
    return Result(values, {"vocals_share": fact(_vocals_share(track))})


def _vocals_share(track: TrackAnalysis) -> Value:
    if not track.has("vocals"):
        return track.missing("vocals")
    if track.stems_by == "embedded":  # other instruments are in that stem too, and there may be no voice in it at all
        return NO_VOICE_MODEL
    return vocals_share(track.curve("vocals", "loudness"), track.curve("full_mix", "loudness"), track.window)
