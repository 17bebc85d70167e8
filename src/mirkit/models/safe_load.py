"""Reading model files without running code in them, and loading their tensors into a network.

The files are safetensors, PyTorch files of plain values, YAML and JSON.
"""

import json
import pickle
import pickletools
import re
import struct
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mirkit.errors import MissingExtra, WeightsError, printable, system_errors

#: Counter of normalization layers in training. Inference does not need it, and some files do not contain it.
_COUNTER = "num_batches_tracked"


#: Exceptions that Python and PyTorch raise if a file has unexpected content.
LOAD_ERRORS = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


class CheckpointMismatch(ValueError):  # noqa: N818 (a state of a file, which callers catch by name)
    """A file has unexpected content. The message is the reason, as one clause."""


@contextmanager
def expecting(path: Path, what: str) -> Iterator[None]:
    """Raise ``WeightsError`` with the message that a file is not what was expected, if the block finds that.

    Parameters
    ----------
    path : Path
        The file whose content the block uses.
    what : str
        What the file should be, such as ``a checkpoint of Demucs``.
    """
    try:
        yield
    except LOAD_ERRORS as error:
        why = "it holds something else"
        if isinstance(error, CheckpointMismatch):
            why = str(error)
        elif isinstance(error, KeyError):
            why = f"it has no {printable(str(error.args[0]))[:60]}"
        raise WeightsError(f"{printable(path)}: this is not {what}: {why}") from error


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

    _check_table(state)
    for name, tensor in state.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise CheckpointMismatch(f"the tensor {printable(str(name))[:60]} holds values that are no numbers")
    wanted = network.state_dict()
    given = {name: tensor for name, tensor in wanted.items() if name.endswith(_COUNTER)} | dict(state)
    try:
        network.load_state_dict(given, **({"assign": True} if assign else {}))
    except RuntimeError as error:
        raise CheckpointMismatch(_difference(wanted, given)) from error


def _check_table(state: Any) -> None:
    import torch

    if not isinstance(state, Mapping) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise CheckpointMismatch("it holds no table of tensors")


def check_shapes(network: Any, state: Any) -> None:
    """Compare the names and shapes of tensors with those of a network, which may be on the device ``meta``.

    Raises
    ------
    CheckpointMismatch
        A name is missing or unknown, or a shape differs.
    """
    _check_table(state)
    wanted = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith(_COUNTER)}
    if any(name not in state or state[name].shape != tensor.shape for name, tensor in wanted.items()):
        raise CheckpointMismatch(_difference(wanted, state))


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


#: Largest YAML or JSON file (bytes).
_MOST_TEXT = 2**20
#: Largest number of values in a YAML file, in which each reference counts as what it refers to.
_MOST_VALUES = 2**20
#: Most characters of a number in a YAML file: one of base 60, as 1:30, takes minutes if it fills the file.
_LONGEST_NUMBER = 1000
#: Exceptions that readers raise for damaged files, for instance for an invalid date or an empty stack.
_DAMAGE = (*LOAD_ERRORS, ImportError, struct.error)
#: Number of bytes of a pickle that are searched for the names of imports.
_MOST_PICKLE = 2**24
#: First bytes of PyTorch files since 2020.
_ZIP = b"PK\x03\x04"


def load_tensors(path: Path, also: Sequence[Any] = ()) -> dict[Any, Any]:
    """Read a checkpoint onto the CPU.

    Parameters
    ----------
    path : Path
        A ``.safetensors`` file, or a file that ``torch.save`` wrote.
    also : sequence
        Harmless classes that a pickle may contain besides tensors, or pairs of a class and its name in the pickle.

    Returns
    -------
    dict
        Tensors and plain values by name.

    Raises
    ------
    WeightsError
        The file is not a checkpoint, is damaged, or is a pickle that can be read only by running code in it.
    """
    content = _safetensors(path) if path.suffix == ".safetensors" else _pytorch(path, also)
    if not isinstance(content, dict):
        raise WeightsError(f"{printable(path)}: this is not a checkpoint: it holds no table of tensors")
    return content


def _pytorch(path: Path, also: Sequence[Any]) -> Any:
    import torch

    try:
        # Warnings concern unusual pickles; a pickle that cannot be read raises an error below.
        with warnings.catch_warnings(action="ignore"), torch.serialization.safe_globals(list(also)):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        if name := found[1] if found else _code_in(path):
            raise WeightsError(
                f"{printable(path)}: the file is refused, because reading it would run code ({name}); "
                "ask for the weights as safetensors or as a plain state_dict"
            ) from error
        raise WeightsError(f"{printable(path)}: this is not a checkpoint of PyTorch: {guess_content(path)}") from error
    # PyTorch does not document what its reader raises for damaged files; for a truncated file it can be an OSError.
    except (OSError, EOFError, MemoryError, *_DAMAGE) as error:
        raise WeightsError(f"{printable(path)}: this is not a checkpoint of PyTorch: {guess_content(path)}") from error


