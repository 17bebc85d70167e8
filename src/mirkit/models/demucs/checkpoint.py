"""Official checkpoints of Demucs, read so that no code in them runs.

A ``.th`` file is a pickle that names the network's class, its arguments (with fractions) and its tensors; a
``.safetensors`` file keeps the same in its header. Only a short list of names is allowed in a pickle, and its class is
never imported: only its name is read.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from mirkit.errors import WeightsError, printable
from mirkit.models.safe_load import load_tensors, read_header
from mirkit.models.state_dict import LOAD_ERRORS, CheckpointMismatch, clause
from mirkit.store import file_digest

#: Name of a class in a checkpoint -> its present location in the package.
CLASSES = {
    "demucs.htdemucs.HTDemucs": "demucs.htdemucs.HTDemucs",
    "demucs.hdemucs.HDemucs": "demucs.hdemucs.HDemucs",
    "demucs.demucs.Demucs": "demucs.demucs.Demucs",
}
_QUANTIZED = "__quantized"
_CHECKSUM_DIGITS = 8


@dataclass(frozen=True)
class Package:
    """Content of a checkpoint: a key of ``CLASSES``, the arguments and the tensors."""

    klass: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    state: Mapping[str, Any]


class _HTDemucs:
    """Placeholder for the class of this name while a pickle is read."""


class _HDemucs:
    """The same."""


class _Demucs:
    """The same."""


_STAND_INS: dict[type, str] = dict(zip((_HTDemucs, _HDemucs, _Demucs), CLASSES, strict=True))


def read_package(path: Path) -> Package:
    """Read a checkpoint.

    Raises
    ------
    WeightsError
        The file is not a checkpoint, is damaged or quantized, or refers to code that is not allowed.
    """
    _check_name(path)
    try:
        package = _safetensors(path) if path.suffix == ".safetensors" else _pickle(path)
    except LOAD_ERRORS as error:
        raise WeightsError(f"{printable(path)}: not a checkpoint of Demucs: {clause(error)}") from error
    if _QUANTIZED in package.state:
        raise WeightsError(
            f"{printable(path)}: a quantized checkpoint, which needs the package diffq (not for commercial use); "
            "use the model of the same name without _q"
        )
    return package


def _pickle(path: Path) -> Package:
    content = load_tensors(path, also=_allowed())
    klass = content["klass"]
    if klass not in _STAND_INS:
        raise CheckpointMismatch(f"its class is {str(klass)[:60]}")
    state = content["state"]
    return Package(_STAND_INS[klass], tuple(content["args"]), dict(content["kwargs"]), dict(state))


def _allowed() -> list[Any]:
    """Return what the published files contain besides tensors: a class, fractions, NumPy numbers."""
    import numpy as np

    dtypes = [type(np.dtype(kind)) for kind in ("f4", "f8", "i4", "i8")]
    scalar = np._core.multiarray.scalar  # type: ignore[attr-defined]
    return [
        *_STAND_INS.items(),
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
    return Package(klass, tuple(args), dict(kwargs), state)


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
