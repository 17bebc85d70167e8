"""Reads the weights of an ONNX file: a protobuf message, of which only the graph's constants and nodes are used."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mirkit.errors import WeightsError, printable
from mirkit.models.protobuf import fields, varints

# Numbers of the fields in onnx.proto, and of the element types that small networks use.
_GRAPH = 7
_NODE, _INITIALIZER = 1, 5
_NODE_INPUT, _NODE_OP = 1, 4
_DIMS, _TYPE, _FLOATS, _INTS, _NAME, _RAW = 1, 2, 4, 7, 8, 9
_TYPES = {1: "<f4", 6: "<i4", 7: "<i8", 11: "<f8"}


@dataclass(frozen=True)
class OnnxGraph:
    """Constants of a graph, and its nodes in order.

    Attributes
    ----------
    constants : dict
        Name -> array.
    nodes : tuple of (str, tuple of str)
        Operator and names of the inputs.
    """

    constants: dict[str, npt.NDArray[Any]]
    nodes: tuple[tuple[str, tuple[str, ...]], ...]

    def convolutions(self) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
        """Return the weights and biases of all convolutions, in order."""
        return [(self.constants[inputs[1]], self.constants[inputs[2]]) for kind, inputs in self.nodes if kind == "Conv"]


def read_onnx(path: Path) -> OnnxGraph:
    """Read the constants and nodes of an ONNX file.

    Raises
    ------
    WeightsError
        It is no ONNX file, is damaged, or keeps its weights elsewhere.
    """
    try:
        data = memoryview(path.read_bytes())
        graph = next(value for number, value in fields(data) if number == _GRAPH)
        constants, nodes = {}, []
        for number, value in fields(graph):
            if number == _INITIALIZER:
                name, array = _tensor(value)
                constants[name] = array
            elif number == _NODE:
                parts = list(fields(value))
                inputs = tuple(bytes(v).decode() for n, v in parts if n == _NODE_INPUT)
                nodes.append((next(bytes(v).decode() for n, v in parts if n == _NODE_OP), inputs))
    except OSError as error:
        raise WeightsError(f"{printable(path)}: cannot be read: {error.strerror}") from error
    except (ValueError, IndexError, StopIteration, KeyError, TypeError) as error:
        raise WeightsError(
            f"{printable(path)}: this is not an ONNX file, or it is damaged; install mirkit again"
        ) from error
    return OnnxGraph(constants, tuple(nodes))


def _tensor(data: memoryview) -> tuple[str, npt.NDArray[Any]]:
    dims: list[int] = []
    name, kind, raw = "", 0, b""
    packed: list[bytes] = []
    for number, value in fields(data):
        if number == _DIMS:
            dims += [value] if isinstance(value, int) else varints(value)
        elif number == _TYPE:
            kind = value
        elif number == _NAME:
            name = bytes(value).decode()
        elif number == _RAW:
            raw = bytes(value)
        elif number == _FLOATS:
            packed.append(bytes(value))
        elif number == _INTS:
            numbers = [value] if isinstance(value, int) else varints(value)
            packed.append(np.array(numbers, "<i8").tobytes())
    array = np.frombuffer(raw or b"".join(packed), _TYPES.get(kind, "<u1"))
    return name, array.reshape(dims) if kind in _TYPES else array
