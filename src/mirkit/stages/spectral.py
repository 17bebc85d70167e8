"""Stages of the spectrum: shape and band energy of the mix."""

from mirkit.analysis import TrackAnalysis
from mirkit.features.bands import bands as measure_bands
from mirkit.features.spectral import spectral as measure_shape
from mirkit.stages import Result, register, values_of
from mirkit.store import Settings


@register("spectral_shape")
def spectral_shape(track: TrackAnalysis, settings: Settings) -> Result:
    """Measure flatness, flux, skewness and kurtosis."""
    return Result(values_of(measure_shape(track.curve("full_mix", "spectral"), track.window)))


@register("bands")
def bands(track: TrackAnalysis, settings: Settings) -> Result:
    """Measure the RMS energy of four bands."""
    return Result(values_of(measure_bands(track.curve("full_mix", "bands"), track.window)))
