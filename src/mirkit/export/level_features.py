"""The features of exported audio that depend on its level: loudness and the energy of four bands."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mirkit.audio import Resampler
from mirkit.catalog import LEVEL_KEYS
from mirkit.features.bands import BandCurve, BandExtractor, bands
from mirkit.features.loudness import LoudnessExtractor, loudness
from mirkit.features.types import ANALYSIS_RATE, FloatArray, Unknown, Window

#: Steps (s) of the grids on which loudness and bands are measured.
_GRID = {"lufs": 0.1, "bands": 0.19}


@dataclass(frozen=True)
class LevelFeatures:
    """Length, peak and level of audio.

    Attributes
    ----------
    seconds : float
    peak : float
        Largest absolute sample.
    levels : dict
        Feature's name -> value; unknown ones are left out.
    spread : dict
        Feature's name -> by how much it changes without the first or the last step of the grid.
    """

    seconds: float
    peak: float
    levels: Mapping[str, float]
    spread: Mapping[str, float]


def measure_levels(blocks: Iterable[FloatArray], rate: int, channels: int, *, deep: bool = True) -> LevelFeatures:
    """Measure blocks of audio.

    Parameters
    ----------
    blocks : iterable of float32 array, shape=(channels, n)
    rate : int
        Their sample rate (Hz).
    channels : int
    deep : bool
        Whether to measure the band levels too.
    """
    whole, by_band = LoudnessExtractor(channels), BandExtractor(channels)
    frames, peak = 0, 0.0

    def counted() -> Iterator[FloatArray]:
        nonlocal frames, peak
        for block in blocks:
            frames += block.shape[1]
            peak = max(peak, float(np.abs(block).max(initial=0.0)))
            yield block

    for block in _at_analysis_rate(counted(), rate, channels):
        whole.push(block)
        if deep:
            by_band.push(block)
    seconds = frames / rate
    energy, rows = whole.finish(), by_band.finish() if deep else None
    levels, *trimmed = (
        {"lufs": loudness(energy, by_hop).lufs} | (_band_levels(rows, by_row) if rows else {})
        for by_hop, by_row in zip(_windows(seconds, _GRID["lufs"]), _windows(seconds, _GRID["bands"]), strict=True)
    )
    known = {key: value for key, value in levels.items() if not isinstance(value, Unknown)}
    spread = {
        key: max((abs(value - other[key]) for other in trimmed if not isinstance(other[key], Unknown)), default=0.0)
        for key, value in known.items()
    }
    return LevelFeatures(seconds, peak, known, spread)


def _windows(seconds: float, step: float) -> tuple[Window, Window, Window]:
    """The whole file, and the file without its first and its last step."""
    rest = max(seconds - step, 0.0)
    return Window(0.0, seconds), Window(min(step, seconds), seconds), Window(0.0, rest)


def _band_levels(curve: BandCurve, window: Window) -> dict[str, Any]:
    levels = bands(curve, window)
    return {key: getattr(levels, key) for key in LEVEL_KEYS if key.startswith("rms_energy_")}


def _at_analysis_rate(blocks: Iterable[FloatArray], rate: int, channels: int) -> Iterator[FloatArray]:
    if rate == ANALYSIS_RATE:
        yield from blocks
        return
    stream = Resampler(rate, ANALYSIS_RATE, channels)
    for block in blocks:
        yield stream.push(block)
    yield stream.finish()
