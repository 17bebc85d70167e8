"""ONNX models with the signature of Essentia's published ones, and random weights. Needs onnx."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

#: Models of this size and opset are read by every ONNX Runtime since 1.16.
_OPSET, _IR = 17, 8

Array = npt.NDArray[np.float32]


def write_embedding(path: Path, shape: tuple[Any, ...] = ("n", 96, 64), size: int = 128, seed: int = 0) -> Path:
    """Patches to vectors: a convolution, as in VGGish of a size that tests can afford, and a linear layer."""
    rng = np.random.default_rng(seed)
    kernel = (0.2 * rng.standard_normal((4, 1, 3, 3))).astype(np.float32)
    weight = (0.05 * rng.standard_normal((4 * shape[-2] * shape[-1], size))).astype(np.float32)
    steps = [
        helper.make_node("Reshape", ["melspectrogram", "image"], ["channel"]),
        helper.make_node("Conv", ["channel", "kernel"], ["conv"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv"], ["relu"]),
        helper.make_node("Flatten", ["relu"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["embeddings"]),
    ]
    constants = {"image": np.array([-1, 1, *shape[-2:]], np.int64), "kernel": kernel, "weight": weight}
    return _write(path, steps, constants, ("melspectrogram", shape), ("embeddings", ("n", size)))


def write_head(path: Path, classes: list[str], size: int = 128, seed: int = 0, *, softmax: bool = True) -> Path:
    """Vectors to probabilities of two classes, with the description beside it."""
    rng = np.random.default_rng(seed)
    constants = {
        "w1": (0.02 * rng.standard_normal((size, 100))).astype(np.float32),
        "w2": rng.standard_normal((100, len(classes))).astype(np.float32),
    }
    steps = [
        helper.make_node("MatMul", ["embeddings", "w1"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "w2"], ["logits"]),
        helper.make_node("Softmax" if softmax else "Identity", ["logits"], ["activations"]),
    ]
    path.with_suffix(".json").write_text(json.dumps({"name": path.stem, "classes": classes}))
    return _write(path, steps, constants, ("embeddings", ("n", size)), ("activations", ("n", len(classes))))


def write_all(folder: Path, **embedding: object) -> tuple[Path, ...]:
    """The five files under their published names, in the order of the table; each head tells another class order."""
    folder.mkdir(parents=True, exist_ok=True)
    vggish = write_embedding(folder / "audioset-vggish-3.onnx", **embedding)  # type: ignore[arg-type]
    dance, tonal = (folder / f"{name}-audioset-vggish-1.onnx" for name in ("danceability", "tonal_atonal"))
    write_head(dance, ["danceable", "not_danceable"], seed=1)
    write_head(tonal, ["tonal", "atonal"], seed=2)
    return vggish, dance, dance.with_suffix(".json"), tonal, tonal.with_suffix(".json")


def constant(path: Path, name: str) -> Array:
    """A weight of a model, for computing by hand what it gives."""
    found = next(one for one in onnx.load(path).graph.initializer if one.name == name)
    return np.asarray(numpy_helper.to_array(found), np.float32)


def _write(
    path: Path,
    steps: list[onnx.NodeProto],
    constants: dict[str, npt.NDArray[np.generic]],
    given: tuple[str, tuple[object, ...]],
    result: tuple[str, tuple[object, ...]],
) -> Path:
    info = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (given, result)]
    kept = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph(steps, path.stem, info[:1], info[1:], kept)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path
