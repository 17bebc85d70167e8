"""Encode the series that a page draws: about one value per pixel of a wide screen, as bytes in base64."""

import base64
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mirkit.audio import open_audio
from mirkit.catalog import STEMS
from mirkit.features import bands, loudness, stft
from mirkit.features.harmony import chroma
from mirkit.features.types import ANALYSIS_RATE

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]

#: Most values of a series on a page: twice the width of a screen, so that a zoom of two shows detail.
MAX_VALUES = 3000
#: Leading parts of the keys of what a page shows.
SERIES = (
    *(f"{source}/chroma/{field}" for source in ("tonal", "full_mix") for field in ("chroma", "level_db")),
    *(f"{source}/loudness" for source in ("full_mix", *STEMS)),
    *("full_mix/bands", "full_mix/spectral", "full_mix/level/peak"),
)
#: Number of columns of a waveform.
COLUMNS = 4800
#: Ranges of the axes (dBFS, LUFS).
BAND_DB, LOUDNESS_LUFS = (-80.0, 0.0), (-60.0, 0.0)
#: Ranges of the axes of the spectral shape: flux (dB), decimal logarithm of flatness, skewness.
SHAPES = {"flux": (0.0, 6.0), "flatness": (-5.0, -0.3), "skewness": (-3.0, 3.0)}
#: Most columns of chroma, and most values of the spectral shape.
_MAX_CHROMA, _MAX_SHAPE = 2400, 1500
#: Frames below this level have no chroma and no spectral shape (dB).
_SILENT_DB = -70.0
_BLOCK = 1 << 16


def downsample(rows: Array, most: int = MAX_VALUES) -> tuple[Array, int]:
    """Average groups of consecutive rows, so that at most ``most`` rows are left.

    Parameters
    ----------
    rows : array, shape=(n, ...)
        NaN is ignored; a group that holds only NaN becomes NaN.
    most : int

    Returns
    -------
    means : float64 array, shape=(m, ...)
    size : int
        Rows in a group.
    """
    size = max(1, math.ceil(len(rows) / most))
    if size == 1:
        return rows.astype(np.float64), 1
    starts = np.arange(0, len(rows), size)
    finite = np.isfinite(rows)
    count = np.add.reduceat(finite, starts, axis=0, dtype=np.int64)
    total = np.add.reduceat(np.where(finite, rows, 0).astype(np.float64), starts, axis=0)
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, total / count, np.nan), size


def quantize_base64(values: Array, low: float, high: float) -> str:
    """Encode values as one byte each, row after row: 1 (``low``) to 255 (``high``), and 0 for unknown ones."""
    with np.errstate(invalid="ignore"):
        scaled = 1 + np.rint(254 * np.clip((values - low) / (high - low), 0, 1))
    return to_base64(np.where(np.isfinite(scaled), scaled, 0).astype(np.uint8))


def to_base64(array: Array) -> str:
    """Encode the bytes of an array."""
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")


