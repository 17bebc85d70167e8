"""The network musicnn, computed with NumPy from its TensorFlow checkpoint.

Three seconds of logarithmic mel spectra pass filters that are tall (timbre) or long (rhythm), three layers with
residual connections, and a mean and a maximum over time; the result is the probability of 50 tags. *Source*: J. Pons
and X. Serra, "musicnn: Pre-trained convolutional neural networks for music audio tagging", ISMIR late-breaking session,
2019. The result equals TensorFlow's to rounding.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

Array = npt.NDArray[np.float32]

RATE = 16000
N_FFT, HOP, BANDS = 512, 256, 96
#: Frames of a patch: three seconds, as in training.
PATCH = 187
TAGS = 50

#: Of TensorFlow's batch normalization.
_EPSILON = 1e-3
_TALL, _LONG, _MIDDLE = 2, 3, 3
_REACH = 3  # frames before and after, in layers over seven frames


class Network:
    """The network; a call computes a batch of patches.

    Parameters
    ----------
    variables : mapping
        Name of a variable -> array, of the checkpoint.

    Raises
    ------
    KeyError
        A variable is missing.
    ValueError
        One has another shape.
    """

    def __init__(self, variables: Mapping[str, Array]) -> None:
        numbers = ("", *(f"_{i}" for i in range(1, 11)))
        norms = [_normalization(variables, f"batch_normalization{number}") for number in numbers]
        layers = [
            (variables[f"conv2d{number}/kernel"][:, :, 0], variables[f"conv2d{number}/bias"])
            for number in numbers[: _TALL + _LONG + _MIDDLE]
        ]
        self._input, *rest = norms
        self._tall = list(zip(layers[:_TALL], rest, strict=False))
        self._long = list(zip(layers[_TALL : _TALL + _LONG], rest[_TALL:], strict=False))
        self._middle = list(zip(layers[_TALL + _LONG :], rest[_TALL + _LONG :], strict=False))
        self._pooled, self._hidden = norms[9:]
        self._dense, self._out = (
            (variables[f"{name}/kernel"], variables[f"{name}/bias"]) for name in ("dense", "dense_1")
        )
        if self._out[0].shape[1] != TAGS or self(np.zeros((1, PATCH, BANDS), np.float32)).shape != (1, TAGS):
            raise ValueError("another network")

    def __call__(self, patches: Array) -> Array:
        """Compute the probabilities of the tags.

        Parameters
        ----------
        patches : float32 array, shape=(n, PATCH, BANDS)

        Returns
        -------
        float32 array, shape=(n, TAGS)
        """
        return np.stack([self._one(patch) for patch in patches])

    def _one(self, patch: Array) -> Array:
        scale, shift = self._input
        spectra = patch * scale + shift
        parts = [_highest(_over_both(spectra, *layer), norm) for layer, norm in self._tall]
        parts += [_highest(_over_time(spectra, *layer), norm) for layer, norm in self._long]
        front = np.concatenate(parts, axis=1)
        found, before = [front], front
        for i, ((kernel, bias), (scale, shift)) in enumerate(self._middle):
            padded = np.pad(before, ((_REACH, _REACH), (0, 0)))
            windows = sliding_window_view(padded, len(kernel), axis=0).transpose(0, 2, 1)
            weights = kernel.reshape(-1, kernel.shape[-1])
            layer = np.maximum(windows.reshape(len(before), -1) @ weights + bias, 0) * scale + shift
            before = layer + before if i else layer
            found.append(before)
        features = np.concatenate(found, axis=1)
        pooled = np.stack((features.max(axis=0), features.mean(axis=0)), axis=1).reshape(-1)
        scale, shift = self._pooled
        hidden = np.maximum((pooled * scale + shift) @ self._dense[0] + self._dense[1], 0)
        scale, shift = self._hidden
        logits = (hidden * scale + shift) @ self._out[0] + self._out[1]
        probabilities: Array = np.reciprocal(1 + np.exp(-logits))
        return probabilities


def _normalization(variables: Mapping[str, Array], name: str) -> tuple[Array, Array]:
    """Return the factor and the summand of a batch normalization."""
    beta, gamma, mean, variance = (
        variables[f"{name}/{part}"] for part in ("beta", "gamma", "moving_mean", "moving_variance")
    )
    scale = gamma / np.sqrt(variance + np.float32(_EPSILON))
    return scale, beta - mean * scale


def _over_both(spectra: Array, kernel: Array, bias: Array) -> Array:
    """Convolve over frames and bands, shape=(frames, positions, filters); only the frames are padded."""
    padded = np.pad(spectra, ((_REACH, _REACH), (0, 0)))
    windows = sliding_window_view(padded, kernel.shape[:2])
    frames, positions = windows.shape[:2]
    flat = windows.reshape(frames * positions, -1) @ kernel.reshape(-1, kernel.shape[-1]) + bias
    out: Array = np.maximum(flat, 0, out=flat).reshape(frames, positions, -1)
    return out


def _over_time(spectra: Array, kernel: Array, bias: Array) -> Array:
    """Convolve over frames, shape=(frames, bands, filters), padded as TensorFlow does for an even length."""
    size = len(kernel)
    padded = np.pad(spectra, (((size - 1) // 2, size // 2), (0, 0)))
    windows = sliding_window_view(padded, size, axis=0)
    frames, bands = windows.shape[:2]
    flat = windows.reshape(frames * bands, size) @ kernel[:, 0] + bias
    out: Array = np.maximum(flat, 0, out=flat).reshape(frames, bands, -1)
    return out


def _highest(values: Array, norm: tuple[Array, Array]) -> Array:
    """Normalize and take the highest value of all bands: the lowest one where the factor is negative."""
    scale, shift = norm
    best = np.where(scale >= 0, values.max(axis=1), values.min(axis=1))
    out: Array = best * scale + shift
    return out
