"""The rules of the architecture, held over the syntax tree: layers, pure packages, heavy libraries, a light start."""

import ast
import importlib
import inspect
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import mirkit
from mirkit.cli.command_table import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src"

#: Module or package directly under mirkit -> layer; imports stay on their layer or go down.
LAYERS = {
    "__init__": 8,
    "__main__": 8,
    "cli": 8,
    "api": 7,
    "pipeline": 7,
    "remote": 7,
    "clips": 6,
    "export": 6,
    "organize": 6,
    "dataset": 6,
    "report": 6,
    "demo_dataset": 6,
    "staleness": 5,
    "windows": 5,
    "window_tables": 5,
    "stages": 5,
    "models": 4,
    "analysis": 3,
    "track": 3,
    "audio": 2,
    "store": 2,
    "engines": 2,
    "features": 1,
    "separation": 1,
    "drums": 1,
    "captions": 1,
    "demo": 1,
    "settings": 1,
    "catalog": 1,
    "descriptors": 1,
    "feature_spec": 1,
    "errors": 1,
    "_version": 1,  # written by the build
    "activity": 1,
}
#: Arrays and values only: what they may import beside each other and the standard library's pure part.
PURE = {"features", "separation", "drums", "captions", "demo"}
PURE_LIBRARIES = {"numpy", "scipy", "numba"}
NOT_PURE = {
    "builtins.open",
    "io",
    "json",
    "logging",
    "os",
    "pathlib",
    "random",
    "shutil",
    "subprocess",
    "sys",
    "tempfile",
}
HEAVY = {
    "audiobox_aesthetics",
    "beat_this",
    "demucs",
    "onnxruntime",
    "tensorflow",
    "torch",
    "transformers",
    "xllamacpp",
}
REFERENCES = {
    "essentia",
    "librosa",
    "mir_eval",
    "pyloudnorm",
    "soundfile",
    "timbral_models",
    "torchaudio",
    "torchcodec",
}
UNWANTED = {"torchaudio", "torchcodec"}
#: One file a concept: past this many lines, a second concept has moved in.
LINES = 500


@cache
def modules() -> dict[str, Path]:
    """Dotted name -> file, for every module of the package."""
    found = {}
    for path in sorted((SRC / "mirkit").rglob("*.py")):
        parts = path.relative_to(SRC).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def tree(name: str) -> ast.Module:
    return ast.parse(modules()[name].read_text(encoding="utf-8"))


@cache
def imports(name: str) -> frozenset[str]:
    """Everything that a module imports, at the top or within functions, as dotted names."""
    found: set[str] = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: a relative import"
            source = str(node.module)
            # `from mirkit.store import read_info` means the module mirkit.store, unless read_info is one itself.
            found |= {f"{source}.{a.name}" if f"{source}.{a.name}" in modules() else source for a in node.names}
    return frozenset(found)


def package_of(name: str) -> str:
    """First part below mirkit, e.g. ``features`` of ``mirkit.features.stft``."""
    return name.split(".")[1] if "." in name else "__init__"


def ours(name: str) -> set[str]:
    return {target for target in imports(name) if target.split(".")[0] == "mirkit"}


def foreign(name: str) -> set[str]:
    return {target.split(".")[0] for target in imports(name)} - {"mirkit"}


def calls(name: str) -> set[str]:
    """Plain names that a module calls."""
    return {n.func.id for n in ast.walk(tree(name)) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}


def faults(found: dict[str, set[Any]]) -> dict[str, set[Any]]:
    """Keep the modules that have some."""
    return {name: wrong for name, wrong in found.items() if wrong}


def test_every_package_has_a_layer_and_imports_go_down() -> None:
    climbs = {}
    for name in modules():
        layer = LAYERS[package_of(name)]
        # The version stands in mirkit/__init__: naming the package alone is no climb.
        climbs[name] = {target for target in ours(name) - {"mirkit"} if LAYERS[package_of(target)] > layer}
    assert not faults(climbs)


