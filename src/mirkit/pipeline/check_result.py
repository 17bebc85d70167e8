"""Check of what a stage returns, before it is stored."""

import math

from mirkit.catalog import Stage, feature
from mirkit.features.types import Unknown
from mirkit.stages import Result


def check_result(row: Stage, result: Result) -> None:
    """Raise ValueError for results that are neither of their kind nor unknown with a reason."""
    if set(result.values) != set(row.keys):
        raise ValueError(f"keys {sorted(set(result.values) ^ set(row.keys))} are missing or not of this stage")
    for key, value in result.values.items():
        if isinstance(value, Unknown):
            continue
        spec = feature(key)
        if spec.is_number and not (isinstance(value, int | float) and math.isfinite(value)):
            raise ValueError(f"{key} = {value!r} is not a number")
        if not spec.is_number and not isinstance(value, str):
            raise ValueError(f"{key} = {value!r} is not a text")
        if spec.kind == "category" and value not in spec.categories:
            raise ValueError(f"{key} = {value!r} is not one of {', '.join(spec.categories)}")
