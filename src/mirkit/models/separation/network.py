"""Protocols of a separation network and of a model that consists of several."""

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
        Seconds of a segment.
    longest : float
        Longest segment, in seconds.
    """

    sources: tuple[str, ...]
    rate: int
    segment: Any
    longest: float

    def input_samples(self, samples: int, chosen: float | None, *, tight: bool) -> int:
        """Return how many samples go into the network for a segment.

        Parameters
        ----------
        samples : int
            Number of samples of the segment.
        chosen : float or None
            Length of a segment in the settings, in seconds.
        tight : bool
            Whether to use as little context as possible, because memory is short.
        """

    def __call__(self, sound: Any, *, tight: bool) -> Any:
        """Separate a batch, Tensor of shape=(batch, 2, n) -> (batch, sources, 2, n)."""


class Described:
    """Base class of a network that is pickled without its module, for processes that do not compute it."""

    _module: Any

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_module": None}


class Networks(Protocol):
    """Networks of one model: see :class:`~mirkit.models.separation.separator.Separator`."""

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
