"""Stages of the signal itself: the file, loudness, spectrum and timbre."""

from dataclasses import asdict

from mirkit.analysis import TrackAnalysis
from mirkit.audio import downmix_formula
from mirkit.captions.vocabulary import LEAST_VOCALS
from mirkit.catalog import INSTRUMENTAL, STEMS, VOICES, stage
from mirkit.features.bands import bands as measure_bands
from mirkit.features.bandwidth import bandwidth
from mirkit.features.level import level as measure_level
from mirkit.features.loudness import loudness as measure
from mirkit.features.loudness import unheard, vocals_share
from mirkit.features.spectral import spectral as measure_shape
from mirkit.features.types import InfoValue, Unknown, Value
from mirkit.features.voice import decide
from mirkit.stages import Result, fact, register, values_of
from mirkit.stages.heard import NOT_HEARD, NOTHING, not_heard
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


NO_VOICE_MODEL = Unknown("embedded stems do not tell a voice from other instruments")
BY_STEM = Unknown("decided by the vocals stem")
NO_INSTRUMENT_MODEL = Unknown("embedded stems hold other instruments too")


@register("loudness")
def loudness(track: TrackAnalysis, settings: Settings) -> Result:
    """Measure ten loudness features, and how much of the track has drums, bass and others."""
    values: dict[str, InfoValue] = {}
    for source in ("full_mix", *STEMS):
        suffix = "" if source == "full_mix" else f"_{source}"
        if not_heard(track, source):
            values |= dict.fromkeys((f"lufs{suffix}", f"lra{suffix}"), NOT_HEARD)
        elif track.has(source):
            values |= values_of(measure(track.series(source, "loudness"), track.window), suffix)
        else:
            values |= dict.fromkeys((f"lufs{suffix}", f"lra{suffix}"), track.missing_reason(source))
    presences = {stem: _presence(track, stem) for stem in STEMS}
    values |= {f"{stem}_presence": known for stem, (known, _) in presences.items() if stem != "vocals"}
    return Result(values, {"vocals_share": fact(presences["vocals"][1])})


@register("voice")
def voice(track: TrackAnalysis, settings: Settings) -> Result:
    """Decide between vocals and instrumental: from a vocals stem that is one, or else from the mix."""
    presence, _ = _presence(track, "vocals")
    if track.has("vocals") and not track.has_embedded_stems:
        said: InfoValue = presence if isinstance(presence, Unknown) else VOICES[presence < LEAST_VOCALS]
        by_stem = presence if isinstance(presence, Unknown) else BY_STEM
        return Result({"vocal_presence": presence, "voice": said, "voice_confidence": by_stem}, method={"from": "stem"})
    if (why := unheard(track.series("full_mix", "loudness"), track.window)) and "voice" not in track.edited_values:
        return Result(dict.fromkeys(stage("voice").keys, why), method={"from": "full_mix"})
    decision = decide(track.series("full_mix", "voice"), track.window)
    said, confidence, signal = decision.voice, decision.confidence, "full_mix"
    if isinstance(said, Unknown) and presence == 0:  # an embedded stem that holds next to nothing
        said, confidence, signal = INSTRUMENTAL, BY_STEM, "stem"
    without = track.edited_values.get("voice", said) == INSTRUMENTAL
    unknown = presence if isinstance(presence, Unknown) else NO_VOICE_MODEL
    values = {"vocal_presence": 0.0 if without else unknown, "voice": said, "voice_confidence": confidence}
    return Result(values, method={"from": signal})


def _presence(track: TrackAnalysis, stem: str) -> tuple[Value, Value]:
    """Share of the sounding time that has an instrument, and the share that its stem sounds where it is a true one."""
    if not track.has(stem):
        return track.missing_reason(stem), track.missing_reason(stem)
    share = vocals_share(track.series(stem, "loudness"), track.series("full_mix", "loudness"), track.window)
    if not track.has_embedded_stems or isinstance(share, Unknown):
        return share, share
    # An embedded stem also holds other instruments; only if it holds next to nothing, its own does not play.
    why = NO_VOICE_MODEL if stem == "vocals" else NO_INSTRUMENT_MODEL
    return 0.0 if share <= NOTHING else why, why


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
