"""Bands and features of tiles, until `mirkit.separation.tiles` has them; everything else imports them from here."""

from typing import Any

import numpy as np
import numpy.typing as npt

from mirkit.separation.masks import _median, harmonic_percussive
from mirkit.separation.masks import center_share as _center
from mirkit.separation.stft import Spectra, StftConfig

FloatArray = npt.NDArray[np.float32]
#: Frames per tile.
POOL = 2
_LONG = 65
_WIDEST, _NARROWEST = 0.11, 2.0


def band_bank(config: StftConfig) -> FloatArray:
    """Return triangular bands, shape=(bands, bins): two bins apart, then 11 %; the weights of a bin add up to 1."""
    centers = [0.0]
    while centers[-1] < config.bins - 1:
        centers.append(min(config.bins - 1, centers[-1] + max(_NARROWEST, _WIDEST / (1 - _WIDEST) * centers[-1])))
    places = np.array(centers)
    bins = np.arange(config.bins)
    bank = np.stack([np.interp(bins, places, row) for row in np.eye(len(places))])
    return np.asarray(bank, np.float32)


def parts(spectra: Spectra) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return power, percussive share, share in the center and sustained share, shape=(frames, bins) each."""
    power = np.asarray((np.abs(spectra) ** 2).sum(axis=0), np.float32)
    magnitude = np.sqrt(power)
    harmonic, percussive = harmonic_percussive(magnitude)
    total = harmonic**2 + percussive**2 + 1e-20
    sustained = np.minimum(1, _median(magnitude, _LONG) ** 2 / (harmonic**2 + 1e-20))
    shares = (percussive**2 / total, _center(spectra), sustained)
    first, second, third = (np.asarray(share, np.float32) for share in shares)
    return power, first, second, third


def pooled(values: npt.NDArray[Any], bank: FloatArray) -> npt.NDArray[Any]:
    """Return sums over tiles, shape=(..., tiles, bands), of values of bins, shape=(..., frames, bins)."""
    bands = values @ bank.T
    count = bands.shape[-2] // POOL
    shape = (*bands.shape[:-2], count, POOL, bands.shape[-1])
    return np.asarray(bands[..., : count * POOL, :].reshape(shape).sum(axis=-2))


def tile_features(
    spectra: Spectra,
    power: FloatArray,
    percussive: FloatArray,
    center: FloatArray,
    sustained: FloatArray,
    bank: FloatArray,
) -> FloatArray:
    """Return what the network sees, shape=(tiles, bands, 8); it does not depend on the level of the mix.

    Level in 20 dB relative to the mean tile; shares of the power that are percussive, in the center, side, to one side,
    sustained, and harmonic in the center; flatness.
    """
    if len(spectra) > 1:
        side = np.abs(spectra[0] - spectra[1]) ** 2 / 2
        lean = np.abs(spectra[0]) ** 2 - np.abs(spectra[1]) ** 2
    else:
        side = lean = np.zeros_like(power)
    energy = pooled(power, bank)
    mean = energy.sum(axis=-1).mean() + 1e-12
    floor = energy + 1e-9 * mean

    def share(part: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return np.asarray(pooled(power * part, bank) / floor)

    width = bank.sum(axis=1) * POOL
    columns = (
        np.log10(energy / mean + 1e-8) / 2,
        share(percussive),
        share(center),
        pooled(side, bank) / floor,
        np.abs(pooled(lean, bank)) / floor,
        share((1 - percussive) * sustained),
        share((1 - percussive) * center),
        pooled(np.sqrt(power), bank) ** 2 / (width * floor),
    )
    return np.stack(columns, axis=-1).astype(np.float32)
