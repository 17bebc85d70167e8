"""The commands on models and methods: ``models``, ``doctor``, ``init`` and ``features``."""

import argparse
import importlib.metadata
import json
import os
import platform
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirkit import __version__
from mirkit.catalog import TASKS
from mirkit.cli.options import backend_choices, overrides
from mirkit.cli.output import failure, note, table
from mirkit.cli.output.style import styled
from mirkit.cli.progress import downloading
from mirkit.errors import MissingExtra, MissingInput, SettingsError, megabytes, pasted, printable

if TYPE_CHECKING:
    from mirkit.models.backend import Backend, Model

#: Further packages whose versions a bug report names.
_REPORTED = ("llvmlite", "torch", "onnxruntime")
_REQUIRED = ("numpy", "scipy", "numba", "av", "soxr", "filelock", "rich", "tomlkit")


def models(arguments: argparse.Namespace) -> int:
    """List the neural models, download one, print its path, remove it, or check those on this machine."""
    from mirkit.models import registry, weights
    from mirkit.models.weights import missing
    from mirkit.settings import Settings
    from mirkit.store import with_values

    for line in registry.problems():
        note(f"note   {line}")
    if arguments.cite is not None:
        return _cite(arguments)
    if arguments.action == "list":
        return _list_models(arguments)
    if arguments.action == "verify":
        return _verify_models(
            [weights.model(arguments.name)] if arguments.name else list(registry.model_rows()), arguments
        )
    if not arguments.name:
        raise SettingsError(
            f"mirkit models {arguments.action} needs the name of a model, one of "
            f"{', '.join(row.name for row in registry.model_rows())}"
        )
    row = weights.model(arguments.name)
    run = with_values(Settings(), overrides(arguments), "command line").run
    if arguments.action == "remove":
        return _remove_model(row, arguments)
    if arguments.action == "path":
        found = weights.load_checked(row, run)
    else:
        if missing(row) and not (arguments.quiet or weights.unavailable_reason(row, run)):
            print_license(row)
        with downloading(shown=not (arguments.quiet or arguments.json)) as progress:
            found = weights.fetch(row, run, progress)
    if arguments.json:
        print(json.dumps({"model": found.model, "files": [str(path) for path in found.files], "sha256": found.sha256}))
    elif not arguments.quiet:
        for path in found.files:
            print(path)
    return 0


def _cite(arguments: argparse.Namespace) -> int:
    """Print the BibTeX entries of a backend, or of the backend of a model; without a name, those of all backends."""
    from mirkit.models import registry

    name = arguments.cite
    rows = [
        row for row in registry.backends() if not name or name in (row.name, *(model.name for model in row.weights))
    ]
    if not rows:
        names = dict.fromkeys(row.name for row in registry.backends() if row.citation)
        raise SettingsError(
            f"{name} is neither a backend nor a model; the backends with a citation are {', '.join(names)}"
        )
    citations = list(dict.fromkeys(row.citation for row in rows if row.citation))
    if arguments.json:
        print(json.dumps({row.name: row.citation for row in rows if row.citation}, indent=2))
    elif citations:
        print("\n\n".join(citations))
    elif not arguments.quiet:
        note(f"{name}: mirkit has no citation of this backend")
    return 0


def _list_models(arguments: argparse.Namespace) -> int:
    from mirkit.models import weights
    from mirkit.models.caches import cache

    rows = [row for row in model_rows() if not arguments.name or row["model"] == weights.model(arguments.name).name]
    if overrides(arguments).get("run.commercial_safe"):
        rows = [row for row in rows if row["commercial use"] == "yes"]
    if arguments.json:
        print(json.dumps(rows, indent=2))
    else:
        head = ("model", "task", "method", "state", "size", "commercial use", "license of the code", "of the weights")
        cells = [
            row | {"model": row["model"] or f"({row['method']})", "size": megabytes(row["size"]) if row["size"] else ""}
            for row in rows
        ]
        table(head, [tuple(row.values())[: len(head)] for row in cells], whole=(0,))
        if present := [(row["model"], path) for row in rows for path in row["files"]]:
            print()
            table(("model", "file"), present)
        print(f"weights are stored in {cache()}")
    return 0


def _remove_model(row: "Model", arguments: argparse.Namespace) -> int:
    """Delete the files of a model from mirkit's cache, and print which."""
    from mirkit.models import weights
    from mirkit.models.caches import cache

    done = weights.remove(row)
    if arguments.json:
        removed = [str(path) for path, _ in done.deleted]
        print(json.dumps({"model": row.name, "removed": removed, "kept": [str(path) for path, _ in done.kept]}))
        return 0
    if arguments.quiet:
        return 0
    for path, size in done.deleted:
        print(f"removed {path} ({megabytes(size)})")
    for path, why in done.kept:
        note(f"note   {path} was kept: {why}")
    if not (done.deleted or done.kept):
        note(f"note   {row.name} has no files in {cache() / row.backend}")
    return 0


