"""The heavy wing: the only folder that may import deep-learning libraries.

This version contains no neural model yet; ``unavailable`` says so for each backend of the catalog, which is what
``auto`` and ``mirkit doctor`` read.
"""

import importlib.util

from mirkit.catalog import BACKENDS, Backend


def backend(job: str, name: str) -> Backend:
    """Row of BACKENDS for a job and a name."""
    return next(row for row in BACKENDS if (row.job, row.name) == (job, name))


def rows(job: str) -> list[Backend]:
    """Rows of BACKENDS for a job, the preferred one first."""
    return [row for row in BACKENDS if row.job == job]


def unavailable(row: Backend) -> str:
    """Say in one clause why a backend cannot be used here, or "" when it can."""
    if not row.built:
        return f"{row.says} is not part of this version of mirkit"
    if row.package and importlib.util.find_spec(row.package) is None:
        return f"{row.package} is not installed; pip install 'mirkit[{row.extra}]'"
    return ""


def resolve(job: str, choice: str) -> str:
    """Turn ``auto`` into a backend's name: the first of the catalog that can be used, "" when there is none."""
    if choice != "auto":
        return choice
    return next((row.name for row in rows(job) if not unavailable(row)), "")
