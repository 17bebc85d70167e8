"""Network from band levels to the likelihood of each drum: spectral templates, then their course over 130 ms."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from mirkit.drums.embedded.weights import SHAPES, WEIGHTS
from mirkit.features.types import FloatArray

#: Frames before and after a hit that the network uses.
BEFORE, AFTER = 4, 8
_BLOCK = 4096  # number of frames that are computed at once

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Network:
    """Layers of a small network, each ``(weights, bias)``, shape=(inputs, outputs) and (outputs,).

    Attributes
    ----------
    templates : pair
        From a band spectrum to the weight of each template in it, negative weights set to 0.
    course : pair
        From the templates of 13 frames, template by template, to hidden units, negative values set to 0.
    outputs : pair
        From hidden units to instruments.
    """

    templates: tuple[Matrix, Matrix]
    course: tuple[Matrix, Matrix]
    outputs: tuple[Matrix, Matrix]

    @classmethod
    def fitted(cls) -> Self:
        """Return the network that ``benchmarks/fit_drums.py`` fitted."""
        return cls(*unpacked(WEIGHTS, SHAPES))

    def __call__(self, levels: Iterable[FloatArray]) -> Matrix:
        """Likelihoods 0-1, blocks of shape=(frames, bands) -> (all frames, instruments)."""
        weights = np.concatenate([np.maximum(_through(self.templates, block), np.float32(0)) for block in levels])
        padded = np.pad(weights, ((BEFORE, AFTER), (0, 0)), mode="edge")
        out = [self._likelihoods(padded[i : i + _BLOCK + BEFORE + AFTER]) for i in range(0, len(weights), _BLOCK)]
        return np.concatenate(out)

    def _likelihoods(self, weights: Matrix) -> Matrix:
        around = sliding_window_view(weights, BEFORE + 1 + AFTER, axis=0)
        hidden: Matrix = np.maximum(_through(self.course, around.reshape(len(around), -1)), np.float32(0))
        with np.errstate(over="ignore"):  # overflow gives 1 / infinity = 0, a likelihood of practically 0
            likelihoods: Matrix = np.reciprocal(1 + np.exp(-_through(self.outputs, hidden)))
        return likelihoods


def _through(layer: tuple[Matrix, Matrix], values: FloatArray) -> Matrix:
    # Not a BLAS product, so that the result does not depend on the number of threads.
    out: Matrix = np.einsum("ij,kj->ik", values, np.ascontiguousarray(layer[0].T)) + layer[1]
    return out


def packed(layers: list[tuple[Matrix, Matrix]]) -> str:
    """Encode weights as text: per column, with its bias last, a scale (float32) and one byte per number."""
    parts = []
    for weights, bias in layers:
        both = np.concatenate((weights, bias[None]))
        scale = np.abs(both).max(axis=0) / 127
        parts += [scale.astype("<f4").tobytes(), np.rint(both / scale).astype(np.int8).tobytes()]
    return base64.b85encode(b"".join(parts)).decode()


def unpacked(text: str, shapes: tuple[tuple[int, int], ...]) -> list[tuple[Matrix, Matrix]]:
    """Undo :func:`packed`, for layers of these ``(inputs, outputs)``."""
    data, at, layers = base64.b85decode(text), 0, []
    for inputs, outputs in shapes:
        scale = np.frombuffer(data, "<f4", outputs, at)
        numbers = np.frombuffer(data, np.int8, (inputs + 1) * outputs, at + 4 * outputs)
        at += 4 * outputs + len(numbers)
        both = numbers.reshape(inputs + 1, outputs) * scale
        layers.append((both[:-1].astype(np.float32), both[-1].astype(np.float32)))
    return layers
