"""Models that describe music. Each backend of the task ``texts`` is a :class:`Captioner`.

``selection.choose`` returns the one that the settings name; ``retry.describe`` asks it until an answer is usable.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mirkit.errors import ModelError

if TYPE_CHECKING:
    from mirkit.features.types import FloatArray


class CaptionerUnavailable(ModelError):  # noqa: N818 (a state, which callers catch by name)
    """No track can be described: the server cannot be reached, rejects the key, or does not accept audio."""


@dataclass(frozen=True)
class Prompt:
    """One request to a model.

    Attributes
    ----------
    prompt : str
    tokens : int
        Largest number of tokens in the answer.
    characters : (int, int)
        Smallest and largest number of characters of the text, for backends that can enforce a grammar.
    temperature : float
        Sampling temperature; 0 always takes the most likely token.
    seed : int
    fields : tuple of str
        Names of the texts if the answer is to be a JSON object; empty for plain text.
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
        ``stop``, or ``length`` if the answer was cut off.
    prompt_tokens : int
        Tokens of audio and prompt together; 0 if the backend does not report them.
    cached_tokens : int or None
        How many of these were in the prompt cache; None if the backend does not report it.
    completion_tokens : int
        Tokens of the text; 0 if the backend does not report them.
    """

    text: str
    finish: str = "stop"
    prompt_tokens: int = 0
    cached_tokens: int | None = None
    completion_tokens: int = 0


class CaptionSession(Protocol):
    """A model with the audio of one track."""

    def generate(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Answer]]:
        """Yield each answer, with the index of its prompt, as soon as it is complete.

        Raises
        ------
        ModelError
            There is no answer for this track; ``CaptionerUnavailable`` if there is none for any track.
        """


@dataclass(frozen=True)
class Requirements:
    """The longest input of a run, which a model must be able to process.

    Attributes
    ----------
    seconds : float
        Longest audio (s).
    context : int
        Tokens of the longest prompt, including its audio and its answer.
    """

    seconds: float = 0.0
    context: int = 0


class Captioner(Protocol):
    """A model that describes music. Its attributes are known before it is loaded.

    Attributes
    ----------
    backend : str
        Name of the backend.
    model : str
        Name of the model in the provenance.
    sha256 : str or None
        SHA-256 of its weights.
    license : str
    size : int
        Bytes of its weights, from which the time of a run is estimated; 0 if not known.
    on_gpu : bool or None
        Whether it computes on a GPU; None if that is not known.
    parallel : int
        Number of tracks that it processes at a time.
    batched : bool
        Whether it answers all questions about a track as one batch.
    whole_windows : bool
        Whether it encodes the silence that fills the last window.
    max_seconds : float
        Longest audio that it can process (s).
    address : str
        Scheme, host and port of the server that receives the audio; "" if mirkit itself runs the model.
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
        """Return a context manager that loads the model and unloads it at its end.

        Returns
        -------
        context manager
            Yields messages for the user about how the model runs.

        Raises
        ------
        WeightsError, CaptionerUnavailable
            It cannot be loaded.
        """

    def session(self, samples: "FloatArray", slot: int) -> CaptionSession:
        """Open a session with the audio of a track.

        Parameters
        ----------
        samples : float32 array, shape=(n,)
            Mono, at 16 kHz.
        slot : int
            0 to ``parallel - 1``. A slot processes one track at a time.
        """
