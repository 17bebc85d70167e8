"""Stage of the file itself: duration, format, bandwidth, tags."""

from dataclasses import asdict

from mirkit.analysis import TrackAnalysis
from mirkit.features.bandwidth import bandwidth
from mirkit.stages import Result, fact, register
from mirkit.store import Settings


@register("source")
def source(track: TrackAnalysis, settings: Settings) -> Result:
    """Read duration, sample rate, channels, codec, bandwidth and tags; none of them is a feature of ``.INFO``."""
    info = track.source_info
    tags = {name: value for name, value in asdict(track.tags).items() if value is not None}
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
