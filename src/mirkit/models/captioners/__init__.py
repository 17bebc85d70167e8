"""Models that describe music. Each backend of the task ``texts`` is a :class:`Captioner`.

``selection.choose`` finds the one that the settings name, ``retry.describe`` asks it until an answer is usable.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from mirkit.errors import ModelError
from mirkit.features.types import FloatArray


class CaptionerUnavailable(ModelError):  # noqa: N818 (a state, which callers catch by name)
    """No track can be described: the server is gone, refuses the key, or takes no audio."""


@dataclass(frozen=True)
class Prompt:
    """One request to a model.

    Attributes
    ----------
    prompt : str
    tokens : int
        Most tokens that may be written.
    characters : (int, int)
        Least and most characters of the text, for backends that can hold a model to a grammar.
    temperature : float
        0 takes the likeliest token each time.
    seed : int
    fields : tuple of str
        Names of the texts that a JSON object is to hold; empty for plain text.
    """

    prompt: str
    tokens: int
    characters: tuple[int, int]
    temperature: float
    seed: int
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """The answer to a prompt.

    Attributes
    ----------
    text : str
    finish : str
        ``stop``, or ``length`` where it was cut off.
    prompt_tokens : int
        Tokens of audio and prompt together, 0 where the backend does not report them.
    cached_tokens : int or None
        How many of those were known from the prompt before; None where the backend does not report it.
    completion_tokens : int
        Tokens of the text, 0 where the backend does not report them.
    """

    text: str
    finish: str = "stop"
    prompt_tokens: int = 0
    cached_tokens: int | None = None
    completion_tokens: int = 0


class CaptionSession(Protocol):
    """A model with the audio of one track."""

    def generate(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Answer]]:
        """Yield each answer, with the index of its prompt, as soon as it is there.

        Raises
        ------
        ModelError
            There is no answer: for this track or, ``CaptionerUnavailable``, for any.
        """


@dataclass(frozen=True)
class Requirements:
    """What a backend must be able to take.

    Attributes
    ----------
    seconds : float
        Longest audio (s).
    context : int
        Tokens of the longest prompt, its audio and its answer included.
    """

    seconds: float
    context: int


class Captioner(Protocol):
    """A model that describes music. Its attributes are known before it is loaded.

    Attributes
    ----------
    backend : str
        Name in the catalog.
    model : str
        Name in the provenance.
    sha256 : str or None
        Of its weights.
    license : str
    size : int
        Bytes of its weights, 0 where not known; the time of a run is estimated from it.
    on_gpu : bool or None
        Whether it computes on a graphics card; None where that is not known.
    parallel : int
        Tracks that it takes at a time.
    batched : bool
        Whether it answers the questions about a track together.
    whole_windows : bool
        Whether it encodes the silence that fills the last window.
    max_seconds : float
        Most audio that it can take (s).
    address : str
        Scheme, host and port of the server that audio is sent to; "" where it stays in programs of mirkit's own.
    """

    backend: str
    model: str
    sha256: str | None
    license: str
    size: int
    on_gpu: bool | None
    parallel: int
    batched: bool
    whole_windows: bool
    max_seconds: float
    address: str

    def loaded(self, need: Requirements) -> AbstractContextManager[list[str]]:
        """Load the model for as long as the context lasts.

        Returns
        -------
        context manager
            Gives lines that a user should read about how the model runs.

        Raises
        ------
        WeightsError, CaptionerUnavailable
            It cannot be loaded.
        """

    def session(self, samples: FloatArray, slot: int) -> CaptionSession:
        """Give the model a track.

        Parameters
        ----------
        samples : float32 array, shape=(n,)
            Mono, at 16 kHz.
        slot : int
            From 0 to ``parallel - 1``; each slot has one track at a time.
        """
