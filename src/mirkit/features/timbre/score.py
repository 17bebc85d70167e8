"""Convert the result of a regression to a feature."""

import math

from mirkit.features.types import Unknown, Value

UNDEFINED = Unknown("the model is undefined for this sound")


def score(x: float) -> Value:
    """Clip to 0-100, the scale of the models; NaN becomes unknown."""
    return UNDEFINED if math.isnan(x) else min(100.0, max(0.0, float(x)))


def log10(x: float) -> float:
    """Decimal logarithm as in NumPy: -inf for zero, NaN for negative numbers."""
    if x > 0:
        return math.log10(x)
    return -math.inf if x == 0 else math.nan
