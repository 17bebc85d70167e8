"""Stages of harmony: pitch classes, key, harmonic movement."""

from mirkit.analysis import TrackAnalysis
from mirkit.catalog import HARMONY_STEMS
from mirkit.features.harmony.chroma import chroma as measure_chroma
from mirkit.features.harmony.key import key
from mirkit.features.harmony.movement import harmony
from mirkit.features.types import Value
from mirkit.stages import Result, fact, register, values_of
from mirkit.store import Settings


@register("chroma")
def chroma(track: TrackAnalysis, settings: Settings) -> Result:
    """Measure twelve pitch-class weights and the key, from the tonal stems or the mix."""
    series = track.series(track.tonal_source, "chroma")
    estimate = key(series, track.window)
    return Result(
        values_of(measure_chroma(series, track.window)),
        facts={"key": fact(estimate.key, estimate.confidence), "mode": fact(estimate.mode, estimate.confidence)},
        method={"signal": track.tonal_source},
    )


@register("stem_harmonic")
def stem_harmonic(track: TrackAnalysis, settings: Settings) -> Result:
    """Measure harmonic movement and variance of bass and other."""
    values: dict[str, Value] = {}
    for stem in HARMONY_STEMS:
        if track.has(stem):
            measured = harmony(track.series(stem, "chroma"), track.beats.times, track.window)
            values |= values_of(measured, f"_{stem}")
        else:
            names = (f"harmonic_movement_{stem}", f"harmonic_variance_{stem}")
            values |= dict.fromkeys(names, track.missing_reason(stem))
    return Result(values)