def test_pure_packages_work_on_arrays_only() -> None:
    pure = [name for name in modules() if package_of(name) in PURE]
    assert len(pure) > 20
    allowed = PURE | {"errors", "catalog"}
    assert not faults({name: {t for t in ours(name) if package_of(t) not in allowed} for name in pure})
    libraries = PURE_LIBRARIES | set(sys.stdlib_module_names) - NOT_PURE
    assert not faults({name: foreign(name) - libraries for name in pure})
    assert not faults({name: calls(name) & {"open", "print", "input"} for name in pure})
    assert not faults({name: {n for n in ast.walk(tree(name)) if isinstance(n, ast.Global)} for name in pure})


def test_heavy_libraries_are_imported_in_models_only() -> None:
    assert not faults({name: foreign(name) & HEAVY for name in modules() if package_of(name) != "models"})


def test_references_are_for_tests_only() -> None:
    assert not faults({name: foreign(name) & (REFERENCES | UNWANTED) for name in modules()})


def test_engines_import_nothing_about_music() -> None:
    engines = [name for name in modules() if package_of(name) == "engines"]
    assert engines
    assert not faults(
        {name: {t for t in ours(name) if package_of(t) not in ("engines", "errors", "activity")} for name in engines}
    )


def test_kernels_are_declared_in_one_place_and_numba_is_used_by_its_public_names() -> None:
    """A kernel that is declared by numba's own decorator would not be kept (see ``mirkit.store.compiled``)."""
    users = {name for name in modules() if "numba" in foreign(name)}
    assert users == {"mirkit.features.kernels.kernel", "mirkit.store.compiled"}
    assert not faults({name: {t for t in imports(name) if t.startswith("numba.")} for name in users})


def test_no_import_cycles() -> None:
    below = {name: {t for t in ours(name) if t in modules() and t not in (name, "mirkit")} for name in modules()}
    # Importing a.b runs a first, but a package's own __init__ gathering its modules is no circle.
    below = {name: {t for t in targets if not name.startswith(t + ".")} for name, targets in below.items()}
    while free := {name for name, targets in below.items() if not targets & below.keys()}:
        for name in free:
            del below[name]
    assert not below, f"circle among {sorted(below)}"


def test_broad_excepts_are_only_in_listed_places() -> None:
    """``except Exception`` makes a failed outcome there. Elsewhere it may tidy up, if it then raises again."""
    # The command line is the last net: one line instead of a traceback. The device server sends back what it raises.
    # A package that registers a backend and cannot be imported is reported, and mirkit goes on.
    nets = "mirkit.cli", "mirkit.models.device_server", "mirkit.models.registry"
    elsewhere = [name for name in modules() if package_of(name) not in ("pipeline", "engines") and name not in nets]
    assert not faults({name: set(swallowing(name)) for name in elsewhere})


