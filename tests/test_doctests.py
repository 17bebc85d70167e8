"""The examples in docstrings run, and every feature function has one."""

import doctest
import importlib
import inspect
from pathlib import Path
from types import ModuleType

import pytest

SRC = Path(__file__).resolve().parents[1] / "src"


def name_of(path: Path) -> str:
    parts = path.relative_to(SRC).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules(folder: Path) -> list[str]:
    return [name_of(path) for path in sorted(folder.rglob("*.py"))]


#: All modules with examples but those of ``mirkit.api``, which ``tests/api`` runs: one of them needs a server.
WITH_EXAMPLES = [
    name_of(path)
    for path in sorted((SRC / "mirkit").rglob("*.py"))
    if path.parent.name != "api" and ">>>" in path.read_text("utf-8")
]


def feature_functions(module: ModuleType) -> list[str]:
    """Public functions of a module that reduce a series to the features of a window."""
    return [
        name
        for name, function in vars(module).items()
        if inspect.isfunction(function)
        and function.__module__ == module.__name__
        and not name.startswith("_")
        and list(inspect.signature(function).parameters)[-1:] == ["window"]
        and "ndarray" not in str(inspect.signature(function).return_annotation)  # a step on the way to a feature
    ]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_give_what_they_show(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("name", modules(SRC / "mirkit" / "features"))
def test_every_feature_function_has_an_example(name: str) -> None:
    module = importlib.import_module(name)
    assert not [f for f in feature_functions(module) if ">>>" not in (getattr(module, f).__doc__ or "")]
