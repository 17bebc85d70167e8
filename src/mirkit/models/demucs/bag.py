"""The files of a model of Demucs: one checkpoint, or a bag of several and the YAML file that describes it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirkit.errors import WeightsError, printable
from mirkit.models.safe_load import load_yaml
from mirkit.models.weights import Weights

_CHECKPOINTS = (".th", ".safetensors")
_MIXED = [[1, 1, 0, 0], [0, 1, 0, 0], [1, 0, 1, 1], [1, 0, 1, 1]]
#: Weights and segment length (s) of the published bags that have no YAML file.
_PUBLISHED: dict[str, dict[str, Any]] = {
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
        raise WeightsError(f"{printable(first)}: names {len(_signatures(first))} networks; {len(others)} are there")
    given, segment = content.get("weights"), content.get("segment")
    rows: Any = given if _is_table(given) else ()
    numbers = [number for row in rows for number in row]
    if (given is not None and not numbers) or any(not isinstance(n, int | float) for n in [*numbers, segment or 1]):
        raise WeightsError(f"{printable(first)}: weights or segment are not numbers")
    return Bag(tuple(others), given, segment)


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(row, list) for row in value)


def _signatures(path: Path) -> list[str]:
    content = load_yaml(path)
    names = content.get("models")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        raise WeightsError(f"{printable(path)}: not the YAML file of a bag of Demucs models (no list 'models')")
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
        raise WeightsError(f"{printable(path)}: wants one checkpoint {signature} beside it; there is {have}")
    return found[0]


def _only(folder: Path) -> Path:
    files = sorted(file for file in folder.iterdir() if file.is_file())
    bags = [file for file in files if file.suffix == ".yaml"]
    named = bags or [file for file in files if file.suffix in _CHECKPOINTS]
    if len(named) != 1:
        have = ", ".join(file.name for file in named[:6]) or "none"
        raise WeightsError(
            f"{printable(folder)}: one model of Demucs is wanted (.yaml, .th, .safetensors); found {have}"
        )
    return named[0]
