"""What a loaded model can do, for the code that uses it. A backend of another package implements one of these."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from mirkit.features.types import FloatArray, Value
from mirkit.models import weights

if TYPE_CHECKING:
    from mirkit.audio import Audio
    from mirkit.drums.drum_hits import Hits
    from mirkit.errors import MirkitError
    from mirkit.features.rhythm.beats.from_activations import Activations
    from mirkit.settings import SeparationSettings


class LoadedModel(Protocol):
    """A model in memory; the provenance names its weights."""

    weights: weights.Weights


class StreamingModel(Protocol):
    """One signal on its way through a model, in the one pass over the file."""

    def push(self, block: FloatArray) -> None:
        """Take the next samples at the analysis rate (44100 Hz), float32, shape=(channels, n)."""

    def finish(self) -> "Activations | Hits | dict[str, Value] | MirkitError":
        """Return the result, or the error that says why there is none.

        A backend for ``beats`` returns ``Activations``, one for ``drums`` ``Hits``, one for ``classification`` or
        ``aesthetics`` a dict of key of ``.INFO`` -> value.
        """


class StreamSource(LoadedModel, Protocol):
    """A model with the interface ``stream``."""

    def stream(self) -> StreamingModel:
        """Open a stream for one signal."""


class StemRun(Protocol):
    """One track on its way through a separator; ``method`` and ``notes`` are complete when its stems are."""

    method: dict[str, Any]
    notes: list[str]

    def blocks(self) -> Iterator[dict[str, FloatArray]]:
        """Yield blocks of stems with the rate and channels of the file, in all as long as the file."""


class StemSeparator(LoadedModel, Protocol):
    """A model with the interface ``separator``; ``stems`` names the sources that it separates."""

    stems: tuple[str, ...]

    def separate(self, audio: "Audio", settings: "SeparationSettings") -> StemRun:
        """Begin with a track at its own sample rate."""
