"""Computing batches, as many items at once as memory allows, here or in the device server; streams of such batches."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from mirkit.audio.source import Resampler
from mirkit.errors import ModelError
from mirkit.features.extraction import mono_of
from mirkit.features.stft import SILENCE_DBFS
from mirkit.features.types import ANALYSIS_RATE, SILENT, TOO_SHORT, FloatArray, Value

Array = npt.NDArray[Any]
#: A part of a network: receives arrays with the same first dimension and returns an array with that dimension.
Step = Callable[..., Array]


class Compute(Protocol):
    """Where a network computes: in this process (:class:`BatchedNetwork`) or in the device server.

    Attributes
    ----------
    batch_size : int
        Number of items to collect for one call.
    """

    batch_size: int

    def __call__(self, step: str, *batch: Array) -> Array:
        """Compute a step of the network for a batch.

        Raises
        ------
        OutOfMemory
            The device has no memory for a single item.
        ModelError
            The network failed in another way.
        """


class OutOfMemory(ModelError):  # noqa: N818 (the name of what happened)
    """Not even one item fits."""


class BatchedNetwork:
    """A network in this process.

    Parameters
    ----------
    model : str
        Name of the model, for messages.
    device : str
        Of PyTorch.
    steps : mapping
        Name -> step.
    batch_size : int
        Largest batch on a GPU; it is reduced if memory is short.
    on_cpu : int
        Batch size on the CPU, where most networks are no faster with larger batches.

    Attributes
    ----------
    batch_size : int
        Present batch size; it is halved when memory is short.
    """

    def __init__(self, model: str, device: str, steps: Mapping[str, Step], batch_size: int, on_cpu: int = 1) -> None:
        self._model, self._device, self._steps = model, device, steps
        self.batch_size = on_cpu if device == "cpu" else batch_size

    def __call__(self, step: str, *batch: Array) -> Array:
        """Compute a step of the network for a batch, see :class:`Compute`."""
        run = self._steps[step]
        while True:
            most = self.batch_size
            try:
                parts = [
                    run(*(given[first : first + most] for given in batch)) for first in range(0, len(batch[0]), most)
                ]
                return parts[0] if len(parts) == 1 else np.concatenate(parts)
            except (RuntimeError, MemoryError) as error:
                short = _is_out_of_memory(error)
                if short:
                    _give_back(self._device)
                if not short or most == 1:
                    kind = OutOfMemory if short else ModelError
                    raise kind(self._failed(error)) from error
                self.batch_size = most // 2

    def _failed(self, error: BaseException) -> str:
        why = str(error).partition("\n")[0]
        remedy = "" if self._device == "cpu" else "; try --device cpu"
        return f"{self._model} failed on {self._device}: {why}{remedy}"


def torch_step(network: Callable[..., Any], device: str, half: Any = None) -> Step:
    """Return a step of a PyTorch network, in full precision or with automatic mixed precision of the type ``half``."""

    def step(*batch: Array) -> Array:
        import torch

        with torch.inference_mode(), torch.autocast(device.partition(":")[0], half, enabled=half is not None):
            out = network(*(torch.from_numpy(given).to(device) for given in batch))
        found: Array = out.float().cpu().numpy()
        return found

    return step


class NetworkStream(ABC):
    """One signal that is passed through a network, see ``models.backend.StreamingModel``.

    An error of the network, such as too little GPU memory, is returned by ``finish`` and affects this signal only.

    Parameters
    ----------
    rate : int
        Sample rate of the network's input.
    """

    def __init__(self, rate: int) -> None:
        self._resampler = Resampler(ANALYSIS_RATE, rate, 1) if rate != ANALYSIS_RATE else None
        self._samples, self._loudest = 0, 0.0
        self._failure: ModelError | None = None

    def push(self, block: FloatArray) -> None:
        """Take the next samples at 44100 Hz, float32, shape=(channels, n)."""
        self._samples += block.shape[1]
        self._loudest = max(self._loudest, float(np.abs(block).max(initial=0)))
        mono = mono_of(block)
        self._take(mono if self._resampler is None else self._resampler.push(mono[None])[0], last=False)

    def finish(self) -> Any:
        """Return the result, or the error that prevented it."""
        self._take(np.zeros(0, np.float32) if self._resampler is None else self._resampler.finish()[0], last=True)
        return self._failure or self._result()

    def _take(self, mono: FloatArray, *, last: bool) -> None:
        if self._failure is None:
            try:
                self._compute(mono, last=last)
            except ModelError as error:
                self._failure = error

    def _mean(self, keys: Iterable[str], total: FloatArray, count: int) -> dict[str, Value]:
        """Return the mean of values that were summed over the signal, or why they are unknown."""
        if not count:
            return dict.fromkeys(keys, TOO_SHORT)
        if self._loudest <= 10 ** (SILENCE_DBFS / 20):
            return dict.fromkeys(keys, SILENT)
        return dict(zip(keys, (total / count).tolist(), strict=True))

    @abstractmethod
    def _compute(self, mono: FloatArray, *, last: bool) -> None:
        """Take the next samples at the network's rate, shape=(n,). Raises ``ModelError``."""

    @abstractmethod
    def _result(self) -> Any:
        """Return the result."""


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory is short, on a GPU or on the CPU."""
    message = str(error)
    return isinstance(error, MemoryError) or "out of memory" in message or "allocate memory" in message


def _give_back(device: str) -> None:
    """Release GPU memory that PyTorch has cached, if PyTorch is used."""
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()
