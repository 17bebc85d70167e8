"""What ``mirkit doctor`` and ``mirkit models`` report."""

import importlib.metadata
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirkit import __version__
from mirkit.catalog import JOBS

if TYPE_CHECKING:
    from mirkit.models.backend import Backend, Model

_REQUIRED = ("numpy", "scipy", "numba", "av", "soxr", "filelock", "rich", "tomlkit")


def health() -> dict[str, Any]:
    """Versions, backends and why others are not used; ``ok`` when everything required is there."""
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
    """Each task's backend, and why not the others."""
    from mirkit import models

    return {
        task: {
            "used": models.resolve(task, "auto"),
            "not used": {
                row.name: why for row in models.backends_of(task) if (why := models.unavailable(row, brief=True))
            },
        }
        for task in JOBS
    }


def model_rows() -> list[dict[str, Any]]:
    """One row a model, and one for each backend without published weights: state, size in bytes, licenses."""
    from mirkit.models import registry

    rows = []
    for row in registry.backends():
        for model in row.weights or (None,):
            rows.append(
                {
                    "model": model.name if model else "",
                    "job": row.task,
                    "method": row.name,
                    "state": _state(row, model),
                    "size": model.size if model else 0,
                    "commercial use": "yes" if (model or row).commercial else "no",
                    "code": row.code_license,
                    "weights": model.license if model else row.weights_license,
                }
            )
    return rows


def _state(row: "Backend", model: "Model | None") -> str:
    from mirkit.models.cache_paths import missing

    if row.package and _version(row.package) is None:
        return f"needs {row.package}"
    if row.needs:
        return f"needs {row.needs}"
    return "ready" if model is None or not missing(model) else "not fetched"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
