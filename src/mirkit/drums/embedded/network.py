"""Network from band levels to the likelihood of each drum: layers that see wider and wider surroundings."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from mirkit.drums.embedded.levels import BANDS, above_floor
from mirkit.drums.embedded.weights import SHAPES, WEIGHTS
from mirkit.features.types import FloatArray

#: Kinds of signals: a drums stem, the drums stem of the embedded separation, a mix. The first layer has an input for
#: each kind but the first, which is 1 for a signal of that kind.
SIGNALS = ("stem", "separated", "mix")
_BLOCK = 4096  # number of frames that are computed at once

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Layer:
    """A layer of the network; negative outputs of all layers but the last are set to 0.

    Attributes
    ----------
    offsets : tuple of int
        Frames that the layer reads, relative to the frame that it computes.
    weights : float32 array, shape=(offsets, inputs, outputs)
    bias : float32 array, shape=(outputs,)
    """

    offsets: tuple[int, ...]
    weights: Matrix
    bias: Matrix

    @property
    def adds(self) -> bool:
        """Whether the outputs are added to the inputs."""
        return len(self.offsets) > 1 and self.weights.shape[1] == self.weights.shape[2]

    def __call__(self, values: Matrix, *, is_last: bool) -> Matrix:
        """Compute the frames whose surroundings are complete, shape=(frames, inputs) -> (fewer frames, outputs)."""
        first = self.offsets[0]
        count = len(values) - (self.offsets[-1] - first)
        out = np.broadcast_to(self.bias, (count, len(self.bias))).copy()
        for offset, weights in zip(self.offsets, self.weights, strict=True):
            # Not a BLAS product, so that the result does not depend on the number of threads.
            start = offset - first
            out += np.einsum("ij,kj->ik", values[start : start + count], np.ascontiguousarray(weights.T))
        if is_last:
            return out
        np.maximum(out, np.float32(0), out=out)
        return out + values[-first : count - first] if self.adds else out


@dataclass(frozen=True)
class Network:
    """Layers, one after the other. The first reads the levels of the bands and the kind of the signal."""

    layers: tuple[Layer, ...]

    @classmethod
    def fitted(cls) -> Self:
        """Return the network that ``benchmarks/fit_drums.py`` fitted."""
        return cls(unpacked(WEIGHTS, SHAPES))

    @property
    def before(self) -> int:
        """Number of frames before a hit that the network reads."""
        return -sum(layer.offsets[0] for layer in self.layers)

    @property
    def after(self) -> int:
        """Number of frames after a hit that the network reads."""
        return sum(layer.offsets[-1] for layer in self.layers)

    def __call__(self, decibels: FloatArray, signal: str, lead: int = 0) -> Matrix:
        """Compute the likelihoods of the drums, 0 to 1.

        Parameters
        ----------
        decibels : array, shape=(frames, bands)
            Band levels of a track in dB. Before and after it is silence.
        signal : str
            One of ``SIGNALS``.
        lead : int
            Number of frames before the first one that are computed too.

        Returns
        -------
        float32 array, shape=(lead + frames, instruments)
        """
        loudest = float(decibels.max())
        count, likelihoods = len(decibels), []
        for start in range(-lead, count, _BLOCK):
            first, last = start - self.before, min(start + _BLOCK, count) + self.after
            levels = above_floor(decibels[max(0, first) : last], loudest)
            levels = np.pad(levels, ((max(0, -first), max(0, last - count)), (0, 0)))
            likelihoods.append(self._likelihoods(levels, signal))
        return np.concatenate(likelihoods)

    def _likelihoods(self, values: Matrix, signal: str) -> Matrix:
        first, *others = self.layers
        kind = np.array([signal == other for other in SIGNALS[1:]], np.float32)
        of_kind = (first.weights[0, BANDS:] * kind[:, None]).sum(axis=0)
        values = Layer(first.offsets, first.weights[:, :BANDS], first.bias + of_kind)(values, is_last=False)
        for layer in others:
            values = layer(values, is_last=layer is others[-1])
        with np.errstate(over="ignore"):  # overflow gives 1 / infinity = 0, a likelihood of practically 0
            likelihoods: Matrix = np.reciprocal(1 + np.exp(-values))
        return likelihoods


#: Offsets, inputs and outputs of a layer.
Shape = tuple[tuple[int, ...], int, int]


def packed(layers: Sequence[Layer]) -> str:
    """Encode weights as text: per output, with its bias last, a scale (float32) and one byte per number."""
    parts = []
    for layer in layers:
        both = np.concatenate((layer.weights.reshape(-1, len(layer.bias)), layer.bias[None]))
        scale = np.maximum(np.abs(both).max(axis=0) / 127, np.float32(1e-12))
        parts += [scale.astype("<f4").tobytes(), np.rint(both / scale).astype(np.int8).tobytes()]
    return base64.b85encode(b"".join(parts)).decode()


def unpacked(text: str, shapes: Sequence[Shape]) -> tuple[Layer, ...]:
    """Undo :func:`packed`, for layers of these shapes."""
    data, at, layers = base64.b85decode(text), 0, []
    for offsets, inputs, outputs in shapes:
        rows = len(offsets) * inputs + 1
        scale = np.frombuffer(data, "<f4", outputs, at)
        numbers = np.frombuffer(data, np.int8, rows * outputs, at + 4 * outputs)
        at += 4 * outputs + len(numbers)
        both = (numbers.reshape(rows, outputs) * scale).astype(np.float32)
        layers.append(Layer(offsets, both[:-1].reshape(len(offsets), inputs, outputs), both[-1]))
    return tuple(layers)
