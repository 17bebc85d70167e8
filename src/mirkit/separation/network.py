"""A small network that judges which tiles of a mix are drums: inference without BLAS or a framework.

*Method*: a convolutional network corrects the odds that the hand-made rules give to drums, separately for the
percussive and the harmonic part of a tile in the center and at the sides. It sees 1.5 s to either side, and the means
over its window. It is trained on rendered mixes with the error of the separated signals as its loss (``training/``,
docs/development/separator.md). The rest is divided between bass, vocals and other by the hand-made rules, because what
a network learned about these from few recorded basses and voices made real songs worse.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from mirkit.features.kernels.kernel import kernel
from mirkit.separation.masks import bass_share, vocals_share
from mirkit.separation.stft import StftConfig
from mirkit.separation.tiles import BANDS, band_bank

#: Steps in time of the layers, in tiles.
STEPS = (1, 2, 4, 8, 1, 3)
#: Parts of a tile: percussive and harmonic, each in the center and at the sides.
PARTS = 4
#: Largest correction of the log-odds.
LIMIT = 4.0
#: Smallest share that the hand-made rules give to any stem, before the correction.
_LEAST_SHARE = 0.02
_EPSILON = np.float32(1e-5)

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Network:
    """Weights of one trained network.

    Attributes
    ----------
    weights : mapping of str to float32 array
        By the names of ``training/network.py``.
    """

    weights: Mapping[str, Array]

    def correction(self, features: Array) -> Array:
        """Return the log-odds to add for drums, bass and the rest.

        Parameters
        ----------
        features : float32 array, shape=(tiles, bands, 8)
            See :func:`mirkit.separation.tiles.tile_features`.

        Returns
        -------
        float32 array, shape=(tiles, bands, 3, 4)
            By stem and part.
        """
        weight = self.weights
        values = _product(_inputs(features), weight["input.weight"]) + weight["input.bias"] + weight["band"]
        for i, step in enumerate(STEPS):
            values = self._layer(values, f"layers.{i}.", step)
        values = _silu(_normalized(values, weight["norm.weight"], weight["norm.bias"]))
        out = _product(values, weight["output.weight"]) + weight["output.bias"]
        limited: Array = np.float32(LIMIT) * np.tanh(out / np.float32(LIMIT))
        return limited.reshape(*limited.shape[:2], 3, PARTS)

    def _layer(self, values: Array, name: str, step: int) -> Array:
        """Add what a layer sees around each tile, in all bands at its time, and in the bands around it at all times."""
        weight = self.weights
        seen = _silu(_normalized(values, weight[f"{name}norm.weight"], weight[f"{name}norm.bias"]))
        around = np.empty_like(seen)
        _dilated(seen, weight[f"{name}tiles.weight"], weight[f"{name}tiles.bias"], step, around)
        over_bands = weight[f"{name}bands.weight"]
        reach = len(over_bands) // 2
        means = np.pad(seen.mean(axis=0, dtype=np.float32), ((reach, reach), (0, 0)))
        bands = sum((_product(means[i : i + BANDS], over_bands[i]) for i in range(len(over_bands))), np.float32(0))
        time = _product(seen.mean(axis=1, dtype=np.float32), weight[f"{name}time.weight"]) + weight[f"{name}time.bias"]
        result: Array = values + around + time[:, None] + bands + weight[f"{name}bands.bias"]
        return result


def _product(values: Array, weights: Array) -> Array:
    """Multiply rows by a matrix, shape=(outputs, inputs). Not by BLAS, so that threads do not change the result."""
    product: Array = np.einsum("...i,oi->...o", values, weights)
    return product


def _inputs(features: Array) -> Array:
    level = features[..., :1]
    mean = level.mean(axis=0, keepdims=True)
    both = features[..., 2:3] * features[..., 1:2]
    return np.concatenate((np.broadcast_to(mean, level.shape), 2 * (level - mean), features[..., 1:], both), axis=-1)


def _normalized(values: Array, weight: Array, bias: Array) -> Array:
    mean = values.mean(dtype=np.float64)
    deviation = np.sqrt(values.var(dtype=np.float64) + _EPSILON)
    normalized: Array = (values - np.float32(mean)) * (weight / np.float32(deviation)) + bias
    return normalized


def _silu(values: Array) -> Array:
    result: Array = values / (1 + np.exp(-values))
    return result


@kernel()
def _dilated(values, weights, bias, step, out):  # type: ignore[no-untyped-def]
    """Convolve over 3 tiles, ``step`` apart, and 3 bands; beyond the edges is 0."""
    tiles, bands, inputs = values.shape
    outputs = len(bias)
    for tile in range(tiles):
        for band in range(bands):
            total = out[tile, band]
            for k in range(outputs):
                total[k] = bias[k]
            for i in range(3):
                t = tile + (i - 1) * step
                if t < 0 or t >= tiles:
                    continue
                for j in range(3):
                    f = band + j - 1
                    if f < 0 or f >= bands:
                        continue
                    for c in range(inputs):
                        value = values[t, f, c]
                        for k in range(outputs):
                            total[k] += value * weights[i, j, c, k]


@cache
def trained() -> Network:
    """Return the network of ``network.npz``, which ``make train-separator`` writes."""
    with files("mirkit.separation").joinpath("network.npz").open("rb") as file, np.load(file) as stored:
        return Network({name: np.ascontiguousarray(stored[name], np.float32) for name in stored.files})


@cache
def hand_made() -> Array:
    """Shares of drums, bass, other and vocals by the hand-made rules, shape=(bands, 4, 4), by stem and part."""
    bins = StftConfig(44100).bins
    bank = band_bank(bins).dense
    low, voice = ((bank * share).sum(axis=1) / bank.sum(axis=1) for share in (bass_share(bins), vocals_share(bins)))
    shares = np.zeros((BANDS, 4, PARTS), np.float32)
    shares[:, 0, :2] = 1
    shares[:, 1, 2:] = low[:, None]
    shares[:, 2, 2], shares[:, 2, 3] = 1 - low - voice, 1 - low
    shares[:, 3, 2] = voice
    shares = np.clip(shares, 0, 1) + np.float32(_LEAST_SHARE)
    result: Array = shares / shares.sum(axis=1, keepdims=True)
    return result


def tile_shares(features: Array) -> Array:
    """Return the share of drums, bass and vocals in each part of each tile; ``other`` has the rest.

    Parameters
    ----------
    features : float32 array, shape=(tiles, bands, 8)

    Returns
    -------
    float32 array, shape=(tiles, bands, 3, 4)
        From 0 to 1, by stem and part.
    """
    network, shares = trained(), hand_made()
    correction = network.correction(features)
    # That of the bass helps on renderings and harms real songs (docs/development/separator.md).
    factor = np.exp(correction[..., 0, :] - correction[..., 2, :])
    drums = shares[:, 0] * factor / (shares[:, 0] * factor + 1 - shares[:, 0])
    bass = shares[:, 1] / (1 - shares[:, 0])
    vocals = (1 - bass) / (1 + shares[:, 2] / shares[:, 3] * np.exp(network.weights["split"]))
    left = 1 - drums
    return np.stack((drums, left * bass, left * vocals), axis=-2)
