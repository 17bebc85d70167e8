"""Stages of the signal itself: the file, loudness, spectrum and timbre."""

from dataclasses import asdict

from mirkit.analysis import TrackAnalysis
from mirkit.audio import downmix_formula
from mirkit.catalog import STEMS
from mirkit.features.bands import bands as measure_bands
from mirkit.features.bandwidth import bandwidth
from mirkit.features.level import level as measure_level
from mirkit.features.loudness import loudness as measure
from mirkit.features.loudness import vocals_share
from mirkit.features.spectral import spectral as measure_shape
from mirkit.features.types import InfoValue, Unknown, Value
from mirkit.stages import Result, fact, register, values_of
from mirkit.store import Settings


@register("source")
def source(track: TrackAnalysis, settings: Settings) -> Result:
    """Read duration, sample rate, channels, codec, bandwidth and tags; all but the duration are metadata."""
    info = track.source_info
    downmix = {"downmix": fact(downmix_formula(info.layout))} if info.channels > 2 else {}
    tags = {name: value for name, value in asdict(track.tags).items() if value and name != "lyrics"}
    return Result(
        {"duration_seconds": track.duration},
        facts={
            "duration": fact(track.duration),
            "sample_rate": fact(info.sample_rate),
            "channels": fact(info.channels),
            **downmix,
            "codec": fact(info.codec),
            "bandwidth": fact(bandwidth(track.series("full_mix", "bandwidth"))),
            "tags": fact(tags),
        },
    )


#: Share of the time in which an embedded vocals stem may sound although nobody sings.
_NO_VOCALS = 0.01
NO_VOICE_MODEL = Unknown("embedded stems do not tell a voice from other instruments")


@register("loudness")
def loudness(track: TrackAnalysis, settings: Settings) -> Result:
    """Measure ten loudness features, and how much of the track has vocals."""
    values: dict[str, InfoValue] = {}
    for source in ("full_mix", *STEMS):
        suffix = "" if source == "full_mix" else f"_{source}"
        if track.has(source):
            values |= values_of(measure(track.series(source, "loudness"), track.window), suffix)
        else:
            values |= dict.fromkeys((f"lufs{suffix}", f"lra{suffix}"), track.missing_reason(source))
    share = _vocals_share(track)
    presence = share
    if track.stems_backend == "embedded" and not isinstance(share, Unknown):
        # Its vocals stem also holds other instruments; only if it holds next to nothing, nobody sings.
        presence, share = 0.0 if share <= _NO_VOCALS else NO_VOICE_MODEL, NO_VOICE_MODEL
    values["vocal_presence"] = presence
    return Result(values, {"vocals_share": fact(share)})


def _vocals_share(track: TrackAnalysis) -> Value:
    if not track.has("vocals"):
        return track.missing_reason("vocals")
    return vocals_share(track.series("vocals", "loudness"), track.series("full_mix", "loudness"), track.window)


@register("level")
def level(track: TrackAnalysis, settings: Settings) -> Result:
    """Measure true peak, peak to loudness ratio and stereo width of the mix."""
    curve, energies = track.series("full_mix", "level"), track.series("full_mix", "loudness")
    return Result(values_of(measure_level(curve, energies, track.window)))


@register("spectral_shape")
def spectral_shape(track: TrackAnalysis, settings: Settings) -> Result:
    """Measure flatness, flux, skewness and kurtosis."""
    return Result(values_of(measure_shape(track.series("full_mix", "spectral"), track.window)))


@register("bands")
def bands(track: TrackAnalysis, settings: Settings) -> Result:
    """Measure the RMS energy of four bands."""
    return Result(values_of(measure_bands(track.series("full_mix", "bands"), track.window)))


@register("timbral")
def timbral(track: TrackAnalysis, settings: Settings) -> Result:
    """Measure the eight timbre features of the mix."""
    return Result(values_of(track.series("full_mix", "timbre")))
