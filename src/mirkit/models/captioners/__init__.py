"""Models that listen and write. Each backend of the job ``texts`` keeps the same promise: a :class:`Captioner`.

``choice.choose`` finds the one that the settings name, ``ladder.describe`` asks it until an answer is usable.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from mirkit.errors import ModelError
from mirkit.features.types import FloatArray


class CaptionerUnavailable(ModelError):  # noqa: N818 (reads as what it says)
    """No track can be described: the server is gone, refuses the key, or cannot hear."""


@dataclass(frozen=True)
class Prompt:
    """One question.

    Attributes
    ----------
    prompt : str
    tokens : int
        Most that may be written.
    letters : (int, int)
        Least and most signs of the text, for backends that can hold a model to it.
    temperature : float
        0 takes the likeliest token each time.
    seed : int
    fields : tuple of str
        Names of the texts that a JSON object is to hold; empty for plain text.
    """

    prompt: str
    tokens: int
    letters: tuple[int, int]
    temperature: float
    seed: int
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes
    ----------
    text : str
    finish : str
        ``stop``, or ``length`` where it was cut off.
    heard : int
        Tokens of sound and prompt together, 0 where the backend does not tell.
    cached : int or None
        How many of those were known from the question before; None where the backend does not tell.
    written : int
        Tokens of the text, 0 where the backend does not tell.
    """

    text: str
    finish: str = "stop"
    heard: int = 0
    cached: int | None = None
    written: int = 0


class CaptionSession(Protocol):
    """One track being listened to."""

    def ask(self, asks: Sequence[Prompt]) -> Iterator[tuple[int, Answer]]:
        """Ask, and yield each answer with the index of its question as soon as it is there.

        Raises
        ------
        ModelError
            There is no answer: for this track or, ``CaptionerUnavailable``, for any.
        """


@dataclass(frozen=True)
class Requirements:
    """What a backend must hold: the longest sound (s), the tokens of the longest question about it."""

    seconds: float
    context: int


class Captioner(Protocol):
    """A model that describes music, known before it is loaded.

    Attributes
    ----------
    backend : str
        Name in the catalog.
    model : str
        What the provenance calls it.
    sha256 : str or None
        Of its weights.
    license : str
    size : int
        Bytes of its weights, 0 where not known: what the time of a run is guessed by.
    card : bool or None
        Whether it computes on a graphics card; None where that is not known.
    parallel : int
        Tracks that it takes at a time.
    batched : bool
        Whether it answers the questions about a track together.
    whole_windows : bool
        Whether it hears the silence that fills the last window.
    most_seconds : float
        Of sound that it can take.
    address : str
        Scheme, host and port of the server that sound is sent to; "" where it stays in programs of our own.
    """

    backend: str
    model: str
    sha256: str | None
    license: str
    size: int
    card: bool | None
    parallel: int
    batched: bool
    whole_windows: bool
    most_seconds: float
    address: str

    def started(self, need: Requirements) -> AbstractContextManager[list[str]]:
        """Load it, for as long as the context lasts; gives what a user should know of how it runs."""

    def hear(self, samples: FloatArray, slot: int) -> CaptionSession:
        """Listen to a track: mono at 16 kHz, shape=(n,). ``slot`` is below ``parallel``, one track at a time each."""
