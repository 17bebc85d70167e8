"""Audiobox Aesthetics: four scores of a piece of audio, from 1 to 10, equal to those of its authors' predictor.

The audio is processed in windows of 10 s, mono at 16 kHz. A score is the mean over the windows, weighted by their
lengths. A. Tjandra et al., "Meta Audiobox Aesthetics: Unified Automatic Quality Assessment for Speech, Music, and
Sound", arXiv:2502.05139.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mirkit.features.types import FloatArray, Value
from mirkit.models.audiobox import BACKEND
from mirkit.models.backend import Weights
from mirkit.models.batching import BatchedNetwork, Compute, NetworkStream, torch_step

RATE = 16000
WINDOW = 10 * RATE
#: Axis -> key.
KEYS = {
    "CE": "content_enjoyment",
    "CU": "content_usefulness",
    "PC": "production_complexity",
    "PQ": "production_quality",
}
_NAME = "Audiobox Aesthetics"

Scores = npt.NDArray[np.float64]


def load(weights: Weights, device: str) -> "Scorer":
    """Build the network from the published files.

    Parameters
    ----------
    weights : Weights
        ``config.json`` and ``model.safetensors``.
    device : str
        PyTorch device: ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.

    Raises
    ------
    WeightsError
        The files are not those of Audiobox Aesthetics.
    """
    from mirkit.models.audiobox.network import read

    network, mean, std = read(*weights.files)
    return Scorer(network.eval().float().to(device), np.array(mean), np.array(std), weights, device)


class Scorer:
    """A loaded network.

    Parameters
    ----------
    network : torch.nn.Module
        ``(batch, samples), (batch,)`` to ``(batch, 4)``.
    mean, std : array, shape=(4,)
        Mean and standard deviation that turn an output of the network into a score.
    weights : Weights
    device : str
    """

    def __init__(self, network: Any, mean: Scores, std: Scores, weights: Weights, device: str) -> None:
        self.weights = weights
        self.compute: Compute = BatchedNetwork(
            _NAME, device, {"scores": torch_step(network, device)}, BACKEND.batch_size
        )
        self._mean, self._std = mean, std

    def stream(self) -> "AudioboxStream":
        """Open a stream for one signal."""
        return AudioboxStream(self)

    def scores(self, windows: Sequence[FloatArray]) -> Scores:
        """Return the scores of windows of at most 10 s, which may belong to several signals, shape=(windows, 4).

        Raises
        ------
        ModelError
            The device cannot process even a single window.
        """
        if not windows:
            return np.zeros((0, len(KEYS)))
        sound = np.zeros((len(windows), WINDOW), np.float32)
        for row, window in zip(sound, windows, strict=True):
            row[: len(window)] = window
        lengths = np.array([len(window) for window in windows], np.int64)
        return self.compute("scores", sound, lengths) * self._std + self._mean


class AudioboxStream(NetworkStream):
    """One signal that is passed through the network; the result is a dict of key -> score."""

    def __init__(self, scorer: Scorer) -> None:
        super().__init__(RATE)
        self._scorer = scorer
        self._rest: FloatArray = np.zeros(0, np.float32)
        self._waiting: list[FloatArray] = []
        self._sum = np.zeros(len(KEYS))
        self._weight = 0

    def _compute(self, mono: FloatArray, *, last: bool) -> None:
        mono = np.concatenate((self._rest, mono))
        whole = len(mono) // WINDOW * WINDOW
        self._waiting += [mono[first : first + WINDOW] for first in range(0, whole, WINDOW)]
        self._rest = mono[whole:]
        if last and len(self._rest):
            self._waiting.append(self._rest)
        if last or len(self._waiting) >= self._scorer.compute.batch_size:
            lengths = np.array([len(window) for window in self._waiting], np.int64)
            self._sum += lengths @ self._scorer.scores(self._waiting)
            self._weight += int(lengths.sum())
            self._waiting = []

    def _result(self) -> dict[str, Value]:
        return self._mean(KEYS.values(), self._sum, self._weight)
