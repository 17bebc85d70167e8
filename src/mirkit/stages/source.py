"""Facts of the file itself."""

from dataclasses import asdict

from mirkit.analysis import TrackAnalysis
from mirkit.audio import probe, read_tags
from mirkit.features.bandwidth import bandwidth
from mirkit.stages import Result, fact, register
from mirkit.store import Settings


@register("source")
def source(track: TrackAnalysis, settings: Settings) -> Result:
    """Duration, rate, channels, bandwidth, tags, original name; no key of ``.INFO``."""
    info = probe(track.track.mix)
    tags = {name: value for name, value in asdict(read_tags(track.track.mix)).items() if value is not None}
    return Result(
        facts={
            "duration": fact(track.duration),
            "sample_rate": fact(info.sample_rate),
            "channels": fact(info.channels),
            "codec": fact(info.codec),
            "bandwidth": fact(bandwidth(track.curve("full_mix", "bandwidth"))),
            "tags": fact(tags),
        }
    )