def _verify_models(rows: "list[Model]", arguments: argparse.Namespace) -> int:
    """Check the weights on this machine; it is a failure if a model that was named is not installed."""
    from mirkit.models import weights
    from mirkit.models.caches import cache

    checked = [(row, file, *weights.verify(row, file)) for row in rows for file in row.files]
    listed = [(row.name, file.name, state, path or "") for row, file, state, path in checked if path or arguments.name]
    bad = {weights.DAMAGED, weights.HALF, weights.ABSENT} if arguments.name else {weights.DAMAGED}
    if arguments.json:
        names = ("model", "file", "state", "path")
        print(json.dumps([dict(zip(names, map(str, line), strict=True)) for line in listed], indent=2))
    elif not listed and not arguments.quiet:
        print(f"there are no weights in {cache()}; download one with mirkit models fetch NAME")
    elif not arguments.quiet:
        table(("model", "file", "state", "path"), listed)
        broken = {weights.DAMAGED, weights.HALF, weights.ABSENT}
        for name in dict.fromkeys(name for name, _, state, _ in listed if state in broken):
            print(f"to repair: mirkit models fetch {name}")
    return 1 if any(state in bad for _, _, state, _ in listed) else 0


def init(arguments: argparse.Namespace) -> int:
    """Write or change the settings file."""
    from mirkit import models as backends
    from mirkit.models import registry
    from mirkit.store import read_settings, write_backends

    root = Path(arguments.path)
    if not root.is_dir():
        what = "this is a file; name its folder" if root.exists() else "there is no such folder; make it first"
        raise MissingInput(f"{printable(root)}: {what}")
    chosen = backend_choices(arguments.backend)
    settings = read_settings(root)
    backends.check_names(settings, chosen)
    written = read_settings(root, own=False).backends
    for task, name in chosen.items():
        fixed = getattr(written, task)
        if fixed not in ("auto", name) and not arguments.force:
            raise SettingsError(
                f"{task} is {fixed} in mirkit.toml; add --force to change it; its values are then computed again"
            )
        if name != "auto" and (why := backends.unavailable(registry.backend(task, name), settings, named=True)):
            raise MissingExtra(f"{task}={name}: {why}")
    wanted = {task: chosen.get(task, getattr(settings.backends, task)) for task in TASKS}
    resolved = {task: backends.resolve(task, name, settings) for task, name in wanted.items()}
    write_backends(root, resolved)
    if not arguments.quiet:
        for row in (row for task in TASKS if wanted[task] == "auto" for row in backends.backends_of(task)):
            if backends.offer(row, settings):
                then = f"mirkit init {pasted(root)} --backend {row.task}={row.name} --force"
                note(f"note   {backends.unavailable(row, settings, brief=True)}; then: {then}")
        print(
            f"{root / 'mirkit.toml'}: the methods are "
            + ", ".join(f"{task} {name}" for task, name in resolved.items() if name)
        )
    return 0


def doctor(arguments: argparse.Namespace) -> int:
    """Print what is installed and which methods would be used."""
    report = health()
    if arguments.report is not None:
        from mirkit.cli.commands.bug_report import print_report

        here = sorted({row["model"] for row in model_rows() if row["model"] and row["state"].startswith("ready")})
        print_report(report, Path(arguments.report), here, {name: _version(name) for name in _REPORTED})
    elif arguments.json:
        print(json.dumps(report, indent=2))
    else:
        _print_health(report)
    return 0 if report["ok"] else 1


def features(arguments: argparse.Namespace) -> int:
    """Print the features page."""
    from mirkit.cli.output.markdown import features_page

    sys.stdout.write(features_page())
    return 0


