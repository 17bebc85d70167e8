"""How one value of an ``.INFO`` file is declared."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class FeatureSpec:
    """One value of an ``.INFO`` file: a feature, or a descriptor.

    Attributes
    ----------
    name : str
        Its key in ``.INFO``.
    stage : str
        Name of the stage that measures it.
    unit : str
    low, high : float or None
        The range that ``verify`` accepts; None for no bound.
    description : str
        What it means, with its formula where that fits in a line.
    kind : str
        ``float``, ``int``, ``flag`` (0 or 1), ``category`` (one of ``categories``) or ``text``.
    scale : str
        Form in which values are comparable; statistics and conditioners use it: ``log`` if listeners perceive
        differences of the logarithm, ``logit`` (log odds) if most music lies in a small part of the range.
    repeats : str
        The feature that this one is, times the length of the track; conditioners leave it out by default.
    categories : tuple of str
        The values of a category, in the order of a list conditioner.
    by_name : bool
        Whether it is a conditioner only where its full name is given, not for a pattern such as ``*``.
    """

    name: str
    stage: str
    unit: str
    low: float | None
    high: float | None
    description: str
    kind: Literal["float", "int", "flag", "category", "text"] = "float"
    scale: Literal["linear", "log", "logit"] = "linear"
    repeats: str = ""
    categories: tuple[str, ...] = ()
    by_name: bool = False

    @property
    def shown_unit(self) -> str:
        """Its unit as musicians write it."""
        return "BPM" if self.name == "bpm" else self.unit

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers, which have a range."""
        return self.kind not in ("category", "text")
