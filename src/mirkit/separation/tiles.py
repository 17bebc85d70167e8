"""Spectra as tiles of two frames and a band each, and what is measured of a tile: the input of the network.

The bands are triangles that overlap, so that shares of neighboring bands blend into each other: 21 Hz wide in the bass,
and a ninth of their frequency from 200 Hz on.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from mirkit.features.kernels.kernel import kernel
from mirkit.features.types import FloatArray
from mirkit.separation.masks import center_share, harmonic_percussive, percussive_share, sustained_share
from mirkit.separation.stft import Spectra, StftConfig

#: Frames of a tile.
FRAMES = 2
#: Bins between the centers of neighboring bands: at least so many, or this share of the bin.
_LEAST_STEP, _STEP_SHARE = 2.0, 0.11
#: Below this, relative to the mean energy of a tile, a level is not followed.
_FLOOR = np.float32(1e-8)
_SMALL = np.float32(1e-9)

Array = npt.NDArray[np.float32]


@cache
def centers() -> npt.NDArray[np.float64]:
    """Center of each band in bins, from 0 to the highest bin at 44.1 kHz."""
    highest = StftConfig(44100).bins - 1
    found = [0.0]
    while found[-1] < highest:
        found.append(min(found[-1] + max(_LEAST_STEP, found[-1] * _STEP_SHARE), highest))
    return np.array(found)


BANDS = len(centers())


@dataclass(frozen=True)
class BandBank:
    """The bands in which each bin lies; beyond the last center, that is the last one.

    Attributes
    ----------
    first : int64 array, shape=(bins,)
        Lower of the two bands of a bin.
    share : float32 array, shape=(bins,)
        Share of the lower band; the next one has the rest.
    """

    first: npt.NDArray[np.int64]
    share: Array

    @property
    def dense(self) -> Array:
        """The shares as a matrix, shape=(bands, bins)."""
        bins = np.arange(len(self.first))
        matrix = np.zeros((BANDS, len(bins)), np.float32)
        matrix[self.first, bins] = self.share
        matrix[self.first + 1, bins] += 1 - self.share
        return matrix


@cache
def band_bank(bins: int) -> BandBank:
    """Return the bands of spectra with this number of bins."""
    middle = centers()
    at = np.minimum(np.arange(bins), middle[-1])
    first = np.minimum(np.searchsorted(middle, at, side="right") - 1, BANDS - 2)
    share = (middle[first + 1] - at) / (middle[first + 1] - middle[first])
    return BandBank(first.astype(np.int64), share.astype(np.float32))


@dataclass(frozen=True)
class Parts:
    """Shares of the power of each bin, arrays of shape=(frames, bins).

    Attributes
    ----------
    power : float32 array
        Of all channels.
    percussive : float32 array
        Share that does not last longer than a hit, 0 to 1.
    center : float32 array
        Share in the center of the stereo image, 0 to 1.
    sustained : float32 array
        Share of the harmonic part that lasts longer than 1.5 s, 0 to 1.
    """

    power: Array
    percussive: Array
    center: Array
    sustained: Array

    @classmethod
    def of(cls, spectra: Spectra) -> "Parts":
        """Measure spectra of all channels, shape=(channels, frames, bins)."""
        power = (spectra.real**2 + spectra.imag**2).sum(axis=0)
        magnitude = np.sqrt(power)
        harmonic, percussive = harmonic_percussive(magnitude)
        return cls(
            power,
            percussive_share(harmonic, percussive),
            center_share(spectra),
            sustained_share(magnitude, harmonic),
        )


def tile_features(spectra: Spectra, parts: Parts) -> Array:
    """Measure each tile.

    Parameters
    ----------
    spectra : complex64 array, shape=(channels, frames, bins)
    parts : Parts
        Of these spectra.

    Returns
    -------
    float32 array, shape=(tiles, bands, 8)
        Level in units of 20 dB relative to the mean of all tiles; shares of the power that are percussive, central, of
        the sides, and of one side more than the other; shares that are harmonic and sustained, and harmonic and
        central; flatness over the bins. None depends on the level of the signal.
    """
    power, harmonic = parts.power, 1 - parts.percussive
    if len(spectra) > 1:
        left, right = spectra[0], spectra[1]
        side = np.abs(left - right) ** 2 / 2
        difference = np.abs(left) ** 2 - np.abs(right) ** 2
    else:
        side = difference = np.zeros_like(power)
    energy = band_sums(power)
    mean = energy.sum(axis=1).mean() + np.float32(1e-12)
    small = energy + _SMALL * mean
    count = band_bank(power.shape[1]).dense.sum(axis=1) * FRAMES
    level = 10 * np.log10(energy / mean + _FLOOR)
    flatness = band_sums(np.sqrt(power)) ** 2 / (count * energy + _SMALL * mean * count + np.float32(1e-30))
    shares = (
        band_sums(power * parts.percussive),
        band_sums(power * parts.center),
        band_sums(side),
        np.abs(band_sums(difference)),
        band_sums(power * harmonic * parts.sustained),
        band_sums(power * harmonic * parts.center),
    )
    return np.stack((level / 20, *(share / small for share in shares), flatness), axis=-1).astype(np.float32)


def band_sums(values: FloatArray) -> Array:
    """Sum values of bins over each tile, shape=(frames, bins) -> (tiles, bands); the last tile may have one frame."""
    bank = band_bank(values.shape[1])
    sums = np.zeros((-(-len(values) // FRAMES), BANDS), np.float32)
    _band_sums(np.ascontiguousarray(values, np.float32), bank.first, bank.share, sums)
    return sums


@kernel()
def _band_sums(values, first, share, sums):  # type: ignore[no-untyped-def]
    for frame in range(values.shape[0]):
        row = sums[frame // 2]
        for k in range(values.shape[1]):
            lower = values[frame, k] * share[k]
            row[first[k]] += lower
            row[first[k] + 1] += values[frame, k] - lower
