"""Danceability and atonality by Essentia's classifiers: VGGish, and two small heads on its embedding.

The audio is processed in patches of 0.96 s that begin every 0.93 s. A value is the mean probability of its class over
the patches. P. Alonso-Jimenez et al., "TensorFlow Audio Models in Essentia", ICASSP 2020.
"""

import functools
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mirkit.errors import ModelError, WeightsError, printable
from mirkit.features.danceability import MIN_SECONDS
from mirkit.features.stft import triangles
from mirkit.features.types import ANALYSIS_RATE, FloatArray, Value
from mirkit.models.backend import Weights
from mirkit.models.batching import BatchedNetwork, Compute, NetworkStream
from mirkit.models.essentia import BACKEND
from mirkit.models.log_spectrogram import Frames, LogSpectrogram
from mirkit.models.safe_load import load_json

RATE = 16000
HOP = 160
BANDS = 64
#: Frames of a patch, and hop between patches in frames.
PATCH, PATCH_HOP = 96, 93
_FRAME, _N_FFT = 400, 512
_LOW, _HIGH = 125.0, 7500.0
_OFFSET = np.float32(0.01)
#: Key -> the class whose probability it is. The JSON file beside the model states which output belongs to the class.
CLASSES = {"danceability": "danceable", "atonality": "atonal"}


class LogMel(LogSpectrogram):
    """The input of VGGish: logarithmic mel spectra, 100 per second, of a mono signal at 16 kHz.

    Magnitude spectra of 512 bins (symmetric Hann window of 400 samples, step 160), weighted by 64 triangles of height
    1, linear on the HTK mel scale, from 125 to 7500 Hz, then ``log(x + 0.01)``, as Essentia's
    ``TensorflowInputVGGish`` computes them.
    """

    def __init__(self) -> None:
        bins = _to_mel(np.arange(_N_FFT // 2 + 1) * RATE / _N_FFT)
        filters = triangles(bins, np.linspace(_to_mel(_LOW), _to_mel(_HIGH), BANDS + 2)).astype(np.float32)
        window = np.hanning(_FRAME).astype(np.float32)
        super().__init__(window, filters, HOP, lambda bands: np.log(bands + _OFFSET), _N_FFT)

    def finish(self) -> Iterator[Frames]:
        """Yield the last frames; the last one is centered on the end of the signal or on silence after it."""
        before_center = _FRAME // 2
        if len(self._rest) > before_center:  # otherwise the signal is empty
            silence = before_center + (before_center - len(self._rest)) % HOP
            yield from self.push(np.zeros(silence, np.float32))


def _to_mel(hz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return 1127.0 * np.log1p(np.asarray(hz, np.float64) / 700.0)


class Patcher:
    """Cuts a stream of frames into patches of 96 that begin every 93; an incomplete last patch is dropped."""

    def __init__(self) -> None:
        self._held = np.zeros((0, BANDS), np.float32)

    def push(self, frames: Frames) -> Iterator[Frames]:
        """Take the next frames, shape=(n, 64); yield the patches that are complete, shape=(96, 64)."""
        self._held = np.concatenate((self._held, frames))
        while len(self._held) >= PATCH:
            yield self._held[:PATCH]
            self._held = self._held[PATCH_HOP:]


class Graph:
    """A loaded model with one input.

    Parameters
    ----------
    path : Path
    output : str
        Name of the output to return; the first one if the model has no output of that name.
    device : str
        ``cpu``, ``cuda``, ``cuda:1``.

    Attributes
    ----------
    shape : tuple
        Shape of the input; variable dimensions are not of type int.

    Raises
    ------
    WeightsError
        The file is not an ONNX model, or this ONNX Runtime cannot run it.
    """

    def __init__(self, path: Path, output: str, device: str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = _threads()
        options.log_severity_level = 4  # errors are raised, so the log is not needed
        providers: list[Any] = ["CPUExecutionProvider"]
        if device != "cpu":
            providers.insert(0, ("CUDAExecutionProvider", {"device_id": int(device.partition(":")[2] or 0)}))
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except _errors() as error:
            raise WeightsError(
                f"{printable(path)}: this is not a model that ONNX Runtime can run ({_first_line(error)})"
            ) from error
        self._name = path.name
        self._input = self._session.get_inputs()[0]
        names = [one.name for one in self._session.get_outputs()]
        self._output = output if output in names else names[0]
        self.shape: tuple[Any, ...] = tuple(self._input.shape)

    def __call__(self, batch: FloatArray) -> FloatArray:
        """Run a batch, float32.

        Raises
        ------
        ModelError
            The model failed on the batch, or memory is short.
        """
        try:
            out: FloatArray = self._session.run([self._output], {self._input.name: batch})[0]
        except _errors() as error:
            raise ModelError(f"{self._name} failed: {_first_line(error)}") from error
        return np.asarray(out, np.float32)


def _threads() -> int:
    """Return the number of threads that the shell or the engine allows; 0 lets ONNX Runtime choose."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return int(asked) if asked.isdecimal() else 0


@functools.cache
def _errors() -> tuple[type[Exception], ...]:
    """Return the exceptions of ONNX Runtime, which have no common base class of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    classes = tuple(one for one in vars(state).values() if isinstance(one, type) and issubclass(one, Exception))
    return (*classes, RuntimeError, ValueError)


def _first_line(error: Exception) -> str:
    """Return the message of an error without the path and the number that precede it."""
    message = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error)).rpartition("failed:")[2]
    return message.strip().partition("\n")[0][:150]


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


class EssentiaStream(NetworkStream):
    """One signal that is passed through the models; the result is a dict of key -> mean probability."""

    def __init__(self, heads: Heads) -> None:
        super().__init__(RATE)
        self._heads, self._mel, self._patcher = heads, LogMel(), Patcher()
        self._waiting: list[Frames] = []
        self._sum: npt.NDArray[np.float64] = np.zeros(len(heads.keys))
        self._patches = 0

    def _compute(self, mono: FloatArray, *, last: bool) -> None:
        for frames in (*self._mel.push(mono), *(self._mel.finish() if last else ())):
            self._waiting += self._patcher.push(frames)
        if self._waiting and (last or len(self._waiting) >= BACKEND.batch_size):
            self._sum += self._heads.probabilities(self._waiting).sum(axis=0, dtype=np.float64)
            self._patches += len(self._waiting)
            self._waiting = []

    def _result(self) -> dict[str, Value]:
        long_enough = self._samples >= MIN_SECONDS * ANALYSIS_RATE
        return self._mean(self._heads.keys, self._sum, self._patches if long_enough else 0)
