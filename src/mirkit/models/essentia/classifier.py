"""Danceability and atonality by Essentia's classifiers: VGGish, and two small heads on its embedding.

The audio is processed in patches of 0.96 s that begin every 0.93 s. A value is the mean probability of its class over
the patches. P. Alonso-Jimenez et al., "TensorFlow Audio Models in Essentia", ICASSP 2020.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mirkit.audio.resample import Resampler
from mirkit.errors import ModelError, WeightsError, printable
from mirkit.features.danceability import MIN_SECONDS
from mirkit.features.stft import SILENCE_DBFS
from mirkit.features.types import ANALYSIS_RATE, SILENT, TOO_SHORT, FloatArray, Value
from mirkit.models.batching import BatchedNetwork, Compute
from mirkit.models.essentia import BACKEND
from mirkit.models.essentia.log_mel import BANDS, PATCH, RATE, Frames, LogMel, Patcher
from mirkit.models.onnx import Graph
from mirkit.models.safe_load import load_json
from mirkit.models.weights import Weights

#: Key -> the class whose probability it is. The JSON file beside the model states which output belongs to the class.
CLASSES = {"danceability": "danceable", "atonality": "atonal"}
_SILENCE = 10 ** (SILENCE_DBFS / 20)


@dataclass(frozen=True)
class _Head:
    graph: Graph
    column: int


def load(weights: Weights, device: str) -> "Heads":
    """Open the embedding and both heads as Essentia publishes them.

    Parameters
    ----------
    weights : Weights
        VGGish, and for each of ``CLASSES``, in this order, a head and its description (JSON).
    device : str
        ``cpu``, ``cuda``, ``cuda:1``.

    Raises
    ------
    WeightsError
        A file is not the expected one.
    """
    vggish, *files = weights.files
    embed = Graph(vggish, "embeddings", device)
    if set(embed.shape[-2:]) != {PATCH, BANDS}:
        raise WeightsError(f"{printable(vggish)}: takes {list(embed.shape)}, not patches of {PATCH} times {BANDS}")
    heads = {
        key: _Head(Graph(path, "activations", device), _column(description, label))
        for (key, label), path, description in zip(CLASSES.items(), files[::2], files[1::2], strict=True)
    }
    made = Heads(embed, heads, weights, device)
    try:
        tried = made.probabilities([np.sin(np.arange(PATCH * BANDS, dtype=np.float32)).reshape(PATCH, BANDS)])
    except (ModelError, IndexError) as error:
        why = error if isinstance(error, ModelError) else "a description names more classes than its head has outputs"
        raise WeightsError(f"{printable(vggish.parent)}: these models do not belong together: {why}") from error
    if not all(0 <= p <= 1 for p in tried.flat):
        raise WeightsError(f"{printable(vggish.parent)}: the heads give {tried.tolist()}, which are no probabilities")
    return made


def _column(description: Path, label: str) -> int:
    """Return the index of the output of a head for a class."""
    classes = load_json(description).get("classes")
    names = [str(one).lower() for one in classes] if isinstance(classes, list) else []
    if label not in names:
        raise WeightsError(f"{printable(description)}: does not say which output is {label!r}")
    return names.index(label)


class Heads:
    """The loaded models.

    Parameters
    ----------
    embed : Graph
    heads : dict
        Key -> head.
    weights : Weights
    device : str
    """

    def __init__(self, embed: Graph, heads: dict[str, _Head], weights: Weights, device: str) -> None:
        self.weights = weights
        self.keys = tuple(heads)
        step = partial(_probabilities, embed, tuple(heads.values()))
        self.compute: Compute = BatchedNetwork(
            "VGGish", device, {"probabilities": step}, BACKEND.batch_size, BACKEND.batch_size
        )

    def stream(self) -> "EssentiaStream":
        """Open a stream for one signal."""
        return EssentiaStream(self)

    def probabilities(self, patches: Sequence[Frames]) -> npt.NDArray[np.float32]:
        """Return the probability of the class of each key, shape=(patches, keys).

        Raises
        ------
        ModelError
            The models failed on these patches.
        """
        return self.compute("probabilities", np.stack(patches))


def _probabilities(embed: Graph, heads: Sequence[_Head], batch: Frames) -> Frames:
    if embed.shape[-2:] == (BANDS, PATCH):
        batch = batch.transpose(0, 2, 1)
    # Some conversions of the model have an axis for the single channel.
    shape = (len(batch), *(1,) * (len(embed.shape) - 3), *batch.shape[1:])
    embedded = embed(np.ascontiguousarray(batch).reshape(shape)).reshape(len(batch), -1)
    return np.stack([head.graph(embedded)[:, head.column] for head in heads], axis=1)


class EssentiaStream:
    """One signal that is passed through the models: audio at 44100 Hz, in blocks of any length."""

    def __init__(self, heads: Heads) -> None:
        self._heads = heads
        self._resampler, self._mel, self._patcher = Resampler(ANALYSIS_RATE, RATE, 1), LogMel(), Patcher()
        self._waiting: list[Frames] = []
        self._sum: npt.NDArray[np.float64] = np.zeros(len(heads.keys))
        self._patches = self._samples = 0
        self._loud = False
        self._failure: ModelError | None = None

    def push(self, block: FloatArray) -> None:
        """Take the next samples, float32, shape=(channels, n)."""
        self._samples += block.shape[1]
        self._loud = self._loud or bool(np.abs(block).max(initial=0) > _SILENCE)
        self._take(self._mel.push(self._resampler.push(block.mean(axis=0, keepdims=True))[0]))
        if len(self._waiting) >= BACKEND.batch_size:
            self._run()

    def finish(self) -> dict[str, Value] | ModelError:
        """Return key -> mean probability, or the error that prevented it."""
        self._take(self._mel.push(self._resampler.finish()[0]))
        self._take(self._mel.finish())
        self._run()
        if self._failure is not None:
            return self._failure
        if self._samples < MIN_SECONDS * ANALYSIS_RATE:
            return dict.fromkeys(self._heads.keys, TOO_SHORT)
        if not self._loud:
            return dict.fromkeys(self._heads.keys, SILENT)
        return dict(zip(self._heads.keys, (self._sum / self._patches).tolist(), strict=True))

    def _take(self, frames: Frames) -> None:
        self._waiting += self._patcher.push(frames)

    def _run(self) -> None:
        patches, self._waiting = self._waiting, []
        if not patches or self._failure is not None:
            return
        try:
            found = self._heads.probabilities(patches)
        except ModelError as error:
            self._failure = error
            return
        self._sum += found.sum(axis=0, dtype=np.float64)
        self._patches += len(found)
