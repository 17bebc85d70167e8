"""Four stems of a mix by signal processing alone: no model, no download."""

from mirkit.separation.separator import STEMS, Separator, separate

__all__ = ["STEMS", "Separator", "separate"]
