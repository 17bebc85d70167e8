"""Fingerprints of recordings: landmarks of harmony and dynamics, as short hashes.

A landmark is a moment of great change. Harmony and levels around it are described relative to it and hashed to bits;
equal hashes at matching times indicate the same recording. Codec, gain and trimming do not move landmarks, and a speed
that differs by a few percent blurs them only a little. A pitch that differs by whole semitones rotates the pitch
classes; the search for candidates (:mod:`candidates`) tries all allowed rotations.

The scheme follows landmark fingerprints (Wang 2003) and locality-sensitive hashing by random hyperplanes (Charikar
2002); chroma and band levels are used because ``.CURVES.npz`` stores both.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.ndimage import maximum_filter1d

from mirkit.features.bands import HOP, BandCurve
from mirkit.features.harmony.chroma import ChromaCurve
from mirkit.features.harmony.constant_q import HOP as CHROMA_HOP
from mirkit.features.peaks import vertex_offset
from mirkit.features.types import ANALYSIS_RATE

Array = npt.NDArray[np.float32]

#: Rows of ``FingerprintFeatures.rows`` per second.
RATE = ANALYSIS_RATE / HOP
_CHROMA_FRAMES = HOP // CHROMA_HOP
#: Level difference (dB) with the same weight as a pitch class at full strength.
_DECIBELS = 20.0
_FLOOR_DB = 50.0
#: Rows on each side over which the change at a landmark is measured.
_SIDE = 6
#: A landmark is the greatest change within this many rows on each side; fewer in tracks below a minute.
_REACH, _REACH_OF_SHORT = 6, 3
_SHORT = 60 * RATE
#: Number of rows at each end of a track without landmarks.
_MARGIN = 12
#: Edges of the cells around a landmark (s).
_CELLS = np.array([-4.5, -3.0, -1.8, -0.8, 0.0, 0.8, 1.8, 3.0, 4.5])
CELLS, COLUMNS = len(_CELLS) - 1, 16
#: Hashes per landmark, and bits of each.
TABLES, BITS, UNSURE = 6, 32, 3
_SEED = 7
#: Transpositions of a copy, in semitones upwards; pairs are compared in both directions, which covers lower copies.
SEMITONES = (0, 1)
#: Bits that describe harmony and dynamics apart; with a norm below the last value, there is too little of one.
_PART_BITS, _PART_SEED, _LEAST_NORM = 64, 8, 0.3
#: Columns of harmony and of dynamics.
_PARTS = (slice(0, 12), slice(12, COLUMNS))


@dataclass(frozen=True)
class FingerprintFeatures:
    """Harmony and levels of a track over time, 5.4 rows per second.

    Attributes
    ----------
    rows : float32 array, shape=(n, 16)
        Twelve pitch classes, less their mean and 0 in silence, then the levels of four bands relative to the loudest
        row, in units of 20 dB, at least -2.5. Row ``i`` is centered on ``i / RATE`` seconds.
    """

    rows: Array

    @property
    def seconds(self) -> float:
        """Duration (s)."""
        return len(self.rows) / RATE


@dataclass(frozen=True)
class Landmarks:
    """The landmarks of a track.

    Attributes
    ----------
    times : float32 array, shape=(n,)
        Times (s).
    cells : float32 array, shape=(n, 8, 16)
        Pitch classes and band levels in the eight cells around each landmark.
    """

    times: Array
    cells: Array


NO_LANDMARKS = Landmarks(np.zeros(0, np.float32), np.zeros((0, CELLS, COLUMNS), np.float32))


def fingerprint_features(chroma: ChromaCurve, bands: BandCurve) -> FingerprintFeatures:
    """Bring chroma and band levels to one time base.

    Parameters
    ----------
    chroma : ChromaCurve
    bands : BandCurve

    Returns
    -------
    FingerprintFeatures
    """
    active = np.where(chroma.active[:, None], chroma.chroma, 0).astype(np.float32) / 255
    active -= active.mean(axis=1, keepdims=True)
    total: npt.NDArray[np.float64] = np.concatenate((np.zeros((1, 12)), np.cumsum(active, axis=0, dtype=np.float64)))
    count = min(len(bands.energy), 1 + (len(active) - 1) // _CHROMA_FRAMES)
    center = np.arange(count) * _CHROMA_FRAMES
    first = np.maximum(center - _CHROMA_FRAMES // 2, 0)
    last = np.minimum(center + _CHROMA_FRAMES // 2 + 1, len(active))
    classes = (total[last] - total[first]) / (last - first)[:, None]
    energy = bands.energy[:count].astype(np.float64)
    loudest = energy.max(initial=0.0)
    quietest = loudest * 10 ** (-_FLOOR_DB / 10)
    levels = 10 * np.log10(np.maximum(energy, quietest) / loudest) if loudest > 0 else np.zeros_like(energy)
    return FingerprintFeatures(np.concatenate((classes, levels / _DECIBELS), axis=1).astype(np.float32))


def landmarks(features: FingerprintFeatures) -> Landmarks:
    """Find the moments of greatest change, about one in 3 s, and describe the 4.5 s before and after them.

    Beyond the ends of the track, cells are zero. A track below 5 s has no landmarks.
    """
    rows = features.rows.astype(np.float64)
    total: npt.NDArray[np.float64] = np.concatenate((np.zeros((1, COLUMNS)), np.cumsum(rows, axis=0)))
    if len(rows) <= 2 * _MARGIN:
        return NO_LANDMARKS
    change = np.linalg.norm(total[2 * _SIDE :] - 2 * total[_SIDE:-_SIDE] + total[: -2 * _SIDE], axis=1)
    change = np.pad(change, _SIDE)
    reach = _REACH if len(rows) > _SHORT else _REACH_OF_SHORT
    peaks = np.flatnonzero((change == maximum_filter1d(change, 2 * reach + 1)) & (change > 0))
    peaks = peaks[(peaks >= _MARGIN) & (peaks <= len(rows) - _MARGIN)]
    # Boundary ``i`` is between rows ``i - 1`` and ``i``; a parabola refines it to less than a row.
    where = peaks + vertex_offset(change, peaks)
    edges = interpolated(total, where[:, None] + _CELLS * RATE)
    cells = np.diff(edges, axis=1) / (np.diff(_CELLS) * RATE)[:, None]
    cells[:, :, 12:] -= cells[:, :, 12:].mean(axis=1, keepdims=True)
    return Landmarks(((where - 0.5) / RATE).astype(np.float32), cells.astype(np.float32))


def rotated(cells: Array, semitones: int) -> Array:
    """Transpose rows or cells up by a number of semitones."""
    return np.concatenate((np.roll(cells[..., :12], semitones, axis=-1), cells[..., 12:]), axis=-1)


@dataclass(frozen=True)
class Hashes:
    """Hashes of the landmarks of a track.

    Attributes
    ----------
    words : uint32 array, shape=(n, 6)
        One bit per random hyperplane: the side on which the landmark lies.
    near : uint8 array, shape=(n, 6, 3)
        The three least certain bits of each word, whose planes are closest to the landmark.
    parts : uint64 array, shape=(n, 2)
        The sides of further hyperplanes for harmony alone, and for dynamics alone; 0 where there is too little of it.
    """

    words: npt.NDArray[np.uint32]
    near: npt.NDArray[np.uint8]
    parts: npt.NDArray[np.uint64]


def hashes(cells: Array) -> Hashes:
    """Hash landmarks: each bit is the side of a fixed random hyperplane.

    Parameters
    ----------
    cells : float32 array, shape=(n, 8, 16)

    Returns
    -------
    Hashes
    """
    flat = cells.reshape(len(cells), CELLS * COLUMNS)
    planes = _planes(_SEED, flat.shape[1], TABLES * BITS)
    # einsum instead of matmul, so that the result does not depend on the BLAS.
    sides = np.einsum("nd,db->nb", flat, planes).reshape(-1, TABLES, BITS)
    words = ((sides > 0) * (np.uint32(1) << np.arange(BITS, dtype=np.uint32))).sum(axis=-1, dtype=np.uint32)
    near = np.argpartition(np.abs(sides), UNSURE, axis=-1)[..., :UNSURE]
    return Hashes(words, near.astype(np.uint8), np.stack([_part(cells[:, :, columns]) for columns in _PARTS], axis=1))


@cache
def _planes(seed: int, dimensions: int, count: int) -> Array:
    """Draw random hyperplanes, always the same."""
    planes = np.random.default_rng(seed).standard_normal((dimensions, count), np.float32)
    planes.flags.writeable = False
    return planes


def _part(cells: Array) -> npt.NDArray[np.uint64]:
    """Hash some columns of the landmarks to one number each."""
    flat = cells.reshape(len(cells), cells.shape[1] * cells.shape[2])
    sides = np.einsum("nd,db->nb", flat, _planes(_PART_SEED, flat.shape[1], _PART_BITS)) > 0
    words = (sides * (np.uint64(1) << np.arange(_PART_BITS, dtype=np.uint64))).sum(axis=-1, dtype=np.uint64)
    return np.where(np.linalg.norm(flat, axis=1) >= _LEAST_NORM, words, np.uint64(0))


def interpolated(rows: npt.NDArray[np.float64], where: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Interpolate linearly between rows; before the first and after the last, these are returned."""
    where = np.clip(where, 0, len(rows) - 1)
    low = np.minimum(where.astype(np.int64), len(rows) - 2)
    part = (where - low)[..., None]
    between: npt.NDArray[np.float64] = (1 - part) * rows[low] + part * rows[low + 1]
    return between
