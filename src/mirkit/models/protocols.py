"""What models can do, for those who use them."""

from collections.abc import Iterator
from typing import Any, Protocol

from mirkit.features.types import FloatArray
from mirkit.models import weights


class LoadedModel(Protocol):
    """A model in memory: what the provenance says of it."""

    weights: weights.Weights


class StreamingModel(Protocol):
    """One signal on its way through a model, in the one pass over the sound."""

    def push(self, block: FloatArray) -> None:
        """Take the next samples at the analysis rate, float32, shape=(channels, n)."""

    def finish(self) -> Any:
        """Return what was heard, or the ``MirkitError`` that says why nothing was."""


class ClipScorer(LoadedModel, Protocol):
    """Gives numbers to a sound: ``finish`` of its listeners gives key -> value."""

    def listen(self) -> StreamingModel:
        """Begin a signal."""


class StemRun(Protocol):
    """One track on its way through a separating model; ``method`` and ``notes`` are complete when its stems are."""

    method: dict[str, Any]
    notes: list[str]

    def blocks(self) -> Iterator[dict[str, FloatArray]]:
        """Yield blocks of stems with the rate and channels of the file, in all as long as it."""


class StemSeparator(LoadedModel, Protocol):
    """Makes some or all of the four stems (``stems``)."""

    stems: tuple[str, ...]

    def separate(self, audio: Any, settings: Any) -> StemRun:
        """Begin with a track: an ``Audio`` at its own rate, and the section ``[separation]``."""


class BeatTracker(LoadedModel, Protocol):
    """Hears beats and downbeats: ``finish`` of its listeners gives ``Activations``."""

    def listen(self) -> StreamingModel:
        """Begin a signal."""
