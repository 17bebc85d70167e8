"""Files of models opened so that no code in them runs: safetensors, PyTorch's of plain tensors and values, YAML."""

import pickle
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mirkit.errors import MissingExtra, WeightsError
from mirkit.store import shown

#: What a YAML file may weigh (bytes).
_MAX_YAML = 2**20


def load_tensors(path: Path, also: Sequence[Any] = ()) -> Any:
    """Read a checkpoint onto the CPU.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` file, or whatever ``torch.save`` wrote.
    also : sequence
        Harmless classes that a pickle may name beside tensors, or pairs of a class and the name that it has there.

    Returns
    -------
    dict
        Of tensors, or what else the file holds of plain values.

    Raises
    ------
    WeightsError
        It is no checkpoint, is damaged, or is a pickle that would have to run code to be read.
    """
    if path.suffix == ".safetensors":
        return _safetensors(path)
    import torch

    try:
        # Warnings are of unusual pickles: what cannot be read is an error below.
        with warnings.catch_warnings(action="ignore"), torch.serialization.safe_globals(list(also)):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if name := re.search(r"GLOBAL ([\w.]+)", str(error)):
            raise WeightsError(
                f"{shown(path)}: refused, because reading it would run code ({name[1]}); "
                "ask for the weights as safetensors or as a plain state_dict"
            ) from error
        raise WeightsError(f"{shown(path)}: not a checkpoint of PyTorch, or damaged") from error
    except (RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"{shown(path)}: not a checkpoint of PyTorch, or damaged") from error
    except OSError as error:
        raise WeightsError(f"{shown(path)}: cannot be read: {error.strerror or error}") from error


def read_header(path: Path) -> dict[str, str]:
    """Read what a ``.safetensors`` file says of itself beside its tensors.

    Raises
    ------
    WeightsError
        It is no such file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {})
    except SafetensorError as error:
        raise WeightsError(f"{shown(path)}: not a safetensors file, or damaged ({error})") from error
    except OSError as error:
        raise WeightsError(f"{shown(path)}: cannot be read: {error.strerror or error}") from error


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file of plain values; a Python tuple in it, which many configurations have, becomes a list.

    Raises
    ------
    WeightsError
        It is damaged, too large, no table, or would have to run code to be read.
    """
    try:
        import yaml
    except ImportError as error:
        raise MissingExtra(f"{error}; pip install 'mirkit[stems]'") from error

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        pass

    Loader.add_constructor("tag:yaml.org,2002:python/tuple", Loader.construct_yaml_seq)
    try:
        if path.stat().st_size > _MAX_YAML:
            raise WeightsError(f"{shown(path)}: too large for a YAML file of a model")
        content = yaml.load(path.read_text(encoding="utf-8"), Loader)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        why = str(error).partition("\n")[0]
        raise WeightsError(f"{shown(path)}: not a plain YAML file ({why})") from error
    except OSError as error:
        raise WeightsError(f"{shown(path)}: cannot be read: {error.strerror or error}") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{shown(path)}: not a YAML file of a model")
    return content


def _safetensors(path: Path) -> dict[str, Any]:
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file
    except ImportError as error:
        raise MissingExtra("safetensors is not installed; pip install safetensors") from error

    try:
        tensors: dict[str, Any] = load_file(path)
    except SafetensorError as error:
        raise WeightsError(f"{shown(path)}: not a safetensors file, or damaged ({error})") from error
    except OSError as error:
        raise WeightsError(f"{shown(path)}: cannot be read: {error.strerror or error}") from error
    return tensors