def swallowing(name: str) -> Iterator[int]:
    """Yield the lines of a module's broad excepts that do not end in ``raise``."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else "BaseException"
            if {"Exception", "BaseException"} & set(re.findall(r"\w+", caught)) and not isinstance(
                node.body[-1], ast.Raise
            ):
                yield node.lineno


def test_files_are_short() -> None:
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules().items()}
    assert not {name: lines for name, lines in lengths.items() if lines > LINES}, "which second concept moved in?"


def test_every_module_has_a_docstring() -> None:
    assert not [name for name in modules() if not ast.get_docstring(tree(name))]


def public_objects() -> Iterator[tuple[str, Any]]:
    """Yield what ``mirkit`` exports, with its methods, and the functions and classes of the features."""
    for name in sorted({*mirkit.__all__} - {"__version__"}):
        found = getattr(mirkit, name)
        yield name, found
        if inspect.isclass(found):
            methods = [(method, getattr(found, method)) for method in vars(found) if not method.startswith("_")]
            yield from (
                (f"{name}.{method}", f) for method, f in methods if inspect.isfunction(f) or inspect.ismethod(f)
            )
    for module in modules():
        if module.startswith("mirkit.features."):
            for name, found in vars(importlib.import_module(module)).items():
                own = getattr(found, "__module__", "") == module and not getattr(found, "_is_protocol", False)
                if own and not name.startswith("_") and (inspect.isclass(found) or inspect.isfunction(found)):
                    yield f"{module}.{name}", found


def undocumented(found: Any) -> set[str]:
    """Return what the numpydoc of a function or class leaves out: parameters, fields, and what is returned."""
    doc = inspect.getdoc(found) or ""
    # An exception takes a message. Nobody but mirkit makes an object that another function creates.
    if inspect.isclass(found) and (issubclass(found, Exception) or "reated by" in doc):
        return set()
    sections = dict(re.findall(r"^(\w+)\n-+\n(.*?)(?=\n\n\w+\n-+\n|\Z)", doc, re.M | re.S))
    described = sections.get("Parameters", "") + "\n" + sections.get("Attributes", "")
    names = set(re.findall(r"[*\w]+", " ".join(re.findall(r"^(\S[^:\n]*)(?: :.*)?$", described, re.M))))
    signature = inspect.signature(found)
    wanted = {str(p).split(":")[0].split("=")[0] for p in signature.parameters.values() if p.name[0] != "_"} - {"self"}
    returned = inspect.isclass(found) or signature.return_annotation is None or sections.keys() & {"Returns", "Yields"}
    return wanted - names | (set() if returned else {"Returns"})


def test_public_functions_and_classes_have_numpydoc() -> None:
    """The linter holds the form of a docstring; this holds that parameters and results are described."""
    public = dict(public_objects())
    assert len(public) > 100
    assert not faults({name: undocumented(found) for name, found in public.items()})


def test_launchers_only_launch() -> None:
    scripts = [path for path in SRC.rglob("*.py") if path.relative_to(SRC).parts[0] not in ("mirkit",)]
    scripts += (ROOT / "scripts").glob("*.py")
    assert len(scripts) > 24
    for script in scripts:
        lines = script.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 30, f"{script} does more than launch"


HEAVY_START = "numpy", "scipy", "numba", "av", "soxr", "torch", "pebble", "rich"


HELP_OF_RUN = """
import contextlib, io, mirkit.cli
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    mirkit.cli.main(["run", "--help"])
"""
COMPLETION = HELP_OF_RUN.replace('"run", "--help"', '"__complete", "separate", "--", "--form"')
HELP = """
from mirkit.cli.command_table import COMMANDS
from mirkit.cli.parser import parser_of
[parser_of(name).format_help() for name in COMMANDS]
"""


@pytest.mark.parametrize("code", ["import mirkit", HELP, HELP_OF_RUN, COMPLETION])
def test_start_imports_no_heavy_library(code: str) -> None:
    check = f"{code}\nimport sys; print([m for m in {HEAVY_START} if m in sys.modules])"
    command = [sys.executable, "-c", check]
    result = subprocess.run(command, cwd=SRC, capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.slow
def test_the_wheel_contains_only_mirkit(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", minversion="77")
    pytest.importorskip("setuptools_scm")
    build = "from setuptools import build_meta; import sys; build_meta.build_wheel(sys.argv[1])"
    copy = tmp_path / "copy"
    ignore = shutil.ignore_patterns("*.egg-info", "__pycache__", "build")
    shutil.copytree(SRC, copy / "src", ignore=ignore)
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, copy)
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=copy, timeout=120, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"mirkit"}
    assert "mirkit/py.typed" in names


def test_the_architecture_page_names_every_package() -> None:
    page = (ROOT / "docs" / "development" / "architecture.md").read_text(encoding="utf-8")
    for name in LAYERS.keys() - {"__init__", "__main__", "_version"}:
        assert re.search(rf"\b{name}\b", page), f"docs/development/architecture.md does not name {name}"


def test_the_page_of_the_command_line_lists_every_command() -> None:
    page = (ROOT / "docs" / "reference" / "command_line.md").read_text(encoding="utf-8")
    first = "".join(line.split("|")[1] for line in page.splitlines() if line.startswith("| `"))
    titles = {command.title.removeprefix("measure ") for command in COMMANDS.values()} - {"measure"}
    named = {name.removeprefix("measure ").replace("_", "-") for name in re.findall(r"`([\w -]+)`", first)}
    assert not titles - named
