"""What a track's page draws over time, from ``.CURVES.npz``."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mirkit.catalog import STEMS
from mirkit.features import bands, loudness, stft
from mirkit.features.harmony import chroma
from mirkit.features.types import ANALYSIS_RATE
from mirkit.report.encode import grouped, steps

Arrays = Mapping[str, npt.NDArray[Any]]

#: Ranges that are drawn: decibels of bands and loudness, flux, decimal logarithm of flatness, skewness.
BAND_DB, LOUDNESS_LU = (-80.0, 0.0), (-60.0, 0.0)
SHAPES = {"flux": (0.0, 6.0), "flatness": (-5.0, -0.3), "skewness": (-3.0, 3.0)}
_SILENT_DB = -70.0


def curves(arrays: Arrays) -> dict[str, Any]:
    """Curves as a page wants them: name -> ``{"rate": values a second, "data": base64}`` and what the axis needs.

    What is not there, or not what it should be, is left out.
    """
    found = {"chroma": _chroma(arrays), "bands": _bands(arrays), "loudness": _loudness(arrays)}
    found["shape"] = _shape(arrays)
    return {name: curve for name, curve in found.items() if curve}


def _rows(arrays: Arrays, name: str, columns: int | None = None) -> npt.NDArray[Any] | None:
    rows = arrays.get(name)
    shape = (columns,) if columns else ()
    return rows if rows is not None and rows.ndim and rows.shape[1:] == shape and len(rows) else None


def _chroma(arrays: Arrays) -> dict[str, Any] | None:
    part = "tonal" if "tonal/chroma/chroma" in arrays else "full_mix"
    rows, level = _rows(arrays, f"{part}/chroma/chroma", 12), _rows(arrays, f"{part}/chroma/level_db")
    if rows is None or level is None or len(level) != len(rows):
        return None
    classes, size = grouped(np.where(level[:, None] > _SILENT_DB, rows, np.nan), 2400)
    return {"rate": chroma.FRAME_RATE / size, "of": part, "data": steps(classes, 0, 255)}


def _bands(arrays: Arrays) -> dict[str, Any] | None:
    rows = _rows(arrays, "full_mix/bands/energy", 4)
    if rows is None:
        return None
    energy, size = grouped(rows)
    data = steps(_decibels(energy / bands.HOP), *BAND_DB)
    return {"rate": ANALYSIS_RATE / bands.HOP / size, "range": BAND_DB, "data": data}


def _loudness(arrays: Arrays) -> dict[str, Any] | None:
    """Momentary loudness would hide attacks: these are the 100 ms steps themselves."""
    parts = {}
    rate = loudness.HOPS_PER_SECOND
    for part in ("full_mix", *STEMS):
        rows = _rows(arrays, f"{part}/loudness/energy")
        if rows is not None:
            energy, size = grouped(rows)
            parts[part] = {"rate": rate / size, "data": steps(loudness.to_lufs(energy), *LOUDNESS_LU)}
    return {"range": LOUDNESS_LU, "parts": parts} if parts else None


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
        mean, size = grouped(np.where(level > _SILENT_DB, values, np.nan), 1500)
        lines[name] = {"range": (low, high), "data": steps(mean, low, high)}
    return {"rate": ANALYSIS_RATE / stft.HOP / size, "lines": lines}


def _decibels(energy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    with np.errstate(divide="ignore"):
        level: npt.NDArray[np.float64] = 10 * np.log10(energy)
    return level
