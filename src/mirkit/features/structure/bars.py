"""The bars of a piece, and what sounds in each: harmony, tone, level, stems and rhythm.

Everything is computed from feature series that other stages have measured. All levels are relative to the loudest bar
of the piece, so a gain changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mirkit.features.bands import HOP as BAND_HOP
from mirkit.features.bands import BandCurve
from mirkit.features.harmony.chroma import FRAME_RATE as CHROMA_RATE
from mirkit.features.harmony.chroma import ChromaCurve
from mirkit.features.loudness import HOPS_PER_SECOND, LoudnessCurve
from mirkit.features.rhythm.beats.grid import Beats
from mirkit.features.rhythm.layers import Layers
from mirkit.features.spectral import SpectralCurve
from mirkit.features.stft import HOP as FRAME_HOP
from mirkit.features.structure.form import GridKind
from mirkit.features.types import ANALYSIS_RATE, FloatArray

#: Length of a step without beats (s), and beats per step without downbeats.
STEP_SECONDS, STEP_BEATS = 2.0, 4
#: Chroma is measured in this many parts of a bar, onsets in this many.
PARTS, SLOTS = 4, 16
#: A bar is divided if it is longer than this (s), and joined with the next if it is shorter than this.
_LONGEST, _SHORTEST = 4.8, 1.1
#: A first or last bar that is shorter than this share of a bar belongs to its neighbor.
_LEAST_SHARE = 0.4
#: Levels are clipped this far below the loudest bar (dB).
_RANGE_DB = 40.0
#: Bars at the ends of a piece that are this far below the loudest one are silent.
_SILENT_DB = -30.0
#: Differences that count as 1: of levels (dB), decimal logarithms of flatness, skewness, and flux (dB).
_LEVEL_UNIT, _STEM_UNIT, _SHAPE_UNITS = 6.0, 10.0, (0.4, 0.6, 0.4)

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sources:
    """The feature series from which sections are found.

    Attributes
    ----------
    duration : float
        Seconds.
    beats : Beats
    chroma : ChromaCurve
        Of the pitched stems, else of the mix.
    bands : BandCurve
    spectral : SpectralCurve
    loudness : LoudnessCurve
        Of the mix, as the two before.
    layers : Layers
        Of the drums, else of the mix.
    onsets : array
        Times of the onsets of the mix (s).
    stems : mapping of str to LoudnessCurve
        Of stems that really separate the instruments; empty without them.
    """

    duration: float
    beats: Beats
    chroma: ChromaCurve
    bands: BandCurve
    spectral: SpectralCurve
    loudness: LoudnessCurve
    layers: Layers
    onsets: FloatArray
    stems: Mapping[str, LoudnessCurve]


@dataclass(frozen=True)
class Grid:
    """The steps of a piece.

    Attributes
    ----------
    edges : float64 array, shape=(steps + 1,)
        Seconds, ascending, from 0 to the duration.
    kind : str
        What the edges lie on: ``downbeats``, ``beats`` or ``time``.
    """

    edges: Matrix
    kind: GridKind


@dataclass(frozen=True)
class Bars:
    """What sounds in each bar; rows are bars.

    Attributes
    ----------
    chroma : float64 array, shape=(bars, PARTS, 12)
        Length 1 in each part, or 0 where nothing sounds.
    tone : float64 array, shape=(bars, 7)
        Four bands (relative to the level of the bar), flatness, skewness and flux.
    level : float64 array, shape=(bars, 1)
        Loudness of the mix.
    stems : float64 array, shape=(bars, stems)
        Loudness of the stems.
    rhythm : float64 array, shape=(bars, 3, SLOTS)
        Onsets of three registers in the slots of the bar.
    decibel : float64 array, shape=(bars,)
        Loudness of the mix relative to the loudest bar, dB.
    accent : float64 array, shape=(bars,)
        How much more high frequencies the first quarter of a bar has than the first quarters of bars nearby, dB.
    gap : float64 array, shape=(bars,)
        How far the last quarter of a bar falls below the bar, dB.
    """

    chroma: Matrix
    tone: Matrix
    level: Matrix
    stems: Matrix
    rhythm: Matrix
    decibel: Matrix
    accent: Matrix
    gap: Matrix


def grid_of(beats: Beats, duration: float) -> Grid:
    """Return the steps of a piece: its bars if there are downbeats, else groups of beats, else equal times.

    Missing bars are filled in, and the grid is extended to both ends of the piece. Bars that are shorter than 1.1 s are
    joined in pairs, and bars that are longer than 4.8 s are divided.

    Parameters
    ----------
    beats : Beats
    duration : float
        Seconds.

    Returns
    -------
    Grid
    """
    marks, kind = np.asarray(beats.downbeats, np.float64), "downbeats"
    if len(marks) < 3:
        marks, kind = np.asarray(beats.times, np.float64)[::STEP_BEATS], "beats"
    if len(marks) < 3:
        count = max(1, round(duration / STEP_SECONDS))
        return Grid(np.linspace(0.0, duration, count + 1), "time")
    bar = float(np.median(np.diff(marks)))
    before = marks[0] - bar * np.arange(int(marks[0] / bar + 1 - _LEAST_SHARE), 0, -1)
    after = marks[-1] + bar * np.arange(1, int((duration - marks[-1]) / bar + 1 - _LEAST_SHARE) + 1)
    counts = np.maximum(1, np.rint(np.diff(marks) / bar).astype(np.int64))
    inner = [left + (right - left) / n * np.arange(n) for left, right, n in zip(marks, marks[1:], counts, strict=False)]
    edges = np.concatenate((before, *inner, marks[-1:], after))
    if bar < _SHORTEST:
        edges = edges[_pairing(edges, marks) :: 2]
    elif bar > _LONGEST:
        halves = np.stack((edges[:-1], (edges[:-1] + edges[1:]) / 2), axis=1).ravel()
        edges, bar = np.append(halves, edges[-1]), bar / 2
    inside = edges[(edges > _LEAST_SHARE * bar) & (edges < duration - _LEAST_SHARE * bar)]
    return Grid(np.concatenate(([0.0], inside, [duration])), "downbeats" if kind == "downbeats" else "beats")


def _pairing(edges: Matrix, marks: Matrix) -> int:
    """Whether pairs of short bars begin with the first or the second edge: so that the first mark begins one."""
    return int(np.argmin(np.abs(edges - marks[0]))) % 2


def bars_of(sources: Sources, grid: Grid) -> Bars:
    """Measure the bars of a piece.

    Parameters
    ----------
    sources : Sources
    grid : Grid

    Returns
    -------
    Bars
    """
    edges, quarters = grid.edges, _divided(grid.edges, 4)
    energy = sources.loudness.energy.astype(np.float64)[:, np.newaxis]
    level = _means(energy, HOPS_PER_SECOND, 0.0, edges)[:, 0]
    top = max(float(level.max(initial=0.0)), 1e-30)
    bands = sources.bands.energy.astype(np.float64)
    band_rate = ANALYSIS_RATE / BAND_HOP
    per_bar = _means(bands, band_rate, 0.5, edges)
    in_band = _decibel(per_bar, max(float(per_bar.sum(axis=1).max(initial=0.0)), 1e-30))
    decibel = _decibel(level, top)
    air = _decibel(
        _means(bands[:, 3:], band_rate, 0.5, quarters)[:, 0].reshape(-1, 4)[:, 0], float(bands[:, 3].max(initial=0.0))
    )
    last = _decibel(_means(energy, HOPS_PER_SECOND, 0.0, quarters)[:, 0].reshape(-1, 4)[:, 3], top)
    stems = [_means(s.energy.astype(np.float64)[:, np.newaxis], HOPS_PER_SECOND, 0.0, edges) for s in _ordered(sources)]
    of_stems = _decibel(np.concatenate(stems, axis=1), top) if stems else np.zeros((len(level), 0))
    return Bars(
        chroma=_chroma(sources.chroma, edges),
        tone=np.concatenate((0.5 * in_band / _LEVEL_UNIT, _shape(sources.spectral, edges)), axis=1),
        level=decibel[:, np.newaxis] / _LEVEL_UNIT,
        stems=of_stems / _STEM_UNIT,
        rhythm=np.stack([_slots(times, edges) for times in _registers(sources.layers)], axis=1),
        decibel=decibel,
        accent=air - _nearby(air),
        gap=np.maximum(decibel - last, 0.0),
    )


def without_silent_ends(grid: Grid, bars: Bars, onsets: FloatArray) -> Grid:
    """Join the silence before and after the music, and the last sound that rings, with the bars beside them.

    Parameters
    ----------
    grid : Grid
    bars : Bars
    onsets : array
        Seconds.

    Returns
    -------
    Grid
        With one step for the silence before the first note and the first bar, and likewise at the end.
    """
    loud = np.flatnonzero(bars.decibel > _SILENT_DB)
    played = loud[np.histogram(onsets, grid.edges)[0][loud] > 0]
    first, last = int(loud[0]), int(played[-1] if len(played) else loud[-1])
    inner = grid.edges[first + 1 : last + 1]
    return Grid(np.concatenate((grid.edges[:1], inner, grid.edges[-1:])), grid.kind)


def _ordered(sources: Sources) -> list[LoudnessCurve]:
    return [sources.stems[name] for name in sorted(sources.stems)]


def _registers(layers: Layers) -> tuple[FloatArray, FloatArray, FloatArray]:
    return layers.low, layers.middle, layers.high


def _divided(edges: Matrix, parts: int) -> Matrix:
    """Divide every step into equal parts."""
    at = np.arange(len(edges) * parts - parts + 1) / parts
    return np.interp(at, np.arange(len(edges)), edges)


def _means(rows: Matrix, rate: float, center: float, edges: Matrix) -> Matrix:
    """Mean of the rows in each step; row ``i`` covers ``i - center`` to ``i - center + 1``, ``rate`` rows a second."""
    if not len(rows):
        return np.zeros((len(edges) - 1, rows.shape[1]))
    sums = np.concatenate((np.zeros((1, rows.shape[1])), np.cumsum(rows, axis=0)))
    at = np.clip(edges * rate + center, 0, len(rows))
    low = np.minimum(at.astype(np.int64), len(rows) - 1)
    total = sums[low] + (at - low)[:, np.newaxis] * rows[low]
    return np.diff(total, axis=0) / np.maximum(np.diff(edges) * rate, 1e-9)[:, np.newaxis]


def _decibel(power: Matrix, top: float) -> Matrix:
    """Level below ``top``, at least -40 dB."""
    level: Matrix = np.maximum(10 * np.log10(np.maximum(power, 1e-30) / max(top, 1e-30)), -_RANGE_DB)
    return level


def _nearby(values: Matrix) -> Matrix:
    """Mean of the four values before and the four after each value."""
    reach = 4
    padded = np.pad(values, reach, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    near: Matrix = (windows.sum(axis=1) - values) / (2 * reach)
    return near


def _chroma(curve: ChromaCurve, edges: Matrix) -> Matrix:
    steps = _divided(edges, PARTS)
    amplitude = 10 ** (curve.level_db.astype(np.float64) / 20) * curve.active
    sums = _means(curve.chroma * amplitude[:, np.newaxis], CHROMA_RATE, 0.5, steps)
    length = np.sqrt(np.square(sums).sum(axis=1, keepdims=True))
    unit = np.divide(sums, length, out=np.zeros_like(sums), where=length > 0)
    by_bar: Matrix = unit.reshape(-1, PARTS, 12)
    return by_bar


def _shape(curve: SpectralCurve, edges: Matrix) -> Matrix:
    """Flatness, skewness and flux of the active frames of each bar, in units of a clear difference."""
    level = curve.level_db.astype(np.float64)
    active = (level > max(float(level.max(initial=-200.0)) - 60.0, -120.0)).astype(np.float64)
    rows = np.stack((np.log10(np.maximum(curve.flatness, 1e-6)), np.clip(curve.skewness, -4, 8), curve.flux), axis=1)
    rate = ANALYSIS_RATE / FRAME_HOP
    sums = _means(rows * active[:, np.newaxis], rate, 0.5, edges)
    share = _means(active[:, np.newaxis], rate, 0.5, edges)
    means: Matrix = np.divide(sums, share, out=np.zeros_like(sums), where=share > 0) / np.array(_SHAPE_UNITS)
    return means


def _slots(times: FloatArray, edges: Matrix) -> Matrix:
    """Onsets in the slots of each bar; an onset between two slots counts for both in proportion."""
    slots = np.zeros((len(edges) - 1) * SLOTS + 2)
    inside = times[(times >= edges[0]) & (times < edges[-1])]
    at = np.interp(inside, edges, np.arange(len(edges)) * SLOTS)
    low = at.astype(np.int64)
    np.add.at(slots, low, 1 - (at - low))
    np.add.at(slots, low + 1, at - low)
    by_bar: Matrix = np.minimum(slots[:-2], 1.0).reshape(-1, SLOTS)
    return by_bar
