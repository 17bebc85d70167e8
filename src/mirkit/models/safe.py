"""Checkpoints opened so that no code in them runs: safetensors, or PyTorch files of plain tensors and values."""

import pickle
import re
import warnings
from pathlib import Path
from typing import Any

from mirkit.errors import MissingExtra, WeightsError
from mirkit.store import shown


def load_tensors(path: Path) -> Any:
    """Read a checkpoint onto the CPU.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` file, or whatever ``torch.save`` wrote.

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
        with warnings.catch_warnings(action="ignore"):  # of unusual pickles: what cannot be read is an error below
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