def waveform(path: Path, samples: int) -> npt.NDArray[np.int8]:
    """Decode a file and compute the extremes of each column of its waveform, over all channels.

    Parameters
    ----------
    path : Path
    samples : int
        Estimated length at 44.1 kHz, which sets the width of a column.

    Returns
    -------
    array, shape=(columns, 2)
        Lowest and highest sample of each column; full scale is 127.

    Raises
    ------
    AudioError
        The file cannot be read.
    """
    size = max(1, -(-samples // COLUMNS))
    columns: list[npt.NDArray[np.float32]] = []
    rest = np.zeros((2, 0), np.float32)
    for block in open_audio(path, hold_seconds=0).blocks(_BLOCK):
        rest = np.concatenate((rest, np.stack((block.min(axis=0), block.max(axis=0)))), axis=1)
        complete = rest.shape[1] // size * size
        columns.append(_extremes(rest[:, :complete], size))
        rest = rest[:, complete:]
    if rest.shape[1]:
        columns.append(_extremes(rest, rest.shape[1]))
    extremes = np.concatenate(columns) if columns else np.zeros((0, 2), np.float32)
    return np.clip(np.rint(127 * extremes), -127, 127).astype(np.int8)


def stored_waveform(arrays: Arrays) -> npt.NDArray[np.int8] | None:
    """Return the waveform as the peaks of 10 ms that are stored of a track, so that nothing is decoded.

    Parameters
    ----------
    arrays : mapping
        Arrays of ``.CURVES.npz``.

    Returns
    -------
    array, shape=(columns, 2), or None
        As :func:`waveform`, with the largest absolute sample on both sides; None where peaks are not stored.
    """
    peaks = _rows(arrays, "full_mix/level/peak")
    if peaks is None:
        return None
    size = max(1, -(-len(peaks) // COLUMNS))
    highest = np.maximum.reduceat(peaks, np.arange(0, len(peaks), size))
    level = np.rint(127 * np.clip(np.nan_to_num(highest), 0, 1)).astype(np.int8)
    return np.stack((-level, level), axis=1)


def _extremes(bounds: npt.NDArray[np.float32], size: int) -> npt.NDArray[np.float32]:
    columns = bounds.reshape(2, -1, size)
    return np.stack((columns[0].min(axis=1), columns[1].max(axis=1)), axis=1)


def series(arrays: Arrays) -> dict[str, Any]:
    """Encode the feature series of a track for its page.

    Parameters
    ----------
    arrays : mapping
        Arrays of ``.CURVES.npz``. Series that are missing, or have an unexpected shape, are left out.

    Returns
    -------
    dict
        Name -> ``rate`` (values per second), ``data`` (base64), and the range of its axis.
    """
    encoded = {"chroma": _chroma(arrays), "bands": _bands(arrays), "loudness": _loudness(arrays)}
    encoded["shape"] = _shape(arrays)
    return {name: content for name, content in encoded.items() if content}


def _rows(arrays: Arrays, name: str, columns: int | None = None) -> Array | None:
    rows = arrays.get(name)
    shape = (columns,) if columns else ()
    return rows if rows is not None and rows.ndim and rows.shape[1:] == shape and len(rows) else None


def _chroma(arrays: Arrays) -> dict[str, Any] | None:
    source = "tonal" if "tonal/chroma/chroma" in arrays else "full_mix"
    rows, level = _rows(arrays, f"{source}/chroma/chroma", 12), _rows(arrays, f"{source}/chroma/level_db")
    if rows is None or level is None or len(level) != len(rows):
        return None
    classes, size = downsample(np.where(level[:, None] > _SILENT_DB, rows, np.nan), _MAX_CHROMA)
    return {"rate": chroma.FRAME_RATE / size, "of": source, "data": quantize_base64(classes, 0, 255)}


def _bands(arrays: Arrays) -> dict[str, Any] | None:
    rows = _rows(arrays, "full_mix/bands/energy", 4)
    if rows is None:
        return None
    energy, size = downsample(rows)
    data = quantize_base64(_decibels(energy / bands.HOP), *BAND_DB)
    return {"rate": ANALYSIS_RATE / bands.HOP / size, "range": BAND_DB, "data": data}


def _loudness(arrays: Arrays) -> dict[str, Any] | None:
    """Encode the loudness of each 100 ms; momentary loudness, over 400 ms, would smooth attacks."""
    sources = {}
    rate = loudness.HOPS_PER_SECOND
    for source in ("full_mix", *STEMS):
        rows = _rows(arrays, f"{source}/loudness/energy")
        if rows is not None:
            energy, size = downsample(rows)
            data = quantize_base64(loudness.to_lufs(energy), *LOUDNESS_LUFS)
            sources[source] = {"rate": rate / size, "data": data}
    return {"range": LOUDNESS_LUFS, "parts": sources} if sources else None


def _shape(arrays: Arrays) -> dict[str, Any] | None:
    level = _rows(arrays, "full_mix/spectral/level_db")
    if level is None:
        return None
    lines = {}
    size = 1
    for name, (low, high) in SHAPES.items():
        rows = _rows(arrays, f"full_mix/spectral/{name}")
        if rows is None or len(rows) != len(level):
            return None
        values = np.log10(np.maximum(rows, 1e-12)) if name == "flatness" else rows
        mean, size = downsample(np.where(level > _SILENT_DB, values, np.nan), _MAX_SHAPE)
        lines[name] = {"range": (low, high), "data": quantize_base64(mean, low, high)}
    return {"rate": ANALYSIS_RATE / stft.HOP / size, "lines": lines}


def _decibels(energy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        level: npt.NDArray[np.float64] = 10 * np.log10(energy)
    return level
