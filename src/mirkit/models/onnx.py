"""ONNX models in ONNX Runtime, with one-line error messages."""

import functools
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from mirkit.errors import ModelError, WeightsError, printable
from mirkit.features.types import FloatArray


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
            The model failed on the batch, or memory is short.
        """
        try:
            out: FloatArray = self._session.run([self._output], {self._input.name: batch})[0]
        except _errors() as error:
            raise ModelError(f"{self._name} failed: {_first_line(error)}") from error
        return np.asarray(out, np.float32)


def has_cuda() -> bool:
    """Return whether this ONNX Runtime can use a CUDA GPU."""
    import onnxruntime

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


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
