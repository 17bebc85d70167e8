"""Protocols of loaded models. A backend, also one of another package, implements one of them."""

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
    """One signal that is passed through a model while its file is decoded."""

    def push(self, block: FloatArray) -> None:
        """Take the next samples at the analysis rate (44100 Hz), float32, shape=(channels, n)."""

    def finish(self) -> "Activations | Hits | dict[str, Value] | MirkitError":
        """Return the result, or the error that prevented it.

        A backend for ``beats`` returns ``Activations``, one for ``drums`` ``Hits``, one for ``classification`` or
        ``aesthetics`` a dict of key of ``.INFO`` -> value.
        """


class StreamSource(LoadedModel, Protocol):
    """A model with the interface ``stream``."""

    def stream(self) -> StreamingModel:
        """Open a stream for one signal."""


class StemRun(Protocol):
    """The separation of one track; ``method`` and ``notes`` are complete when its stems are."""

    method: dict[str, Any]
    notes: list[str]

    def blocks(self) -> Iterator[dict[str, FloatArray]]:
        """Yield blocks of stems with the rate, the channels and, in total, the length of the file."""


class StemSeparator(LoadedModel, Protocol):
    """A model with the interface ``separator``; ``stems`` names the sources that it separates."""

    stems: tuple[str, ...]

    def separate(self, audio: "Audio", settings: "SeparationSettings") -> StemRun:
        """Begin the separation of a track, at its own sample rate."""
