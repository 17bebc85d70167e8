"""The files of a model of Demucs, read so that no code in them runs: checkpoints, and the YAML file of a bag.

A ``.th`` file is a pickle that names the network's class, its arguments (with fractions) and its tensors; a
``.safetensors`` file keeps the same in its header. Only a short list of names is allowed in a pickle, and its class is
never imported: only its name is read. A bag is several checkpoints whose outputs are averaged.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from mirkit.errors import WeightsError, printable
from mirkit.models.backend import Weights
from mirkit.models.safe_load import (
    CheckpointMismatch,
    expecting,
    load_tensors,
    load_yaml,
    read_header,
)
from mirkit.store import file_digest

#: Names of classes in a checkpoint -> the class of the package. ``WDemucs`` is the name of HDemucs before its release.
CLASSES = {
    "demucs.htdemucs.HTDemucs": "demucs.htdemucs.HTDemucs",
    "demucs.hdemucs.HDemucs": "demucs.hdemucs.HDemucs",
    "demucs.wdemucs.WDemucs": "demucs.hdemucs.HDemucs",
    "demucs.demucs.Demucs": "demucs.demucs.Demucs",
}
#: A placeholder for each class while a pickle is read.
_PLACEHOLDERS: dict[Any, str] = {type(name, (), {}): name for name in CLASSES}
_QUANTIZED = "__quantized"
_CHECKSUM_DIGITS = 8


@dataclass(frozen=True)
class Package:
    """Content of a checkpoint: a class of the package, the arguments and the tensors."""

    klass: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    state: Mapping[str, Any]


def read_package(path: Path) -> Package:
    """Read a checkpoint.

    Raises
    ------
    WeightsError
        The file is not a checkpoint, is damaged or quantized, or refers to code that is not allowed.
    """
    _check_name(path)
    with expecting(path, "a checkpoint of Demucs"):
        package = _safetensors(path) if path.suffix == ".safetensors" else _pickle(path)
    if _QUANTIZED in package.state:
        raise WeightsError(
            f"{printable(path)}: a quantized checkpoint, which needs the package diffq (not for commercial use); "
            "use the model of the same name without _q"
        )
    return package


def _pickle(path: Path) -> Package:
    content = load_tensors(path, also=_allowed())
    klass = content["klass"]
    if klass not in _PLACEHOLDERS:
        raise CheckpointMismatch(f"its class is {str(klass)[:60]}")
    state = content["state"]
    return Package(CLASSES[_PLACEHOLDERS[klass]], tuple(content["args"]), dict(content["kwargs"]), dict(state))


def _allowed() -> list[Any]:
    """Return what the published files contain besides tensors: a class, fractions, NumPy numbers."""
    import numpy as np

    dtypes = [type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8")]
    scalar = np._core.multiarray.scalar  # type: ignore[attr-defined]
    return [
        *_PLACEHOLDERS.items(),
        Fraction,
        np.dtype,
        *dtypes,
        (scalar, "numpy.core.multiarray.scalar"),
        (scalar, "numpy._core.multiarray.scalar"),
    ]


def _safetensors(path: Path) -> Package:
    header = read_header(path)
    klass = header["klass"]
    if klass not in CLASSES:
        raise CheckpointMismatch(f"its class is {klass[:60]}")
    state = {_QUANTIZED: True} if "structure" in header else load_tensors(path)
    args, kwargs = (_decoded(json.loads(header[name])) for name in ("args", "kwargs"))
    return Package(CLASSES[klass], tuple(args), dict(kwargs), state)


def _decoded(value: Any) -> Any:
    """Turn JSON back into arguments: a fraction is an object with ``_type``."""
    if isinstance(value, dict):
        if value.get("_type") == "fraction":
            return Fraction(value["numerator"], value["denominator"])
        return {key: _decoded(item) for key, item in value.items()}
    return [_decoded(item) for item in value] if isinstance(value, list) else value


def _check_name(path: Path) -> None:
    """Check the file against the checksum in its name, ``SIG-CHECKSUM.th``."""
    _, dash, digits = path.stem.partition("-")
    if dash and len(digits) == _CHECKSUM_DIGITS and not file_digest(path).sha256.startswith(digits):
        raise WeightsError(f"{printable(path)}: damaged: its checksum is not the {digits} of its name")


_CHECKPOINTS = (".th", ".safetensors")
_MIXED = [[1, 1, 0, 0], [0, 1, 0, 0], [1, 0, 1, 1], [1, 0, 1, 1]]
#: Weights and segment length (s) of the published bags, as in their YAML files, which are not downloaded.
_PUBLISHED: dict[str, dict[str, Any]] = {
    "htdemucs_ft": {"weights": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]},
    "hdemucs_mmi": {"segment": 44},
    "mdx": {"segment": 44, "weights": _MIXED},
    "mdx_extra": {"segment": 44},
}


@dataclass(frozen=True)
class Bag:
    """Checkpoints, their weights (one row per checkpoint, one column per source) and the segment length."""

    files: tuple[Path, ...]
    weights: list[list[float]] | None = None
    segment: float | None = None


def gather(path: Path) -> tuple[Path, ...]:
    """Return the files of the model at a path: the named file first, then the files that it refers to.

    Parameters
    ----------
    path : Path
        A checkpoint, the ``.yaml`` of a bag whose checkpoints lie beside it, or a folder with one of either.

    Raises
    ------
    WeightsError
        The path is ambiguous, or a checkpoint is missing.
    """
    if path.is_dir():
        path = _only(path)
    if path.suffix != ".yaml":
        return (path,)
    return (path, *(_beside(path, signature) for signature in _signatures(path)))


def read_bag(weights: Weights) -> Bag:
    """Read the bag of a model from its files.

    Raises
    ------
    WeightsError
        The YAML file does not describe a bag of Demucs.
    """
    first, *others = weights.files
    if first.suffix != ".yaml":
        published = _PUBLISHED.get(weights.model, {})
        return Bag(weights.files, published.get("weights"), published.get("segment"))
    content = load_yaml(first)
    if len(others) != len(_signatures(first)):
        raise WeightsError(
            f"{printable(first)}: it names {len(_signatures(first))} networks, but {len(others)} are there"
        )
    given, segment = content.get("weights"), content.get("segment")
    is_table = isinstance(given, list) and all(isinstance(row, list) for row in given)
    rows: Any = given if is_table else ()
    numbers = [number for row in rows for number in row]
    if (given is not None and not numbers) or any(not isinstance(n, int | float) for n in [*numbers, segment or 1]):
        raise WeightsError(f"{printable(first)}: its weights or its segment are not numbers")
    return Bag(tuple(others), given, segment)


def _signatures(path: Path) -> list[str]:
    content = load_yaml(path)
    names = content.get("models")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise WeightsError(f"{printable(path)}: this is not the YAML file of a bag of Demucs models (no list 'models')")
    return names


def _beside(path: Path, signature: str) -> Path:
    """Return the checkpoint of a signature: ``SIG.th``, ``SIG-CHECKSUM.th`` or ``SIG.safetensors``."""
    found = [
        file
        for file in sorted(path.parent.iterdir())
        if file.suffix in _CHECKPOINTS and file.stem.partition("-")[0] == signature
    ]
    if len(found) != 1:
        have = " and ".join(file.name for file in found) or "nothing"
        raise WeightsError(f"{printable(path)}: one checkpoint {signature} is needed beside it; there is {have}")
    return found[0]


def _only(folder: Path) -> Path:
    files = sorted(file for file in folder.iterdir() if file.is_file())
    bags = [file for file in files if file.suffix == ".yaml"]
    named = bags or [file for file in files if file.suffix in _CHECKPOINTS]
    if len(named) != 1:
        have = ", ".join(file.name for file in named[:6]) or "none"
        raise WeightsError(
            f"{printable(folder)}: the folder must hold one model of Demucs (.yaml, .th, .safetensors); found {have}"
        )
    return named[0]
