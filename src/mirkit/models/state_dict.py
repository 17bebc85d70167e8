"""Checks that a file fits its reader, with messages that users understand, unlike those of Python and PyTorch."""

from collections.abc import Mapping
from typing import Any

from mirkit.errors import printable

#: Counter of normalization layers in training. Inference does not need it, and some files do not contain it.
_COUNTER = "num_batches_tracked"


#: Exceptions that Python and PyTorch raise if a file has unexpected content.
LOAD_ERRORS = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


class CheckpointMismatch(ValueError):  # noqa: N818 (a state of a file, which callers catch by name)
    """A file has unexpected content. The message is the reason, as one clause."""


def clause(error: Exception) -> str:
    """Return the meaning of an error in reading a file's content, as one clause."""
    if isinstance(error, CheckpointMismatch):
        return str(error)
    if isinstance(error, KeyError):
        return f"it has no {printable(str(error.args[0]))[:60]}"
    return "it holds something else"


def fill(network: Any, state: Any, *, assign: bool = False) -> None:
    """Load tensors into a network.

    Parameters
    ----------
    network : torch.nn.Module
    state : dict
        Name -> Tensor.
    assign : bool
        Whether to use the tensors themselves, instead of copying them into the existing ones.

    Raises
    ------
    CheckpointMismatch
        A name is missing or unknown, a shape differs, or a number is NaN or infinite.
    """
    import torch

    if not isinstance(state, Mapping) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise CheckpointMismatch("it holds no table of tensors")
    for name, tensor in state.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise CheckpointMismatch(f"the tensor {printable(str(name))[:60]} holds values that are no numbers")
    wanted = network.state_dict()
    given = {name: tensor for name, tensor in wanted.items() if name.endswith(_COUNTER)} | dict(state)
    try:
        network.load_state_dict(given, **({"assign": True} if assign else {}))
    except RuntimeError as error:
        raise CheckpointMismatch(_difference(wanted, given)) from error


def _difference(wanted: Mapping[str, Any], given: Mapping[Any, Any]) -> str:
    """Return the first difference between tensors and those of a network."""
    if lacking := [name for name in wanted if name not in given]:
        return f"{len(lacking)} of {len(wanted)} tensors are not there, the first is {lacking[0]}"
    for name, tensor in given.items():
        if name not in wanted:
            return f"the tensor {printable(str(name))[:60]} is not of this network"
        if tensor.shape != wanted[name].shape:
            return f"the tensor {name} has the shape {_size(tensor)}, not {_size(wanted[name])}"
    return "its tensors are not those of the network"


def _size(tensor: Any) -> str:
    return " x ".join(map(str, tensor.shape)) or "one number"
