"""The network of SwiftF0 (Lars Nieradzik, MIT), computed with numba.

Three magnitude spectra of a frame (32, 64 and 128 ms) are summed in 128 bands on a logarithmic scale; convolutions over
bands and frames score 95 pitches, a third of a semitone to two thirds apart, and give the probability of voicing. The
weights are those of the package swift-f0 0.3.0; the result equals ONNX Runtime's to rounding.
"""

from pathlib import Path

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import sliding_window_view

from mirkit.features.types import FloatArray
from mirkit.models.convolution import Matrix, convolve, relu, sigmoid
from mirkit.models.onnx_weights import read_onnx

RATE = 16000
#: Samples between frames; frame ``i`` is centered on sample ``i * HOP``.
HOP = 256
#: Frames before and after a frame that its result depends on, besides half of a spectrum's length.
CONTEXT = 7
#: Longest spectrum, in samples.
LONGEST = 2048

_BANDS, _PITCHES = 128, 95
#: Samples of the spectra, in the order of the network's channels.
_SIZES = (1024, LONGEST, 512)
_FLOOR = np.float32(1e-8)
#: Bands that the last convolutions read, and distance (bands) between the numbers that each pair of convolutions adds.
_SCORED = 96
_DILATIONS = (1, 17, 27, 40, 48, 2)


class Network:
    """The network; a call computes the frames of a signal.

    Parameters
    ----------
    path : Path
        The file ``model.onnx`` of swift-f0.
    """

    def __init__(self, path: Path) -> None:
        graph = read_onnx(path)
        layers = [_over_frames(weights, bias) for weights, bias in graph.convolutions()]
        self._first, *rest = layers
        pairs, (self._head, self._shape, self._pitch, self._voiced, self._voiced_out) = rest[:12], rest[12:]
        self._blocks = tuple(zip(pairs[::2], pairs[1::2], _DILATIONS, strict=True))
        filled = [inputs for kind, inputs in graph.nodes if kind == "ScatterElements"]
        self._filters = []
        for size, (_, where, what) in zip(_SIZES, filled, strict=True):
            filters = np.zeros((size // 2 + 1) * _BANDS, np.float32)
            filters[graph.constants[where]] = graph.constants[what]
            self._filters.append(filters.reshape(-1, _BANDS))
        self._windows = [_hann(size) for size in _SIZES]
        #: Pitches that are scored, as the logarithm of their frequency (Hz).
        self._log_hertz = next(c for c in graph.constants.values() if c.shape == (_PITCHES,) and c.dtype == np.float64)

    def __call__(self, samples: FloatArray) -> tuple[FloatArray, Matrix]:
        """Compute f0 and the probability of voicing.

        Parameters
        ----------
        samples : float32 array, shape=(n,)
            From half of the longest spectrum before the center of the first frame to half of one after the last.

        Returns
        -------
        hertz : float64 array, shape=(frames,)
        voicing : float32 array, shape=(frames,)
        """
        levels = self._levels(samples)
        values = relu(convolve(levels, *self._first))
        # The first block ends like the others, but begins with the result of the first convolution.
        for first, second, dilation in self._blocks:
            inner = relu(convolve(values, *first, dilation=dilation))
            values = relu(values + convolve(inner, *second, dilation=dilation))
        head = relu(convolve(values[:, :, :_SCORED], *self._head))[:, :, :_PITCHES]
        scores = convolve(np.ascontiguousarray(head), *self._pitch)[:, 0]
        shape = convolve(np.ascontiguousarray(head), *self._shape).max(axis=2)
        seen = np.concatenate((shape, levels.mean(axis=(1, 2))[:, None]), axis=1)
        voicing = sigmoid(convolve(relu(convolve(seen[:, :, None], *self._voiced)), *self._voiced_out))[:, 0, 0]
        return self._hertz(scores), voicing

    def _levels(self, samples: FloatArray) -> Matrix:
        """Logarithm of the bands, shape=(frames, spectra, bands)."""
        frames = sliding_window_view(np.asarray(samples, np.float32), LONGEST)[::HOP]
        out = np.empty((len(frames), len(_SIZES), _BANDS), np.float32)
        for i, (size, window, filters) in enumerate(zip(_SIZES, self._windows, self._filters, strict=True)):
            first = (LONGEST - size) // 2
            spectra = np.abs(scipy.fft.rfft(frames[:, first : first + size] * window, axis=1))
            out[:, i] = np.log(np.einsum("fk,kb->fb", spectra, filters) + _FLOOR)
        return out

    def _hertz(self, scores: Matrix) -> FloatArray:
        """Return the frequency between the best pitch and its neighbors, by their scores."""
        padded = np.pad(scores.astype(np.float64), ((0, 0), (1, 1)), constant_values=-np.inf)
        near = np.argmax(scores, axis=1)[:, None] + np.arange(3)
        weights = np.take_along_axis(padded, near, axis=1)
        weights = np.exp(weights - weights.max(axis=1, keepdims=True))
        found = self._log_hertz[np.clip(near - 1, 0, _PITCHES - 1)]
        hertz: FloatArray = np.exp((weights * found).sum(axis=1) / weights.sum(axis=1))
        return hertz


def _over_frames(weights: FloatArray, bias: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Order weights over frames before bands; those of the last layers have no bands."""
    return (weights.transpose(0, 1, 3, 2) if weights.ndim == 4 else weights[:, :, :, None]), bias


def _hann(size: int) -> Matrix:
    window: Matrix = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)
    return window
