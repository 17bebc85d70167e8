"""What a separating network, and a model made of some, must be able to do."""

from collections.abc import Sequence
from typing import Any, Protocol

from mirkit.features.types import FloatArray
from mirkit.models.batching import Compute
from mirkit.models.separation.overlap_add import Float32
from mirkit.models.weights import Weights


class Network(Protocol):
    """One network.

    Attributes
    ----------
    sources : tuple of str
    rate : int
        Hz.
    segment : float or Fraction
        Seconds that it hears at a time.
    longest : float
        Seconds that it can hear at a time.
    """

    sources: tuple[str, ...]
    rate: int
    segment: Any
    longest: float

    def heard(self, samples: int, chosen: float | None, *, tight: bool) -> int:
        """Samples that go in for a segment of so many; ``chosen`` are the seconds of a segment that were asked for.

        ``tight``: no more than it needs, because memory is short.
        """

    def __call__(self, sound: Any, *, tight: bool) -> Any:
        """Separate a batch, Tensor of shape=(batch, 2, n) -> (batch, sources, 2, n)."""


class Described:
    """Base of a network that is pickled without its module: what is known of it where it does not compute."""

    _module: Any

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_module": None}


class Networks(Protocol):
    """Networks of one model: see ``models.stems.separator.Separator``."""

    weights: Weights
    device: str
    networks: Sequence[Network]
    mixture: FloatArray
    overlap: float
    shifts: int
    normalize: bool
    precision: str
    compute: Compute

    def as_stems(self, sources: Float32) -> dict[str, Float32]:
        """Name the stems, shape=(sources, 2, n)."""


def step_name(number: int, *, tight: bool) -> str:
    """Name of the step that puts segments, shape=(n, 2, samples), through one of the networks."""
    return f"{number} tight" if tight else f"{number}"
