"""What ``mirkit doctor`` and ``mirkit models`` report."""

import importlib.metadata
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import Any

from mirkit import __version__
from mirkit import models as wing
from mirkit.catalog import BACKENDS, JOBS

_REQUIRED = ("numpy", "scipy", "numba", "av", "soxr", "filelock", "pebble", "rich", "tinytag", "tomlkit")
_OPTIONAL = ("torch", "onnxruntime", "transformers", "demucs")


def health() -> dict[str, Any]:
    """Versions, methods and why others are not used; ``ok`` when everything required is there."""
    packages = {name: _version(name) for name in _REQUIRED}
    return {
        "ok": all(packages.values()),
        "mirkit": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "executable": sys.executable,
        "cores": os.cpu_count(),
        "free_disk_bytes": shutil.disk_usage(Path.cwd()).free,
        "packages": packages,
        "optional": {name: _version(name) for name in _OPTIONAL},
        "methods": {
            job: {
                "used": wing.resolve(job, "auto"),
                "not used": {row.name: why for row in wing.rows(job) if (why := wing.unavailable(row))},
            }
            for job in JOBS
        },
    }


def model_rows() -> list[dict[str, str]]:
    """One row a method: state and licences."""
    return [
        {
            "job": row.job,
            "method": row.name,
            "state": wing.unavailable(row) or "ready",
            "code": row.code_licence,
            "weights": row.weights_licence,
            "commercial use": "yes" if row.commercial else "no",
        }
        for row in BACKENDS
    ]


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