def on_a_terminal() -> bool:
    """Whether standard error and standard input are a terminal, so that a question can be answered."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def ask_to_fetch(offers: "Sequence[tuple[Backend, Model]]") -> bool:
    """Ask once whether the weights of these methods may be fetched; an empty answer or the end of input means no."""
    from mirkit.models.weights import missing

    note("These models are not on this machine. They are downloaded only if you agree:")
    for row, model in offers:
        size = megabytes(sum(file.size for file in missing(model)))
        note(f"  {model.name}: {size}, license of the weights: {model.license}")
        if row.gain:
            note(f"      {row.gain}")
    print("Download them now? [y/N] ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):  # at the end of input, the cursor is still on the line of the question
        print(file=sys.stderr)
    return answer.strip().lower() in ("y", "yes")


def print_license(model: "Model") -> None:
    """Print the size and the license of weights that are about to be fetched."""
    use = "" if model.commercial else "; not for commercial use"
    note(f"download {model.title}: {megabytes(model.size)}, license of the weights: {model.license}{use}")


def health() -> dict[str, Any]:
    """Collect versions, and for each task the backend used and why others are not; ``ok`` if mirkit can run."""
    packages = {name: _version(name) for name in _REQUIRED}
    problem = ""
    left_out: tuple[str, ...] = ()
    optional: dict[str, str | None] = {}
    methods: dict[str, Any] = {}
    try:
        from mirkit.models import registry

        optional = {row.package: _version(row.package) for row in registry.backends() if row.package}
        methods = _methods()
        left_out = registry.problems()
    except ImportError as error:
        problem = f"{error}; install again: pip install mirkit"
    return {
        "ok": all(packages.values()) and not problem,
        "problem": problem,
        "mirkit": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "executable": sys.executable,
        "cores": os.cpu_count(),
        "free_disk_bytes": shutil.disk_usage(Path.cwd()).free,
        "packages": packages,
        "optional": optional,
        "methods": methods,
        "left out": list(left_out),
    }


def _methods() -> dict[str, Any]:
    """Return the backend of each task, and why each of the others is not used."""
    from mirkit import models as backends

    return {
        task: {
            "used": (used := backends.resolve(task, "auto")),
            "license of the weights": {
                row.name: row.weights[0].license if row.weights else row.weights_license
                for row in backends.backends_of(task)
                if row.weights_license != "none"
            },
            "by name": [
                row.name for row in backends.backends_of(task) if row.name != used and not backends.unavailable(row)
            ],
            "not used": {
                row.name: why for row in backends.backends_of(task) if (why := backends.unavailable(row, brief=True))
            },
        }
        for task in TASKS
    }


def model_rows() -> list[dict[str, Any]]:
    """Return one row per model, and one per backend without published weights: state, size, licenses, and its files."""
    from mirkit.models import registry

    rows = []
    for row in registry.backends():
        for model in row.weights or (None,):
            state, files = _state(row, model)
            rows.append(
                {
                    "model": model.name if model else "",
                    "task": row.task,
                    "method": row.name,
                    "state": state,
                    "size": model.size if model else 0,
                    "commercial use": "yes" if (model or row).commercial else "no",
                    "code": row.code_license,
                    "weights": model.license if model else row.weights_license,
                    "files": [str(path) for path in files],
                }
            )
    return rows


def _state(row: "Backend", model: "Model | None") -> tuple[str, list[Path]]:
    """Return the state of a model and the files of it that are here; it is ready if the content of each is right."""
    from mirkit.errors import MirkitError
    from mirkit.models import weights

    try:
        found = [weights.verify(model, file, again=False) for file in model.files] if model else []
    except MirkitError as error:
        return str(error), []
    files = [path for _, path in found if path]
    states = {state for state, _ in found}
    if row.package and _version(row.package) is None:
        return f"needs {row.package}", files
    if row.needs:
        return f"needs {row.needs}", files
    for state in (weights.DAMAGED, weights.HALF, weights.ABSENT):
        if state in states:
            if model and model.install:
                return "needs its package", files
            partly = state == weights.ABSENT and files
            return (weights.HALF if partly else state), files
    return ("ready, without a known checksum" if weights.UNKNOWN in states else "ready"), files


def _licensed(of_weights: str | None) -> str:
    return f" (license of the weights: {of_weights})" if of_weights else ""


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _print_health(report: dict[str, Any]) -> None:
    """Print the report of ``mirkit doctor``."""
    print(f"mirkit {report['mirkit']}, Python {report['python']}, {report['cores']} cores, {report['platform']}")
    print(f"free disk {report['free_disk_bytes'] / 1e9:.0f} GB in this folder")
    for name, version in report["packages"].items():
        missing = f"{styled('MISSING', 'red', sys.stdout)}: pip install {name}"
        print(f"  {name:<12} {version or missing}")
    for name, version in report["optional"].items():
        print(f"  {name:<12} {version or 'not installed'}")
    if report["problem"]:
        failure(report["problem"])
    for line in report["left out"]:
        print(f"note   {line}", file=sys.stderr)
    print("methods")
    for task, state in report["methods"].items():
        licenses = state["license of the weights"]
        print(f"  {task:<15} {state['used'] or 'none'}{_licensed(licenses.get(state['used']))}")
        for name in state["by name"]:
            print(f"  {'':<15} by name: {name}{_licensed(licenses.get(name))}")
        for name, why in state["not used"].items():
            print(f"  {'':<15} not {name}: {why}")
