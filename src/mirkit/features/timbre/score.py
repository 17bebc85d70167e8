"""From a regression's result to a value."""

import math

from mirkit.features.types import Unknown, Value

UNDEFINED = Unknown("the model is undefined for this sound")


def score(x: float) -> Value:
    """Clip to 0-100, as the models' scale is; not a number is unknown."""
    return UNDEFINED if math.isnan(x) else min(100.0, max(0.0, float(x)))


def log10(x: float) -> float:
    """Decimal logarithm as NumPy has it: -inf of zero, not a number below."""
    if x > 0:
        return math.log10(x)
    return -math.inf if x == 0 else math.nan
