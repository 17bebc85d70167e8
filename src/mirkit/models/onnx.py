"""ONNX models by ONNX Runtime: opened, asked, and their errors in one line."""

import functools
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from mirkit.errors import ModelError, WeightsError
from mirkit.features.types import FloatArray
from mirkit.store import printable


class Graph:
    """A model of one input, in memory.

    Parameters
    ----------
    path : Path
    output : str
        Name of the output that is wanted; where the model has none of that name, its first.
    device : str
        ``cpu``, ``cuda``, ``cuda:1``.

    Attributes
    ----------
    shape : tuple
        Of the input; what is free in the model is not an int.

    Raises
    ------
    WeightsError
        The file is no ONNX model, or one that this ONNX Runtime cannot run.
    """

    def __init__(self, path: Path, output: str, device: str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = _threads()
        options.log_severity_level = 4  # what matters is raised
        providers: list[Any] = ["CPUExecutionProvider"]
        if device != "cpu":
            providers.insert(0, ("CUDAExecutionProvider", {"device_id": int(device.partition(":")[2] or 0)}))
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except _errors() as error:
            raise WeightsError(
                f"{printable(path)}: not a model that ONNX Runtime can run ({_first_line(error)})"
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
            The model cannot take it, or memory is short.
        """
        try:
            out: FloatArray = self._session.run([self._output], {self._input.name: batch})[0]
        except _errors() as error:
            raise ModelError(f"{self._name} failed: {_first_line(error)}") from error
        return np.asarray(out, np.float32)


def has_cuda() -> bool:
    """Whether this ONNX Runtime is one that can use a CUDA card."""
    import onnxruntime

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def _threads() -> int:
    """As many as the shell, or the engine for one of its workers, allows; 0 lets ONNX Runtime choose."""
    asked = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    return int(asked) if asked.isdecimal() else 0


@functools.cache
def _errors() -> tuple[type[Exception], ...]:
    """Return what ONNX Runtime raises: classes without a common parent of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    classes = tuple(one for one in vars(state).values() if isinstance(one, type) and issubclass(one, Exception))
    return (*classes, RuntimeError, ValueError)


def _first_line(error: Exception) -> str:
    """Say what is wrong, without the path and the number that come before it."""
    message = re.sub(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ", "", str(error)).rpartition("failed:")[2]
    return message.strip().partition("\n")[0][:150]