def _code_in(path: Path) -> str:
    """Return the name of the first object that a pickle would import; "" if there is none or it is not a pickle."""
    words: list[str] = []
    try:
        with open(path, "rb") as file:
            start = file.read(_MOST_PICKLE)  # in memory, so that a false length in the pickle allocates nothing
        for code, value, _ in pickletools.genops(start):
            if code.name in ("GLOBAL", "INST"):
                return printable(str(value).replace(" ", "."))[:80]
            if code.name == "STACK_GLOBAL":
                return printable(".".join(words[-2:]))[:80]
            if isinstance(value, str):
                words.append(value)
    except (OSError, *_DAMAGE):  # not a pickle, or a damaged one
        pass
    return ""


def guess_content(path: Path) -> str:
    """Describe the content of a file that is not a checkpoint."""
    with system_errors(path, "read", WeightsError), open(path, "rb") as file:
        head = file.read(512)
    if not head:
        return "the file is empty"
    if head.startswith(_ZIP):
        return "the file is damaged, or its end is missing"
    if all(byte in b"\t\n\r" or 32 <= byte < 127 for byte in head):
        return "the file is a text, as a web page or a link to the weights is"
    return "the file is something else, or damaged"


@contextmanager
def _reading_safetensors(path: Path) -> Iterator[None]:
    """Turn the errors of reading a safetensors file in the block into errors of one line."""
    try:
        from safetensors import SafetensorError
    except ImportError as error:
        raise MissingExtra("safetensors is not installed; pip install safetensors") from error
    try:
        with system_errors(path, "read", WeightsError):
            yield
    except SafetensorError as error:
        raise WeightsError(f"{printable(path)}: this is not a safetensors file: {guess_content(path)}") from error


def read_header(path: Path) -> dict[str, str]:
    """Read the metadata of a ``.safetensors`` file.

    Raises
    ------
    WeightsError
        The file is not a safetensors file.
    """
    with _reading_safetensors(path):
        from safetensors import safe_open

        with safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {})


def _safetensors(path: Path) -> dict[str, Any]:
    with _reading_safetensors(path):
        from safetensors.torch import load_file

        tensors: dict[str, Any] = load_file(path)
        return tensors


def load_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that describes a model.

    Raises
    ------
    WeightsError
        The file is damaged, too large, or not a JSON object.
    """
    try:
        content = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise WeightsError(
            f"{printable(path)}: this is not a JSON file{_line(getattr(error, 'lineno', None))}"
        ) from error
    return _table(path, content, "JSON")


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file of plain values; a Python tuple in it, which many configurations have, becomes a list.

    Raises
    ------
    WeightsError
        The file is damaged, too large, not a mapping, or can be read only by running code in it.
    """
    try:
        import yaml
    except ImportError as error:
        raise MissingExtra("PyYAML is not installed; pip install 'mirkit[stems]'") from error

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        def compose_node(self, parent: Any, index: Any) -> Any:
            # References to tables and lists can make a small file as large as the memory.
            start = self.peek_event().start_mark
            node = super().compose_node(parent, index)
            if id(node) not in sizes:
                parts = [] if isinstance(node, yaml.ScalarNode) else node.value
                nodes = [one for part in parts for one in (part if isinstance(part, tuple) else (part,))]
                # What refers to itself has no size yet.
                sizes[id(node)] = 1 + sum(sizes.get(id(one), _MOST_VALUES) for one in nodes)
            if (
                isinstance(node, yaml.ScalarNode)
                and not node.tag.endswith(":str")
                and len(node.value) > _LONGEST_NUMBER
            ):
                raise yaml.composer.ComposerError(None, None, "too long for a number", start)
            if sizes[id(node)] > _MOST_VALUES:
                raise yaml.composer.ComposerError(None, None, "too many values", start)
            return node

    sizes: dict[int, int] = {}
    Loader.add_constructor("tag:yaml.org,2002:python/tuple", Loader.construct_yaml_seq)
    try:
        content = yaml.load(_text(path), Loader)
    except yaml.constructor.ConstructorError as error:
        at = _line(error.problem_mark.line + 1 if error.problem_mark else None)
        raise WeightsError(
            f"{printable(path)}: the file is refused: this is not a YAML file of plain values, it asks for code{at}"
        ) from error
    except (yaml.YAMLError, *_DAMAGE) as error:
        mark = getattr(error, "problem_mark", None)
        raise WeightsError(
            f"{printable(path)}: this is not a YAML file{_line(mark.line + 1 if mark else None)}"
        ) from error
    return _table(path, content, "YAML")


def _table(path: Path, content: Any, kind: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise WeightsError(f"{printable(path)}: this is not a {kind} file that describes a model: it holds no table")
    return content


def _text(path: Path) -> str:
    """Return the content of a small text file. Raises ``ValueError`` if it is not text."""
    with system_errors(path, "read", WeightsError):
        if path.stat().st_size > _MOST_TEXT:
            raise WeightsError(f"{printable(path)}: the file is too large to describe a model")
        return path.read_text(encoding="utf-8")


def _line(number: int | None) -> str:
    return f" (line {number})" if number else ""
