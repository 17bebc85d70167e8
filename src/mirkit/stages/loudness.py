"""Stage of loudness: of the mix and of each stem."""

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
    """Measure ten loudness features and the share of the track that has vocals."""
    values: dict[str, Value] = {}
    for source in ("full_mix", *STEMS):
        suffix = "" if source == "full_mix" else f"_{source}"
        if track.has(source):
            values |= values_of(measure(track.curve(source, "loudness"), track.window), suffix)
        else:
            values |= dict.fromkeys((f"lufs{suffix}", f"lra{suffix}"), track.missing_reason(source))
    return Result(values, {"vocals_share": fact(_vocals_share(track))})


def _vocals_share(track: TrackAnalysis) -> Value:
    if not track.has("vocals"):
        return track.missing_reason("vocals")
    if track.stems_backend == "embedded":  # its vocals stem also holds other instruments
        return NO_VOICE_MODEL
    return vocals_share(track.curve("vocals", "loudness"), track.curve("full_mix", "loudness"), track.window)
