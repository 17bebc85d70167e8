"""What ``mirkit doctor`` and ``mirkit models`` report."""

import importlib.metadata
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirkit import __version__
from mirkit.catalog import BACKENDS, JOBS, Backend

if TYPE_CHECKING:
    from mirkit.models.registry import Model

_REQUIRED = ("numpy", "scipy", "numba", "av", "soxr", "filelock", "rich", "tomlkit")
_OPTIONAL = ("torch", "onnxruntime", "transformers", "xllamacpp", "demucs")


def health() -> dict[str, Any]:
    """Versions, methods and why others are not used; ``ok`` when everything required is there."""
    packages = {name: _version(name) for name in _REQUIRED}
    methods, problem = _methods()
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
        "optional": {name: _version(name) for name in _OPTIONAL},
        "methods": methods,
    }


def _methods() -> tuple[dict[str, Any], str]:
    """Each job's method and why not others; or why that cannot be said."""
    try:
        from mirkit import models as wing
    except ImportError as error:
        return {}, f"{error}; install again: pip install mirkit"
    return {
        job: {
            "used": wing.resolve(job, "auto"),
            "not used": {row.name: why for row in wing.rows(job) if (why := wing.unavailable(row, brief=True))},
        }
        for job in JOBS
    }, ""


def model_rows() -> list[dict[str, Any]]:
    """One row a model, and one for each method that needs none: state, size in bytes, licenses."""
    from mirkit.models.registry import models_of

    rows = []
    for row in BACKENDS:
        for model in models_of(row.job, row.name) or (None,):
            rows.append(
                {
                    "model": model.name if model else "",
                    "job": row.job,
                    "method": row.name,
                    "state": _state(row, model),
                    "size": model.size if model else 0,
                    "commercial use": "yes" if (model or row).commercial else "no",
                    "code": row.code_license,
                    "weights": model.license if model else row.weights_license,
                }
            )
    return rows


def _state(row: Backend, model: "Model | None") -> str:
    from mirkit.models.cache_paths import missing

    if not row.built:
        return "not in this version"
    if row.package and _version(row.package) is None:
        return f"needs {row.package}"
    if row.asked:
        return "needs a server of yours" if row.name == "http" else "needs a checkpoint of yours"
    return "ready" if model is None or not missing(model) else "not fetched"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
